package awstest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

func permissionOperations() []*operation {
	op := func(name string, status int, run func(*exchange) (any, error)) *operation {
		return &operation{service: "lambda", name: name, write: !strings.HasPrefix(name, "Get"), status: status, resource: functionResource, run: run}
	}
	return []*operation{
		op("GetPolicy", http.StatusOK, getFunctionPolicy),
		op("AddPermission", http.StatusCreated, addPermission),
		op("RemovePermission", http.StatusNoContent, removePermission),
		op("GetResourcePolicy", http.StatusOK, getFunctionPolicy),
		op("PutResourcePolicy", http.StatusOK, putFunctionPolicy),
		op("DeleteResourcePolicy", http.StatusNoContent, deleteFunctionPolicy),
	}
}

// maxFunctionPolicy is the quota "function resource-based policy" of 20 KB ("Lambda quotas").
const maxFunctionPolicy = 20_480

func staleRevision() *callFailure {
	return failure(http.StatusPreconditionFailed, "PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the latest RevisionId for your resource.")
}

// policyOf gives the policy cell that the request names; $LATEST has none and is not a place for one.
func policyOf(x *exchange) (resolved, *lagged[functionPolicy], error) {
	r, err := resolve(x)
	if err != nil {
		return r, nil, err
	}
	if r.qualifier == "$LATEST" {
		if !x.op.write {
			return r, nil, failure(http.StatusNotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
		}
		return r, nil, bad("InvalidParameterValueException", "We currently do not support adding policies for $LATEST.")
	}
	return r, r.cell.policy(r.qualifier), nil
}

type policyShape struct {
	Policy     string
	RevisionID string `json:"RevisionId"`
}

// getFunctionPolicy is GetPolicy and GetResourcePolicy. No policy and no function are the same error code.
func getFunctionPolicy(x *exchange) (any, error) {
	_, p, err := policyOf(x)
	if err != nil {
		return nil, err
	}
	v := p.read(x.now)
	if v == nil {
		return nil, failure(http.StatusNotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	}
	return policyShape{v.document, v.revision}, nil
}

type addPermissionInput struct {
	StatementID           string `json:"StatementId"`
	Action                string
	Principal             string
	SourceArn             string
	SourceAccount         string
	EventSourceToken      string
	FunctionURLAuthType   string `json:"FunctionUrlAuthType"`
	InvokedViaFunctionURL *bool  `json:"InvokedViaFunctionUrl"`
	PrincipalOrgID        string
	RevisionID            string `json:"RevisionId"`
}

var (
	statementID   = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,100}$`)
	lambdaAction  = regexp.MustCompile(`^(lambda:[*]|lambda:[a-zA-Z]+|[*])$`)
	accountID     = regexp.MustCompile(`^\d{12}$`)
	principalARN  = regexp.MustCompile(`^arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:.+$`)
	servicePrefix = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
)

func (in addPermissionInput) check() error {
	for _, c := range []struct {
		name, value string
		pattern     *regexp.Regexp
	}{
		{"statementId", in.StatementID, statementID},
		{"action", in.Action, lambdaAction},
	} {
		if !c.pattern.MatchString(c.value) {
			return bad("ValidationException", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", c.value, c.name, c.pattern)
		}
	}
	if in.SourceAccount != "" && !accountID.MatchString(in.SourceAccount) {
		return bad("ValidationException", `1 validation error detected: Value '%s' at 'sourceAccount' failed to satisfy constraint: Member must satisfy regular expression pattern: \d{12}`, in.SourceAccount)
	}
	return nil
}

// functionStatement is a statement as AddPermission writes it.
type functionStatement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// statement writes the permission as Lambda does: an account becomes its root's ARN, everyone a bare "*", and each
// parameter the condition of its own operator (API reference, AddPermission; the spelling AWS: is Lambda's).
func (in addPermissionInput) statement(x *exchange, resource string) (functionStatement, error) {
	s := functionStatement{Sid: in.StatementID, Effect: "Allow", Action: in.Action, Resource: resource}
	switch {
	case in.Principal == "*":
		s.Principal = "*"
	case accountID.MatchString(in.Principal):
		s.Principal = map[string]string{"AWS": "arn:" + x.acct.partition + ":iam::" + in.Principal + ":root"}
	case principalARN.MatchString(in.Principal):
		s.Principal = map[string]string{"AWS": in.Principal}
	case servicePrefix.MatchString(in.Principal):
		s.Principal = map[string]string{"Service": in.Principal}
	default:
		return s, bad("InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.")
	}
	when := func(operator, key, value string) {
		if value == "" {
			return
		}
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		if s.Condition[operator] == nil {
			s.Condition[operator] = map[string]string{}
		}
		s.Condition[operator][key] = value
	}
	when("ArnLike", "AWS:SourceArn", in.SourceArn)
	when("StringEquals", "AWS:SourceAccount", in.SourceAccount)
	when("StringEquals", "lambda:EventSourceToken", in.EventSourceToken)
	when("StringEquals", "lambda:FunctionUrlAuthType", in.FunctionURLAuthType)
	when("StringEquals", "aws:PrincipalOrgID", in.PrincipalOrgID)
	if in.InvokedViaFunctionURL != nil && *in.InvokedViaFunctionURL {
		when("Bool", "lambda:InvokedViaFunctionUrl", "true")
	}
	return s, nil
}

// functionDocument is a function policy; statements are kept as they were written.
type functionDocument struct {
	Version   string `json:",omitempty"`
	ID        string `json:"Id,omitempty"`
	Statement []json.RawMessage
}

func parseFunctionDocument(text string) (functionDocument, error) {
	var head struct {
		Version string
		ID      string `json:"Id"`
	}
	if err := json.Unmarshal([]byte(text), &head); err != nil {
		return functionDocument{}, err
	}
	statements, err := rawStatements(text)
	return functionDocument{Version: head.Version, ID: head.ID, Statement: statements}, err
}

// sidOf reads a statement's Sid, empty if it has none.
func sidOf(raw json.RawMessage) string {
	var s struct{ Sid string }
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s.Sid
}

// encode writes a document without escaping the signs that only HTML minds.
func encode(v any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func addPermission(x *exchange) (any, error) {
	in, err := decode[addPermissionInput](x)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	r, p, err := policyOf(x)
	if err != nil {
		return nil, err
	}
	doc := functionDocument{Version: "2012-10-17", ID: "default"}
	if p.now != nil {
		if doc, err = parseFunctionDocument(p.now.document); err != nil {
			return nil, err
		}
	}
	if err := matchRevision(p, in.RevisionID); err != nil {
		return nil, err
	}
	for _, raw := range doc.Statement {
		if sidOf(raw) == in.StatementID {
			return nil, failure(http.StatusConflict, "ResourceConflictException", "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", in.StatementID)
		}
	}
	s, err := in.statement(x, x.acct.functionARN(x.reg, r.name, r.qualifier))
	if err != nil {
		return nil, err
	}
	text, err := encode(s)
	if err != nil {
		return nil, err
	}
	doc.Statement = append(doc.Statement, json.RawMessage(text))
	if err := setFunctionPolicy(x, p, doc); err != nil {
		return nil, err
	}
	return struct{ Statement string }{text}, nil
}

// matchRevision refuses a revision that is not the policy's latest. Where there is no policy none can match.
func matchRevision(p *lagged[functionPolicy], revision string) error {
	if revision != "" && (p.now == nil || p.now.revision != revision) {
		return staleRevision()
	}
	return nil
}

// setFunctionPolicy writes the document back; without statements there is no policy.
func setFunctionPolicy(x *exchange, p *lagged[functionPolicy], doc functionDocument) error {
	lag := x.acct.weather.lag.FunctionPolicies
	if len(doc.Statement) == 0 {
		p.set(nil, x.now, lag)
		return nil
	}
	text, err := encode(doc)
	if err != nil {
		return err
	}
	if len(text) > maxFunctionPolicy {
		return bad("PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", len(text), maxFunctionPolicy)
	}
	p.set(&functionPolicy{document: text, revision: x.srv.uuid()}, x.now, lag)
	return nil
}

func removePermission(x *exchange) (any, error) {
	_, p, err := policyOf(x)
	if err != nil {
		return nil, err
	}
	sid := x.path["StatementId"]
	if p.now == nil {
		return nil, failure(http.StatusNotFound, "ResourceNotFoundException", "No policy is associated with the given resource.")
	}
	if err := matchRevision(p, x.query.Get("RevisionId")); err != nil {
		return nil, err
	}
	doc, err := parseFunctionDocument(p.now.document)
	if err != nil {
		return nil, err
	}
	for i, raw := range doc.Statement {
		if sidOf(raw) == sid && sid != "" {
			doc.Statement = append(doc.Statement[:i:i], doc.Statement[i+1:]...)
			return nil, setFunctionPolicy(x, p, doc)
		}
	}
	return nil, failure(http.StatusNotFound, "ResourceNotFoundException", "Statement %s is not found in resource policy.", sid)
}

// putFunctionPolicy replaces the whole policy, and what AddPermission wrote with it.
func putFunctionPolicy(x *exchange) (any, error) {
	in, err := decode[struct {
		Policy     string
		RevisionID string `json:"RevisionId"`
	}](x)
	if err != nil {
		return nil, err
	}
	_, p, err := policyOf(x)
	if err != nil {
		return nil, err
	}
	if err := matchRevision(p, in.RevisionID); err != nil {
		return nil, err
	}
	if err := checkDocument(in.Policy, resourceDocument); err != nil {
		return nil, bad("InvalidParameterValueException", "%v", err)
	}
	if len(in.Policy) > maxFunctionPolicy {
		return nil, bad("PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", len(in.Policy), maxFunctionPolicy)
	}
	if isPublic(in.Policy) {
		return nil, bad("PublicPolicyException", "The resource-based policy you tried to add to the Lambda resource would grant public access to it, which isn't allowed.")
	}
	v := &functionPolicy{document: in.Policy, revision: x.srv.uuid()}
	p.set(v, x.now, x.acct.weather.lag.FunctionPolicies)
	return policyShape{v.document, v.revision}, nil
}

func deleteFunctionPolicy(x *exchange) (any, error) {
	_, p, err := policyOf(x)
	if err != nil {
		return nil, err
	}
	if p.now == nil {
		return nil, failure(http.StatusNotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
	}
	if err := matchRevision(p, x.query.Get("RevisionId")); err != nil {
		return nil, err
	}
	p.set(nil, x.now, x.acct.weather.lag.FunctionPolicies)
	return nil, nil
}
