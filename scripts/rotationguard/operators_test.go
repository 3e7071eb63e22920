package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// operatorsReport is what of a report speaks of operators.
type operatorsReport struct {
	Operators []struct {
		Principal, May, Verdict, Reason string
		Findings                        []struct {
			ID, Rule, Severity string
			Fix                *struct{ Statement string }
		}
	}
	Errors []struct{ Call, Resource, Code, Message, Permission string }
	Notes  []string
}

func parseOperators(t *testing.T, text string) operatorsReport {
	t.Helper()
	var r operatorsReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return r
}

// outline is one line an operator: its name, verdict and the severities and rules of its findings.
func (r operatorsReport) outline() []string {
	var lines []string
	for _, o := range r.Operators {
		line := o.Principal[strings.LastIndexByte(o.Principal, ':')+1:] + " " + o.May + ": " + o.Verdict
		var findings []string
		for _, f := range o.Findings {
			findings = append(findings, f.Severity+" "+f.Rule)
		}
		slices.Sort(findings)
		lines = append(lines, strings.TrimSuffix(line+", "+strings.Join(findings, ", "), ", "))
	}
	return lines
}

// withOperators is the demo's account with people in it, and the configuration that declares them.
func withOperators(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	policy := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	const (
		rotate  = `{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*"}`
		guarded = `{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*","Condition":{"Null":{"secretsmanager:RotationLambdaARN":"true"}}}`
		read    = `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}`
		nothing = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`
	)
	own := "arn:aws:iam::" + account.ID + ":policy/"
	invoke := policy(`{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:` + account.ID + `:function:*"}`)
	b.account.AddPolicy(awstest.Policy{ARN: own + "invoke", Document: invoke})
	b.account.AddPolicy(awstest.Policy{ARN: own + "bound", Document: policy(nothing)})
	b.account.AddRole(awstest.Role{Name: "dba", Inline: map[string]string{"rotate": policy(rotate)}, Attached: []string{own + "invoke"}})
	b.account.AddRole(awstest.Role{Name: "moved", Path: "/team/"})
	b.account.AddRole(awstest.Role{Name: "hidden", Inline: map[string]string{"rotate": policy(rotate)}})
	b.account.AddGroup(awstest.Group{Name: "rotators", Inline: map[string]string{"rotate": policy(guarded)}, Attached: []string{own + "invoke"}})
	b.account.AddUser(awstest.User{Name: "ana", Groups: []string{"rotators"}})
	b.account.AddUser(awstest.User{Name: "bo", Groups: []string{"rotators"}, Inline: map[string]string{"read": policy(read)}})
	b.account.AddUser(awstest.User{Name: "cy", Groups: []string{"rotators"}, Boundary: own + "bound"})
	b.account.AddRole(awstest.Role{Name: "admin", Attached: []string{"arn:aws:iam::aws:policy/SecretsManagerReadWrite", "arn:aws:iam::aws:policy/IAMFullAccess"},
		Inline: map[string]string{"functions": policy(`{"Effect":"Allow","Action":["lambda:AddPermission","lambda:GetPolicy","lambda:InvokeFunction"],"Resource":"arn:aws:lambda:*:` + account.ID + `:function:*"}`)}})
	var lines []string
	for _, o := range []string{"role/dba trigger", "group/rotators trigger", "user/ana trigger", "user/bo trigger", "user/cy trigger", "role/admin configure", "role/nobody trigger", "role/moved trigger", "role/hidden trigger"} {
		principal, may, _ := strings.Cut(o, " ")
		lines = append(lines, "- {principal: \"arn:aws:iam::"+account.ID+":"+principal+"\", may: "+may+"}")
	}
	b.writes("operators.yaml", "operators:\n"+strings.Join(lines, "\n")+"\n")
	b.account.Fail(awstest.Match{Service: "iam", Operation: "ListRolePolicies", Resource: "*role/hidden", Count: -1}, awstest.Fault{Code: "AccessDenied", Message: "not authorized"})
	return b
}

var wantOperators = []string{
	"group/rotators trigger: in-sync",
	"role/admin configure: in-sync",
	"role/dba trigger: in-sync, info operator-may-reconfigure",
	"role/hidden trigger: unknown",
	"role/moved trigger: orphaned",
	"role/nobody trigger: orphaned",
	"user/ana trigger: in-sync",
	"user/bo trigger: drifted, high operator-excess",
	"user/cy trigger: drifted, info operator-missing, medium operator-missing",
}

func TestOperatorsAreComparedWithTheirSets(t *testing.T) {
	b := withOperators(t)
	r := parseOperators(t, b.on("sweep", "--config", "operators.yaml", "--output", "json").wants(t, 1).stdout)
	got := r.outline()
	if !slices.Equal(got, wantOperators) {
		t.Errorf("operators:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(wantOperators, "\n"))
		for _, o := range r.Operators {
			t.Log(o.Principal, o.Reason)
		}
	}
	var named []string
	for _, e := range r.Errors {
		named = append(named, e.Call+" "+e.Resource[strings.LastIndexByte(e.Resource, ':')+1:]+" "+e.Code)
	}
	for _, want := range []string{"iam:GetRole role/nobody NoSuchEntity", "iam:GetRole role/moved NoSuchEntity", "iam:ListRolePolicies role/hidden AccessDenied"} {
		if !slices.Contains(named, want) {
			t.Errorf("errors are %q, want %q among them", named, want)
		}
	}
	if len(named) != 3 {
		t.Errorf("errors are %q, want three", named)
	}
	text := b.on("sweep", "--config", "operators.yaml").wants(t, 1).stdout
	for _, want := range []string{"user/bo may trigger", "does not exist", "Operators"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q", want)
		}
	}
	if writes := b.account.Writes(); len(writes) > 0 {
		t.Errorf("judging operators wrote %v", writes)
	}
}

func TestOperatorsInASnapshot(t *testing.T) {
	b := withOperators(t)
	b.on("snapshot", "save", "account.json", "--config", "operators.yaml").wants(t, 0, "could not be read")
	r := parseOperators(t, b.types("sweep", "--snapshot", "account.json", "--config", "operators.yaml", "--output", "json").wants(t, 1).stdout)
	if got := r.outline(); !slices.Equal(got, wantOperators) {
		t.Errorf("operators in the snapshot:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(wantOperators, "\n"))
	}
	b.writes("more.yaml", "operators: [{principal: \"arn:aws:iam::"+account.ID+":role/late\", may: trigger}]\n")
	r = parseOperators(t, b.types("sweep", "--snapshot", "account.json", "--config", "more.yaml", "--output", "json").wants(t, 1).stdout)
	if len(r.Operators) != 1 || r.Operators[0].Verdict != "unknown" || !strings.Contains(r.Operators[0].Reason, "NotInSnapshot") {
		t.Errorf("an operator that the snapshot does not hold: %+v", r.Operators)
	}
}

func TestOperatorsAreLeftOutOfASelection(t *testing.T) {
	b := withOperators(t)
	r := parseOperators(t, b.on("sweep", "--config", "operators.yaml", "--secret", account.Masters()[0].Name, "--output", "json").wants(t, 0).stdout)
	if len(r.Operators) > 0 || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "operators were not judged") }) {
		t.Errorf("operators %+v, notes %q", r.Operators, r.Notes)
	}
}

func TestOperatorFindingIsExplained(t *testing.T) {
	b := withOperators(t)
	r := parseOperators(t, b.on("sweep", "--config", "operators.yaml", "--output", "json").wants(t, 1).stdout)
	for _, o := range r.Operators {
		for _, f := range o.Findings {
			text := b.on("explain", f.ID, "--config", "operators.yaml").wants(t, 0).stdout
			if !strings.Contains(text, f.Rule) || !strings.Contains(text, "Permissions for rotation") {
				t.Errorf("explain %s says\n%s", f.ID, text)
			}
			if f.Rule == "operator-may-reconfigure" && (f.Fix == nil || !strings.Contains(f.Fix.Statement, "secretsmanager:RotationLambdaARN")) {
				t.Errorf("%s: the fix names no statement with the condition: %+v", f.ID, f.Fix)
			}
		}
	}
	b.on("snapshot", "save", "account.json", "--config", "operators.yaml").wants(t, 0, "written to")
	id := r.Operators[len(r.Operators)-1].Findings[0].ID
	if text := b.types("explain", id, "--snapshot", "account.json", "--config", "operators.yaml").wants(t, 0).stdout; !strings.Contains(text, id) {
		t.Errorf("explain of a snapshot says\n%s", text)
	}
}
