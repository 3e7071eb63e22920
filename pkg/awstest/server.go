package awstest

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// operation is one call of one service.
type operation struct {
	service  string
	name     string
	write    bool
	resource func(*exchange) string       // the ARN that IAM authorizes; nil is "*"
	run      func(*exchange) (any, error) // called with the server's lock held; its answer is not changed afterwards
	status   int                          // of success; 200 when zero
}

// exchange is one request on its way to its answer.
type exchange struct {
	srv    *server
	acct   *account
	reg    *region
	who    *identity
	op     *operation
	now    time.Time
	params map[string]string // top-level parameters as text, without secret values
	body   []byte
	form   url.Values        // Query services
	path   map[string]string // restJson: what the path names
	query  url.Values        // restJson
}

// maxBody is above what any operation here takes: Lambda's requests end at 6 MB.
const maxBody = 8 << 20

// ServeHTTP answers one call.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // the caller has gone
	}
	scope, ok := parseScope(r.Header.Get("Authorization"))
	wire := protocolOf(scope.service)
	if !ok || wire == nil {
		wire = queryProtocol{}
		if !ok {
			wire.fail(w, failure(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"), s.requestID())
			return
		}
		wire.fail(w, failure(http.StatusNotFound, "UnknownService", "no service %q is served here", scope.service), s.requestID())
		return
	}
	x := &exchange{srv: s, body: body, now: s.now()}
	name, err := wire.parse(x, r)
	if err != nil {
		wire.fail(w, asFailure(err), s.requestID())
		return
	}
	s.mu.Lock()
	x.op = s.operations[scope.service+":"+name]
	x.who = s.identities[scope.key]
	s.mu.Unlock()
	switch {
	case x.op == nil:
		wire.fail(w, wire.unknown(name), s.requestID())
	case x.who == nil:
		wire.fail(w, wire.badToken(false), s.requestID())
	case !x.who.expires.IsZero() && !x.now.Before(x.who.expires), x.who.token != r.Header.Get("X-Amz-Security-Token"):
		wire.fail(w, wire.badToken(x.who.token == r.Header.Get("X-Amz-Security-Token")), s.requestID())
	default:
		x.acct = x.who.account
		s.answer(w, r, wire, x, scope.region)
	}
}

// answer carries a parsed call through recording, faults, quotas, permission and its effect.
func (s *server) answer(w http.ResponseWriter, r *http.Request, wire protocol, x *exchange, region string) {
	c := s.record(x, region)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()

	s.mu.Lock()
	faults := x.acct.weather.faults(c)
	delay := x.acct.weather.delay(x.op)
	s.mu.Unlock()
	for _, f := range faults {
		if !f.After && s.disturb(ctx, w, wire, x, c, f) {
			return
		}
	}

	s.mu.Lock()
	out, err := s.effect(x, c)
	s.mu.Unlock()

	if !sleep(ctx, delay) {
		s.hangUp(c)
	}
	for _, f := range faults {
		if f.After && s.disturb(ctx, w, wire, x, c, f) {
			return
		}
	}
	id := s.requestID()
	if err != nil {
		e := asFailure(err)
		s.finish(c, e.Status, e.Code)
		wire.fail(w, e, id)
		return
	}
	status := x.op.status
	if status == 0 {
		status = http.StatusOK
	}
	s.finish(c, status, "")
	wire.succeed(w, x.op, status, out, id)
}

// record writes the call down before anything comes of it.
func (s *server) record(x *exchange, region string) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.reg = x.acct.in(region)
	c := &Call{
		At: x.now, Account: x.acct.id, Region: region, Service: x.op.service, Operation: x.op.name, Write: x.op.write,
		Resource: "*", Params: x.params, Caller: x.who.arn, SessionPolicy: x.who.policies,
	}
	if x.op.resource != nil {
		c.Resource = x.op.resource(x)
	}
	s.log.add(c)
	return c
}

// effect runs the operation, unless a quota or a permission is against it. The lock is held.
func (s *server) effect(x *exchange, c *Call) (any, error) {
	wire := protocolOf(x.op.service)
	if !x.acct.weather.admit(x) {
		return nil, wire.throttled()
	}
	if !x.acct.weather.allows(x, c) {
		return nil, wire.denied(x.who, x.op, c.Resource, "because no identity-based policy allows the "+c.Name()+" action")
	}
	out, err := x.op.run(x)
	c.Effect = err == nil
	return out, err
}

// finish notes what was answered.
func (s *server) finish(c *Call, status int, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Status, c.Error = status, code
	if code != "" || status == 0 {
		s.log.fail(c)
	}
}

func (s *server) requestID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uuid()
}

// scope is what the Authorization header of Signature Version 4 says.
type scope struct{ key, region, service string }

func parseScope(header string) (scope, bool) {
	_, rest, ok := strings.Cut(header, "Credential=")
	if !ok || !strings.HasPrefix(header, "AWS4-") {
		return scope{}, false
	}
	rest, _, _ = strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(rest), "/")
	if len(parts) != 5 || parts[4] != "aws4_request" {
		return scope{}, false
	}
	service := parts[3]
	if service == "tagging" {
		service = "tag" // the signature's name of a service is not always that of its actions
	}
	return scope{key: parts[0], region: parts[2], service: service}, true
}

// sleep waits, and says whether the caller is still there.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// operations is every call that the account answers.
func operations() map[string]*operation {
	all := map[string]*operation{}
	for _, ops := range [][]*operation{
		secretOperations(), functionOperations(), permissionOperations(), roleOperations(), managedPolicyOperations(),
		userOperations(), keyOperations(), tokenOperations(), topicOperations(), stackOperations(), taggedOperations(),
	} {
		for _, op := range ops {
			all[op.service+":"+op.name] = op
		}
	}
	return all
}

// Operations lists what is answered, as IAM actions such as kms:DescribeKey, with true for those that write.
func (a *Account) Operations() map[string]bool {
	out := map[string]bool{}
	for name, op := range maps.All(a.srv.operations) {
		out[name] = op.write
	}
	return out
}

// asFailure is the error as the wire knows it; any other is an internal failure.
func asFailure(err error) *callFailure {
	var f *callFailure
	if errors.As(err, &f) {
		return f
	}
	return failure(http.StatusInternalServerError, "InternalFailure", "%v", err)
}
