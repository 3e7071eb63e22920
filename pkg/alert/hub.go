package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// maxFindings is how many findings one call imports. Source: AWS Security Hub API reference, BatchImportFindings.
const maxFindings = 100

// Hub is AWS Security Hub of one account and Region. It has the one call that it makes and no client: the linker keeps every call of a client that is
// used as an interface, and Security Hub's have the types of hundreds of resources.
type Hub struct {
	batchImport func(context.Context, *securityhub.BatchImportFindingsInput, ...func(*securityhub.Options)) (*securityhub.BatchImportFindingsOutput, error)
}

// NewHub is the hub of a configuration's account and Region: findings are imported by the account that they are of.
func NewHub(cfg aws.Config) *Hub { return &Hub{securityhub.NewFromConfig(cfg).BatchImportFindings} }

// imported is one finding to import, with what it tells of.
type imported struct {
	finding    types.AwsSecurityFinding
	transition *ledger.Transition
}

func (t *Teller) tellHub(ctx context.Context, d *delivery, channel ledger.Channel) error {
	d.exempted[channel] = true // it knows findings only
	var all []imported
	for _, x := range d.news[channel] {
		r := &x.Record
		owner := report.Secret{}
		if secret, _, operator := d.places.of(&r.Finding); secret != nil {
			owner = *secret
		} else if operator != nil {
			owner.Verdict = operator.Verdict
		}
		owner.Account, owner.Region = cmp.Or(owner.Account, d.outcome.Account), cmp.Or(owner.Region, d.outcome.Region)
		all = append(all, imported{report.SecurityFinding(r, hubState(x), owner, d.outcome.At), x})
	}
	return t.Hub.put(ctx, all, func(i *imported) {
		d.told.Findings++
		d.took(i.transition)
	})
}

// hubState is how a finding stands for the hub, which shows states and has no use for flapping.
func hubState(x *ledger.Transition) ledger.State {
	switch r := &x.Record; {
	case r.Resolved != nil || x.Kind == ledger.Resolved:
		return ledger.Gone
	case r.Finding.Exempt != "":
		return ledger.Exempt
	}
	return ledger.Standing
}

// hubEverything imports what stands in a sweep without a ledger.
func (t *Teller) hubEverything(ctx context.Context, c *composer, told *Told) error {
	var all []imported
	o := c.outcome
	for _, found := range o.Found() {
		if found.Finding.Exempt == "" {
			r := &ledger.FindingRecord{Finding: *found.Finding, FirstSeen: o.At, LastSeen: o.At}
			all = append(all, imported{finding: report.SecurityFinding(r, ledger.Standing, found.Secret, o.At)})
		}
	}
	return t.Hub.put(ctx, all, func(*imported) { told.Findings++ })
}

// put imports findings, and calls took for each that was imported.
func (h *Hub) put(ctx context.Context, all []imported, took func(*imported)) error {
	var failed []error
	for len(all) > 0 {
		n := min(len(all), maxFindings)
		batch := make([]types.AwsSecurityFinding, n)
		for i := range n {
			batch[i] = all[i].finding
			// What a customer may have changed is not sent again: FindingProviderFields has the provider's.
			batch[i].Severity, batch[i].Types = nil, nil
		}
		out, err := h.batchImport(ctx, &securityhub.BatchImportFindingsInput{Findings: batch})
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("importing findings into Security Hub: %w", err))...)
		}
		refused := map[string]bool{}
		for _, f := range out.FailedFindings {
			refused[aws.ToString(f.Id)] = true
			failed = append(failed, fmt.Errorf("importing finding %s into Security Hub: %s: %s", aws.ToString(f.Id), aws.ToString(f.ErrorCode), aws.ToString(f.ErrorMessage)))
		}
		for i := range n {
			if !refused[aws.ToString(batch[i].Id)] {
				took(&all[i])
			}
		}
		all = all[n:]
	}
	return errors.Join(failed...)
}
