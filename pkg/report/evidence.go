package report

import (
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// need is one request that the rotation of a secret makes.
type need struct {
	target rotation.Target
	action string // without its service
}

// needsOf are the requests of a secret's rotation. There are none for a secret that is not checked.
func needsOf(judgement *drift.Judgement, j *drift.SecretJudgement) []need {
	if j.Verdict == drift.Skipped {
		return nil
	}
	var all []need
	for i := range judgement.Contract.Required {
		r := &judgement.Contract.Required[i]
		if r.Secret == "" || r.Secret == j.Secret.ARN {
			all = append(all, need{r.Target, actionOf(r.Request.Action)})
		}
	}
	return all
}

// document names a policy as a finding does: by its label and what it belongs to.
type document struct {
	subject rotation.ARN
	label   string
}

// documentsOf are the policies that the findings of a secret name a statement of, nil where there are none.
func documentsOf(setup *rotation.Setup, j *drift.SecretJudgement) map[document]string {
	var all map[document]string
	for _, f := range j.Findings {
		if f.Statement == nil || f.Severity == drift.Info {
			continue
		}
		text := documentText(setup, &j.Secret, f)
		if text == "" {
			continue
		}
		if all == nil {
			all = map[document]string{}
		}
		all[document{f.Subject, f.Statement.Document}] = text
	}
	return all
}

// documentText is the policy that a finding's statement stands in. A secret's and a key's policy are labelled alike for all secrets and
// keys: what the finding is about tells them apart.
func documentText(setup *rotation.Setup, secret *rotation.Secret, f *drift.Finding) string {
	is := func(p *rotation.Policy) bool {
		return p.Document != nil && p.Document.Name == f.Statement.Document && f.Statement.Index < len(p.Document.Statements)
	}
	switch {
	case secret.ARN == f.Subject && is(&secret.Policy):
		return secret.Policy.Text
	case is(&setup.Role.Trust):
		return setup.Role.Trust.Text
	case is(&setup.Function.Policy):
		return setup.Function.Policy.Text
	case setup.Role.Boundary != nil && is(setup.Role.Boundary):
		return setup.Role.Boundary.Text
	}
	for i := range setup.Role.Identity {
		if p := &setup.Role.Identity[i]; is(p) {
			return p.Text
		}
	}
	for i := range setup.Function.OtherPolicies {
		if p := &setup.Function.OtherPolicies[i]; is(p) {
			return p.Text
		}
	}
	for i := range setup.Secrets {
		if s := &setup.Secrets[i]; s.ARN == f.Subject && is(&s.Policy) {
			return s.Policy.Text
		}
	}
	for _, m := range setup.Masters {
		if m.ARN == f.Subject && is(&m.Policy) {
			return m.Policy.Text
		}
	}
	for _, k := range setup.Keys {
		if k.ARN == f.Subject && is(&k.Policy) {
			return k.Policy.Text
		}
	}
	return ""
}
