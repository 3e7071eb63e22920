package inventory_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestGroupsReadOneFunctionWithItsSecrets(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "rotate-db", "prod/b", "prod/a")
	a.AddSecret(awstest.Secret{Name: "plain"})

	r := reader(a, inventory.Options{})
	groups := read(t, r, rotation.Scope{InOrder: true})
	wantOutline(t, groups, "[rotate-db [prod/a prod/b]]", "[ [plain]]")
	wantOutline(t, read(t, reader(a, inventory.Options{}), rotation.Scope{}), "[ [plain]]", "[rotate-db [prod/a prod/b]]")
	a.ResetCalls()
	r = reader(a, inventory.Options{})
	groups = read(t, r, rotation.Scope{InOrder: true})

	s := setup(t, groups, functionARN("rotate-db"))
	if s.Account != account || s.Region != home || s.Partition != "aws" {
		t.Errorf("setup is of %s %s %s", s.Partition, s.Account, s.Region)
	}
	if s.Function.Presence != rotation.Present || s.Function.Policy.Document == nil || s.Function.Policy.Revision == "" {
		t.Errorf("function = %+v", s.Function)
	}
	if s.Role.Presence != rotation.Present || s.Role.ID == "" || s.Role.Trust.Document == nil || len(s.Role.Identity) != 1 || s.Role.Identity[0].Document == nil {
		t.Errorf("role = %+v", s.Role)
	}
	if s.Secrets[0].Policy.Presence != rotation.Absent {
		t.Errorf("policy of a secret without one = %+v", s.Secrets[0].Policy)
	}
	if want := []rotation.ARN{rotation.ARN(secretARN("prod/a")), rotation.ARN(secretARN("prod/b"))}; !groups[0].Listed.Complete || len(groups[0].Listed.Secrets) != 3 || !slices.Equal(groups[0].Listed.Secrets[1:], want) {
		t.Errorf("listing = %+v", groups[0].Listed)
	}
	want := map[string]int{
		"secretsmanager:ListSecrets": 1, "secretsmanager:GetResourcePolicy": 2,
		"lambda:GetFunctionConfiguration": 1, "lambda:GetPolicy": 1, "lambda:ListTags": 1,
		"iam:GetRole": 1, "iam:ListRolePolicies": 1, "iam:GetRolePolicy": 1, "iam:ListAttachedRolePolicies": 1,
	}
	if diff := cmp.Diff(want, r.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, a.CallCounts()); diff != "" {
		t.Errorf("calls that arrived (-want +got):\n%s", diff)
	}
	if w := a.Writes(); len(w) > 0 {
		t.Errorf("wrote %v", w)
	}
}

func TestGroupsFollowEveryPage(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for i := range 250 {
		a.AddSecret(awstest.Secret{Name: "s" + string(rune('a'+i/26)) + string(rune('a'+i%26))})
	}
	addRotation(a, "f", "zz-last")
	a.EmptyPages(2)
	r := reader(a, inventory.Options{})
	groups := read(t, r, rotation.Scope{})
	n := 0
	for i := range groups {
		if s := &groups[i].Setups[0]; s.Function.ARN == "" {
			n += len(s.Secrets)
		}
	}
	if n != 250 {
		t.Errorf("%d secrets that nothing rotates, want 250", n)
	}
	setup(t, groups, functionARN("f"))
	if n := r.Calls()["secretsmanager:ListSecrets"]; n < 5 {
		t.Errorf("ListSecrets was called %d times: no page was empty", n)
	}
}

func TestSecretsAreClassified(t *testing.T) {
	no := false
	next := time.Date(2030, 1, 2, 3, 4, 5, 999, time.UTC)
	tests := []struct {
		name   string
		secret awstest.Secret
		want   rotation.Kind
	}{
		{"never set up", awstest.Secret{}, rotation.KindOff},
		{"rotation cancelled keeps its function", awstest.Secret{RotationEnabled: &no, RotationLambdaARN: string(functionARN("f"))}, rotation.KindOff},
		{"owned by a service", awstest.Secret{RotationEnabled: &yes, OwningService: "rds"}, rotation.KindManaged},
		{"external", awstest.Secret{RotationEnabled: &yes, Type: "Salesforce", ExternalSecretRotationRoleArn: "arn:aws:iam::" + account + ":role/external"}, rotation.KindExternal},
		{"external, not enabled", awstest.Secret{RotationEnabled: &no, ExternalSecretRotationRoleArn: "arn:aws:iam::" + account + ":role/external"}, rotation.KindOff},
		{"replica", awstest.Secret{RotationEnabled: &yes, PrimaryRegion: "eu-west-1", RotationLambdaARN: string(functionARN("f"))}, rotation.KindReplica},
		{"primary of replicas", awstest.Secret{RotationEnabled: &yes, PrimaryRegion: home, RotationLambdaARN: string(functionARN("f"))}, rotation.KindLambda},
		{"nothing left that could rotate it", awstest.Secret{RotationEnabled: &yes}, rotation.KindLambda},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := awstest.New(t, awstest.Options{})
			tt.secret.ARN, tt.secret.NextRotation = secretARN("s"), next
			a.AddSecret(tt.secret)
			groups := read(t, reader(a, inventory.Options{}), rotation.Scope{})
			got := groups[0].Setups[0].Secrets[0]
			if got.Kind != tt.want {
				t.Errorf("kind = %s, want %s", got.Kind, tt.want)
			}
			if (got.FunctionARN != "") != (tt.want == rotation.KindLambda && tt.secret.RotationLambdaARN != "") {
				t.Errorf("function = %q", got.FunctionARN)
			}
		})
	}
}

func TestDeletedSecretsAreListedAndReadNothing(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addFunction(a, "f", "arn:aws:iam::"+account+":role/none", "")
	a.AddSecret(awstest.Secret{ARN: secretARN("going"), RotationEnabled: &yes, RotationLambdaARN: string(functionARN("f")), Deleted: time.Now().Add(time.Hour)})
	r := reader(a, inventory.Options{})
	s := setup(t, read(t, r, rotation.Scope{}), functionARN("f"))
	if !s.Secrets[0].Deleting || s.Function.Presence != rotation.NotRead {
		t.Errorf("setup = %+v", s)
	}
	if diff := cmp.Diff(map[string]int{"secretsmanager:ListSecrets": 1}, r.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestEachSharedThingIsReadOnce(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	managed := a.AddPolicy(awstest.Policy{Name: "shared", Document: roleDocument("*"), Default: "v3", Versions: map[string]string{"v1": `{"Version":"2012-10-17","Statement":[]}`}})
	boundary := a.AddPolicy(awstest.Policy{Name: "edge", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`})
	key := a.AddKey(awstest.Key{Aliases: []string{"alias/rotation"}})
	keyID := key[strings.LastIndexByte(key, '/')+1:]
	one := a.AddRole(awstest.Role{Name: "one", Attached: []string{managed}, Boundary: boundary, Path: "/team/"})
	two := a.AddRole(awstest.Role{Name: "two", Attached: []string{managed}, Boundary: boundary})
	addFunction(a, "f1", one, "")
	addFunction(a, "f2", one, "")
	addFunction(a, "f3", two, "")
	for i, f := range []string{"f1", "f2", "f3"} {
		for j, id := range []string{key, keyID, "alias/rotation", strings.Replace(key, "key/"+keyID, "alias/rotation", 1)} {
			a.AddSecret(awstest.Secret{ARN: secretARN("s" + string(rune('0'+i)) + string(rune('0'+j))), RotationEnabled: &yes, RotationLambdaARN: string(functionARN(f)), KmsKeyID: id})
		}
	}
	r := reader(a, inventory.Options{})
	groups := read(t, r, rotation.Scope{})
	wantOutline(t, groups, "[f1 [s00 s01 s02 s03]][f2 [s10 s11 s12 s13]]", "[f3 [s20 s21 s22 s23]]")
	s := setup(t, groups, functionARN("f3"))
	for id, k := range s.Keys {
		if k.ID != id || string(k.ARN) != key || k.Policy.Document == nil || k.Manager != "CUSTOMER" {
			t.Errorf("key %s = %+v", id, k)
		}
	}
	if len(s.Keys) != 4 {
		t.Errorf("%d keys as named, want 4", len(s.Keys))
	}
	if p := s.Role.Identity[0]; p.Source != rotation.PolicyAttached || p.Revision != "v3" || p.Document == nil || string(p.ARN) != managed {
		t.Errorf("attached policy = %+v", p)
	}
	if b := s.Role.Boundary; b == nil || b.Source != rotation.PolicyBoundary || b.Document == nil || !strings.Contains(b.Document.Name, "boundary") {
		t.Errorf("boundary = %+v", b)
	}
	want := map[string]int{
		"secretsmanager:ListSecrets": 1, "secretsmanager:GetResourcePolicy": 12,
		"lambda:GetFunctionConfiguration": 3, "lambda:GetPolicy": 3, "lambda:ListTags": 3,
		"iam:GetRole": 2, "iam:ListRolePolicies": 2, "iam:ListAttachedRolePolicies": 2, "iam:GetPolicy": 2, "iam:GetPolicyVersion": 2,
		"kms:GetKeyPolicy": 1, "kms:DescribeKey": 1,
		"kms:ListGrants": 5, // the roles grant nothing on the key: both roles, and each function's session
	}
	got := r.Calls()
	if got["kms:DescribeKey"] == 2 { // two groups at once, one by the alias and one by the key
		got["kms:DescribeKey"] = 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestFunctionIsReadAtItsQualifier(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	old := a.AddRole(awstest.Role{Name: "old"})
	now := a.AddRole(awstest.Role{Name: "now"})
	policy := func(q string) string {
		return `{"Version":"2012-10-17","Statement":[{"Sid":"at-` + q + `","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"` + string(functionARN("f")) + `:` + q + `"}]}`
	}
	a.AddFunction(awstest.Function{
		Name: "f", FunctionConfig: awstest.FunctionConfig{Role: now},
		Versions: []awstest.FunctionVersion{{Number: "1", FunctionConfig: awstest.FunctionConfig{Role: old}}},
		Aliases:  []awstest.Alias{{Name: "live", Version: "1"}},
		Policies: map[string]string{"live": policy("live")},
	})
	addSecret(a, "alias", string(functionARN("f:live")))
	addSecret(a, "bare", string(functionARN("f")))
	addSecret(a, "gone", string(functionARN("f:gone")))
	addSecret(a, "version", string(functionARN("f:1")))
	groups := read(t, reader(a, inventory.Options{}), rotation.Scope{})
	if s := setup(t, groups, functionARN("f:live")); string(s.Role.ARN) != old || s.Function.Policy.Document == nil || s.Function.Policy.Document.Statements[0].Sid != "at-live" {
		t.Errorf("at the alias: %+v", s.Function)
	}
	if s := setup(t, groups, functionARN("f")); string(s.Role.ARN) != now || s.Function.Policy.Presence != rotation.Absent {
		t.Errorf("unqualified: %+v", s.Function)
	}
	if s := setup(t, groups, functionARN("f:1")); string(s.Role.ARN) != old || s.Function.Policy.Presence != rotation.Absent {
		t.Errorf("at the version: %+v", s.Function)
	}
	if s := setup(t, groups, functionARN("f:gone")); s.Function.Presence != rotation.Absent {
		t.Errorf("at an alias that is gone: %+v", s.Function)
	}
}

func TestNoFunctionIsToldFromNoPolicy(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	a.AddFunction(awstest.Function{Name: "bare", FunctionConfig: awstest.FunctionConfig{Role: a.AddRole(awstest.Role{Name: "r"})}})
	a.AddFunction(awstest.Function{Name: "roleless", FunctionConfig: awstest.FunctionConfig{Role: "arn:aws:iam::" + account + ":role/gone"}})
	addSecret(a, "a", string(functionARN("bare")))
	addSecret(a, "b", string(functionARN("gone")))
	addSecret(a, "c", string(functionARN("roleless")))
	r := reader(a, inventory.Options{})
	groups := read(t, r, rotation.Scope{})
	if f := setup(t, groups, functionARN("bare")).Function; f.Presence != rotation.Present || f.Policy.Presence != rotation.Absent || f.Policy.Gap != nil {
		t.Errorf("function without a policy: %+v", f)
	}
	if f := setup(t, groups, functionARN("gone")).Function; f.Presence != rotation.Absent || len(f.Gaps) > 0 {
		t.Errorf("function that is gone: %+v", f)
	}
	if s := setup(t, groups, functionARN("roleless")); s.Role.Presence != rotation.Absent || len(s.Role.Gaps) > 0 {
		t.Errorf("role that is gone: %+v", s.Role)
	}
	if n := r.Calls()["lambda:GetPolicy"]; n != 2 {
		t.Errorf("GetPolicy was called %d times, want 2: a function that is gone has none", n)
	}
	if n := r.Calls()["secretsmanager:GetResourcePolicy"]; n != 1 {
		t.Errorf("GetResourcePolicy was called %d times, want 1: orphans need none", n)
	}
}

func TestSelectionReadsEverySecretOfAFunctionAndEveryFunctionOfARole(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "f1", "prod/a", "prod/b")
	addRotation(a, "f2", "prod/c")
	addFunction(a, "f3", "arn:aws:iam::"+account+":role/f1-role", "")
	addSecret(a, "other/d", string(functionARN("f3")))
	a.AddSecret(awstest.Secret{ARN: secretARN("plain"), Tags: []awstest.Tag{{Key: "team", Value: "web"}}})
	tests := []struct {
		name  string
		scope rotation.Scope
		want  []string
	}{
		{"by name", rotation.Scope{Secrets: []string{"prod/a"}}, []string{"[f1 [prod/a prod/b]][f3 [other/d]]"}},
		{"by ARN", rotation.Scope{Secrets: []string{secretARN("prod/c")}}, []string{"[f2 [prod/c]]"}},
		{"by partial ARN", rotation.Scope{Secrets: []string{strings.TrimSuffix(secretARN("prod/c"), "-AbCdEf")}}, []string{"[f2 [prod/c]]"}},
		{"by function", rotation.Scope{Functions: []rotation.ARN{functionARN("f2")}}, []string{"[f2 [prod/c]]"}},
		{"by tag", rotation.Scope{Tags: map[string]string{"team": "web"}}, []string{"[ [plain]]"}},
		{"by tag with any value", rotation.Scope{Tags: map[string]string{"team": ""}}, []string{"[ [plain]]"}},
		{"a tag that nothing has", rotation.Scope{Tags: map[string]string{"team": "db"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			groups := read(t, reader(a, inventory.Options{}), tt.scope)
			wantOutline(t, groups, tt.want...)
			for _, g := range groups {
				if !g.Listed.Complete || len(g.Listed.Secrets) != 5 {
					t.Errorf("listing = %+v", g.Listed)
				}
			}
		})
	}
}

func TestSelectionOfASecretThatIsNotThere(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "f1", "prod/a")
	_, err := first(t, reader(a, inventory.Options{}), rotation.Scope{Secrets: []string{"prod/a", "prod/typo\x1b[31m"}})
	if err == nil || !strings.Contains(inventory.DescribeError(err), `no secret "prod/typo[31m" in account 123456789012`) || strings.ContainsAny(inventory.DescribeError(err), "\n\x1b") {
		t.Errorf("error = %q", inventory.DescribeError(err))
	}
}

// first gives the first group, or the error.
func first(t *testing.T, r *inventory.Reader, scope rotation.Scope) (rotation.Group, error) {
	t.Helper()
	for g, err := range r.Groups(t.Context(), scope) {
		return g, err
	}
	return rotation.Group{}, nil
}

func TestSecretNewerThanTheListingIsFound(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	addRotation(a, "f1")
	a.Lag(awstest.Lags{ListSecrets: awstest.Lag{For: time.Hour}})
	addSecret(a, "late", string(functionARN("f1")))
	groups := read(t, reader(a, inventory.Options{}), rotation.Scope{Secrets: []string{"late"}})
	wantOutline(t, groups, "[f1 [late]]")
}

func TestStoppingEarlyEndsTheReading(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for _, f := range []string{"f1", "f2", "f3", "f4"} {
		addRotation(a, f, "secret-"+f)
	}
	r := reader(a, inventory.Options{})
	if _, err := first(t, r, rotation.Scope{}); err != nil {
		t.Fatal(err)
	}
	before := r.Calls()
	time.Sleep(20 * time.Millisecond)
	if after := r.Calls(); !maps.Equal(before, after) {
		t.Errorf("calls went on after the consumer stopped: %v, then %v", before, after)
	}
}

// TestVerifyingAsksNoOtherFunction: after the whole account was read, reading a few functions again costs what those cost.
func TestVerifyingAsksNoOtherFunction(t *testing.T) {
	a := awstest.New(t, awstest.Options{})
	for _, f := range []string{"f1", "f2", "f3", "f4"} {
		addRotation(a, f, "secret-"+f)
	}
	addFunction(a, "f5", "arn:aws:iam::"+account+":role/f1-role", "")
	addSecret(a, "secret-f5", string(functionARN("f5")))
	r := reader(a, inventory.Options{})
	read(t, r, rotation.Scope{})
	before := r.Calls()["lambda:GetFunctionConfiguration"]
	groups := read(t, r, rotation.Scope{Functions: []rotation.ARN{functionARN("f1")}})
	wantOutline(t, groups, "[f1 [secret-f1]][f5 [secret-f5]]")
	if n := r.Calls()["lambda:GetFunctionConfiguration"] - before; n != 2 {
		t.Errorf("%d configurations were read again, want the function's and that of the other with its role", n)
	}
}
