package policy

import (
	"strings"
	"testing"
)

const (
	rotator = "arn:aws:lambda:us-east-1:111122223333:function:rotate"
	secretA = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/a-AbCdEf"
	secretB = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/b-GhIjKl"
	secretC = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/a-XyZxYz"
)

// atHand says which function rotates each secret; "" is none.
func atHand(functions map[string]string, universe ...UniverseFact) *Facts {
	f := &Facts{Universe: universe}
	for _, arn := range []string{secretA, secretB, secretC} {
		if function, ok := functions[arn]; ok {
			r := ResourceFact{ARN: arn, Keys: map[string][]string{"secretsmanager:resource/AllowRotationLambdaArn": nil}, Only: []string{"aws:ResourceTag/*", "secretsmanager:ResourceTag/*"}}
			if function != "" {
				r.Keys["secretsmanager:resource/AllowRotationLambdaArn"] = []string{function}
			}
			f.Resources = append(f.Resources, r)
		}
	}
	return BuiltinFacts().With(f)
}

func TestBuiltinFactsAreRead(t *testing.T) {
	f, err := ParseFacts("facts_builtin.json", builtinFacts)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Actions) < 50 || len(f.Keys) < 80 {
		t.Errorf("%d facts on actions and %d on keys are fewer than the file has", len(f.Actions), len(f.Keys))
	}
	for _, a := range f.Actions {
		if a.Source == "" {
			t.Errorf("the fact on %v names no source", a.Actions)
		}
	}
	for _, k := range f.Keys {
		if k.Source == "" {
			t.Errorf("the fact on %s names no source", k.Key)
		}
	}
}

func TestCompareWithFacts(t *testing.T) {
	statement := func(action, resource, condition string) string {
		if condition != "" {
			condition = `,"Condition":` + condition
		}
		return doc(`{"Effect":"Allow","Action":` + action + `,"Resource":"` + resource + `"` + condition + `}`)
	}
	get, random := `"secretsmanager:GetSecretValue"`, `"secretsmanager:GetRandomPassword"`
	allow := `{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"` + rotator + `"}}`
	everySecret := "arn:aws:secretsmanager:us-east-1:111122223333:secret:*"
	others := UniverseFact{Resources: []string{"arn:*:secretsmanager:*:*:secret:*"}, Without: map[string][]string{"secretsmanager:resource/AllowRotationLambdaArn": {rotator}}}
	closed := UniverseFact{Resources: []string{everySecret}, Closed: true}
	one := map[string]string{secretA: rotator}
	two := map[string]string{secretA: rotator, secretB: rotator}
	mixed := map[string]string{secretA: rotator, secretB: "", secretC: rotator + "-other"}
	tests := []struct {
		name             string
		expected, actual string
		facts            *Facts
		want             Verdict
		resource         string // of the first witness
	}{
		{"the ARN and the condition differ without facts", statement(get, secretA, ""), statement(get, "*", allow), nil, MissingAndExcess, ""},
		{"the ARN and the condition are equal for the secrets at hand", statement(get, secretA, ""), statement(get, "*", allow), atHand(one, others), Equivalent, ""},
		{"and the other way round", statement(get, "*", allow), statement(get, secretA, ""), atHand(one, others), Equivalent, ""},
		{"ArnLike asks the same of the stored ARN", statement(get, secretA, ""), statement(get, "*", strings.Replace(allow, "StringEquals", "ArnLike", 1)), atHand(one, others), Equivalent, ""},
		{"one of two secrets is left out", statement(get, secretA, ""), statement(get, "*", allow), atHand(two, others), OnlyExcess, secretB},
		{"one of two secrets is given to an action that is looked at later", doc(`{"Effect":"Allow","Action":` + get + `,"Resource":["` + secretA + `","` + secretB + `"]}`),
			doc(`{"Effect":"Allow","Action":`+get+`,"Resource":"`+everySecret+`"}`, `{"Effect":"Allow","Action":"secretsmanager:UpdateSecret","Resource":"`+secretB+`"}`), atHand(two, closed), OnlyExcess, secretB},
		{"everything is excess on some other secret", statement(get, secretA, ""), statement(get, "*", ""), atHand(one, others), OnlyExcess, "arn:aws:secretsmanager:us-east-1:111122223333:secret:example-AbCdEf"},
		{"everything is excess on a secret at hand first", statement(get, secretA, ""), statement(get, "*", ""), atHand(mixed, others), OnlyExcess, secretC},
		{"a suffix pattern takes only the secret when all are at hand", statement(get, secretA, ""), statement(get, "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/a-??????", ""), atHand(one, closed), Equivalent, ""},
		{"a suffix pattern takes an old secret of the name", statement(get, secretA, ""), statement(get, "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/a-??????", ""), atHand(mixed, closed), OnlyExcess, secretC},
		{"a suffix pattern may take an unknown secret", statement(get, secretA, ""), statement(get, "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/a-??????", ""), atHand(one, others), OnlyExcess, "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/a-GhIjKl"},
		{"GetRandomPassword on a secret grants nothing", doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`), statement(random, secretA, ""), BuiltinFacts(), Equivalent, ""},
		{"GetRandomPassword on a secret looks like a grant without facts", doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`), statement(random, secretA, ""), nil, OnlyExcess, ""},
		{"GetRandomPassword with the secret's key grants nothing", statement(random, "*", ""), statement(random, "*", allow), BuiltinFacts(), OnlyMissing, "*"},
		{"every resource and every secret are the same to a secret's action", statement(get, "*", ""), statement(get, "arn:*:secretsmanager:*:*:secret:*", ""), BuiltinFacts(), Equivalent, ""},
		{"a source account voids a role's own statement", doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`), statement(get, "*", `{"StringEquals":{"aws:SourceAccount":"111122223333"}}`), BuiltinFacts(), Equivalent, ""},
		{"a tag that the secret at hand does not have", doc(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`), statement(get, secretA, `{"StringEquals":{"aws:ResourceTag/team":"db"}}`), atHand(one), Equivalent, ""},
		{"describe with and without an ARN", statement(`"ec2:DescribeSubnets"`, "*", ""), statement(`["ec2:DescribeSubnets","ec2:DescribeNetworkInterfaces"]`, "*", ""), BuiltinFacts(), OnlyExcess, "*"},
		{"a wildcard takes actions without resource", statement(`"secretsmanager:Get*"`, "*", ""), statement(`"secretsmanager:Get*"`, "arn:*:secretsmanager:*:*:secret:*", ""), BuiltinFacts(), OnlyMissing, "*"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Compare(identitySet(t, tt.expected), identitySet(t, tt.actual), tt.facts)
			all := append(got.Missing, got.Excess...)
			for _, w := range all {
				t.Logf("%s %s on %s with %v", w.Direction, w.Request.Action, w.Request.Resource, w.Request.Context)
			}
			if got.Verdict() != tt.want {
				t.Fatalf("Compare = %v, want %v: %+v", got.Verdict(), tt.want, got.Indeterminate)
			}
			if tt.resource != "" && (len(all) == 0 || all[0].Request.Resource != tt.resource) {
				t.Errorf("the first witness is not on %s", tt.resource)
			}
		})
	}
}

func TestParseFactsIsStrict(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"no JSON", `{"actions":`, "unexpected EOF"},
		{"an array", `[]`, "must be one JSON object"},
		{"something after it", `{} {}`, "something follows the object"},
		{"unknown member", `{"action":[]}`, `unknown field "action"`},
		{"repeated member", `{"keys":[],"keys":[]}`, `member "keys" occurs twice`},
		{"no action", `{"actions":[{"no_resource":true}]}`, "actions[0].actions: names no action"},
		{"bad action", `{"actions":[{"actions":["GetObject"]}]}`, `"GetObject" is no action`},
		{"two answers", `{"actions":[{"actions":["a:b"],"no_resource":true,"resources":["arn:aws:s3:::b"]}]}`, "has both no_resource and resources"},
		{"bad pattern", `{"actions":[{"actions":["a:b"],"resources":["*"]}]}`, `"*" is not the pattern of an ARN`},
		{"bad family", `{"actions":[{"actions":["a:b"],"absent":["aws:x*"]}]}`, `does not end in :* or /*`},
		{"bad key", `{"keys":[{"key":"SourceArn"}]}`, `"SourceArn" is no condition key`},
		{"bad cardinality", `{"keys":[{"key":"aws:x","values":"some"}]}`, "is neither single nor multi"},
		{"bad type", `{"keys":[{"key":"aws:x","type":"Text"}]}`, "is no type of a condition key"},
		{"bad caller", `{"keys":[{"key":"aws:x","absent_for":["group"]}]}`, "is no kind of caller"},
		{"bad resource", `{"resources":[{"arn":"prod/a"}]}`, "is not the ARN of a resource"},
		{"repeated resource", `{"resources":[{"arn":"arn:aws:s3:::b"},{"arn":"arn:aws:s3:::b"}]}`, "occurs twice"},
		{"repeated key", `{"resources":[{"arn":"arn:aws:s3:::b","keys":{"aws:x":[],"AWS:X":[]}}]}`, "occurs twice"},
		{"empty universe", `{"universe":[{"resources":["arn:aws:s3:::*"]}]}`, "needs closed or without"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseFacts("facts.json", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "facts.json: ") {
				t.Errorf("ParseFacts = %v, want an error with %q", err, tt.want)
			}
		})
	}
}
