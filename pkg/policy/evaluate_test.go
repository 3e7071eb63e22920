package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	roleARN    = "arn:aws:iam::111122223333:role/rotate"
	sessionARN = "arn:aws:sts::111122223333:assumed-role/rotate/rotate"
	secretARN  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"
)

// roleRequest is a call of a role session.
func roleRequest() Request {
	return Request{Caller: Caller{Kind: CallerRole, ARN: roleARN, Session: sessionARN}, Action: "secretsmanager:GetSecretValue", Resource: secretARN}
}

func statementOf(members string) string {
	return `{"Version":"2012-10-17","Statement":[{` + members + `}]}`
}

func TestStatementElements(t *testing.T) {
	tests := []struct {
		name     string
		members  string
		action   string
		resource string
		want     bool
	}{
		{"action names fold case", `"Action":"SECRETSMANAGER:getsecretvalue","Resource":"*"`, "SecretsManager:GetSecretValue", secretARN, true},
		{"a star in an action", `"Action":"secretsmanager:Get*","Resource":"*"`, "secretsmanager:GetSecretValue", secretARN, true},
		{"a question mark in an action", `"Action":"secretsmanager:Get?ecretValue","Resource":"*"`, "secretsmanager:GetSecretValue", secretARN, true},
		{"NotAction leaves out", `"NotAction":["s3:*","secretsmanager:*"],"Resource":"*"`, "secretsmanager:GetSecretValue", secretARN, false},
		{"NotAction takes the rest", `"NotAction":["s3:*"],"Resource":"*"`, "secretsmanager:GetSecretValue", secretARN, true},
		{"NotAction folds case", `"NotAction":"SECRETSMANAGER:GET*","Resource":"*"`, "secretsmanager:getSecretValue", secretARN, false},
		{"resources keep case", `"Action":"*","Resource":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:DB-AbCdEf"`, "secretsmanager:GetSecretValue", secretARN, false},
		{"NotResource leaves out", `"Action":"*","NotResource":["arn:aws:s3:::b","arn:aws:secretsmanager:*"]`, "secretsmanager:GetSecretValue", secretARN, false},
		{"NotResource takes the rest", `"Action":"*","NotResource":["arn:aws:s3:::b"]`, "secretsmanager:GetSecretValue", secretARN, true},
		{"an action without a resource wants a star", `"Action":"*","Resource":"arn:aws:secretsmanager:*:*:secret:*"`, "secretsmanager:GetRandomPassword", "*", false},
		{"and a star gives it", `"Action":"*","Resource":"*"`, "secretsmanager:GetRandomPassword", "*", true},
		{"and so does NotResource", `"Action":"*","NotResource":"arn:aws:s3:::b"`, "secretsmanager:GetRandomPassword", "*", true},
		{"a variable in a resource", `"Action":"*","Resource":"arn:aws:secretsmanager:*:*:secret:${aws:username}-*"`, "secretsmanager:GetSecretValue", secretARN, true},
		{"a variable without a value matches no resource", `"Action":"*","Resource":"arn:aws:secretsmanager:*:*:secret:*${aws:absent}"`, "secretsmanager:GetSecretValue", secretARN, false},
		{"nor in NotResource", `"Action":"*","NotResource":"arn:aws:secretsmanager:*:*:secret:*${aws:absent}"`, "secretsmanager:GetSecretValue", secretARN, true},
		{"a variable before the fifth colon is text", `"Action":"*","Resource":"arn:aws:secretsmanager:${aws:RequestedRegion}:111122223333:secret:*"`, "secretsmanager:GetSecretValue", secretARN, false},
		{"conditions are all wanted", `"Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"db"},"Null":{"aws:RequestedRegion":"true"}}`, "secretsmanager:GetSecretValue", secretARN, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := roleRequest()
			r.Action, r.Resource = tt.action, tt.resource
			r.Context = map[string][]string{"aws:username": {"db"}, "aws:RequestedRegion": {"eu-west-1"}}
			for effect, want := range map[Effect]Outcome{Allow: Allowed, Deny: ExplicitlyDenied} {
				if !tt.want {
					want = ImplicitlyDenied
				}
				set := &Set{Identity: []*Document{mustParse(t, statementOf(`"Effect":"`+string(effect)+`",`+tt.members))}}
				if got := Evaluate(set, &r); got.Outcome != want {
					t.Errorf("%s: %s, want %s", effect, got.Outcome, want)
				}
			}
		})
	}
}

func TestPrincipals(t *testing.T) {
	callers := map[string]Caller{
		"role":      {Kind: CallerRole, ARN: "arn:aws:iam::111122223333:role/team/rotate", Session: "arn:aws:sts::111122223333:assumed-role/rotate/s"},
		"session":   {Kind: CallerRole, Session: "arn:aws:sts::111122223333:assumed-role/rotate/s"},
		"user":      {Kind: CallerUser, ARN: "arn:aws:iam::111122223333:user/bob"},
		"root":      {Kind: CallerAccount, ARN: "arn:aws:iam::111122223333:root"},
		"federated": {Kind: CallerFederated, ARN: "arn:aws:sts::111122223333:federated-user/bob"},
		"saml":      {Kind: CallerFederated, ARN: "arn:aws:iam::111122223333:saml-provider/p"},
		"service":   {Kind: CallerService, Service: "secretsmanager.amazonaws.com"},
		"anonymous": {Kind: CallerAnonymous},
		"stranger":  {Kind: CallerRole, ARN: "arn:aws:iam::444455556666:role/team/rotate", Session: "arn:aws:sts::444455556666:assumed-role/rotate/s"},
	}
	everybody := []string{"role", "session", "user", "root", "federated", "saml", "service", "anonymous", "stranger"}
	account := []string{"role", "session", "user", "root", "federated", "saml"}
	tests := []struct {
		name      string
		principal string
		reaches   []string
	}{
		{"a bare star reaches everybody, services included", `"*"`, everybody},
		{"AWS star is the same", `{"AWS":"*"}`, everybody},
		{"an account id reaches its principals", `{"AWS":"111122223333"}`, account},
		{"its root ARN is the same", `{"AWS":"arn:aws:iam::111122223333:root"}`, account},
		{"a role reaches its sessions", `{"AWS":"arn:aws:iam::111122223333:role/team/rotate"}`, []string{"role", "session"}},
		{"a role of another path is another", `{"AWS":"arn:aws:iam::111122223333:role/rotate"}`, []string{"session"}},
		{"role names keep case", `{"AWS":"arn:aws:iam::111122223333:role/team/Rotate"}`, nil},
		{"a session reaches itself", `{"AWS":"arn:aws:sts::111122223333:assumed-role/rotate/s"}`, []string{"role", "session"}},
		{"another session does not", `{"AWS":"arn:aws:sts::111122223333:assumed-role/rotate/t"}`, nil},
		{"a user", `{"AWS":"arn:aws:iam::111122223333:user/bob"}`, []string{"user"}},
		{"a federated user", `{"AWS":"arn:aws:sts::111122223333:federated-user/bob"}`, []string{"federated"}},
		{"a service", `{"Service":"secretsmanager.amazonaws.com"}`, []string{"service"}},
		{"another service", `{"Service":"lambda.amazonaws.com"}`, nil},
		{"an identity provider", `{"Federated":"arn:aws:iam::111122223333:saml-provider/p"}`, []string{"saml"}},
		{"a deleted principal reaches nobody", `{"AWS":"AROAEXAMPLE1234567890"}`, nil},
		{"a canonical user reaches nobody that is known", `{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, nil},
		{"several types are alternatives", `{"Service":"secretsmanager.amazonaws.com","AWS":["arn:aws:iam::111122223333:user/bob","444455556666"]}`, []string{"user", "service", "stranger"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]bool{}
			for _, name := range tt.reaches {
				want[name] = true
			}
			for name, caller := range callers {
				r := Request{Caller: caller, Action: "secretsmanager:GetSecretValue", Resource: secretARN}
				for element, negated := range map[string]bool{"Principal": false, "NotPrincipal": true} {
					set := &Set{Relation: ResourceOnly, Resource: []*Document{mustParse(t, statementOf(`"Effect":"Deny","`+element+`":`+tt.principal+`,"Action":"*","Resource":"*"`))}}
					if got := Evaluate(set, &r).Outcome == ExplicitlyDenied; got != (want[name] != negated) {
						t.Errorf("%s %s hits %s: %t", element, tt.principal, name, got)
					}
				}
			}
		})
	}
}

func TestSetsCombine(t *testing.T) {
	const (
		allow      = `"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"`
		other      = `"Effect":"Allow","Action":"secretsmanager:DescribeSecret","Resource":"*"`
		deny       = `"Effect":"Deny","Action":"secretsmanager:*","Resource":"*"`
		toRole     = `"Principal":{"AWS":"` + roleARN + `"},`
		toSession  = `"Principal":{"AWS":"` + sessionARN + `"},`
		toRoot     = `"Principal":{"AWS":"111122223333"},`
		toAll      = `"Principal":"*",`
		exceptRole = `"NotPrincipal":{"AWS":["` + roleARN + `","111122223333"]},`
		none       = ""
	)
	tests := []struct {
		name                         string
		relation                     Relation
		identity, boundary, resource string
		want                         Outcome
		byBoundary                   bool
	}{
		{"nothing allows nothing", SameAccount, none, none, none, ImplicitlyDenied, false},
		{"identity alone is enough in one account", SameAccount, allow, none, none, Allowed, false},
		{"the resource alone is enough in one account", SameAccount, none, none, toRole + allow, Allowed, false},
		{"an Allow for the account grants nothing by itself", SameAccount, none, none, toRoot + allow, ImplicitlyDenied, false},
		{"a statement without a principal grants nothing on a resource", SameAccount, none, none, allow, ImplicitlyDenied, false},
		{"a Deny for the account binds its principals", SameAccount, allow, none, toRoot + deny, ExplicitlyDenied, false},
		{"a Deny for everybody binds", SameAccount, allow, none, toAll + deny, ExplicitlyDenied, false},
		{"a Deny wins over an Allow beside it", SameAccount, allow, none, toRole + deny, ExplicitlyDenied, false},
		{"a Deny with NotPrincipal spares whom it names", SameAccount, allow, none, exceptRole + deny, Allowed, false},
		{"but not a role with a boundary", SameAccount, allow, allow, exceptRole + deny, ExplicitlyDenied, false},
		{"an Allow with NotPrincipal spares whom it names", SameAccount, none, none, exceptRole + allow, ImplicitlyDenied, false},

		{"the boundary limits identity", SameAccount, allow, other, none, ImplicitlyDenied, true},
		{"the boundary grants nothing by itself", SameAccount, none, allow, none, ImplicitlyDenied, false},
		{"identity within the boundary", SameAccount, allow, allow, none, Allowed, false},
		{"the boundary limits a grant to the role", SameAccount, none, other, toRole + allow, ImplicitlyDenied, true},
		{"a grant to the role within the boundary", SameAccount, none, allow, toRole + allow, Allowed, false},
		{"the boundary does not limit a grant to the session", SameAccount, none, other, toSession + allow, Allowed, false},
		{"nor one to everybody", SameAccount, none, other, toAll + allow, Allowed, false},
		{"a Deny in the boundary binds even the session's grant", SameAccount, none, deny, toSession + allow, ExplicitlyDenied, false},

		{"another account: identity alone is not enough", CrossAccount, allow, none, none, ImplicitlyDenied, false},
		{"another account: the resource alone is not enough", CrossAccount, none, none, toRole + allow, ImplicitlyDenied, false},
		{"another account: both, by the role", CrossAccount, allow, none, toRole + allow, Allowed, false},
		{"another account: both, by the account", CrossAccount, allow, none, toRoot + allow, Allowed, false},
		{"another account: both, by everybody", CrossAccount, allow, none, toAll + allow, Allowed, false},
		{"another account: the boundary limits identity", CrossAccount, allow, other, toSession + allow, ImplicitlyDenied, true},
		{"another account: a Deny on either side binds", CrossAccount, allow, none, toAll + deny, ExplicitlyDenied, false},

		{"a key policy that does not delegate voids identity", Delegated, allow, none, toRole + other, ImplicitlyDenied, false},
		{"a key policy that delegates lets identity count", Delegated, allow, none, toRoot + allow, Allowed, false},
		{"a key policy that delegates another action does not", Delegated, allow, none, toRoot + other, ImplicitlyDenied, false},
		{"a key policy that delegates grants nothing by itself", Delegated, none, none, toRoot + allow, ImplicitlyDenied, false},
		{"a key policy that names the role is enough", Delegated, none, none, toRole + allow, Allowed, false},
		{"a boundary limits delegation", Delegated, allow, other, toRoot + allow, ImplicitlyDenied, true},
		{"a boundary limits the key's grant to the role", Delegated, none, other, toRole + allow, ImplicitlyDenied, true},

		{"the resource only: identity does not count", ResourceOnly, allow, none, none, ImplicitlyDenied, false},
		{"the resource only: a Deny of identity does not count", ResourceOnly, deny, none, toRole + allow, Allowed, false},
		{"the resource only: the boundary does not count", ResourceOnly, none, deny, toRole + allow, Allowed, false},
		{"the resource only: an Allow for the account allows its principals", ResourceOnly, none, none, toRoot + allow, Allowed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := Set{Relation: tt.relation}
			if tt.identity != none {
				set.Identity = []*Document{mustParse(t, statementOf(tt.identity))}
			}
			if tt.boundary != none {
				set.Boundary = mustParse(t, statementOf(tt.boundary))
			}
			if tt.resource != none {
				set.Resource = []*Document{mustParse(t, statementOf(tt.resource))}
			}
			r := roleRequest()
			got := Evaluate(&set, &r)
			if got.Outcome != tt.want || got.ByBoundary != tt.byBoundary {
				t.Errorf("Evaluate = %+v, want %s, by the boundary %t", got, tt.want, tt.byBoundary)
			}
			if allows := Compile(set).Allows(&r); allows != (tt.want == Allowed) {
				t.Errorf("Allows = %t", allows)
			}
		})
	}
}

func TestAnEmptyBoundaryAllowsNothing(t *testing.T) {
	r := roleRequest()
	set := &Set{Identity: []*Document{mustParse(t, statementOf(`"Effect":"Allow","Action":"*","Resource":"*"`))}, Boundary: &Document{}}
	if got := Evaluate(set, &r); got.Outcome != ImplicitlyDenied || !got.ByBoundary {
		t.Errorf("Evaluate = %+v, want denied by the boundary", got)
	}
}

func TestUsersAreNotLimitedByTheirBoundary(t *testing.T) {
	const user = "arn:aws:iam::111122223333:user/bob"
	set := &Set{Boundary: &Document{}, Resource: []*Document{mustParse(t, statementOf(`"Effect":"Allow","Principal":{"AWS":"`+user+`"},"Action":"*","Resource":"*"`))}}
	r := Request{Caller: Caller{Kind: CallerUser, ARN: user}, Action: "secretsmanager:GetSecretValue", Resource: secretARN}
	if got := Evaluate(set, &r); got.Outcome != Allowed {
		t.Errorf("Evaluate = %+v, want allowed", got)
	}
}

func TestDecisionsNameTheirStatements(t *testing.T) {
	a := mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"other","Effect":"Allow","Action":"s3:*","Resource":"*"},
		{"Sid":"get","Effect":"Allow","Action":"secretsmanager:Get*","Resource":"*"},
		{"Sid":"tagged","Effect":"Allow","Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}},
		{"Sid":"no","Effect":"Deny","Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpc":"vpc-1"}}}]}`)
	a.Name = "A.json"
	b := mustParse(t, statementOf(`"Effect":"Allow","Principal":{"AWS":["`+roleARN+`","111122223333"]},"Action":"secretsmanager:*","Resource":"*"`))
	b.Name = "B.json"
	refs := func(indexes ...int) (refs []StatementRef) {
		for _, i := range indexes {
			refs = append(refs, StatementRef{Document: "A.json", Index: i, Sid: a.Statements[i].Sid})
		}
		return refs
	}
	tests := []struct {
		name     string
		set      Set
		context  map[string][]string
		unknown  []string
		want     Decision
		resource string
	}{
		{"one Allow", Set{Identity: []*Document{a}}, nil, nil, Decision{Outcome: Allowed, By: refs(1)}, ""},
		{"two Allows", Set{Identity: []*Document{a}}, map[string][]string{"aws:ResourceTag/team": {"a"}}, nil, Decision{Outcome: Allowed, By: refs(1, 2)}, ""},
		{"a Deny", Set{Identity: []*Document{a}}, map[string][]string{"aws:sourcevpc": {"vpc-1"}}, nil, Decision{Outcome: ExplicitlyDenied, By: refs(3)}, ""},
		{"an unknown key of a Deny decides", Set{Identity: []*Document{a}}, nil, []string{"aws:SourceVpc"}, Decision{Outcome: Undecided, By: refs(3), Keys: []string{"aws:SourceVpc"}}, ""},
		{"an unknown key of an Allow does not when another grants", Set{Identity: []*Document{a}}, nil, []string{"aws:ResourceTag/*"}, Decision{Outcome: Allowed, By: refs(1)}, ""},
		{"both sides", Set{Identity: []*Document{a}, Resource: []*Document{b}}, nil, nil, Decision{Outcome: Allowed, By: append(refs(1), StatementRef{Document: "B.json"})}, ""},
		{"only the path that grants", Set{Identity: []*Document{a}, Resource: []*Document{b}, Boundary: mustParse(t, statementOf(`"Effect":"Allow","Action":"s3:*","Resource":"*"`))}, nil, nil,
			Decision{Outcome: ImplicitlyDenied, ByBoundary: true}, ""},
		{"both sides of a delegation", Set{Relation: CrossAccount, Identity: []*Document{a}, Resource: []*Document{b}}, nil, nil, Decision{Outcome: Allowed, By: append(refs(1), StatementRef{Document: "B.json"})}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := roleRequest()
			r.Context, r.Unknown = tt.context, tt.unknown
			if diff := cmp.Diff(tt.want, Evaluate(&tt.set, &r)); diff != "" {
				t.Errorf("Evaluate differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownKeysDecideOnlyWhenTheyDecide(t *testing.T) {
	tests := []struct {
		name       string
		statements []string
		want       Outcome
		keys       []string
	}{
		{"an Allow on an unknown key", []string{`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:k":"x"}}`}, Undecided, []string{"a:k"}},
		{"an Allow that fails otherwise", []string{`"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"a:k":"x"}}`}, ImplicitlyDenied, nil},
		{"an Allow that fails another condition", []string{`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:k":"x","a:other":"x"}}`}, ImplicitlyDenied, nil},
		{"a Deny without an Allow", []string{`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:k":"x"}}`}, ImplicitlyDenied, nil},
		{"a certain Deny beside it", []string{`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:k":"x"}}`, `"Effect":"Deny","Action":"*","Resource":"*"`}, ExplicitlyDenied, nil},
		{"an uncertain Deny and a certain Allow", []string{`"Effect":"Allow","Action":"*","Resource":"*"`, `"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:k":"x"}}`}, Undecided, []string{"a:k"}},
		{"a variable in a condition", []string{`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:known":"${a:k}"}}`}, Undecided, []string{"a:k"}},
		{"a variable in a value that another value beats", []string{`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:known":["${a:k}","v"]}}`}, Allowed, nil},
		{"a variable in a resource", []string{`"Effect":"Allow","Action":"*","Resource":"arn:aws:secretsmanager:*:*:secret:${a:k}*"`}, Undecided, []string{"a:k"}},
		{"a key and a variable", []string{`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a:k":"${a:l}"}}`}, Undecided, []string{"a:k"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := &Set{}
			for _, s := range tt.statements {
				set.Identity = append(set.Identity, mustParse(t, statementOf(s)))
			}
			r := roleRequest()
			r.Context = map[string][]string{"a:known": {"v"}}
			r.Unknown = []string{"A:K"}
			got := Evaluate(set, &r)
			if got.Outcome != tt.want || !cmp.Equal(got.Keys, tt.keys) {
				t.Errorf("Evaluate = %+v, want %s by %v", got, tt.want, tt.keys)
			}
			if Compile(*set).Allows(&r) != (tt.want == Allowed) {
				t.Error("Allows disagrees")
			}
		})
	}
}

func TestMalformedSetsFailClosed(t *testing.T) {
	bad := []Condition{{Operator: "StringMatches", Key: "a:k", Values: []string{"x"}}}
	r := roleRequest()
	allow := Statement{Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}}
	voided, denied := allow, allow
	voided.Conditions = bad
	denied.Effect, denied.Conditions = Deny, bad
	if got := Evaluate(&Set{Identity: []*Document{{Statements: []Statement{voided}}}}, &r); got.Outcome != ImplicitlyDenied {
		t.Errorf("an Allow with an unknown operator: %s", got.Outcome)
	}
	if got := Evaluate(&Set{Identity: []*Document{{Statements: []Statement{allow, denied}}}}, &r); got.Outcome != ExplicitlyDenied {
		t.Errorf("a Deny with an unknown operator: %s", got.Outcome)
	}
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	set, request := typicalRole(t)
	compiled := Compile(set)
	if n := testing.AllocsPerRun(100, func() { compiled.Evaluate(request) }); n != 0 {
		t.Errorf("Evaluate allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { compiled.Allows(request) }); n != 0 {
		t.Errorf("Allows allocates %v times", n)
	}
}
