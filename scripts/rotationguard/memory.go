package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// memoryFlags are what every command has that only asks or tells the ledger.
type memoryFlags struct {
	accountFlags
	configFlag
	ledgerFlag
	targetFlags
	where string // the ledger that was opened, for people
}

func (f *memoryFlags) register(cmd *cobra.Command) {
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.ledgerFlag.register(cmd)
	f.targetFlags.register(cmd)
}

// open finds the ledger: the file that is named, or the one of the account that the credentials are of. Then the caller is known too.
func (f *memoryFlags) open(cmd *cobra.Command, needCaller bool) (ledger.Ledger, identity, error) {
	var id identity
	if err := f.checkTarget(f.path(), ""); err != nil {
		return nil, id, err
	}
	if f.path() != "" && !needCaller {
		l, err := ledger.OpenFile(f.path())
		f.where = f.path()
		return l, id, err
	}
	c, err := f.configFlag.load(cmd.ErrOrStderr())
	if err != nil {
		return nil, id, err
	}
	cfg, id, err := f.accountFlags.caller(cmd.Context())
	if err != nil {
		return nil, id, err
	}
	there, err := f.remembered(cfg, id)
	if err != nil {
		return nil, id, err
	}
	l, err := there.ledger(cmd.Context(), &f.ledgerFlag, &c)
	if err != nil {
		return nil, id, err
	}
	f.where = placeOf(l, &c)
	return l, there.id, nil
}

// of is whose ledger was opened.
func (f *memoryFlags) of(id identity) string {
	return cmp.Or(f.target, id.account, "this file")
}

func (f *memoryFlags) path() string { return f.ledgerFlag.path }

func newFindingsCommand() *cobra.Command {
	f := &memoryFlags{}
	var out outputFlags
	var all, runs bool
	cmd := &cobra.Command{
		Use:   "findings",
		Short: "List what earlier sweeps found, since when it stands, and what runs wrote",
		Example: `  rotationguard findings
  rotationguard findings --all
  rotationguard findings --runs`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			l, _, err := f.open(cmd, false)
			if err != nil {
				return err
			}
			defer l.Close()
			if runs {
				return printRuns(cmd, &out, l)
			}
			return printFindings(cmd, &out, l, all)
		},
	}
	f.register(cmd)
	out.register(cmd, textOutput, jsonOutput)
	cmd.Flags().BoolVar(&all, "all", false, "also findings that are resolved")
	cmd.Flags().BoolVar(&runs, "runs", false, "list the runs that wrote instead")
	return cmd
}

func printFindings(cmd *cobra.Command, out *outputFlags, l ledger.Ledger, all bool) error {
	records, err := l.Findings(cmd.Context())
	if err != nil {
		return err
	}
	records = append([]ledger.FindingRecord{}, records...) // an empty list in JSON too, where there is none
	records = slices.DeleteFunc(records, func(r ledger.FindingRecord) bool { return r.Resolved != nil && !all })
	return out.print(cmd, func(w io.Writer) error {
		if out.form == jsonOutput {
			return report.WriteValue(w, records)
		}
		return report.WriteFindings(w, records, out.style(cmd.OutOrStdout()))
	})
}

func printRuns(cmd *cobra.Command, out *outputFlags, l ledger.Ledger) error {
	runs, err := l.Runs(cmd.Context(), 0)
	if err != nil {
		return err
	}
	runs = append([]ledger.Run{}, runs...)
	// Those that were begun and have not ended may have written.
	runs = slices.DeleteFunc(runs, func(r ledger.Run) bool { return r.Number > 0 && r.Journal == "" })
	return out.print(cmd, func(w io.Writer) error {
		if out.form == jsonOutput {
			return report.WriteValue(w, runs)
		}
		return report.WriteRuns(w, runs, out.style(cmd.OutOrStdout()))
	})
}

// findRecord finds one finding by its id, or by the beginning of it that no other has.
func findRecord(cmd *cobra.Command, l ledger.Ledger, id string) (ledger.FindingRecord, error) {
	records, err := l.Findings(cmd.Context())
	if err != nil {
		return ledger.FindingRecord{}, err
	}
	var found []ledger.FindingRecord
	for _, r := range records {
		if r.Finding.ID == id {
			return r, nil
		}
		if id != "" && strings.HasPrefix(r.Finding.ID, id) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return ledger.FindingRecord{}, &unknownFinding{id}
	}
	return ledger.FindingRecord{}, fmt.Errorf("%d findings begin with %q: give more of the id", len(found), id)
}

// unknownFinding names a finding that the ledger does not have.
type unknownFinding struct{ id string }

func (e *unknownFinding) Error() string {
	return fmt.Sprintf("the ledger has no finding %q: a sweep that is not of a snapshot puts them there; \"rotationguard findings --all\" lists them", e.id)
}

func newExemptCommand() *cobra.Command {
	cmd := parent("exempt", "Live with a finding for a while: add, list or remove exemptions in the ledger",
		newExemptAddCommand(), newExemptListCommand(), newExemptRemoveCommand())
	cmd.Long = `Findings that an exemption covers make no verdict worse and are not repaired until its last day is over. A new exemption is told to the
topic's subscribers with who added it, and stands in every report for a week.`
	return cmd
}

func newExemptAddCommand() *cobra.Command {
	f := &memoryFlags{}
	var e ledger.Exemption
	var until string
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Exempt a finding, or all findings of a secret, a function or a rule",
		Long: `Names exactly one of finding, secret, function and rule, and who answers for it, why, and until when. A critical finding is exempt for 30 days
at most, even if the exemption holds longer or the finding comes later.`,
		Example: `  rotationguard exempt add --finding 1b7b43413d5a39b0 --owner ana@example.com --reason "replaced in May" --expires 2027-05-31`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.addExemption(cmd, e, until) },
	}
	f.register(cmd)
	cmd.Flags().StringVar(&e.Finding, "finding", "", "the finding, by its id")
	cmd.Flags().StringVar(&e.Secret, "secret", "", "all findings of a secret, by its ARN or a glob of it")
	cmd.Flags().StringVar(&e.Function, "function", "", "all findings of a rotation function, by its ARN or a glob of it")
	cmd.Flags().StringVar(&e.Rule, "rule", "", "all findings of a rule, by its name")
	cmd.Flags().StringVar(&e.Owner, "owner", "", "who answers for it")
	cmd.Flags().StringVar(&e.Reason, "reason", "", "why it is safe to live with")
	cmd.Flags().StringVar(&until, "expires", "", "the last day on which it holds, such as 2027-01-31")
	return cmd
}

func newExemptListCommand() *cobra.Command {
	f := &memoryFlags{}
	cmd := &cobra.Command{
		Use: "list", Short: "List the exemptions, those that are over too", Example: "  rotationguard exempt list", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.listExemptions(cmd) },
	}
	f.register(cmd)
	return cmd
}

func newExemptRemoveCommand() *cobra.Command {
	f := &memoryFlags{}
	cmd := &cobra.Command{
		Use: "remove ID", Short: "Remove an exemption: its findings count again", Example: "  rotationguard exempt remove e-1b7b4341",
		Args: oneArg("ID, as \"rotationguard exempt list\" names it"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.removeExemption(cmd, args[0]) },
	}
	f.register(cmd)
	return cmd
}

func (f *memoryFlags) addExemption(cmd *cobra.Command, e ledger.Exemption, until string) error {
	if until != "" {
		day, err := time.Parse(time.DateOnly, until)
		if err != nil {
			return fmt.Errorf("--expires %q is not a day such as 2027-01-31", until)
		}
		e.Expires = day.AddDate(0, 0, 1)
	}
	now := time.Now().UTC()
	if err := e.Validate(now, ""); err != nil {
		return err
	}
	l, id, err := f.open(cmd, true)
	if err != nil {
		return err
	}
	defer l.Close()
	var worst drift.Severity
	if e.Finding != "" {
		record, err := findRecord(cmd, l, e.Finding)
		if err != nil {
			return err
		}
		e.Finding, worst = record.Finding.ID, record.Finding.Severity
	} else if worst, err = worstCovered(cmd, l, e); err != nil {
		return err
	}
	if err := e.Validate(now, worst); err != nil {
		return err
	}
	e.Added, e.AddedBy = now, id.caller
	e.ID = exemptionID(e)
	if err := l.PutExemption(cmd.Context(), e); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: exempt until %s\n", e.ID, e.Expires.Format(time.RFC3339))
	return err
}

// worstCovered is the worst severity of the standing findings that an exemption of a secret, function or rule covers.
func worstCovered(cmd *cobra.Command, l ledger.Ledger, e ledger.Exemption) (worst drift.Severity, err error) {
	records, err := l.Findings(cmd.Context())
	if err != nil {
		return "", err
	}
	covering := drift.Exemption{Secret: e.Secret, Function: e.Function, Rule: e.Rule}
	for i := range records {
		f := &records[i].Finding
		secret := rotation.Secret{ARN: f.Secret, FunctionARN: f.Function}
		secret.Name, _, _ = f.Secret.SecretName()
		if records[i].Resolved == nil && f.Severity == drift.Critical && covering.Covers(&secret, f) {
			return drift.Critical, nil
		}
	}
	return "", nil
}

// exemptionID is the same for the same thing: adding twice replaces.
func exemptionID(e ledger.Exemption) string {
	return "e-" + report.ShortHash(e.Finding, e.Secret, e.Function, e.Rule)
}

func (f *memoryFlags) listExemptions(cmd *cobra.Command) error {
	l, _, err := f.open(cmd, false)
	if err != nil {
		return err
	}
	defer l.Close()
	all, err := l.Exemptions(cmd.Context())
	if err != nil {
		return err
	}
	return report.WriteExemptions(cmd.OutOrStdout(), all, time.Now())
}

func (f *memoryFlags) removeExemption(cmd *cobra.Command, id string) error {
	l, _, err := f.open(cmd, false)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.DeleteExemption(cmd.Context(), id); err != nil {
		return fmt.Errorf("removing the exemption %s: %w", id, err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), id+": removed")
	return err
}
