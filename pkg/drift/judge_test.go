package drift_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/drift/setups"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// setup is one setup of the library by name.
func setup(t testing.TB, name string) *setups.Case {
	t.Helper()
	for _, c := range loadSetups(t) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no setup %s", name)
	return nil
}

// TestJudgeIsStable holds that neither the order of what was read nor a second look changes a finding or its id.
func TestJudgeIsStable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range loadSetups(t) {
		t.Run(c.Name, func(t *testing.T) {
			want := ids(drift.Judge(c.Group, c.Options))
			for i := range c.Group.Setups {
				s := &c.Group.Setups[i]
				s.Role.Identity = slices.Clone(s.Role.Identity)
				random.Shuffle(len(s.Role.Identity), func(i, j int) {
					s.Role.Identity[i], s.Role.Identity[j] = s.Role.Identity[j], s.Role.Identity[i]
				})
				s.Secrets = slices.Clone(s.Secrets)
				slices.Reverse(s.Secrets)
			}
			if diff := cmp.Diff(want, ids(drift.Judge(c.Group, c.Options))); diff != "" {
				t.Errorf("the findings depend on the order (-first +shuffled):\n%s", diff)
			}
		})
	}
}

// TestProofsChangeNoAnswer: what was compared in a run is judged the same in the next one, which compares less.
func TestProofsChangeNoAnswer(t *testing.T) {
	program, proven := []byte("this"), 0
	for _, c := range loadSetups(t) {
		want := drift.Judge(c.Group, c.Options)
		var stored []byte
		for again := range 2 {
			with := c.Options
			with.Proofs = drift.NewProofs(program, stored)
			if diff := cmp.Diff(ids(want), ids(drift.Judge(c.Group, with))); diff != "" {
				t.Errorf("%s: judged otherwise with proofs (-without +with):\n%s", c.Name, diff)
			}
			if kept := with.Proofs.Stored(); again > 0 && string(kept) != string(stored) {
				t.Errorf("%s: an unchanged setup keeps %d bytes of proofs of %d", c.Name, len(kept), len(stored))
			}
			stored = with.Proofs.Stored()
		}
		proven += len(stored)
	}
	if proven == 0 {
		t.Error("nothing was proven")
	}
}

// ids are the findings' ids by secret, sorted, with the secret's verdict.
func ids(judgements []drift.Judgement) map[string][]string {
	out := map[string][]string{}
	for _, j := range judgements {
		for _, s := range j.Secrets {
			list := []string{string(s.Verdict)}
			for _, f := range s.Findings {
				list = append(list, f.ID+" "+f.Rule+" "+string(f.Severity))
			}
			slices.Sort(list)
			out[string(s.Secret.ARN)] = list
		}
	}
	return out
}

func TestIDsAreDistinct(t *testing.T) {
	for _, c := range loadSetups(t) {
		seen := map[string]*drift.Finding{}
		for _, j := range drift.Judge(c.Group, c.Options) {
			for _, s := range j.Secrets {
				for _, f := range s.Findings {
					if other := seen[f.ID]; other != nil && other.Explanation != f.Explanation {
						t.Errorf("%s: %q and %q have one id", c.Name, other.Explanation, f.Explanation)
					}
					seen[f.ID] = f
				}
			}
		}
	}
}

// TestWitnessesHold evaluates every witness again, with nothing but what the report shows of it: what is missing is not allowed by the
// account, and what is excess is.
func TestWitnessesHold(t *testing.T) {
	for _, c := range loadSetups(t) {
		t.Run(c.Name, func(t *testing.T) {
			for _, j := range drift.Judge(c.Group, c.Options) {
				for _, s := range j.Secrets {
					for _, f := range s.Findings {
						if f.Request == nil || f.Rule == drift.RuleOrphan || f.Rule == drift.RuleFunctionState || f.Rule == drift.RuleKeyState {
							continue
						}
						shown := *f.Request
						shown.Context, shown.Tags, shown.Unknown = f.Witness.Context, nil, nil
						got := policy.Evaluate(accountSet(&j.Setup, f), &shown).Outcome
						if f.Direction == policy.Excess && got != policy.Allowed || f.Direction == policy.Missing && got == policy.Allowed {
							t.Errorf("%s: the account answers the witness %+v with %s", f.Explanation, f.Witness, got)
						}
					}
				}
			}
		})
	}
}

// accountSet are the policies that decide about a finding's witness.
func accountSet(s *rotation.Setup, f *drift.Finding) *policy.Set {
	set := &policy.Set{}
	switch action := f.Request.Action; {
	case strings.HasPrefix(action, "sts:AssumeRole") && f.Request.Resource == string(s.Role.ARN):
		return &policy.Set{Relation: policy.ResourceOnly, Resource: documents(s.Role.Trust)}
	case f.Kind == drift.KindFunctionPolicy:
		p := s.Function.Policy
		for _, other := range s.Function.OtherPolicies {
			if strings.HasSuffix(f.Request.Resource, ":"+other.Name) {
				p = other
			}
		}
		return &policy.Set{Relation: policy.ResourceOnly, Resource: documents(p)}
	case strings.HasPrefix(action, "kms:") && f.Direction == policy.Missing:
		set.Relation = policy.Delegated
		for _, k := range s.Keys {
			if string(k.ARN) == f.Request.Resource {
				set.Resource = documents(k.Policy)
			}
		}
	case strings.HasPrefix(action, "secretsmanager:") && f.Direction == policy.Missing:
		for _, secret := range s.Secrets {
			if string(secret.ARN) == f.Request.Resource {
				set.Resource = documents(secret.Policy)
			}
			if secret.ARN.Parts().Account != s.Role.ARN.Parts().Account {
				set.Relation = policy.CrossAccount
			}
		}
	}
	set.Identity = documents(s.Role.Identity...)
	if s.Role.Boundary != nil {
		set.Boundary = s.Role.Boundary.Document
	}
	return set
}

func documents(policies ...rotation.Policy) []*policy.Document {
	var out []*policy.Document
	for _, p := range policies {
		if p.Document != nil {
			out = append(out, p.Document)
		}
	}
	return out
}

// TestFixesAreValid holds that what a fix tells to add parses, and that its command is one line whose words survive a shell.
func TestFixesAreValid(t *testing.T) {
	for _, c := range loadSetups(t) {
		for _, j := range drift.Judge(c.Group, c.Options) {
			for _, s := range j.Secrets {
				for _, f := range s.Findings {
					if f.Fix == nil {
						continue
					}
					if f.Fix.Summary == "" || strings.Contains(f.Fix.Command, "\n") {
						t.Errorf("%s: the fix of %s is not one summary and one line: %+v", c.Name, f.Rule, f.Fix)
					}
					if text := f.Fix.Statement; text != "" {
						if !strings.Contains(text, `"Statement"`) {
							text = `{"Version":"2012-10-17","Statement":` + text + `}`
						}
						if _, err := policy.Parse("fix", []byte(text)); err != nil {
							t.Errorf("%s: the fix of %s does not parse: %v", c.Name, f.Rule, err)
						}
					}
				}
			}
		}
	}
}

// TestRepairMends adds every statement that a fix offers to repair, and judges again: no missing finding that repair could end is left.
func TestRepairMends(t *testing.T) {
	for _, c := range loadSetups(t) {
		t.Run(c.Name, func(t *testing.T) {
			mended := false
			for _, j := range drift.Judge(c.Group, c.Options) {
				for _, s := range j.Secrets {
					for _, f := range s.Findings {
						if f.Direction == policy.Missing && f.Fix != nil && f.Fix.By == drift.ByRepair {
							mended = true
							for i := range c.Group.Setups {
								if c.Group.Setups[i].Function.ARN == f.Function {
									apply(&c.Group.Setups[i], f)
								}
							}
						}
					}
				}
			}
			if !mended {
				return
			}
			for _, j := range drift.Judge(c.Group, c.Options) {
				for _, s := range j.Secrets {
					for _, f := range s.Findings {
						if f.Direction == policy.Missing && f.Fix != nil && f.Fix.By == drift.ByRepair {
							t.Errorf("still missing after its fix: %s", f.Explanation)
						}
						if f.Direction == policy.Excess && f.Statement != nil && strings.HasPrefix(f.Statement.Sid, rotation.OwnPrefix) {
							t.Errorf("the fix itself is excess: %s", f.Explanation)
						}
					}
				}
			}
		})
	}
}

func apply(s *rotation.Setup, f *drift.Finding) {
	whole := func(statement string) string { return `{"Version":"2012-10-17","Statement":[` + statement + `]}` }
	if f.Kind != drift.KindFunctionPolicy {
		s.Role.Identity = append(slices.Clone(s.Role.Identity), rotation.NewPolicy(rotation.PolicyInline, "fix "+f.ID, whole(f.Fix.Statement)))
		return
	}
	if s.Function.Policy.Document == nil {
		s.Function.Policy = rotation.NewPolicy(rotation.PolicyFunction, "", whole(f.Fix.Statement))
		return
	}
	d := *s.Function.Policy.Document
	added := rotation.NewPolicy(rotation.PolicyFunction, "", whole(f.Fix.Statement))
	d.Statements = append(slices.Clone(d.Statements), added.Document.Statements...)
	s.Function.Policy.Document = &d
}

func TestExemptions(t *testing.T) {
	c := setup(t, "invoke-no-policy")
	broken := drift.Judge(c.Group, drift.Options{})[0].Secrets[0]
	arn := string(broken.Secret.ARN)
	tests := []struct {
		name      string
		exemption drift.Exemption
		want      drift.Verdict
	}{
		{"the secret", drift.Exemption{Secret: arn}, drift.Exempt},
		{"the secret by a glob", drift.Exemption{Secret: "arn:aws:secretsmanager:*:*:secret:prod/*"}, drift.Exempt},
		{"the function", drift.Exemption{Function: string(broken.Secret.FunctionARN)}, drift.Exempt},
		{"the finding", drift.Exemption{Finding: broken.Findings[0].ID}, drift.Exempt},
		{"the rule", drift.Exemption{Rule: drift.RuleInvoke}, drift.Exempt},
		{"the rule at another secret", drift.Exemption{Rule: drift.RuleInvoke, Secret: "arn:aws:secretsmanager:*:*:secret:stage/*"}, drift.Broken},
		{"another rule", drift.Exemption{Rule: drift.RuleTrust}, drift.Broken},
		{"nothing", drift.Exemption{}, drift.Broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.exemption.Reason = "moves"
			got := drift.Judge(c.Group, drift.Options{Exemptions: []drift.Exemption{tt.exemption}})[0].Secrets[0]
			if got.Verdict != tt.want {
				t.Errorf("verdict = %s, want %s: %s", got.Verdict, tt.want, got.Reason)
			}
			if len(got.Findings) == 0 {
				t.Error("an exempt finding is not listed")
			}
		})
	}
}

func TestForecast(t *testing.T) {
	tests := []struct {
		setup string
		want  []string // the step and call that is denied first, and every later step as not reached
	}{
		{"style-classic", nil},
		{"invoke-no-policy", []string{"invoke InvokeFunction"}},
		{"random-password-on-arn", []string{"createSecret GetRandomPassword"}},
		{"missing-update-secret-version-stage", []string{"finishSecret UpdateSecretVersionStage"}},
		{"master-missing", []string{"setSecret master GetSecretValue"}},
		{"network-missing", nil},
	}
	for _, tt := range tests {
		t.Run(tt.setup, func(t *testing.T) {
			c := setup(t, tt.setup)
			j := drift.Judge(c.Group, c.Options)[0]
			var denied []string
			ended := false
			for _, step := range drift.Forecast(&j, j.Secrets[0].Secret.ARN) {
				for _, call := range step.Calls {
					if call.Reached == ended {
						t.Errorf("%s %s reached = %t after the rotation ended = %t", step.Step, call.Name, call.Reached, ended)
					}
					if call.Outcome == policy.ImplicitlyDenied && call.Reached && !strings.Contains(call.Name, "NetworkInterface") {
						denied = append(denied, fmt.Sprintf("%s %s", step.Step, call.Name))
						ended = true
						if call.Why == "" {
							t.Errorf("%s does not say why it is denied", call.Name)
						}
					}
				}
			}
			if !slices.Equal(denied, tt.want) {
				t.Errorf("denied = %v, want %v", denied, tt.want)
			}
		})
	}
}

// TestHostileText holds that names and documents which an attacker chose neither panic nor break a line.
func TestHostileText(t *testing.T) {
	hostile := "x\n\x1b[31m<script>alert(1)</script>\u202e${aws:username}*?"
	c := setup(t, "missing-put-secret-value")
	s := &c.Group.Setups[0]
	s.Secrets[0].Name = hostile
	s.Secrets[0].Tags = map[string]string{hostile: hostile, rotation.TagStrategy: hostile}
	s.Secrets[0].Declaration = rotation.Declare(rotation.Rules{}, &s.Secrets[0], map[string]string{"masterSecretArn": hostile})
	s.Function.State, s.Function.StateReason = hostile, hostile
	s.Role.Identity = append(s.Role.Identity, rotation.NewPolicy(rotation.PolicyInline, hostile, `{"Version":"2012-10-17","Statement":{"Sid":"a","Effect":"Allow","Action":"secretsmanager:*","Resource":"arn:aws:secretsmanager:*:*:secret:`+"${aws:username}"+`*"}}`))
	for _, j := range drift.Judge(c.Group, drift.Options{}) {
		for _, secret := range j.Secrets {
			texts := append(slices.Clone(secret.Notes), secret.Reason)
			for _, f := range secret.Findings {
				texts = append(texts, f.Explanation)
				if f.Fix != nil {
					texts = append(texts, f.Fix.Summary, f.Fix.Where, f.Fix.BlockedBy)
				}
			}
			for _, text := range texts {
				if strings.ContainsAny(text, "\n\x1b\u202e") {
					t.Errorf("text breaks out of its line: %q", text)
				}
			}
		}
	}
}

func TestUnreadableFunctionARN(t *testing.T) {
	for _, arn := range []rotation.ARN{"", "rotate", "arn:aws:lambda:eu-west-1:111122223333:function:", "arn:aws:sns:eu-west-1:111122223333:topic", "::::::"} {
		c := setup(t, "style-classic")
		s := &c.Group.Setups[0]
		s.Function = rotation.Function{ARN: arn, Presence: rotation.Unreadable, Gaps: []rotation.Gap{{Call: "lambda:GetFunctionConfiguration", Code: "ValidationException"}}}
		s.Role = rotation.Role{}
		s.Secrets[0].FunctionARN = arn
		got := drift.Judge(c.Group, drift.Options{})[0].Secrets[0]
		if got.Verdict == drift.InSync || got.Verdict == drift.Drifted {
			t.Errorf("a secret whose function is %q is %s", arn, got.Verdict)
		}
	}
}

func TestFindingIsJSON(t *testing.T) {
	c := setup(t, "invoke-no-policy")
	f := drift.Judge(c.Group, c.Options)[0].Secrets[0].Findings[0]
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"id", "kind", "direction", "severity", "subject", "statement", "witness", "explanation", "fix"} {
		if _, ok := members[want]; !ok {
			t.Errorf("the finding has no %s: %v", want, slices.Sorted(maps.Keys(members)))
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, name := range []string{"style-classic", "style-cdk", "excess-readwrite", "no-role-policy"} {
		c := setup(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				drift.Judge(c.Group, c.Options)
			}
		})
	}
}
