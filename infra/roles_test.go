package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReaderMayMakeExactlyTheReadCalls compares the role with the client interfaces of package inventory, which name
// every call that reading makes.
func TestReaderMayMakeExactlyTheReadCalls(t *testing.T) {
	calls := inventoryCalls(t)
	s := defaultSettings()
	s.GetFunction = true
	if diff := cmp.Diff(calls, readsOf(t, s)); diff != "" {
		t.Errorf("the reader's rights and inventory's calls differ (-called +allowed):\n%s", diff)
	}
	calls = slices.DeleteFunc(calls, func(call string) bool { return call == "lambda:GetFunction" })
	if diff := cmp.Diff(calls, readsOf(t, defaultSettings())); diff != "" {
		t.Errorf("without use_get_function the reader's rights and inventory's calls differ (-called +allowed):\n%s", diff)
	}
}

// readsOf are the reader's rights to read the account.
func readsOf(t *testing.T, s Settings) []string {
	t.Helper()
	tm := synth(t, s)
	var allowed []string
	for _, g := range tm.grants(t, tm.named(t, "Reader")) {
		for _, action := range g.Actions {
			service, call, _ := strings.Cut(action, ":")
			reading := strings.HasPrefix(call, "Get") || strings.HasPrefix(call, "List") || strings.HasPrefix(call, "Describe")
			// Not of the account that is swept: the queues, the ledger and the reports.
			if g.Effect == "Allow" && reading && service != "sqs" && service != "dynamodb" && service != "s3" {
				allowed = append(allowed, action)
			}
		}
	}
	slices.Sort(allowed)
	return allowed
}

// inventoryCalls are the IAM actions of the methods in package inventory's client interfaces: the service is the SDK
// package of the input's type.
func inventoryCalls(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../pkg/inventory/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of package inventory: %v", err)
	}
	var calls []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			api, ok := spec.Type.(*ast.InterfaceType)
			if !ok || !strings.HasSuffix(spec.Name.Name, "API") {
				return true
			}
			for _, method := range api.Methods.List {
				input := method.Type.(*ast.FuncType).Params.List[1].Type.(*ast.StarExpr).X.(*ast.SelectorExpr)
				service := input.X.(*ast.Ident).Name
				if service == "resourcegroupstaggingapi" {
					service = "tag"
				}
				calls = append(calls, service+":"+method.Names[0].Name)
			}
			return true
		})
	}
	if len(calls) == 0 {
		t.Fatal("package inventory has no client interface")
	}
	slices.Sort(calls)
	// The command's --all-qualifiers alone makes these.
	return slices.DeleteFunc(calls, func(call string) bool { return call == "lambda:ListAliases" || call == "lambda:ListVersionsByFunction" })
}

// TestLedgerMayBeUsedAsItIs: a mode that writes holds a lease, which takes one call more.
func TestLedgerMayBeUsedAsItIs(t *testing.T) {
	for _, tt := range []struct {
		settings Settings
		want     []string
	}{
		{defaultSettings(), []string{"BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query"}},
		{repairing(), []string{"BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem"}},
	} {
		tm := synth(t, tt.settings)
		var got []string
		for _, g := range tm.grants(t, tm.named(t, "Reader")) {
			for _, action := range g.Actions {
				if call, ok := strings.CutPrefix(action, "dynamodb:"); ok {
					got = append(got, call)
				}
			}
			if g.Sid == "RememberEncrypted" && g.Condition == nil {
				t.Error("the key may be used through more than DynamoDB")
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("mode %s: the ledger may be used by %v, want %v", tt.settings.Mode, got, tt.want)
		}
	}
}

func TestOtherAccountsAreReadWithTheMemberRoleAlone(t *testing.T) {
	assumed := func(s Settings) (found []grant) {
		tm := synth(t, s)
		for _, g := range tm.grants(t, tm.named(t, "Reader")) {
			if slices.Contains(g.Actions, "sts:AssumeRole") {
				found = append(found, g)
			}
		}
		return found
	}
	if got := assumed(defaultSettings()); got != nil {
		t.Errorf("without a member role the reader assumes %+v", got)
	}
	want := []grant{{
		Sid: "ReadOtherAccounts", Effect: "Allow", Actions: []string{"sts:AssumeRole"}, Resources: []string{"arn:<Partition>:iam::*:role/audit/rotationguard"},
		Condition: map[string]any{"StringEquals": map[string]any{"aws:ResourceOrgID": "${aws:PrincipalOrgID}", "sts:ExternalId": "rg"}},
	}}
	got := assumed(with(func(s *Settings) { s.Member.Role, s.Member.ExternalID = "/audit/rotationguard", "rg" }))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the reader assumes (-want +got):\n%s", diff)
	}
}

// TestReportCanChangeNothing reads every statement of every role that mode report deploys.
func TestReportCanChangeNothing(t *testing.T) {
	tm := synth(t, defaultSettings())
	key, sweep, topic, dead, log := tm.named(t, "Key"), tm.named(t, "Sweep"), tm.named(t, "Topic"), tm.named(t, "DeadLetters"), tm.named(t, "Log")
	events, reports := tm.named(t, "Events"), "<"+tm.named(t, "Reports")+".Arn>"
	table, objects := []string{"<" + tm.named(t, "Ledger") + ".Arn>"}, []string{reports + "/runs/*", reports + "/continue/*"}
	// What is not reading the account, and on what alone.
	own := map[string][]string{
		"sns:Publish":             {"<" + topic + ">"},
		"sqs:SendMessage":         {"<" + dead + ".Arn>"},
		"sqs:ReceiveMessage":      {"<" + events + ".Arn>"},
		"sqs:DeleteMessage":       {"<" + events + ".Arn>"},
		"s3:GetObject":            objects,
		"s3:PutObject":            objects,
		"logs:CreateLogStream":    {"<" + log + ".Arn>"},
		"logs:PutLogEvents":       {"<" + log + ".Arn>"},
		"kms:Decrypt":             {"<" + key + ".Arn>"},
		"kms:Encrypt":             {"<" + key + ".Arn>"},
		"kms:ReEncrypt*":          {"<" + key + ".Arn>"},
		"kms:GenerateDataKey":     {"<" + key + ".Arn>"},
		"kms:GenerateDataKey*":    {"<" + key + ".Arn>"},
		"lambda:InvokeFunction":   {"<" + sweep + ".Arn>", "<" + sweep + ".Arn>:*"},
		"dynamodb:BatchGetItem":   table,
		"dynamodb:BatchWriteItem": table,
		"dynamodb:GetItem":        table,
		"dynamodb:PutItem":        table,
		"dynamodb:Query":          table,
	}
	roles := tm.ofType("AWS::IAM::Role")
	for _, role := range roles {
		for _, g := range tm.grants(t, role) {
			if g.Effect == "Deny" {
				continue
			}
			if g.NotActions != nil {
				t.Errorf("%s allows everything but %v", role, g.NotActions)
			}
			for _, action := range g.Actions {
				_, call, named := strings.Cut(action, ":")
				reading := strings.HasPrefix(call, "Get") || strings.HasPrefix(call, "List") || strings.HasPrefix(call, "Describe")
				switch on, ours := own[action]; {
				case !named, strings.HasSuffix(call, "*") && !ours:
					t.Errorf("%s allows %s", role, action)
				case ours && slices.ContainsFunc(g.Resources, func(r string) bool { return !slices.Contains(on, r) }):
					t.Errorf("%s allows %s on %v, want %v", role, action, g.Resources, on)
				case !ours && !reading:
					t.Errorf("%s allows %s", role, action)
				}
			}
		}
	}
	for _, role := range roles {
		if properties := tm.Resources[role].Properties; properties["ManagedPolicyArns"] != nil || properties["Policies"] != nil {
			t.Errorf("%s has policies that this test does not read", role)
		}
	}
}

func TestReaderAndWriterDenySecretValues(t *testing.T) {
	for _, mode := range []string{modeReport, modeRepair, modeEnforce} {
		s := repairing()
		s.Mode = mode
		tm := synth(t, s)
		roles := []string{tm.named(t, "Reader")}
		if mode != modeReport {
			roles = append(roles, tm.named(t, "Writer"))
		}
		for _, role := range roles {
			if !slices.ContainsFunc(tm.grants(t, role), func(g grant) bool {
				return g.Effect == "Deny" && slices.Equal(g.Resources, []string{"*"}) && g.Condition == nil &&
					slices.Contains(g.Actions, "secretsmanager:GetSecretValue") && slices.Contains(g.Actions, "secretsmanager:BatchGetSecretValue")
			}) {
				t.Errorf("mode %s: %s does not deny reading secret values", mode, role)
			}
		}
	}
}

// TestWriterPolicyIsExactly is the whole policy that the writer gets, to be read by a person when it changes.
func TestWriterPolicyIsExactly(t *testing.T) {
	s := repairing()
	s.TargetBoundary = "arn:aws:iam::111122223333:policy/edge"
	s.Mode = modeEnforce
	tm := synth(t, s)
	reader, writer := "<"+tm.named(t, "Reader")+".Arn>", "<"+tm.named(t, "Writer")+".Arn>"
	want := []grant{
		{
			Sid: "WriteRoles", Effect: "Allow",
			Actions:   []string{"iam:AttachRolePolicy", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy"},
			Resources: []string{"arn:<Partition>:iam::<AccountId>:role/rotation/*", "arn:aws:iam::111122223333:role/rotation-*"},
			Condition: map[string]any{"StringEquals": map[string]any{"iam:PermissionsBoundary": s.TargetBoundary}},
		},
		{
			Sid: "WriteFunctions", Effect: "Allow",
			Actions: []string{"lambda:AddPermission", "lambda:PutResourcePolicy", "lambda:RemovePermission"},
			Resources: []string{
				"arn:aws:lambda:eu-west-1:111122223333:function:SecretsManager*",
				"arn:aws:lambda:eu-west-1:111122223333:function:rotate-db",
				"arn:aws:lambda:eu-west-1:111122223333:function:rotate-db:*",
			},
		},
		{Sid: "NoSecretValue", Effect: "Deny", Actions: []string{"secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"}, Resources: []string{"*"}},
		{Sid: "NotOurOwnRoles", Effect: "Deny", Actions: []string{"iam:*"}, Resources: []string{reader, writer}},
		{
			Sid: "NothingElse", Effect: "Deny",
			NotActions: []string{
				"iam:AttachRolePolicy", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy",
				"lambda:AddPermission", "lambda:PutResourcePolicy", "lambda:RemovePermission",
			},
			Resources: []string{"*"},
		},
	}
	got := tm.grants(t, tm.named(t, "Writer"))
	for i := range got {
		slices.Sort(got[i].Resources)
		slices.Sort(got[i].NotActions)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the writer's policy (-want +got):\n%s", diff)
	}
}

func TestRepairMayNotTighten(t *testing.T) {
	tm := synth(t, repairing())
	for _, g := range tm.grants(t, tm.named(t, "Writer")) {
		for _, action := range g.Actions {
			if g.Effect == "Allow" && (action == "iam:DetachRolePolicy" || action == "iam:AttachRolePolicy" || action == "lambda:PutResourcePolicy") {
				t.Errorf("mode repair allows %s, which only enforce makes", action)
			}
		}
	}
}

func TestOnlyTheReaderAssumesTheWriter(t *testing.T) {
	tm := synth(t, repairing())
	trust := tm.Resources[tm.named(t, "Writer")].Properties["AssumeRolePolicyDocument"].(map[string]any)["Statement"].([]any)
	if len(trust) != 1 {
		t.Fatalf("the writer trusts in %d statements, want 1", len(trust))
	}
	got := texts(principals(trust[0].(map[string]any)))
	if want := []string{"<" + tm.named(t, "Reader") + ".Arn>"}; !slices.Equal(got, want) {
		t.Errorf("the writer trusts %v, want %v", got, want)
	}
}
