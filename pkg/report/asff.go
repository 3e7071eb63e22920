package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The longest texts that the AWS Security Finding Format takes. Source: AWS Security Hub User Guide, "Required top-level ASFF attributes" and
// "Optional top-level ASFF attributes": Title 256, Description 1024, Remediation.Recommendation.Text 512, ProductFields 50 entries of 128 and 2,048
// characters; AWS Security Hub API reference, BatchImportFindings: 240 KB a finding.
const (
	asffVersion     = "2018-10-08"
	asffTitle       = 256
	asffDescription = 1024
	asffFix         = 512
	asffField       = 2048
	asffResources   = 32
)

// SecurityFinding is a finding in the AWS Security Finding Format. Record state and compliance status follow the finding's; the workflow is the
// customer's and is never in it. state is how the finding stands, at when that was seen.
func SecurityFinding(r *ledger.FindingRecord, state ledger.State, owner Secret, at time.Time) types.AwsSecurityFinding {
	f := &r.Finding
	account, region := owner.Account, owner.Region
	severity := asffSeverity(f.Severity)
	kinds := []string{"Software and Configuration Checks/AWS Security Best Practices"}
	s := types.AwsSecurityFinding{
		SchemaVersion: aws.String(asffVersion), Id: &f.ID, ProductArn: aws.String("arn:" + partitionOf(f, region) + ":securityhub:" + region + ":" + account + ":product/" + account + "/default"),
		ProductName: aws.String("rotationguard"), GeneratorId: aws.String("rotationguard/" + f.Rule), AwsAccountId: &account, Region: &region,
		CreatedAt: aws.String(rfc3339(r.FirstSeen)), FirstObservedAt: aws.String(rfc3339(r.FirstSeen)), LastObservedAt: aws.String(rfc3339(r.LastSeen)), UpdatedAt: aws.String(rfc3339(at)),
		Title: aws.String(cut(asffHeadline(f), asffTitle)), Description: aws.String(cut(inert(f.Explanation), asffDescription)),
		// A provider gives severity and types here, so that a customer's own are never overwritten (API reference, BatchImportFindings).
		FindingProviderFields: &types.FindingProviderFields{Severity: &types.FindingProviderSeverity{Label: severity, Original: aws.String(string(f.Severity))}, Types: kinds},
		Severity:              &types.Severity{Label: severity, Original: aws.String(string(f.Severity))}, Types: kinds,
		RecordState: types.RecordStateActive, Compliance: &types.Compliance{Status: types.ComplianceStatusFailed},
		ProductFields: asffFields(f, &owner, r), Resources: asffResourcesOf(f, &owner, region),
	}
	switch state {
	case ledger.Gone:
		s.RecordState, s.Compliance.Status = types.RecordStateArchived, types.ComplianceStatusPassed
	case ledger.Exempt:
		s.RecordState = types.RecordStateArchived
	case ledger.Standing, ledger.Flapping:
	}
	if unjudged(f) && s.RecordState == types.RecordStateActive {
		s.Compliance.Status = types.ComplianceStatusWarning // "some information is missing"
	}
	if f.Fix != nil {
		text := f.Fix.Summary
		if f.Fix.Where != "" {
			text += " (" + f.Fix.Where + ")"
		}
		s.Remediation = &types.Remediation{Recommendation: &types.Recommendation{Text: aws.String(cut(inert(text), asffFix))}}
	}
	return s
}

// RuleUnread is the rule of the finding that something cannot be judged: the ledger has it, so that it is told once, and told when it is over.
const RuleUnread = "unread"

// unjudged says whether a finding is that something could not be judged: no right is known to be missing.
func unjudged(f *drift.Finding) bool { return f.Rule == RuleUnread || f.Rule == RuleUnswept }

func asffSeverity(s drift.Severity) types.SeverityLabel {
	switch s {
	case drift.Critical:
		return types.SeverityLabelCritical
	case drift.High:
		return types.SeverityLabelHigh
	case drift.Medium:
		return types.SeverityLabelMedium
	case drift.Low:
		return types.SeverityLabelLow
	case drift.Info:
	}
	return types.SeverityLabelInformational
}

// asffHeadline says in a few words what is wrong with what.
func asffHeadline(f *drift.Finding) string {
	what := "Secrets Manager rotation: " + string(f.Direction) + " right"
	if unjudged(f) {
		what = "Secrets Manager rotation: cannot be judged"
	}
	return inert(what + ": " + f.Rule + " on " + shortARN(cmp.Or(f.Secret, f.Subject)))
}

// shortARN is what people call the thing: the name after the type.
func shortARN(arn rotation.ARN) string {
	if r := arn.Parts().Resource; r != "" {
		return r
	}
	return string(arn)
}

// partitionOf is the partition of what a finding is about; one that names nothing is about a target, whose Region tells. Source: IAM User Guide,
// "Amazon Resource Names (ARNs)".
func partitionOf(f *drift.Finding, region string) string {
	for _, arn := range []rotation.ARN{f.Secret, f.Function, f.Subject} {
		if p := arn.Parts().Partition; p != "" {
			return p
		}
	}
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func asffFields(f *drift.Finding, owner *Secret, r *ledger.FindingRecord) map[string]string {
	fields := map[string]string{}
	for name, value := range map[string]string{
		"Rule": f.Rule, "Kind": string(f.Kind), "Direction": string(f.Direction), "Verdict": string(owner.Verdict), "Exempt": f.Exempt, "ResolvedBy": r.ResolvedBy,
		"Secret": string(cmp.Or(f.Secret, owner.ARN)), "Function": string(cmp.Or(f.Function, owner.FunctionARN)),
	} {
		if value = inert(value); value != "" {
			fields["rotationguard/"+name] = cut(value, asffField)
		}
	}
	if owner.NextRotation != nil {
		fields["rotationguard/NextRotation"] = rfc3339(*owner.NextRotation)
	}
	if w := f.Witness; w != nil {
		fields["rotationguard/Witness"] = cut(inert(requestText(w, nil)), asffField)
	}
	return fields
}

// asffResourcesOf are the things that a finding is about. There is always one.
func asffResourcesOf(f *drift.Finding, owner *Secret, region string) []types.Resource {
	var all []types.Resource
	things := []rotation.ARN{f.Subject, f.Secret, f.Function, owner.ARN}
	if f.Kind == KindTarget {
		things = nil // its account
	}
	for _, arn := range things {
		id := cut(inert(string(arn)), asffField)
		if id == "" || slices.ContainsFunc(all, func(r types.Resource) bool { return *r.Id == id }) {
			continue
		}
		r := types.Resource{Id: &id, Type: aws.String(asffType(arn)), Partition: types.Partition(partitionOf(f, region)), Region: aws.String(region)}
		if arn == owner.ARN && len(owner.Tags) > 0 {
			r.Tags = asffTags(owner.Tags)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		all = append(all, types.Resource{Id: aws.String("AWS::::Account:" + owner.Account), Type: aws.String("AwsAccount")})
	}
	return all[:min(len(all), asffResources)]
}

// asffTags are a secret's tags as they fit: 50 of 128 and 256 characters. Source: Security Hub User Guide, "Resources", Tags.
func asffTags(tags map[string]string) map[string]string {
	fit := map[string]string{}
	for _, key := range sortedKeys(tags) {
		if name := cut(inert(key), 128); name != "" && len(fit) < 50 {
			fit[name] = cut(inert(tags[key]), 256)
		}
	}
	return fit
}

// asffType is the resource's type. Source: Security Hub User Guide, "Resources ASFF object".
func asffType(arn rotation.ARN) string {
	switch p := arn.Parts(); p.Service {
	case "secretsmanager":
		return "AwsSecretsManagerSecret"
	case "lambda":
		return "AwsLambdaFunction"
	case "kms":
		return "AwsKmsKey"
	case "iam":
		switch kind, _, _ := cutResource(p.Resource); kind {
		case "role":
			return "AwsIamRole"
		case "user":
			return "AwsIamUser"
		case "group":
			return "AwsIamGroup"
		case "policy":
			return "AwsIamPolicy"
		}
	}
	return "Other"
}

func cutResource(resource string) (kind, name string, ok bool) {
	for i, r := range resource {
		if r == '/' || r == ':' {
			return resource[:i], resource[i+1:], true
		}
	}
	return resource, "", false
}

// cut ends a text that is too long with three dots. The format counts characters.
func cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-3]) + "..."
}

// Found is one finding of an outcome with the secret that it is told of.
type Found struct {
	Finding *drift.Finding
	Secret  Secret // of a principal it has account, Region, verdict and reason only
}

// Found are all findings of an outcome, remarks left out, each once, by their id. A secret that cannot be judged is one too, and so is a fleet's target that was not swept as a
// whole.
func (o *Outcome) Found() []Found {
	var all []Found
	seen := map[string]bool{}
	add := func(f *drift.Finding, s *Secret) {
		if seen[f.ID] || f.Severity == drift.Info {
			return
		}
		seen[f.ID] = true
		owner := *s
		owner.Account, owner.Region = cmp.Or(s.Account, o.Account), cmp.Or(s.Region, o.Region)
		if s.Verdict == drift.Exempt && f.Exempt == "" {
			covered := *f
			covered.Exempt = s.Reason
			f = &covered
		}
		all = append(all, Found{f, owner})
	}
	// A finding of several secrets is exempt only where all of them are.
	for _, exempt := range []bool{false, true} {
		for i := range o.Secrets {
			s := &o.Secrets[i]
			for _, f := range s.Findings {
				if exempt == (s.Verdict == drift.Exempt || f.Exempt != "") {
					add(f, s)
				}
			}
			if s.Verdict == drift.Unknown && !exempt {
				add(NewUnread(cmp.Or(s.Account, o.Account), drift.KindSecret, s.ARN, s.FunctionARN, s.Reason), s)
			}
		}
	}
	for i := range o.Operators {
		p := &o.Operators[i]
		s := &Secret{Verdict: p.Verdict, Reason: p.Reason, Account: p.Principal.Parts().Account}
		for _, f := range p.Findings {
			add(f, s)
		}
		if p.Verdict == drift.Unknown {
			add(NewUnread(o.Account, drift.KindOperator, p.Principal, "", p.Reason), s)
		}
	}
	for i := range o.Targets {
		if t := &o.Targets[i]; t.Status != TargetSwept {
			// An account whose Regions could not even be listed is in none; the API that lists them is in this one.
			add(NewUnswept(t), &Secret{Verdict: drift.Unknown, Reason: t.Cause, Account: t.Account, Region: cmp.Or(t.Region, "us-east-1")})
		}
	}
	slices.SortStableFunc(all, func(a, b Found) int { return cmp.Compare(a.Finding.ID, b.Finding.ID) })
	return all
}

// WriteASFF writes the findings as they stand in the AWS Security Finding Format: a list, as BatchImportFindings takes it in hundreds.
func (o *Outcome) WriteASFF(w io.Writer) error {
	list := []any{}
	for _, found := range o.Found() {
		state := ledger.Standing
		if found.Finding.Exempt != "" {
			state = ledger.Exempt
		}
		text, err := json.Marshal(SecurityFinding(&ledger.FindingRecord{Finding: *found.Finding, FirstSeen: o.At, LastSeen: o.At}, state, found.Secret, o.At))
		if err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		var finding any
		if err := json.Unmarshal(text, &finding); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		list = append(list, given(finding))
	}
	return WriteValue(w, list)
}

// given is a value without the members that were not set.
func given(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		if list, ok := v.([]any); ok {
			for i := range list {
				list[i] = given(list[i])
			}
		}
		return v
	}
	for name, value := range m {
		switch value := given(value).(type) {
		case nil:
			delete(m, name)
		case string:
			if value == "" {
				delete(m, name)
			}
		default:
			m[name] = value
		}
	}
	return m
}
