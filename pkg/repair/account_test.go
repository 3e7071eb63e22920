package repair_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const (
	accountID = "123456789012"
	region    = "us-east-1"

	fourActions = `"secretsmanager:DescribeSecret","secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"`
)

var yes = true

func functionARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:lambda:" + region + ":" + accountID + ":function:" + name)
}

func secretARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:secretsmanager:" + region + ":" + accountID + ":secret:" + name + "-AbCdEf")
}

func roleARN(name string) rotation.ARN {
	return rotation.ARN("arn:aws:iam::" + accountID + ":role/" + name)
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func allow(actions, resource string) string {
	return `{"Effect":"Allow","Action":[` + actions + `],"Resource":"` + resource + `"}`
}

// roleGrant is what a role needs for single-user rotation by a function.
func roleGrant(function rotation.ARN) string {
	return document(`{"Effect":"Allow","Action":[`+fourActions+`],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"`+string(function)+`"}}}`,
		allow(`"secretsmanager:GetRandomPassword"`, "*"))
}

// invokeGrant lets Secrets Manager invoke a function.
func invokeGrant(function rotation.ARN) string {
	return `{"Sid":"sm","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + string(function) + `"}`
}

// publicGrant lets everybody invoke a function.
func publicGrant(sid string, function rotation.ARN) string {
	return `{"Sid":"` + sid + `","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"` + string(function) + `"}`
}

// bench is an account with what a run has beside it: a ledger, options and a clock.
type bench struct {
	*awstest.Account
	path  string
	rules rotation.Rules
	opts  repair.Options
	now   time.Time
	undo  string // the run that the next one rolls back; empty: it sweeps

	exemptions []drift.Exemption
}

// newBench is an empty account, repaired at once and without limits.
func newBench(t testing.TB) *bench {
	t.Helper()
	return &bench{
		Account: awstest.New(t, awstest.Options{ID: accountID, Region: region}),
		path:    filepath.Join(memory(t), "ledger.db"),
		opts:    repair.Options{Mode: repair.ModeRepair, MaxChanges: 1000, MaxChangePercent: 100},
		now:     time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC),
	}
}

// memory is a folder for a ledger: in memory where there is such a place, since every journal entry waits for the disk.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "rotationguard")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// setup is one rotation as AWS documents it; tests break it.
type setup struct {
	name      string
	qualifier string
	secrets   []string
	inline    map[string]string
	policy    string // function policy; empty: none
	role      string // of another setup; empty: its own
}

func (s *setup) function() rotation.ARN {
	if s.qualifier != "" {
		return functionARN(s.name) + rotation.ARN(":"+s.qualifier)
	}
	return functionARN(s.name)
}

// working is a setup in sync with one secret.
func working(name string) *setup {
	s := &setup{name: name, secrets: []string{name + "-secret"}}
	s.inline = map[string]string{"rotate": roleGrant(s.function())}
	s.policy = document(invokeGrant(s.function()))
	return s
}

// add puts a setup into the account.
func (b *bench) add(s *setup) {
	role := s.role
	if role == "" {
		role = s.name + "-role"
		b.AddRole(awstest.Role{Name: role, Inline: s.inline})
	}
	f := awstest.Function{Name: s.name, FunctionConfig: awstest.FunctionConfig{Role: string(roleARN(role))}, Policies: map[string]string{}}
	if s.qualifier != "" {
		f.Versions = []awstest.FunctionVersion{{Number: "1", FunctionConfig: f.FunctionConfig}}
		f.Aliases = []awstest.Alias{{Name: s.qualifier, Version: "1"}}
	}
	if s.policy != "" {
		f.Policies[s.qualifier] = s.policy
	}
	b.AddFunction(f)
	for _, name := range s.secrets {
		b.AddSecret(awstest.Secret{ARN: string(secretARN(name)), RotationEnabled: &yes, RotationLambdaARN: string(s.function())})
	}
}

// judge reads and judges what is in scope.
func (b *bench) judge(t testing.TB, scope rotation.Scope) []drift.Judgement {
	t.Helper()
	judgements, err := b.read(t.Context(), scope)
	if err != nil {
		t.Fatalf("reading the account: %v", err)
	}
	return judgements
}

func (b *bench) read(ctx context.Context, scope rotation.Scope) ([]drift.Judgement, error) {
	r := b.runner()
	return r.read(ctx, scope)
}

func (b *bench) runner() runner {
	return runner{cfg: b.Config(), rules: b.rules, opts: b.opts, now: b.now, visible: 3 * time.Second, undo: b.undo, exemptions: b.exemptions}
}

// withLedger opens the bench's ledger for one step, as one process does.
func (b *bench) withLedger(t testing.TB, do func(ledger.Ledger)) {
	t.Helper()
	l, err := ledger.OpenFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	do(l)
}

// plan reads the whole account and plans.
func (b *bench) plan(t testing.TB) repair.Plan {
	t.Helper()
	var plan repair.Plan
	b.withLedger(t, func(l ledger.Ledger) { plan = b.planWith(t, l) })
	return plan
}

func (b *bench) planWith(t testing.TB, l ledger.Ledger) repair.Plan {
	t.Helper()
	r := b.runner()
	plan, err := r.plan(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// run plans and applies, and answers with the changes.
func (b *bench) run(t testing.TB) []repair.Change {
	t.Helper()
	var changes []repair.Change
	b.withLedger(t, func(l ledger.Ledger) {
		plan := b.planWith(t, l)
		var err error
		changes, err = b.repairer(l).Apply(t.Context(), plan)
		if err != nil {
			t.Fatalf("applying: %v", err)
		}
	})
	return changes
}

func (b *bench) repairer(l ledger.Ledger) *repair.Repairer {
	r := b.runner()
	return r.repairer(l)
}

// verdicts are the verdicts by secret name.
func (b *bench) verdicts(t testing.TB) map[string]drift.Verdict {
	t.Helper()
	out := map[string]drift.Verdict{}
	for _, j := range b.judge(t, rotation.Scope{}) {
		for _, s := range j.Secrets {
			out[s.Secret.Name] = s.Verdict
		}
	}
	return out
}

// summary is changes as "status call subject name".
func summary(changes []repair.Change) []string {
	var out []string
	for _, c := range changes {
		subject := string(c.Subject)
		subject = subject[strings.LastIndexAny(subject, "/")+1:]
		if _, after, ok := strings.Cut(subject, ":function:"); ok {
			subject = after
		}
		out = append(out, strings.Join([]string{string(c.Status), string(c.Call), subject}, " "))
	}
	return out
}

// bySid are the statements of a policy by Sid, laid out alike.
func bySid(t testing.TB, doc string) map[string]string {
	t.Helper()
	var d struct{ Statement []map[string]any }
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range d.Statement {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		sid, _ := s["Sid"].(string)
		for out[sid] != "" {
			sid += "'" // there is none, or one more
		}
		out[sid] = string(text)
	}
	return out
}
