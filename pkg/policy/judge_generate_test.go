package policy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// judged is one request that the independent judge has answered.
type judged struct {
	theme   string
	set     Set
	request Request
	// account owns the resource.
	account string
	// identity is what the judge gets as identity documents where it must get others than the set has: it knows no
	// ResourceOnly and asks a role for an Allow of its own.
	identity []*Document
}

// draw is a generator of numbers that stays the same for ever: the recorded answers depend on it (SplitMix64).
type draw struct{ state uint64 }

func (d *draw) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *draw) below(n int) int      { return int(d.next() >> 33 % uint64(n)) }
func (d *draw) once(in int) bool     { return d.below(in) == 0 }
func one[T any](d *draw, from []T) T { return from[d.below(len(from))] }
func some[T any](d *draw, most int, from []T) []T {
	values := make([]T, 1+d.below(most))
	for i := range values {
		values[i] = one(d, from)
	}
	return values
}

// judgeThemes are the kinds of requests, each as many times.
var judgeThemes = []struct {
	name string
	make func(d *draw) judged
}{
	{"elements", judgeElements},
	{"conditions", judgeConditions},
	{"several conditions", judgeSeveralConditions},
	{"variables", judgeVariables},
	{"principals", judgePrincipals},
	{"boundaries", judgeBoundaries},
	{"key policies", judgeKeys},
	{"services", judgeServices},
	{"no resource", judgeNoResource},
	{"odd values", judgeOddValues},
}

const judgeEach = 1200

// judgeRequests makes all requests.
func judgeRequests() []judged {
	var all []judged
	for i, theme := range judgeThemes {
		d := &draw{state: uint64(i+1) << 32}
		for range judgeEach {
			j := theme.make(d)
			j.theme = theme.name
			for k, document := range j.set.Identity {
				document.Name = fmt.Sprintf("identity%d", k)
			}
			all = append(all, j)
		}
	}
	return all
}

// line is the request as the judge reads it.
func (j *judged) line() string {
	principal := j.request.Caller.Session
	switch j.request.Caller.Kind {
	case CallerService:
		principal = j.request.Caller.Service
	case CallerAnonymous:
		principal = ""
	case CallerUser:
		principal = j.request.Caller.ARN
	default:
	}
	context := map[string]any{}
	for key, values := range j.request.Context {
		if len(values) == 1 {
			context[key] = values[0]
		} else {
			context[key] = values
		}
	}
	identity := j.set.Identity
	if j.identity != nil {
		identity = j.identity
	}
	message := struct {
		Principal      string         `json:"principal"`
		Action         string         `json:"action"`
		Resource       string         `json:"resource"`
		Account        string         `json:"account"`
		Context        map[string]any `json:"context"`
		Identity       []*Document    `json:"identity,omitempty"`
		Boundary       *Document      `json:"boundary,omitempty"`
		ResourcePolicy *Document      `json:"resourcePolicy,omitempty"`
	}{principal, j.request.Action, j.request.Resource, j.account, context, identity, j.set.Boundary, nil}
	if len(j.set.Resource) > 0 {
		message.ResourcePolicy = j.set.Resource[0]
	}
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const (
	judgeAccount  = "111122223333"
	otherAccount  = "444455556666"
	judgeFunction = "arn:aws:lambda:eu-west-1:111122223333:function:rotate"
)

var (
	judgeRole = Caller{Kind: CallerRole, ARN: "arn:aws:iam::111122223333:role/team/rotate", Session: "arn:aws:sts::111122223333:assumed-role/rotate/session"}
	judgeUser = Caller{Kind: CallerUser, ARN: "arn:aws:iam::111122223333:user/bob"}

	judgeActions = []string{"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:DescribeSecret", "lambda:InvokeFunction"}
	actionValues = []string{"*", "secretsmanager:*", "secretsmanager:Get*", "secretsmanager:*SecretValue", "secretsmanager:GetSecretValue", "SecretsManager:getsecretvalue",
		"secretsmanager:?etSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:DescribeSecret", "lambda:*", "lambda:Invoke*", "ec2:*", "secretsmanager:*e*e*"}

	judgeResources = []string{
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-admin-GhIjKl",
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:test/größe-AbCdEf", judgeFunction, judgeFunction + ":live",
	}
	resourceValues = []string{
		"*", "arn:aws:secretsmanager:*:*:secret:*", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-??????", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/*",
		"arn:aws:secretsmanager:eu-*:111122223333:secret:*", "arn:aws:secretsmanager:??-west-1:111122223333:secret:*-AbCdEf", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db",
		"arn:aws:secretsmanager:eu-west-1:111122223333:secret:PROD/*", "arn:aws:secretsmanager:eu-west-1:111122223333:*", "arn:aws:secretsmanager:*", "arn:*:secretsmanager:*:111122223333:secret:*/db*",
		"arn:aws:secretsmanager:us-east-1:111122223333:secret:test/gr??e-*", "arn:aws:lambda:*:111122223333:function:*", judgeFunction, judgeFunction + ":*", "arn:aws:lambda:*:*:function:rotate*",
		"arn:aws:secretsmanager:*:secret:prod/db-AbCdEf", "arn:aws:secretsmanager:eu-west-1:111122223333:sec*:prod/*", "arn:aws:secretsmanager:EU-WEST-1:111122223333:secret:*", "arn:aws:secretsmanager:eu-west-1:*",
	}
)

func judgeVersion(d *draw) Version {
	return one(d, []Version{Version2012, Version2012, Version2012, Version2012, Version2008, ""})
}

func judgeRequest(d *draw) Request {
	return Request{Caller: one(d, []Caller{judgeRole, judgeRole, judgeUser}), Action: one(d, judgeActions), Resource: one(d, judgeResources)}
}

// judgeStatement draws everything but principal and conditions.
func judgeStatement(d *draw, version Version) Statement {
	s := Statement{Effect: one(d, []Effect{Allow, Allow, Allow, Deny})}
	if d.once(6) {
		s.NotActions = some(d, 2, actionValues[1:])
	} else {
		s.Actions = some(d, 3, actionValues)
	}
	if d.once(6) {
		s.NotResources = some(d, 2, resourceValues[1:])
	} else {
		s.Resources = some(d, 3, resourceValues)
	}
	return s
}

// wide is a statement that stands in no condition's way.
func wide(effect Effect) Statement {
	return Statement{Effect: effect, Actions: []string{"*"}, Resources: []string{"*"}}
}

func documentOf(version Version, statements ...Statement) *Document {
	return &Document{Version: version, Statements: statements}
}

func judgeElements(d *draw) judged {
	j := judged{request: judgeRequest(d), account: judgeAccount}
	for range 1 + d.below(2) {
		document := documentOf(judgeVersion(d))
		for range 1 + d.below(3) {
			document.Statements = append(document.Statements, judgeStatement(d, document.Version))
		}
		j.set.Identity = append(j.set.Identity, document)
	}
	return j
}

// judgeKey is a condition key with the operators that suit it, values for a policy and values for a request.
type judgeKey struct {
	name      string
	operators []string
	policy    []string
	request   []string
	set       bool // may have several values
}

var (
	stringOperators = []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"}
	arnOperators    = []string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringLike", "StringEquals"}
	arnValues       = []string{judgeFunction, judgeFunction + ":live", "arn:aws:lambda:*:111122223333:function:*", "arn:aws:lambda:*:function:rotate", "arn:aws:lambda:eu-????-1:*:function:r*e", "arn:*"}

	judgeKeys2 = []judgeKey{
		{name: "aws:PrincipalTag/team", operators: stringOperators, policy: []string{"red", "Red", "blue", "r*", "?ed", "*", ""}, request: []string{"red", "RED", "blue", "bed", ""}},
		{name: "secretsmanager:VersionStage", operators: stringOperators, policy: []string{"AWSCURRENT", "AWS*", "awscurrent", "AWSPENDING"}, request: []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"}},
		{name: "secretsmanager:resource/AllowRotationLambdaArn", operators: arnOperators, policy: arnValues, request: []string{judgeFunction, judgeFunction + ":live", "arn:aws:lambda:us-east-1:444455556666:function:x"}},
		{name: "aws:SourceArn", operators: arnOperators, policy: arnValues, request: []string{judgeFunction, "arn:aws:lambda:us-east-1:444455556666:function:rotate"}},
		{name: "s3:max-keys", operators: []string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"},
			policy: []string{"10", "10.0", "9.5", "-1", "100"}, request: []string{"10", "9.50", "9", "11", "-1", "0"}},
		{name: "aws:TokenIssueTime", operators: []string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"},
			policy: []string{"2024-05-01T00:00:00Z", "2024-05-01", "2024-05-01T02:00:00+02:00", "2023-01-01T12:30:00Z"}, request: []string{"2024-05-01T00:00:00Z", "2024-04-30T23:59:59Z", "2024-05-01T00:00:01Z"}},
		{name: "aws:SecureTransport", operators: []string{"Bool"}, policy: []string{"true", "false", "True"}, request: []string{"true", "false"}},
		{name: "aws:SourceIp", operators: []string{"IpAddress", "NotIpAddress"}, policy: []string{"10.0.0.0/8", "10.1.2.0/24", "192.0.2.1", "2001:db8::/32", "0.0.0.0/0"}, request: []string{"10.1.2.3", "10.9.9.9", "192.0.2.1", "2001:db8::1", "198.51.100.7"}},
		{name: "app:Digest", operators: []string{"BinaryEquals"}, policy: []string{"QmluYXJ5", "QQ=="}, request: []string{"QmluYXJ5", "QQ==", "qq=="}},
		{name: "aws:TagKeys", operators: stringOperators, policy: []string{"team", "Team", "cost*", "stage", "*"}, request: []string{"team", "cost-center", "stage", "other"}, set: true},
		{name: "kms:GrantOperations", operators: stringOperators[:2], policy: []string{"Decrypt", "Encrypt", "GenerateDataKey"}, request: []string{"Decrypt", "Encrypt", "CreateGrant"}, set: true},
	}
)

// judgeCondition draws a condition on a key; the spelling of the key may differ from the request's.
func judgeCondition(d *draw, key *judgeKey) Condition {
	if d.once(10) {
		return Condition{Operator: "Null", Key: spelled(d, key.name), Values: one(d, [][]string{{"true"}, {"false"}, {"true", "false"}})}
	}
	c := Condition{Operator: one(d, key.operators), Key: spelled(d, key.name), Values: some(d, 3, key.policy)}
	if d.once(25) {
		c.Values = nil
	}
	if key.set && !d.once(6) || d.once(8) {
		c.Operator = one(d, []string{forAllValuesPrefix, forAnyValuePrefix}) + c.Operator
	}
	if d.once(4) {
		c.Operator += ifExistsSuffix
	}
	return c
}

func spelled(d *draw, key string) string {
	switch d.below(5) {
	case 0:
		return strings.ToLower(key)
	case 1:
		return strings.ToUpper(key)
	}
	return key
}

// judgeContext gives some of the keys a value.
func judgeContext(d *draw, r *Request, keys ...*judgeKey) {
	r.Context = map[string][]string{}
	for _, key := range keys {
		if d.once(4) {
			continue
		}
		most := 1
		if key.set || d.once(12) {
			most = 3
		}
		r.Context[key.name] = some(d, most, key.request)
	}
}

func judgeConditions(d *draw) judged {
	j := judged{request: judgeRequest(d), account: judgeAccount}
	key := &judgeKeys2[d.below(len(judgeKeys2))]
	s := wide(one(d, []Effect{Allow, Allow, Deny}))
	s.Conditions = []Condition{judgeCondition(d, key)}
	document := documentOf(judgeVersion(d), s)
	if s.Effect == Deny {
		document.Statements = append(document.Statements, wide(Allow))
	}
	j.set.Identity = []*Document{document}
	judgeContext(d, &j.request, key)
	return j
}

func judgeSeveralConditions(d *draw) judged {
	j := judged{request: judgeRequest(d), account: judgeAccount}
	var keys []*judgeKey
	document := documentOf(judgeVersion(d))
	for range 1 + d.below(3) {
		s := judgeStatement(d, document.Version)
		if d.once(2) {
			s = wide(s.Effect)
		}
		used := map[string]bool{}
		for range d.below(4) {
			key := &judgeKeys2[d.below(len(judgeKeys2))]
			c := judgeCondition(d, key)
			if at := strings.ToLower(c.Operator + " " + c.Key); !used[at] {
				used[at] = true
				s.Conditions = append(s.Conditions, c)
				keys = append(keys, key)
			}
		}
		document.Statements = append(document.Statements, s)
	}
	j.set.Identity = []*Document{document}
	judgeContext(d, &j.request, keys...)
	return j
}

func judgeVariables(d *draw) judged {
	values := []string{"${aws:username}", "x${aws:username}y", "${aws:PrincipalTag/team}*", "${aws:username, 'anon'}", "${aws:absent, 'red'}", "${*}", "a${?}", "${$}5", "${AWS:USERNAME}", "${aws:TagKeys}", "*${aws:absent}", "red"}
	requests := []string{"bob", "xboby", "red", "reddish", "anon", "a?", "ab", "$5", "${aws:username}", "anything", "*"}
	j := judged{request: judgeRequest(d), account: judgeAccount}
	// The judge reads a star in a request's resource as a pattern, a question of its own.
	j.request.Resource = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:" + one(d, requests[:len(requests)-1])
	s := Statement{Effect: one(d, []Effect{Allow, Allow, Deny}), Actions: []string{"*"}}
	inResource := d.once(2)
	resources := []string{"*"}
	if inResource {
		resources = nil
		for _, v := range some(d, 2, values) {
			resources = append(resources, "arn:aws:secretsmanager:*:111122223333:secret:"+v)
		}
	}
	if inResource && d.once(4) {
		s.NotResources = resources
	} else {
		s.Resources = resources
	}
	j.request.Context = map[string][]string{"app:Value": {one(d, requests)}}
	if !inResource || d.once(3) {
		s.Conditions = []Condition{{Operator: one(d, stringOperators), Key: "app:Value", Values: some(d, 2, values)}}
	}
	for key, v := range map[string][]string{"aws:username": {"bob"}} {
		if !d.once(4) {
			j.request.Context[key] = v
		}
	}
	if d.once(2) {
		j.request.Context["aws:PrincipalTag/team"] = []string{one(d, []string{"red", "*", "re?"})}
	}
	if d.once(3) {
		j.request.Context["aws:TagKeys"] = []string{"a", "b"}
	}
	document := documentOf(judgeVersion(d), s)
	if s.Effect == Deny {
		document.Statements = append(document.Statements, wide(Allow))
	}
	j.set.Identity = []*Document{document}
	return j
}

var principalValues = []Principal{
	{PrincipalAny, "*"}, {PrincipalAWS, "*"}, {PrincipalAWS, judgeAccount}, {PrincipalAWS, "arn:aws:iam::111122223333:root"}, {PrincipalAWS, otherAccount},
	{PrincipalAWS, "arn:aws:iam::111122223333:role/team/rotate"}, {PrincipalAWS, "arn:aws:iam::111122223333:role/other"}, {PrincipalAWS, "arn:aws:iam::111122223333:user/bob"},
	{PrincipalAWS, "arn:aws:sts::111122223333:assumed-role/rotate/session"}, {PrincipalAWS, "arn:aws:sts::111122223333:assumed-role/rotate/another"},
	{PrincipalService, "secretsmanager.amazonaws.com"}, {PrincipalService, "lambda.amazonaws.com"}, {PrincipalAWS, "AROAEXAMPLE1234567890"},
}

// judgeResourceStatement draws a statement of a resource policy, mostly wide.
func judgeResourceStatement(d *draw, version Version) Statement {
	s := judgeStatement(d, version)
	if !d.once(4) {
		s = wide(s.Effect)
	}
	principals := some(d, 2, principalValues)
	for _, p := range principals {
		if p.Type == PrincipalAny {
			principals = []Principal{p}
			break
		}
	}
	if d.once(5) {
		s.NotPrincipals = principals
	} else {
		s.Principals = principals
	}
	return s
}

// judgeIdentity draws identity documents, sometimes none.
func judgeIdentity(d *draw) []*Document {
	var documents []*Document
	for range d.below(3) {
		s := judgeStatement(d, Version2012)
		if !d.once(3) {
			s = wide(s.Effect)
		}
		documents = append(documents, documentOf(Version2012, s))
	}
	return documents
}

func judgePrincipals(d *draw) judged {
	j := judged{request: judgeRequest(d), account: judgeAccount}
	if d.once(3) {
		j.account, j.set.Relation = otherAccount, CrossAccount
	}
	j.set.Identity = judgeIdentity(d)
	document := documentOf(Version2012)
	for range 1 + d.below(3) {
		document.Statements = append(document.Statements, judgeResourceStatement(d, Version2012))
	}
	j.set.Resource = []*Document{document}
	return j
}

func judgeBoundaries(d *draw) judged {
	j := judgePrincipals(d)
	boundary := documentOf(Version2012)
	for range 1 + d.below(2) {
		s := judgeStatement(d, Version2012)
		if d.once(3) {
			s = wide(s.Effect)
		}
		boundary.Statements = append(boundary.Statements, s)
	}
	j.set.Boundary = boundary
	return j
}

func judgeKeys(d *draw) judged {
	j := judgePrincipals(d)
	j.account, j.set.Relation = judgeAccount, Delegated
	j.request.Action = one(d, []string{"kms:Decrypt", "kms:GenerateDataKey"})
	j.request.Resource = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, document := range append(j.set.Resource, j.set.Identity...) {
		for i := range document.Statements {
			s := &document.Statements[i]
			for k := range s.Actions {
				s.Actions[k] = one(d, []string{"*", "kms:*", "kms:Decrypt", "kms:GenerateDataKey*"})
			}
			for k := range s.Resources {
				s.Resources[k] = one(d, []string{"*", "arn:aws:kms:*:111122223333:key/*"})
			}
		}
	}
	if d.once(4) {
		s := wide(Allow)
		s.Actions = []string{one(d, []string{"*", "kms:Decrypt"})}
		j.set.Boundary = documentOf(Version2012, s)
	}
	return j
}

// judgeServices is a resource policy alone, asked by a service, by nobody and by a role.
func judgeServices(d *draw) judged {
	j := judgePrincipals(d)
	j.account, j.set.Relation = judgeAccount, ResourceOnly
	j.set.Identity = nil
	switch d.below(4) {
	case 0:
		j.request.Caller = Caller{Kind: CallerAnonymous}
	case 1:
		j.request.Caller = judgeRole
		j.identity = []*Document{documentOf(Version2012, wide(Allow))}
		// The judge lets the role's own Allow count in one account; in another both sides must allow, so that the resource
		// policy decides.
		j.account = otherAccount
	default:
		j.request.Caller = Caller{Kind: CallerService, Service: one(d, []string{"secretsmanager.amazonaws.com", "lambda.amazonaws.com", "events.amazonaws.com"})}
	}
	key := &judgeKeys2[3]
	for i := range j.set.Resource[0].Statements {
		if d.once(3) {
			j.set.Resource[0].Statements[i].Conditions = []Condition{judgeCondition(d, key)}
		}
	}
	judgeContext(d, &j.request, key)
	return j
}

func judgeNoResource(d *draw) judged {
	j := judged{request: judgeRequest(d), account: judgeAccount}
	j.request.Action, j.request.Resource = one(d, []string{"secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets", "ec2:DescribeNetworkInterfaces"}), "*"
	transport := &judgeKeys2[6]
	document := documentOf(Version2012)
	for range 1 + d.below(3) {
		s := judgeStatement(d, Version2012)
		if d.once(2) {
			s.Actions, s.NotActions = some(d, 2, []string{"*", "secretsmanager:*", "secretsmanager:GetRandomPassword", "secretsmanager:List*", "ec2:Describe*"}), nil
		}
		if d.once(3) {
			s.Conditions = []Condition{judgeCondition(d, one(d, []*judgeKey{transport, &judgeKeys2[2]}))}
		}
		document.Statements = append(document.Statements, s)
	}
	j.set.Identity = []*Document{document}
	judgeContext(d, &j.request, transport)
	for key, values := range j.request.Context {
		j.request.Context[key] = values[:1]
	}
	return j
}

// judgeOddValues gives keys values that are not of the operator's type, and types their less usual forms.
func judgeOddValues(d *draw) judged {
	odd := []judgeKey{
		{name: "s3:max-keys", operators: judgeKeys2[4].operators, policy: []string{"10", "1e1", "9007199254740993", "0.10", "+5"}, request: []string{"ten", "10", "1e1", "9007199254740992", "0.1", "", "10 apples", "5"}},
		{name: "aws:TokenIssueTime", operators: judgeKeys2[5].operators, policy: []string{"1714521600", "2024-05-01T00:00:00Z", "2024", "2024-05-01T00:00Z"}, request: []string{"1714521600", "1714521601", "2024-05-01T00:00:00Z", "2024", "yesterday"}},
		{name: "aws:SourceIp", operators: judgeKeys2[7].operators, policy: []string{"10.0.0.0/8", "2001:db8::1", "::/0", "192.0.2.1", "10.1.2.3/8"}, request: []string{"nowhere", "2001:DB8:0:0::1", "2001:db8::1", "::ffff:10.0.0.1", "10.1.2.3", "192.0.2.1", ""}},
		{name: "aws:SourceArn", operators: arnOperators[:4], policy: []string{"*", "arn:aws:iam::*", judgeFunction, "arn:aws:lambda:*:*:*:*", "x:y:z:a:b:c", "*:*:*:*:*:*"}, request: []string{"", "rotate", judgeFunction, "arn:aws:lambda", "x:y:z:a:b:c"}},
		{name: "app:Name", operators: stringOperators, policy: []string{"é", "É", "?", "a?b", "k", "[a-z]", "a.c", "a\\*"}, request: []string{"é", "É", "e\u0301", "😀", "a😀b", "\u212a", "K", "[a-z]", "abc", "a.c", "a\\x", "a\nb"}},
		{name: "aws:SecureTransport", operators: []string{"Bool"}, policy: []string{"true", "false"}, request: []string{"TRUE", "False", "yes", "1", ""}},
		{name: "aws:TagKeys", operators: stringOperators, policy: []string{"", "a", "*"}, request: []string{"", "a", "b"}, set: true},
	}
	j := judged{request: judgeRequest(d), account: judgeAccount}
	key := &odd[d.below(len(odd))]
	s := wide(one(d, []Effect{Allow, Allow, Deny}))
	s.Conditions = []Condition{judgeCondition(d, key)}
	document := documentOf(Version2012, s)
	if s.Effect == Deny {
		document.Statements = append(document.Statements, wide(Allow))
	}
	j.set.Identity = []*Document{document}
	judgeContext(d, &j.request, key)
	return j
}
