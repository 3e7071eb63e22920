package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// The names that the golden of our roles has.
const (
	readerARN = "arn:aws:iam::" + account.ID + ":role/rotationguard-reader"
	writerARN = "arn:aws:iam::" + account.ID + ":role/rotationguard-writer"
	keyARN    = "arn:aws:kms:" + account.Region + ":" + account.ID + ":key/11111111-2222-3333-4444-555555555555"
	itsARN    = "arn:aws:lambda:" + account.Region + ":" + account.ID + ":function:rotationguard-sweep"
	busName   = "rotationguard"
)

// guard decides on every call of our roles as IAM does, by the policies that infra synthesizes, and remembers what was asked for.
type guard struct {
	policies map[string]*policy.Document // by the role's ARN

	mu     sync.Mutex
	calls  map[string]privileged // by what is asked for, once each
	denied []string
}

// privileged is one request of one of our roles.
type privileged struct {
	role    string
	request policy.Request
}

// newGuard reads the golden that infra's test holds the synthesized roles to.
func newGuard(t *testing.T, mode repair.Mode) *guard {
	t.Helper()
	text, err := os.ReadFile("../../infra/testdata/roles.json")
	if err != nil {
		t.Fatal(err)
	}
	var modes map[repair.Mode]map[string]json.RawMessage
	if err := json.Unmarshal(text, &modes); err != nil {
		t.Fatal(err)
	}
	g := &guard{policies: map[string]*policy.Document{}, calls: map[string]privileged{}}
	for name, arn := range map[string]string{"Reader": readerARN, "Writer": writerARN} {
		if document, ok := modes[mode][name]; ok {
			if g.policies[arn], err = policy.Parse(name, document); err != nil {
				t.Fatal(err)
			}
		}
	}
	return g
}

// allows answers a request of a role, and remembers it. Others are not ours to judge.
func (g *guard) allows(role, action, resource string, context map[string][]string, sessions ...string) bool {
	document := g.policies[role]
	if document == nil {
		return true
	}
	via := strings.Join(context["kms:ViaService"], "")
	all := map[string][]string{"aws:PrincipalArn": {role}, "aws:PrincipalAccount": {account.ID}, "aws:PrincipalOrgID": {"o-1"}, "aws:ResourceOrgID": {"o-1"}, "aws:RequestedRegion": {account.Region}}
	maps.Copy(all, context)
	r := policy.Request{Caller: policy.Caller{Kind: policy.CallerRole, ARN: role}, Action: action, Resource: resource, Context: all}
	ok := allowed(document, &r)
	for _, text := range sessions {
		session, err := policy.Parse("session", []byte(text))
		ok = ok && err == nil && allowed(session, &r)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !ok {
		g.denied = append(g.denied, role+" "+action+" "+resource)
		return false
	}
	g.calls[strings.Join([]string{role, action, resource, via}, " ")] = privileged{role, r}
	return true
}

func allowed(document *policy.Document, r *policy.Request) bool {
	return policy.Evaluate(&policy.Set{Identity: []*policy.Document{document}}, r).Outcome == policy.Allowed
}

// watch puts the guard before an account in memory.
func (g *guard) watch(a *awstest.Account) {
	a.Authorize(func(r awstest.Request) bool {
		context := map[string][]string{}
		if id := r.Params["ExternalId"]; id != "" {
			context["sts:ExternalId"] = []string{id}
		}
		if arn := r.Params["PolicyArn"]; arn != "" {
			context["iam:PolicyARN"] = []string{arn}
		}
		return g.allows(r.Principal, r.Action, r.Resource, context, r.SessionPolicy...)
	})
}

// stored is the guard before what is stored on moto: the ledger, the reports, the bus and Security Hub, each encrypted with the stack's key as far
// as it is.
func (g *guard) stored(t *testing.T, moto string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for _, c := range storedCalls(r, body) {
			if !g.allows(readerARN, c.Action, c.Resource, c.Context) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"`+c.Action+` is denied"}`)
				return
			}
		}
		forward, err := http.NewRequestWithContext(r.Context(), r.Method, moto+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			return
		}
		forward.Header = r.Header.Clone()
		forward.Host = r.Host
		answer, err := http.DefaultTransport.RoundTrip(forward)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// storedCalls are the IAM actions that one request of those services takes.
func storedCalls(r *http.Request, body []byte) []policy.Request {
	in := func(service, resource string) string {
		return "arn:aws:" + service + ":" + account.Region + ":" + account.ID + ":" + resource
	}
	key := func(service string, actions ...string) (calls []policy.Request) {
		for _, action := range actions {
			calls = append(calls, policy.Request{Action: "kms:" + action, Resource: keyARN, Context: map[string][]string{"kms:ViaService": {service + "." + account.Region + ".amazonaws.com"}}})
		}
		return calls
	}
	service, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(service, "DynamoDB"):
		var input struct {
			TableName     string
			RequestItems  map[string]any
			TransactItems []map[string]struct{ TableName string }
		}
		_ = json.Unmarshal(body, &input)
		wanted := map[string]string{call: input.TableName} // the call's action on its table
		for table := range input.RequestItems {
			wanted[call] = table
		}
		if call == "TransactWriteItems" { // takes the action of each item (DynamoDB Developer Guide, "Using IAM with DynamoDB transactions")
			wanted = map[string]string{}
			for _, item := range input.TransactItems {
				for kind, on := range item {
					wanted[map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}[kind]] = on.TableName
				}
			}
		}
		// DynamoDB Developer Guide, "DynamoDB encryption at rest: usage notes".
		calls := key("dynamodb", "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey")
		for action, table := range wanted {
			calls = append(calls, policy.Request{Action: "dynamodb:" + action, Resource: in("dynamodb", "table/"+table)})
		}
		return calls
	case call == "PutEvents":
		var input struct {
			Entries []struct{ EventBusName, Source string }
		}
		_ = json.Unmarshal(body, &input)
		var calls []policy.Request
		for _, e := range input.Entries {
			calls = append(calls, policy.Request{Action: "events:PutEvents", Resource: in("events", "event-bus/"+e.EventBusName), Context: map[string][]string{"events:source": {e.Source}}})
		}
		return calls
	case r.URL.Path == "/findings/import":
		return []policy.Request{{Action: "securityhub:BatchImportFindings", Resource: in("securityhub", "product/"+account.ID+"/default")}}
	}
	object := "arn:aws:s3:::" + strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPut {
		// Amazon S3 User Guide, "Specifying server-side encryption with AWS KMS": PutObject takes GenerateDataKey, GetObject takes Decrypt.
		return append(key("s3", "GenerateDataKey"), policy.Request{Action: "s3:PutObject", Resource: object})
	}
	return append(key("s3", "Decrypt"), policy.Request{Action: "s3:GetObject", Resource: object})
}

// ofLambda are the calls that Lambda makes with the function's role, not the function: its log, its queue and its dead letters (Lambda Developer
// Guide, "Lambda execution role", "Using Lambda with Amazon SQS" and "Capturing records of Lambda asynchronous invocations"), and what SNS does with the
// topic's key (SNS Developer Guide, "Key management").
func (g *guard) ofLambda() {
	in := func(service, resource string) string {
		return "arn:aws:" + service + ":" + account.Region + ":" + account.ID + ":" + resource
	}
	for action, resource := range map[string]string{
		"logs:CreateLogStream": in("logs", "log-group:rotationguard:log-stream:x"), "logs:PutLogEvents": in("logs", "log-group:rotationguard:log-stream:x"),
		"sqs:ReceiveMessage": in("sqs", "rotationguard-events"), "sqs:DeleteMessage": in("sqs", "rotationguard-events"), "sqs:GetQueueAttributes": in("sqs", "rotationguard-events"),
		"sqs:SendMessage": in("sqs", "rotationguard-dead"),
	} {
		g.allows(readerARN, action, resource, nil)
	}
	for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
		g.allows(readerARN, action, keyARN, map[string][]string{"kms:ViaService": {"sns." + account.Region + ".amazonaws.com"}})
	}
}

// unused are allowed actions that the function itself never makes, each with its reason.
var unused = map[string]string{
	"sqs:GetQueueUrl":      "the CDK's grant to send to the dead letters' queue",
	"iam:AttachRolePolicy": "rollback of a detached policy, by a person with the command",
}

// without is a document that no longer names an action in its statements that allow.
func without(t *testing.T, document *policy.Document, action string) *policy.Document {
	t.Helper()
	var parsed struct {
		Version   string
		Statement []map[string]any
	}
	if err := json.Unmarshal([]byte(document.String()), &parsed); err != nil {
		t.Fatal(err)
	}
	parsed.Statement = slices.DeleteFunc(parsed.Statement, func(s map[string]any) bool {
		actions, many := s["Action"].([]any)
		if s["Effect"] != "Allow" {
			return false
		}
		if !many {
			return s["Action"] == action
		}
		s["Action"] = slices.DeleteFunc(actions, func(a any) bool { return a == action })
		return len(s["Action"].([]any)) == 0
	})
	text, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	less, err := policy.Parse("less", text)
	if err != nil {
		t.Fatal(err)
	}
	return less
}

// actionsOf are the actions that a document's statements allow.
func actionsOf(t *testing.T, document *policy.Document) []string {
	t.Helper()
	var parsed struct {
		Statement []struct {
			Effect string
			Action json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(document.String()), &parsed); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, s := range parsed.Statement {
		var many []string
		if json.Unmarshal(s.Action, &many) != nil {
			many = []string{strings.Trim(string(s.Action), `"`)}
		}
		if s.Effect == "Allow" {
			actions = append(actions, many...)
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// as is the environment of an account's session for a role.
func as(t *testing.T, a *awstest.Account, role string) []string {
	t.Helper()
	cfg := a.ConfigAs(role)
	c, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return []string{"AWS_ENDPOINT_URL=" + a.URL(), "AWS_REGION=" + a.Region(), "AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
}

// everyRight is the configuration under which whatever takes a right is done.
const everyRight = `member: {role: audit/rotationguard, external_id: rg}
alerts: {security_hub: true}
operators:
  - {principal: "arn:aws:iam::123456789012:user/anna", may: trigger}
  - {principal: "arn:aws:iam::123456789012:group/operators", may: configure}
`

// excess gives a function in sync what only mode enforce takes away, and makes the operators.
func excess(a *awstest.Account) {
	wide := a.AddPolicy(awstest.Policy{Name: "wide", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}]}`})
	a.UpdateRole("rotate-orders-role", func(r *awstest.Role) { r.Attached = append(r.Attached, wide) })
	a.UpdateFunction("rotate-orders", func(f *awstest.Function) {
		f.Policies[""] = strings.Replace(f.Policies[""], `"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:`+
			account.Region+`:`+account.ID+`:function:rotate-orders"},`, 1)
	})
	rotate := map[string]string{"rotate": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*"}]}`}
	a.AddGroup(awstest.Group{Name: "operators", Inline: rotate, Attached: []string{wide}})
	a.AddUser(awstest.User{Name: "anna", Inline: rotate, Attached: []string{wide}, Groups: []string{"operators"}})
}

// TestLeastPrivilege runs what the function can do under the roles that infra synthesizes. Nothing is denied; every action that they allow was
// needed; without any one of them something is.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	s, a := newStores(t), newAccountInMemory(t)
	if _, err := eventbridge.NewFromConfig(s.cfg).CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: aws.String(busName)}); err != nil {
		t.Fatal(err)
	}
	topic, chat := a.AddTopic("rotationguard"), a.AddTopic("rotationguard-chat")
	for name, trusted := range map[string]string{"rotationguard-reader": account.ID, "rotationguard-writer": account.ID} {
		a.AddRole(awstest.Role{Name: name, Trust: strings.ReplaceAll(writerRole.Trust, account.ID, trusted)})
	}
	const other = "999999999999"
	peer := a.Peer(other)
	peer.AddRole(awstest.Role{Name: "rotationguard", Path: "/audit/", Trust: writerRole.Trust})
	peer.AddFunction(awstest.Function{Name: "theirs", FunctionConfig: awstest.FunctionConfig{Role: peer.AddRole(awstest.Role{Name: "r"})}})
	yes := true
	a.AddSecret(awstest.Secret{
		ARN: "arn:aws:secretsmanager:eu-central-1:" + account.ID + ":secret:elsewhere-AbCdEf", RotationEnabled: &yes, RotationLambdaARN: "arn:aws:lambda:eu-central-1:" + other + ":function:theirs",
	})
	g := newGuard(t, repair.ModeEnforce)
	g.watch(a)
	self := newItself(t, a)
	moto := g.stored(t, s.url)
	ends := []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + moto, "AWS_ENDPOINT_URL_S3=" + moto, "AWS_ENDPOINT_URL_EVENTBRIDGE=" + moto, "AWS_ENDPOINT_URL_SECURITYHUB=" + moto, "AWS_ENDPOINT_URL_LAMBDA=" + self.url,
		envTable + "=" + s.table, envBucket + "=" + s.bucket, envTopic + "=" + topic, envChat + "=" + chat, envBus + "=" + busName, envWriter + "=" + writerARN,
	}
	config := strings.NewReplacer("rotations:\n", everyRight+"rotations:\n  - {match: {name: \"prod/orders/*\"}, strategy: single-user}\n", "repair:\n", "repair:\n  enforce_after: 0s\n").Replace(demoConfig(t, "enforce"))
	plain := deploy(t, config, slices.Concat(as(t, a, readerARN), ends)...)
	f := deploy(t, "use_get_function: true\n"+config, slices.Concat(as(t, a, readerARN), ends)...)
	excess(a)
	hangAt(a, "rotate-hr")
	for event, time := "{}", short; event != ""; time = within {
		o := f.invoke(t, event, time)
		if o.failed || o.answer.Errors > 0 {
			t.Fatalf("answer %s", o.raw)
		}
		if event = self.next(t); event != "" {
			g.allows(readerARN, "lambda:InvokeFunction", itsARN, nil)
		}
	}
	a.UpdateRole("rotate-carts-role", func(r *awstest.Role) { // its owner's own grant is back
		for name, document := range r.Inline {
			if strings.HasPrefix(name, "rotationguard-") {
				r.Inline["owner"] = document
			}
		}
	})
	for _, f := range []*environment{f, plain} {
		for _, event := range []string{`{"secrets":["prod/orders/db"]}`, event("UpdateFunctionConfiguration20150331v2", "rotate-crm", ""), "{}"} {
			if o := f.invoke(t, event, within); o.failed || o.answer.Errors > 0 {
				t.Errorf("answer %s", o.raw)
			}
		}
	}
	g.ofLambda()
	if len(g.denied) > 0 {
		t.Errorf("%d requests were denied, the first %s", len(g.denied), g.denied[0])
	}
	for role, document := range g.policies {
		for _, action := range actionsOf(t, document) {
			less := without(t, document, action)
			missed := false
			for _, c := range g.calls {
				missed = missed || c.role == role && !allowed(less, &c.request)
			}
			if _, known := unused[action]; missed == known {
				t.Errorf("%s: without %s something is missed: %t", role, action, missed)
			}
		}
	}
}

// TestSecretValuesAreDenied: by every role and mode, whatever else is attached to the role later.
func TestSecretValuesAreDenied(t *testing.T) {
	everything, err := policy.Parse("everything", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	secret := "arn:aws:secretsmanager:" + account.Region + ":" + account.ID + ":secret:prod/orders/db-AbCdEf"
	for _, mode := range []repair.Mode{repair.ModeReport, repair.ModeRepair, repair.ModeEnforce} {
		for role, document := range newGuard(t, mode).policies {
			for _, action := range []string{"secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"} {
				r := policy.Request{Caller: policy.Caller{Kind: policy.CallerRole, ARN: role}, Action: action, Resource: secret}
				if policy.Evaluate(&policy.Set{Identity: []*policy.Document{document, everything}}, &r).Outcome != policy.ExplicitlyDenied {
					t.Errorf("mode %s: %s may %s", mode, role, action)
				}
			}
		}
	}
}
