package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The policies of compared: one with a statement that comes nearest among many, and one that grants too much.
const (
	nearest = `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}`
	wide    = `{"Sid":"Wide","Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}`
)

// compared is an outcome whose findings name statements of policies that the account holds.
func compared() Outcome {
	missing := judged("near", drift.Broken, in(-72*time.Hour), "the next rotation fails", denied("f-near", "near", "secretsmanager:GetSecretValue"))
	missing.Secrets[0].Findings[0].Statement = &policy.StatementRef{Document: "inline policy rotate", Index: 3}
	hold(&missing, "rotate", filler(0), filler(1), filler(2), nearest, filler(4), filler(5), filler(6))

	none := judged("none", drift.Broken, in(time.Hour), "the next rotation fails", denied("f-none", "none", "secretsmanager:GetSecretValue"))
	none.Secrets[0].Findings[0].Statement = nil

	excess := judged("wide", drift.Drifted, in(2*time.Hour), "the role may call more", &drift.Finding{
		ID: "f-wide", Rule: drift.RuleAllSecrets, Kind: drift.KindRole, Direction: policy.Excess, Severity: drift.Critical, Subject: roleARN("rotate-wide"),
		Statement:   &policy.StatementRef{Document: "inline policy rotate", Sid: "Wide"},
		Witness:     &drift.Witness{Action: "secretsmanager:GetSecretValue", Resource: string(secretARN("other"))},
		Explanation: "The role may read every secret",
		Fix:         &drift.Fix{By: drift.ByEnforce, Summary: "Remove the statement: rotation needs nothing of it", Command: "aws iam delete-role-policy"},
	})
	hold(&excess, "rotate", wide)

	deny := judged("deny", drift.Broken, in(3*time.Hour), "the next rotation fails", &drift.Finding{
		ID: "f-deny", Rule: drift.RuleExplicitDeny, Kind: drift.KindSecretPolicy, Direction: policy.Missing, Severity: drift.Critical, Subject: secretARN("deny"),
		Statement:   &policy.StatementRef{Document: "secret policy"},
		Witness:     &drift.Witness{Action: "secretsmanager:GetSecretValue", Resource: string(secretARN("deny"))},
		Explanation: "A Deny matches",
		Fix: &drift.Fix{
			By: drift.ByPerson, BlockedBy: "a Deny", Summary: "Replace the statement", Where: "secret policy",
			Statement: `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/rotate-deny"}}}`,
		},
	})
	setPolicy(&deny.Secrets[0].Secret.Policy, "secret policy", `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`)

	return outcomeOf(repair.ModeReport, missing, none, excess, deny)
}

func filler(i int) string {
	return fmt.Sprintf(`{"Sid":"Other%d","Effect":"Allow","Action":"logs:PutLogEvents","Resource":"*"}`, i)
}

func hold(j *drift.Judgement, name string, statements ...string) {
	j.Setup.Role.Identity = append(j.Setup.Role.Identity, rotation.Policy{Source: rotation.PolicyInline, Name: name})
	setPolicy(&j.Setup.Role.Identity[len(j.Setup.Role.Identity)-1], "inline policy "+name, statements...)
}

func setPolicy(p *rotation.Policy, label string, statements ...string) {
	p.Text = `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	p.Document = &policy.Document{Name: label, Statements: make([]policy.Statement, len(statements))}
}

// compareOf is the first comparison on the page of a secret, nil where there is none.
func compareOf(t *testing.T, o *Outcome, name string) *pageCompare {
	t.Helper()
	p := newPage(o)
	for i := range o.Secrets {
		if s := &o.Secrets[i]; s.Name == name {
			for _, g := range p.secret(s).Groups {
				return g.Compare
			}
			return nil
		}
	}
	t.Fatalf("no secret %s", name)
	return nil
}

// compareText writes a comparison short: marked statements by what they have to do with it, marked lines in brackets.
func compareText(c *pageCompare) string {
	if c == nil {
		return "nothing"
	}
	var out strings.Builder
	lines := func(lines []pageLine) {
		for _, l := range lines {
			if l.Differs {
				fmt.Fprintf(&out, "[%s]", strings.TrimSuffix(l.Text, ","))
			}
		}
	}
	for _, d := range c.Stands {
		fmt.Fprintf(&out, "%s:", d.Name)
		for _, s := range d.Statements {
			if s.Gap > 0 {
				fmt.Fprintf(&out, " …%d", s.Gap)
			}
			fmt.Fprintf(&out, " %d", s.Number)
			if s.Does != "" {
				fmt.Fprintf(&out, " %s ", s.Does)
			}
			lines(s.Lines)
		}
		if d.After > 0 {
			fmt.Fprintf(&out, " …%d", d.After)
		}
	}
	out.WriteString(c.None + " => ")
	for _, b := range c.Becomes {
		lines(b)
	}
	return out.String() + c.Instead
}

func TestCompareMarksTheStatementThatDiffers(t *testing.T) {
	o := compared()
	for name, want := range map[string]string{
		"near": `inline policy rotate: …2 3 4 comes nearest ["Resource": "*"]["Condition": {]["StringEquals": {]["aws:SourceAccount": "111122223333"] 5 …2 => ["Resource": "` + string(secretARN("near")) + `"]`,
		"none": `No statement comes near: nothing allows it. => `,
		"wide": `inline policy rotate: 1 grants it  => Remove the statement: rotation needs nothing of it`,
		"deny": `secret policy: 1 denies it  => ["Condition": {]["ArnNotEquals": {]["aws:PrincipalArn": "arn:aws:iam::111122223333:role/rotate-deny"]`,
	} {
		t.Run(name, func(t *testing.T) {
			if got := compareText(compareOf(t, &o, name)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	golden(t, "compared.html", []byte(bodyOf(htmlOf(t, &o))))
	checkPage(t, htmlOf(t, &o))
}

func TestCompareIsLeftOutWhereTheDocumentIsNotAtHand(t *testing.T) {
	missing := judged("near", drift.Broken, nil, "the next rotation fails", denied("f-near", "near", "secretsmanager:GetSecretValue"))
	for name, prepare := range map[string]func(){
		"no document":       func() {},
		"another document":  func() { hold(&missing, "other", filler(0), nearest) },
		"a statement fewer": func() { hold(&missing, "rotate", nearest) },
		"no JSON": func() {
			hold(&missing, "rotate", nearest, nearest)
			missing.Setup.Role.Identity[0].Text = "{"
		},
	} {
		t.Run(name, func(t *testing.T) {
			missing.Setup.Role.Identity = nil
			prepare()
			o := outcomeOf(repair.ModeReport, missing)
			if got := compareOf(t, &o, "near"); got != nil {
				t.Errorf("compared: %s", compareText(got))
			}
		})
	}
}

func TestLongStatementsAreCutAndSaidSo(t *testing.T) {
	resources := make([]string, 500)
	for i := range resources {
		resources[i] = string(secretARN(fmt.Sprint("s", i)))
	}
	list, err := json.Marshal(resources)
	if err != nil {
		t.Fatal(err)
	}
	d := statements("inline policy rotate", `{"Statement":{"Effect":"Allow","Action":"*","Resource":`+string(list)+`}}`, map[int]string{0: "grants it"})
	if len(d.Statements) != 1 || len(d.Statements[0].Lines) != statementLines+1 {
		t.Fatalf("%d statements, want one of %d lines", len(d.Statements), statementLines+1)
	}
	if got, want := d.Statements[0].Lines[statementLines].Text, "… 446 more lines"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
}

// Whoever writes a policy may put anything into it.
func TestHostilePoliciesAreInert(t *testing.T) {
	for i, text := range hostileTexts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			raw, err := json.Marshal(map[string]any{"Sid": text, "Effect": "Allow", "Action": text, "Resource": []string{text, text}, text: map[string]string{text: text}})
			if err != nil {
				t.Fatal(err)
			}
			o := compared()
			for i := range o.Secrets {
				for d := range o.Secrets[i].documents {
					// As AWS may return it, and with the text itself in a string.
					for _, document := range []string{`{"Statement":[` + string(raw) + `,` + string(raw) + `]}`, `{"Statement":{"Sid":"` + text + `"}}`, text} {
						o.Secrets[i].documents[d] = document
						checkPage(t, htmlOf(t, &o))
					}
				}
			}
		})
	}
}

func TestJoinedActionsKeepTheOrderOfAStatement(t *testing.T) {
	got := joinActions(`{"Resource":"*","Version":1,"Action":"a:B","Effect":"Allow","Sid":"S","Condition":{"Bool":{"k":"true"}}}`, []string{"a:B", "a:C"})
	if want := `{"Sid":"S","Effect":"Allow","Action":["a:B","a:C"],"Resource":"*","Condition":{"Bool":{"k":"true"}},"Version":1}`; got != want {
		t.Errorf("joinActions = %s\nwant %s", got, want)
	}
}
