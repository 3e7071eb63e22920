package trigger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const (
	function  = rotation.ARN("arn:aws:lambda:eu-central-1:123456789012:function:rotate-orders")
	secret    = rotation.ARN("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/orders/db-AbCdEf")
	other     = rotation.ARN("arn:aws:lambda:eu-central-1:123456789012:function:rotate-hr")
	hr        = rotation.ARN("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/hr/db-AbCdEf")
	master    = rotation.ARN("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/admin-AbCdEf")
	key       = rotation.ARN("arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")
	managed   = rotation.ARN("arn:aws:iam::123456789012:policy/rotation")
	boundary  = rotation.ARN("arn:aws:iam::123456789012:policy/boundary")
	stranger  = rotation.ARN("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/new-AbCdEf")
	readerARN = rotation.ARN("arn:aws:sts::123456789012:assumed-role/rotationguard-reader/rotationguard-sweep")
	writerARN = rotation.ARN("arn:aws:iam::123456789012:role/security/rotationguard-writer")
)

// index knows an alias of one function besides the function itself, and another function.
func index() *rotation.Index {
	uses := rotation.Uses{
		Role: "arn:aws:iam::123456789012:role/service-role/rotate-orders", Policies: []rotation.ARN{managed, boundary}, Keys: []rotation.ARN{key}, Masters: []rotation.ARN{master},
	}
	return &rotation.Index{
		Secrets: map[rotation.ARN]rotation.ARN{secret: function, hr: other, master: ""},
		Functions: map[rotation.ARN]rotation.Uses{
			function: uses, function + ":live": uses, other: {Role: "arn:aws:iam::123456789012:role/rotate-hr"},
		},
	}
}

// call is a call as CloudTrail records it.
type call struct {
	source, name   string
	request        map[string]any
	response       map[string]any
	resources      []map[string]any
	caller, issuer rotation.ARN
	account        string
	region         string
	readOnly       bool
	errorCode      string
}

func (c call) event(t *testing.T) Event {
	t.Helper()
	if c.account == "" {
		c.account = "123456789012"
	}
	if c.region == "" {
		c.region = "eu-central-1"
	}
	detail := map[string]any{
		"eventSource": c.source + ".amazonaws.com", "eventName": c.name, "awsRegion": c.region, "recipientAccountId": c.account,
		"requestParameters": c.request, "responseElements": c.response, "resources": c.resources, "readOnly": c.readOnly, "eventType": "AwsApiCall",
		"userIdentity": map[string]any{"arn": c.caller, "sessionContext": map[string]any{"sessionIssuer": map[string]any{"arn": c.issuer}}},
	}
	if c.errorCode != "" {
		detail["errorCode"] = c.errorCode
	}
	data, err := json.Marshal(map[string]any{
		"id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws." + c.source, "account": c.account, "region": c.region, "detail": detail,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

type text = map[string]any

func TestScope(t *testing.T) {
	both := []rotation.ARN{function, function + ":live"}
	for _, tt := range []struct {
		name      string
		call      call
		functions []rotation.ARN
		secrets   []string
	}{
		{"a permission of the function itself", call{source: "lambda", name: "AddPermission20150331v2", request: text{"functionName": "rotate-orders"}}, []rotation.ARN{function}, nil},
		{"by the function's ARN", call{source: "lambda", name: "RemovePermission20150331v2", request: text{"functionName": function}}, []rotation.ARN{function}, nil},
		{"by a partial ARN", call{source: "lambda", name: "RemovePermission20150331v2", request: text{"functionName": "123456789012:function:rotate-orders"}}, []rotation.ARN{function}, nil},
		{"a permission of an alias", call{source: "lambda", name: "RemovePermission20150331v2", request: text{"functionName": "rotate-orders", "qualifier": "live"}}, []rotation.ARN{function + ":live"}, nil},
		{"the alias within the name", call{source: "lambda", name: "RemovePermission20150331v2", request: text{"functionName": function + ":live"}}, []rotation.ARN{function + ":live"}, nil},
		{"$LATEST is the function itself", call{source: "lambda", name: "AddPermission", request: text{"functionName": "rotate-orders:$LATEST"}}, []rotation.ARN{function}, nil},
		{"a version that nothing names", call{source: "lambda", name: "AddPermission20150331v2", request: text{"functionName": "rotate-orders:7"}}, nil, nil},
		{"a whole policy", call{source: "lambda", name: "PutResourcePolicy20241031", request: text{"resourceArn": function + ":live"}}, []rotation.ARN{function + ":live"}, nil},
		{"an alias that moves", call{source: "lambda", name: "UpdateAlias20150331", request: text{"functionName": "rotate-orders", "name": "live"}}, []rotation.ARN{function + ":live"}, nil},
		{"a configuration leaves versions alone", call{source: "lambda", name: "UpdateFunctionConfiguration20150331v2", request: text{"functionName": "rotate-orders"}}, []rotation.ARN{function}, nil},
		{"a function that is deleted", call{source: "lambda", name: "DeleteFunction20150331", request: text{"functionName": "rotate-orders"}}, both, nil},
		{"a function that is made again", call{source: "lambda", name: "CreateFunction20150331", request: text{"functionName": "rotate-orders"}}, both, nil},
		{"a call with a longer name", call{source: "lambda", name: "CreateFunctionUrlConfig", request: text{"functionName": "rotate-orders"}}, nil, nil},
		{"a function of the same name in another Region", call{source: "lambda", name: "AddPermission20150331v2", region: "eu-west-1", request: text{"functionName": "rotate-orders"}}, nil, nil},
		{"a function that rotates nothing", call{source: "lambda", name: "AddPermission20150331v2", request: text{"functionName": "web"}}, nil, nil},
		{"a call that failed", call{source: "lambda", name: "AddPermission20150331v2", request: text{"functionName": "rotate-orders"}, errorCode: "ResourceConflictException"}, nil, nil},
		{"a call that reads", call{source: "lambda", name: "AddPermission20150331v2", request: text{"functionName": "rotate-orders"}, readOnly: true}, nil, nil},

		{"an inline policy", call{source: "iam", name: "PutRolePolicy", region: "us-east-1", request: text{"roleName": "rotate-orders"}}, both, nil},
		{"a trust policy", call{source: "iam", name: "UpdateAssumeRolePolicy", region: "us-east-1", request: text{"roleName": "rotate-hr"}}, []rotation.ARN{other}, nil},
		{"a role of another account", call{source: "iam", name: "PutRolePolicy", account: "999999999999", request: text{"roleName": "rotate-orders"}}, nil, nil},
		{"a role of no function", call{source: "iam", name: "DeleteRole", request: text{"roleName": "web"}}, nil, nil},
		{"a managed policy", call{source: "iam", name: "CreatePolicyVersion", request: text{"policyArn": managed, "setAsDefault": true}}, both, nil},
		{"a boundary", call{source: "iam", name: "SetDefaultPolicyVersion", request: text{"policyArn": boundary}}, both, nil},
		{"a version that is not in force", call{source: "iam", name: "CreatePolicyVersion", request: text{"policyArn": managed, "setAsDefault": false}}, nil, nil},
		{"a user", call{source: "iam", name: "PutUserPolicy", request: text{"userName": "rotate-orders"}}, nil, nil},

		{"a secret by name", call{source: "secretsmanager", name: "UpdateSecret", request: text{"secretId": "prod/orders/db"}}, []rotation.ARN{function}, []string{string(secret)}},
		{"a secret by its ARN without the end", call{source: "secretsmanager", name: "PutResourcePolicy", request: text{"secretId": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/orders/db"}}, []rotation.ARN{function}, []string{string(secret)}},
		{"a secret by the answer", call{source: "secretsmanager", name: "CancelRotateSecret", response: text{"aRN": secret}}, []rotation.ARN{function}, []string{string(secret)}},
		{"a master", call{source: "secretsmanager", name: "PutResourcePolicy", request: text{"secretId": master}}, both, nil},
		{"a secret that does not rotate", call{source: "secretsmanager", name: "UpdateSecret", request: text{"secretId": stranger}}, nil, nil},
		{"a secret that comes to rotate", call{source: "secretsmanager", name: "RotateSecret", request: text{"secretId": stranger}}, nil, []string{string(stranger)}},
		{"a value that is read", call{source: "secretsmanager", name: "GetSecretValue", request: text{"secretId": secret}, readOnly: true}, nil, nil},

		{"a key by id", call{source: "kms", name: "DisableKey", request: text{"keyId": "1234abcd-12ab-34cd-56ef-1234567890ab"}}, both, nil},
		{"a key by its ARN", call{source: "kms", name: "PutKeyPolicy", request: text{"keyId": key}}, both, nil},
		{"a key by the record's resources", call{source: "kms", name: "ScheduleKeyDeletion", request: text{"keyId": "alias/x"}, resources: []text{{"ARN": key}}}, both, nil},
		{"a key of nothing known", call{source: "kms", name: "DisableKey", request: text{"keyId": "other"}}, nil, nil},

		{"the writer's call", call{source: "iam", name: "PutRolePolicy", request: text{"roleName": "rotate-orders"}, issuer: writerARN}, nil, nil},
		{"the writer's session", call{source: "iam", name: "PutRolePolicy", request: text{"roleName": "rotate-orders"}, caller: "arn:aws:sts::123456789012:assumed-role/rotationguard-writer/x"}, nil, nil},
		{"the reader's session", call{source: "lambda", name: "AddPermission20150331v2", request: text{"functionName": "rotate-orders"}, caller: "arn:aws:sts::123456789012:assumed-role/rotationguard-reader/y"}, nil, nil},
		{"a namesake of the writer elsewhere", call{source: "iam", name: "PutRolePolicy", request: text{"roleName": "rotate-orders"}, issuer: "arn:aws:iam::999999999999:role/rotationguard-writer"}, both, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scope, ok := Scope([]Event{tt.call.event(t)}, index(), readerARN, writerARN)
			if ok != (len(tt.functions)+len(tt.secrets) > 0) || !slices.Equal(scope.Functions, tt.functions) || !slices.Equal(scope.Secrets, tt.secrets) {
				t.Errorf("Scope = %v %v, %t; want %v %v", scope.Functions, scope.Secrets, ok, tt.functions, tt.secrets)
			}
			if ok && scope.All() {
				t.Error("the scope is the whole account")
			}
		})
	}
}

// TestBurst: what many events concern is read once.
func TestBurst(t *testing.T) {
	var events []Event
	for range 200 {
		events = append(events, call{source: "lambda", name: "UpdateFunctionConfiguration20150331v2", request: text{"functionName": "rotate-orders"}}.event(t))
	}
	if scope, _ := Scope(events, index()); !slices.Equal(scope.Functions, []rotation.ARN{function}) {
		t.Errorf("functions %v", scope.Functions)
	}
}

func TestManyKeys(t *testing.T) {
	x := index()
	x.Functions[other] = rotation.Uses{Many: true}
	scope, _ := Scope([]Event{call{source: "kms", name: "DisableKey", request: text{"keyId": "other"}}.event(t)}, x)
	if !slices.Equal(scope.Functions, []rotation.ARN{other}) {
		t.Errorf("functions %v", scope.Functions)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "text": "poison", "a list": "[]", "an empty object": "{}", "no source": `{"detail-type":"AWS API Call via CloudTrail"}`,
		"no record":             `{"detail-type":"AWS API Call via CloudTrail","source":"aws.lambda"}`,
		"a record of nothing":   `{"detail-type":"AWS API Call via CloudTrail","source":"aws.lambda","detail":{}}`,
		"a record that is text": `{"detail-type":"AWS API Call via CloudTrail","source":"aws.lambda","detail":"x"}`,
	} {
		if e, err := Parse([]byte(data)); err == nil {
			t.Errorf("%s was read as %+v", name, e)
		}
	}
	e, err := Parse([]byte(`{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{}}`))
	if err != nil {
		t.Errorf("another service's event: %v", err)
	}
	if _, ok := Scope([]Event{e}, index()); ok {
		t.Error("another service's event concerns something")
	}
}

func samples(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("../../functions/sweep/event-*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = data
	}
	return all
}

// TestSamples: the events beside the function are read as what they are.
func TestSamples(t *testing.T) {
	all := samples(t)
	for name, want := range map[string][]rotation.ARN{
		"event-lambda.json": {function}, "event-iam.json": {function, function + ":live"}, "event-kms.json": {function, function + ":live"},
		"event-secretsmanager.json": {function}, "event-rotation-failed.json": {function},
	} {
		e, err := Parse(all[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if scope, ok := Scope([]Event{e}, index(), readerARN, writerARN); !ok || !slices.Equal(scope.Functions, want) || !IsEvent(all[name]) {
			t.Errorf("%s concerns %v, want %v", name, scope.Functions, want)
		}
	}
}

// FuzzParse: whatever arrives ends in an error or concerns functions that are known.
func FuzzParse(f *testing.F) {
	for _, data := range samples(f) {
		f.Add(data)
	}
	f.Add([]byte(`{"detail-type":"AWS API Call via CloudTrail","source":"aws.kms","detail":{"eventSource":"kms.amazonaws.com","eventName":"PutKeyPolicy","requestParameters":[1],"resources":[{"ARN":"x"}]}}`))
	known := index()
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data)
		if err != nil {
			return
		}
		scope, ok := Scope([]Event{e}, known, writerARN)
		if ok == (len(scope.Functions)+len(scope.Secrets) == 0) || ok && e.idle {
			t.Errorf("%s: ok %t, %v %v", data, ok, scope.Functions, scope.Secrets)
		}
		for _, f := range scope.Functions {
			if _, is := known.Functions[f]; !is {
				t.Errorf("%s concerns %s, which is not known", data, f)
			}
		}
	})
}
