package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNearest(t *testing.T) {
	const (
		old     = "arn:aws:lambda:eu-west-1:111122223333:function:old"
		current = "arn:aws:lambda:eu-west-1:111122223333:function:rotate"
		key     = "secretsmanager:resource/AllowRotationLambdaArn"
	)
	condition := `,"Condition":{"StringEquals":{"` + key + `":"` + old + `"}}`
	tests := []struct {
		name    string
		set     func(t *testing.T) Set
		request func(r *Request)
		want    *Near
	}{
		{"the condition has the old function", identityOf(`"Effect":"Allow","Action":"s3:*","Resource":"*"`, `"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"`+condition),
			func(r *Request) { r.Context = map[string][]string{key: {current}} },
			&Near{Ref: StatementRef{Document: "1.json"}, Fails: []Failure{{Element: ElementCondition, Key: key, Operator: "StringEquals", Want: []string{old}, Have: []string{current}}}}},
		{"the key is absent", identityOf(`"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"` + condition), nil,
			&Near{Ref: StatementRef{Document: "0.json"}, Fails: []Failure{{Element: ElementCondition, Key: key, Operator: "StringEquals", Want: []string{old}, Absent: true}}}},
		{"the key cannot be known", identityOf(`"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"` + condition),
			func(r *Request) { r.Unknown = []string{key} },
			&Near{Ref: StatementRef{Document: "0.json"}, Fails: []Failure{{Element: ElementCondition, Key: key, Operator: "StringEquals", Want: []string{old}, Unknown: true}}}},
		{"a resource without its suffix", identityOf(`"Effect":"Allow","Action":"secretsmanager:Get*","Resource":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"`), nil,
			&Near{Ref: StatementRef{Document: "0.json"}, Fails: []Failure{{Element: ElementResource, Want: []string{"arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"}, Have: []string{secretARN}}}}},
		{"a resource and a condition", identityOf(`"Effect":"Allow","Action":"secretsmanager:*","NotResource":"arn:aws:secretsmanager:*"` + condition), nil,
			&Near{Ref: StatementRef{Document: "0.json"}, Fails: []Failure{{Element: ElementNotResource, Want: []string{"arn:aws:secretsmanager:*"}, Have: []string{secretARN}},
				{Element: ElementCondition, Key: key, Operator: "StringEquals", Want: []string{old}, Absent: true}}}},
		{"an action that is not listed", identityOf(`"Effect":"Allow","Action":["s3:*","secretsmanager:PutSecretValue"],"Resource":"*"`), nil,
			&Near{Ref: StatementRef{Document: "0.json"}, Fails: []Failure{{Element: ElementAction, Want: []string{"s3:*", "secretsmanager:PutSecretValue"}, Have: []string{"secretsmanager:GetSecretValue"}}}}},
		{"a failing condition is nearer than a missing action", identityOf(`"Effect":"Allow","Action":["secretsmanager:PutSecretValue"],"Resource":"*"`, `"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"`+condition), nil,
			&Near{Ref: StatementRef{Document: "1.json"}, Fails: []Failure{{Element: ElementCondition, Key: key, Operator: "StringEquals", Want: []string{old}, Absent: true}}}},
		{"nothing speaks of the service", identityOf(`"Effect":"Allow","Action":"s3:*","Resource":"*"`, `"Effect":"Deny","Action":"secretsmanager:*","Resource":"arn:aws:s3:::b"`), nil, nil},
		{"the boundary stands in the way", func(t *testing.T) Set {
			set := identityOf(`"Effect":"Allow","Action":"*","Resource":"*"`)(t)
			set.Boundary = mustParse(t, statementOf(`"Effect":"Allow","NotAction":"secretsmanager:Get*","Resource":"*"`))
			set.Boundary.Name = "boundary"
			return set
		}, nil, &Near{Ref: StatementRef{Document: "boundary"}, Fails: []Failure{{Element: ElementNotAction, Want: []string{"secretsmanager:Get*"}, Have: []string{"secretsmanager:GetSecretValue"}}}}},
		{"an Allow for the account does not grant", func(t *testing.T) Set {
			d := mustParse(t, statementOf(`"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"`))
			d.Name = "resource"
			return Set{Resource: []*Document{d}}
		}, nil, &Near{Ref: StatementRef{Document: "resource"}, Fails: []Failure{{Element: ElementPrincipal, Want: []string{"111122223333"}, Have: []string{roleARN, sessionARN}}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := roleRequest()
			if tt.request != nil {
				tt.request(&r)
			}
			set := tt.set(t)
			got, ok := Nearest(&set, &r)
			if tt.want == nil {
				if ok {
					t.Errorf("Nearest = %+v, want nothing", got)
				}
				return
			}
			if diff := cmp.Diff(*tt.want, got); diff != "" || !ok {
				t.Errorf("Nearest differs (-want +got):\n%s", diff)
			}
		})
	}
}

// identityOf makes a set of identity documents of one statement each, named by their index.
func identityOf(statements ...string) func(t *testing.T) Set {
	return func(t *testing.T) Set {
		var set Set
		for i, s := range statements {
			d := mustParse(t, statementOf(s))
			d.Name = string(rune('0'+i)) + ".json"
			set.Identity = append(set.Identity, d)
		}
		return set
	}
}

func TestParseCaller(t *testing.T) {
	tests := []struct {
		text string
		want Caller
	}{
		{"*", Caller{Kind: CallerAnonymous}},
		{"111122223333", Caller{Kind: CallerAccount, ARN: "arn:aws:iam::111122223333:root"}},
		{"arn:aws-cn:iam::111122223333:root", Caller{Kind: CallerAccount, ARN: "arn:aws-cn:iam::111122223333:root"}},
		{roleARN, Caller{Kind: CallerRole, ARN: roleARN}},
		{sessionARN, Caller{Kind: CallerRole, Session: sessionARN}},
		{"arn:aws:iam::111122223333:user/p/bob", Caller{Kind: CallerUser, ARN: "arn:aws:iam::111122223333:user/p/bob"}},
		{"arn:aws:sts::111122223333:federated-user/bob", Caller{Kind: CallerFederated, ARN: "arn:aws:sts::111122223333:federated-user/bob"}},
		{"arn:aws:iam::111122223333:saml-provider/p", Caller{Kind: CallerFederated, ARN: "arn:aws:iam::111122223333:saml-provider/p"}},
		{"lambda.amazonaws.com", Caller{Kind: CallerService, Service: "lambda.amazonaws.com"}},
	}
	for _, tt := range tests {
		got, err := ParseCaller(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParseCaller(%q) = %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "bob", "1111", "arn:aws:s3:::b", "arn:aws:iam::111122223333:role/*", "AROAEXAMPLE1234567890"} {
		if got, err := ParseCaller(text); err == nil {
			t.Errorf("ParseCaller(%q) = %+v, want an error", text, got)
		}
	}
}
