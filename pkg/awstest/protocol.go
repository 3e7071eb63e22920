package awstest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// callFailure is an error as AWS sends it.
type callFailure struct {
	Status  int
	Code    string
	Message string
}

func (f *callFailure) Error() string { return f.Code + ": " + f.Message }

func failure(status int, code, format string, args ...any) *callFailure {
	return &callFailure{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// bad is a failure with status 400, the most common.
func bad(code, format string, args ...any) *callFailure {
	return failure(http.StatusBadRequest, code, format, args...)
}

// protocol is how one service speaks.
type protocol interface {
	// parse fills the exchange from the request and names the operation.
	parse(*exchange, *http.Request) (string, error)
	succeed(w http.ResponseWriter, op *operation, status int, out any, id string)
	fail(w http.ResponseWriter, f *callFailure, id string)
	unknown(operation string) *callFailure
	badToken(expired bool) *callFailure
	throttled() *callFailure
	denied(who *identity, op *operation, resource, because string) *callFailure
}

// protocolOf gives a service's protocol, nil for a service that is not served.
func protocolOf(service string) protocol {
	switch service {
	case "secretsmanager":
		return jsonProtocol{message: "Message", slow: "Rate exceeded"}
	case "kms":
		return jsonProtocol{message: "message", slow: "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."}
	case "tag":
		return jsonProtocol{message: "Message", slow: "Rate exceeded"}
	case "lambda":
		return restProtocol{}
	case "iam":
		return queryProtocol{namespace: "https://iam.amazonaws.com/doc/2010-05-08/"}
	case "sts":
		return queryProtocol{namespace: "https://sts.amazonaws.com/doc/2011-06-15/"}
	case "cloudformation":
		return queryProtocol{namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/"}
	case "sns":
		return queryProtocol{namespace: "http://sns.amazonaws.com/doc/2010-03-31/", deniedCode: "AuthorizationError"}
	}
	return nil
}

// notAuthorized is AWS's sentence for a refused call (IAM User Guide, "Troubleshoot access denied error messages").
func notAuthorized(who *identity, op *operation, resource, because string) string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s:%s on resource: %s %s", who.arn, op.service, op.name, resource, because)
}

// jsonProtocol is awsJson1.1.
type jsonProtocol struct {
	message string // how the service spells the member of an error
	slow    string // what it says to a caller who is too fast
}

func (jsonProtocol) parse(x *exchange, r *http.Request) (string, error) {
	_, name, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !ok || r.Method != http.MethodPost {
		return "", bad("UnknownOperationException", "no operation is named")
	}
	params, err := flatten(x.body)
	if err != nil {
		return "", bad("SerializationException", "the body is not a JSON object")
	}
	x.params = params
	return name, nil
}

func (jsonProtocol) succeed(w http.ResponseWriter, _ *operation, status int, out any, id string) {
	w.Header().Set("X-Amzn-Requestid", id)
	writeJSON(w, "application/x-amz-json-1.1", status, out)
}

func (p jsonProtocol) fail(w http.ResponseWriter, f *callFailure, id string) {
	w.Header().Set("X-Amzn-Requestid", id)
	writeJSON(w, "application/x-amz-json-1.1", f.Status, map[string]string{"__type": f.Code, p.message: f.Message})
}

func (jsonProtocol) unknown(string) *callFailure { return bad("UnknownOperationException", "") }

func (jsonProtocol) badToken(expired bool) *callFailure {
	if expired {
		return bad("ExpiredTokenException", "The security token included in the request is expired")
	}
	return bad("UnrecognizedClientException", "The security token included in the request is invalid.")
}

func (p jsonProtocol) throttled() *callFailure { return bad("ThrottlingException", "%s", p.slow) }

func (jsonProtocol) denied(who *identity, op *operation, resource, because string) *callFailure {
	return bad("AccessDeniedException", "%s", notAuthorized(who, op, resource, because))
}

// restProtocol is restJson1 as Lambda speaks it.
type restProtocol struct{}

func (restProtocol) parse(x *exchange, r *http.Request) (string, error) {
	name, vars, ok := lambdaRoute(r.Method, r.URL.EscapedPath())
	if !ok {
		return "", failure(http.StatusNotFound, "UnknownOperationException", "no operation for %s %s", r.Method, r.URL.Path)
	}
	x.path, x.query = vars, r.URL.Query()
	params, err := flatten(x.body)
	if err != nil {
		return "", bad("InvalidRequestContentException", "Could not parse request body into json")
	}
	for k, v := range vars {
		params[k] = v
	}
	for k, v := range x.query {
		params[k] = strings.Join(v, ",")
	}
	x.params = params
	return name, nil
}

func (restProtocol) succeed(w http.ResponseWriter, _ *operation, status int, out any, id string) {
	w.Header().Set("X-Amzn-Requestid", id)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	writeJSON(w, "application/json", status, out)
}

func (restProtocol) fail(w http.ResponseWriter, f *callFailure, id string) {
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("X-Amzn-Errortype", f.Code)
	member := "message"
	if f.Code == "ResourceNotFoundException" || f.Code == "ServiceException" || f.Code == "AccessDeniedException" {
		member = "Message"
	}
	body := map[string]string{member: f.Message, "Type": "User"}
	if f.Status >= http.StatusInternalServerError {
		body["Type"] = "Service"
	}
	writeJSON(w, "application/json", f.Status, body)
}

func (restProtocol) unknown(name string) *callFailure {
	return failure(http.StatusNotFound, "UnknownOperationException", "%s is not served here", name)
}

func (restProtocol) badToken(expired bool) *callFailure {
	if expired {
		return failure(http.StatusForbidden, "ExpiredTokenException", "The security token included in the request is expired")
	}
	return failure(http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid.")
}

func (restProtocol) throttled() *callFailure {
	return failure(http.StatusTooManyRequests, "TooManyRequestsException", "Rate exceeded")
}

func (restProtocol) denied(who *identity, op *operation, resource, because string) *callFailure {
	return failure(http.StatusForbidden, "AccessDeniedException", "%s", notAuthorized(who, op, resource, because))
}

// queryProtocol is awsQuery: a form in, XML out.
type queryProtocol struct {
	namespace  string
	deniedCode string // AccessDenied when empty
}

func (queryProtocol) parse(x *exchange, r *http.Request) (string, error) {
	form, err := url.ParseQuery(string(x.body))
	if err != nil {
		return "", bad("MalformedQueryString", "the body is not a form")
	}
	x.form = form
	x.params = make(map[string]string, len(form))
	for k, v := range form {
		if k != "Action" && k != "Version" {
			x.params[k] = v[0]
		}
	}
	name := form.Get("Action")
	if name == "" {
		return "", bad("MissingAction", "The request must contain the parameter Action.")
	}
	return name, nil
}

func (p queryProtocol) succeed(w http.ResponseWriter, op *operation, status int, out any, id string) {
	var b bytes.Buffer
	b.WriteString(`<` + op.name + `Response xmlns="` + p.namespace + `">`)
	if out != nil {
		e := xml.NewEncoder(&b)
		if err := e.EncodeElement(out, xml.StartElement{Name: xml.Name{Local: op.name + "Result"}}); err != nil {
			p.fail(w, asFailure(err), id)
			return
		}
	}
	b.WriteString(`<ResponseMetadata><RequestId>` + id + `</RequestId></ResponseMetadata></` + op.name + `Response>`)
	w.Header().Set("X-Amzn-Requestid", id)
	send(w, "text/xml", status, b.Bytes())
}

func (p queryProtocol) fail(w http.ResponseWriter, f *callFailure, id string) {
	type fault struct {
		Type, Code, Message string
	}
	e := fault{Type: "Sender", Code: f.Code, Message: f.Message}
	if f.Status >= http.StatusInternalServerError {
		e.Type = "Receiver"
	}
	out, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr"`
		Error     fault
		RequestID string `xml:"RequestId"`
	}{Namespace: p.namespace, Error: e, RequestID: id})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Amzn-Requestid", id)
	send(w, "text/xml", f.Status, out)
}

func (queryProtocol) unknown(name string) *callFailure {
	return bad("InvalidAction", "Could not find operation %s", name)
}

func (queryProtocol) badToken(expired bool) *callFailure {
	if expired {
		return failure(http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
	}
	return failure(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
}

func (queryProtocol) throttled() *callFailure { return bad("Throttling", "Rate exceeded") }

func (p queryProtocol) denied(who *identity, op *operation, resource, because string) *callFailure {
	code := p.deniedCode
	if code == "" {
		code = "AccessDenied"
	}
	return failure(http.StatusForbidden, code, "%s", notAuthorized(who, op, resource, because))
}

// hidden are the parameters that may hold secret values or code; their text is never kept.
var hidden = []string{"SecretString", "SecretBinary", "Code", "Environment", "ZipFile"}

// flatten gives the top-level members of a JSON object as text, without those that are hidden. An empty body is an empty
// object.
func flatten(body []byte) (map[string]string, error) {
	params := map[string]string{}
	if len(body) == 0 {
		return params, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	for k, raw := range members {
		if slices.Contains(hidden, k) || string(raw) == "null" {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) == nil {
			params[k] = text
		} else {
			params[k] = string(raw)
		}
	}
	return params, nil
}

func writeJSON(w http.ResponseWriter, kind string, status int, out any) {
	body := []byte("{}")
	if out != nil {
		var err error
		if body, err = json.Marshal(out); err != nil {
			status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalFailure"}`)
		}
	}
	send(w, kind, status, body)
}

// decode reads a JSON body into a request's shape.
func decode[T any](x *exchange) (T, error) {
	var in T
	if len(x.body) == 0 {
		return in, nil
	}
	if err := json.Unmarshal(x.body, &in); err != nil {
		return in, bad("SerializationException", "%v", err)
	}
	return in, nil
}

// epoch is a time as the JSON services write it: seconds, with milliseconds behind the point.
type epoch struct{ time.Time }

// MarshalJSON writes the seconds since 1970.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(e.UnixMilli())/1000, 'f', -1, 64), nil
}

// stamp is a time as the Query services write it; nil when there is none.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339)
	return &s
}

// members is a list as the Query services write it. An empty one is an empty element.
type members[T any] struct {
	Member []T `xml:"member"`
}
