package inventory_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// manyAccount is wholeAccount with secrets of every kind and things that cannot be read.
func manyAccount(t *testing.T) *awstest.Account {
	a := wholeAccount(t)
	next := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	addRotation(a, "plain", "p/1", "p/2")
	a.UpdateSecret("p/1", func(s *awstest.Secret) {
		s.NextRotation, s.Rotated = next, next.Add(-time.Hour)
		s.Versions = map[string][]string{"v1": {"AWSCURRENT"}}
		s.Tags = []awstest.Tag{{Key: "team", Value: "web"}, {Key: "rotationguard:strategy", Value: "custom"}}
	})
	addSecret(a, "orphan", string(functionARN("gone")))
	addSecret(a, "foreign", "arn:aws:lambda:us-east-1:999999999999:function:theirs")
	a.AddSecret(awstest.Secret{ARN: secretARN("off")})
	a.AddSecret(awstest.Secret{ARN: secretARN("ext"), RotationEnabled: &yes, Type: "Acme", ExternalSecretRotationRoleArn: a.AddRole(awstest.Role{Name: "ext"})})
	a.Deny(awstest.Match{Service: "iam", Operation: "GetRolePolicy", Resource: "*plain*"})
	return a
}

func TestSnapshotGivesWhatTheAccountGave(t *testing.T) {
	a := manyAccount(t)
	path := filepath.Join(t.TempDir(), "account.json")
	rules := rotation.Rules{Exclude: []rotation.Exclusion{{Match: rotation.Match{Name: "p/2"}, Reason: "moves out"}}}
	r := reader(a, inventory.Options{Everything: true})
	if err := inventory.SaveSnapshot(path, r.Groups(t.Context(), rotation.Scope{}), inventory.Also{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	for _, rules := range []rotation.Rules{{}, rules} {
		s, err := inventory.OpenSnapshot(path, rules)
		if err != nil {
			t.Fatal(err)
		}
		if s.Account != account || s.Region != home {
			t.Errorf("snapshot of %s %s", s.Account, s.Region)
		}
		for name, scope := range map[string]rotation.Scope{
			"all": {}, "by name": {Secrets: []string{"p/2"}}, "by tag": {Tags: map[string]string{"team": "web"}}, "off": {Secrets: []string{"off"}},
		} {
			online := read(t, reader(a, inventory.Options{Rules: rules, Everything: true}), scope)
			var offline []rotation.Group
			for g, err := range s.Groups(t.Context(), scope) {
				if err != nil {
					t.Fatal(err)
				}
				offline = append(offline, g)
			}
			if diff := cmp.Diff(online, offline, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: online and offline differ (-online +offline):\n%s", name, diff)
			}
		}
	}
}

func TestSnapshotHoldsNothingPrivate(t *testing.T) {
	var out bytes.Buffer
	if err := inventory.WriteSnapshot(&out, reader(manyAccount(t), inventory.Options{Everything: true}).Groups(t.Context(), rotation.Scope{}), inventory.Also{}); err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{"canary", "PASSWORD", "functionName"} {
		if i := strings.Index(out.String(), canary); i >= 0 {
			t.Errorf("the snapshot holds %q: …%s…", canary, out.String()[max(0, i-40):i+40])
		}
	}
	if !strings.Contains(out.String(), "superuserSecretArn") {
		t.Error("the snapshot does not hold the stack's master parameter")
	}
}

func TestSnapshotOfTheSameAccountIsTheSameBytes(t *testing.T) {
	a := manyAccount(t)
	var files []string
	for range 3 {
		var out bytes.Buffer
		if err := inventory.WriteSnapshot(&out, reader(a, inventory.Options{}).Groups(t.Context(), rotation.Scope{}), inventory.Also{}); err != nil {
			t.Fatal(err)
		}
		files = append(files, out.String())
	}
	if slices.Sort(files); files[0] != files[2] {
		t.Errorf("files differ:\n%s", cmp.Diff(files[0], files[2]))
	}
}

func TestSnapshotWithRulesThatNameAMasterNotRead(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "f", "s", "master")
	var out bytes.Buffer
	if err := inventory.WriteSnapshot(&out, reader(a, inventory.Options{}).Groups(t.Context(), rotation.Scope{}), inventory.Also{}); err != nil {
		t.Fatal(err)
	}
	for master, known := range map[string]bool{secretARN("master"): true, strings.TrimSuffix(secretARN("master"), "-AbCdEf"): true, secretARN("elsewhere"): false} {
		s, err := inventory.ReadSnapshot(out.Bytes(), rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "s"}, Master: master}}})
		if err != nil {
			t.Fatal(err)
		}
		for g, err := range s.Groups(t.Context(), rotation.Scope{}) {
			if err != nil {
				t.Fatal(err)
			}
			m := g.Setups[0].Masters[rotation.ARN(master)]
			if (m.ARN != "") != known || (len(m.Gaps) == 0) != known {
				t.Errorf("master %s = %+v", master, m)
			}
		}
	}
}

func TestBadSnapshotIsOneLineThatNamesFileAndField(t *testing.T) {
	const head = `{"schema":"rotationguard.snapshot/1","account":"1","region":"r","complete":true,"listed":[],"groups":[`
	secret := `{"setups":[{"secrets":[{"arn":"` + secretARN("s") + `","kind":"off","policy":{}`
	tests := []struct{ name, text, says string }{
		{"empty", ``, "line 1"},
		{"not JSON", "{\n\"schema\": nothing}", "line 2: it is not JSON"},
		{"cut off", head, "unexpected end"},
		{"a list", `[]`, "(the whole file)"},
		{"another schema", `{"schema":"rotationguard.report/1"}`, `schema: it is "rotationguard.report/1"`},
		{"no schema", `{"groups":[]}`, "schema: it is not there"},
		{"unknown field", head + `{"setups":[{"secrets":[{"arn":"a","value":"x"}]}]}]}`, `field "value" is not one`},
		{"wrong type", head + `{"setups":[{"secrets":[{"arn":5}]}]}]}`, "secrets.arn: a JSON number"},
		{"no secrets", head + `{"setups":[{"secrets":[]}]}]}`, "groups[0].setups[0].secrets: it is empty"},
		{"not an ARN", head + `{"setups":[{"secrets":[{"arn":"a","policy":{}}]}]}]}`, "secrets[0].arn"},
		{"unknown kind", head + strings.Replace(secret, `"off"`, `"odd\u001b"`, 1) + `}]}]}]}`, `secrets[0].kind: "odd" is no kind`},
		{"another function", head + strings.Replace(secret, `"off"`, `"lambda","function_arn":"x"`, 1) + `}]}]}]}`, "secrets[0].function_arn"},
		{"unknown presence", head + secret + `}],"role":{"presence":"maybe"}}]}]}`, `role.presence: "maybe"`},
		{"something behind", head + `]} {}`, "after top-level value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.json")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := inventory.OpenSnapshot(path, rotation.Rules{})
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error = %v, want it to name the file and say %q", err, tt.says)
			}
		})
	}
	if _, err := inventory.OpenSnapshot(filepath.Join(t.TempDir(), "none.json"), rotation.Rules{}); err == nil || strings.Count(err.Error(), "none.json") != 1 {
		t.Errorf("missing file: %v", err)
	}
	if err := inventory.SaveSnapshot(filepath.Join(t.TempDir(), "no", "such", "folder"), func(func(rotation.Group, error) bool) {}, inventory.Also{}); err == nil {
		t.Error("a snapshot was saved where there is no folder")
	}
}

// FuzzReadSnapshot: whatever the file holds, reading it ends in one line or in groups that can be written and read again.
func FuzzReadSnapshot(f *testing.F) {
	f.Add([]byte(`{"schema":"rotationguard.snapshot/1","account":"1","region":"r","complete":true,"listed":[],"groups":[{"setups":[{"account":"1","region":"r","partition":"aws","function":{"arn":"","presence":"","policy":{"source":"","presence":""}},"role":{"arn":"","presence":"","trust":{"source":"","presence":"present","text":"{}"}},"secrets":[{"arn":"` + secretARN("s") + `","name":"s","kind":"off","policy":{"source":"","presence":""},"declaration":{"strategy":"","strategy_source":""}}]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := inventory.ReadSnapshot(data, rotation.Rules{})
		if err != nil {
			return
		}
		var once, twice bytes.Buffer
		if err := inventory.WriteSnapshot(&once, s.Groups(t.Context(), rotation.Scope{}), inventory.Also{}); err != nil {
			t.Fatal(err)
		}
		again, err := inventory.ReadSnapshot(once.Bytes(), rotation.Rules{})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once.String())
		}
		if err := inventory.WriteSnapshot(&twice, again.Groups(t.Context(), rotation.Scope{}), inventory.Also{}); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("a round trip changes it (%v): %s", err, cmp.Diff(once.String(), twice.String()))
		}
	})
}
