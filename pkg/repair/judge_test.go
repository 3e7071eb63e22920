package repair_test

import (
	"fmt"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func judge(g rotation.Group) []drift.Judgement {
	var out []drift.Judgement
	for i := range g.Setups {
		s := g.Setups[i]
		c := rotation.NewContract(s, g.Listed)
		d := rotation.NewDecider(&s)
		j := drift.Judgement{Setup: s, Contract: c}
		var all []*drift.Finding
		denied := map[rotation.ARN]bool{}
		for k := range c.Required {
			r := &c.Required[k]
			if a := d.Decide(r); a.Denied() {
				all = append(all, &drift.Finding{
					ID: fmt.Sprintf("missing-%s-%s-%s", r.Secret, r.Subject, r.Request.Action), Direction: policy.Missing, Severity: drift.Critical,
					Subject: r.Subject, Secret: r.Secret, Request: &r.Request, Explanation: r.Name,
				})
				denied[r.Secret] = true
			}
		}
		if doc := s.Function.Policy.Document; doc != nil {
			for n, st := range doc.Statements {
				if st.Effect == policy.Allow && len(st.Principals) == 1 && st.Principals[0].ID == "*" {
					all = append(all, &drift.Finding{
						ID: fmt.Sprintf("public-%s-%d", s.Function.ARN, n), Direction: policy.Excess, Severity: drift.Critical, Subject: s.Function.ARN,
						Statement: &policy.StatementRef{Document: "function policy", Index: n, Sid: st.Sid},
					})
				}
			}
		}
		for _, secret := range s.Secrets {
			sj := drift.SecretJudgement{Secret: secret, Verdict: drift.InSync}
			switch {
			case !secret.Checked() || secret.Excluded != "":
				sj.Verdict = drift.Skipped
			case denied[""] || denied[secret.ARN]:
				sj.Verdict = drift.Broken
			case len(all) > 0:
				sj.Verdict = drift.Drifted
			}
			for _, f := range all {
				if sj.Verdict != drift.Skipped && (f.Secret == "" || f.Secret == secret.ARN) {
					sj.Findings = append(sj.Findings, f)
				}
			}
			j.Secrets = append(j.Secrets, sj)
		}
		out = append(out, j)
	}
	return out
}
