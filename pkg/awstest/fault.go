package awstest

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Match says which calls a fault or a denial is for. Empty fields match everything. Service, Operation and Resource may
// hold the wildcards * and ?.
type Match struct {
	Service   string
	Operation string
	Region    string
	Resource  string // the ARN, as in Call.Resource
	Params    map[string]string

	Nth   int // the first matching call that fails, counted from 1; 0 means 1
	Count int // how many calls fail; 0 means one, a negative number all from Nth on
	Every int // of the calls from Nth on, each Every-th fails; 0 means each
}

func (m Match) matches(c *Call) bool {
	for k, v := range m.Params {
		if got, ok := c.Params[k]; !ok || !like(v, got) {
			return false
		}
	}
	return like(m.Service, c.Service) && like(m.Operation, c.Operation) && like(m.Region, c.Region) && like(m.Resource, c.Resource)
}

// Fault is what happens to a matching call. With none of Code, Status, Hang, CloseConn, HTML and Body set the call goes
// on after Latency and Run.
type Fault struct {
	After     bool          // the call takes effect first, and only then what is below happens
	Latency   time.Duration // wait so long
	Run       func()        // then do this, such as changing the account as another writer would
	Hang      bool          // then never answer, until the caller gives up or the server is closed
	CloseConn bool          // close the connection without an answer
	HTML      string        // answer this page, as a proxy does; Status is 200 unless set
	Code      string        // answer this error
	Message   string
	Status    int // of the answer; when 0 what the service sends with this code
}

// Injection is a fault put in place.
type Injection struct {
	srv   *server
	match Match
	fault Fault
	seen  int
	hits  int
	off   bool
}

// Hits is how many calls the fault has struck.
func (i *Injection) Hits() int {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	return i.hits
}

// Seen is how many calls have matched, struck or not.
func (i *Injection) Seen() int {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	return i.seen
}

// Remove ends the fault.
func (i *Injection) Remove() {
	i.srv.mu.Lock()
	defer i.srv.mu.Unlock()
	i.off = true
}

// Fail makes calls of this account's callers fail. Several faults may strike one call; they act in the order of Fail. An
// AssumeRole into another account is a call of the account that it comes from.
//
// A program that dies at its k-th call is Fail(Match{Nth: k, Count: -1}, Fault{CloseConn: true}); one that dies before it
// sees the answer has the k-th call fail with After set, and all later ones without.
func (a *Account) Fail(m Match, f Fault) *Injection {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	i := &Injection{srv: a.srv, match: m, fault: f}
	a.state.weather.injections = append(a.state.weather.injections, i)
	return i
}

// Heal ends all that besets this account's calls: faults, denials, Authorize, lags, quotas, delays and empty pages.
func (a *Account) Heal() {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather = weather{}
}

// weather is what besets the calls of an account. Its lock is the server's.
type weather struct {
	injections []*Injection
	denials    []Match
	authorize  func(Request) bool
	quotas     Quotas
	speed      float64
	delays     []delayed
	lag        Lags
	emptyPages int
}

// faults counts the call and gives the faults that strike it.
func (w *weather) faults(c *Call) []Fault {
	var out []Fault
	for _, i := range w.injections {
		if i.off || !i.match.matches(c) {
			continue
		}
		i.seen++
		if i.strikes() {
			i.hits++
			out = append(out, i.fault)
		}
	}
	return out
}

func (i *Injection) strikes() bool {
	from := i.seen - max(i.match.Nth, 1) // 0 for the first that may fail
	if from < 0 || from%max(i.match.Every, 1) != 0 {
		return false
	}
	return i.match.Count < 0 || i.hits < max(i.match.Count, 1)
}

// disturb does what the fault says and reports whether the call has ended with it.
func (s *server) disturb(ctx context.Context, w http.ResponseWriter, wire protocol, x *exchange, c *Call, f Fault) bool {
	if !sleep(ctx, f.Latency) {
		s.hangUp(c)
	}
	if f.Run != nil {
		f.Run()
	}
	switch {
	case f.Hang:
		<-ctx.Done()
		s.hangUp(c)
	case f.CloseConn:
		s.hangUp(c)
	case f.HTML != "":
		if f.Status == 0 {
			f.Status = http.StatusOK
		}
		s.finish(c, f.Status, "")
		send(w, "text/html", f.Status, []byte(f.HTML))
	case f.Code != "" || f.Status != 0:
		e := faultFailure(wire, f)
		s.finish(c, e.Status, e.Code)
		wire.fail(w, e, s.requestID())
	default:
		return false
	}
	return true
}

// hangUp closes the connection without an answer, and does not return: this is net/http's way to do so. A handler that just
// returned would have answered with an empty success.
func (s *server) hangUp(c *Call) {
	s.finish(c, 0, "")
	panic(http.ErrAbortHandler)
}

// faultFailure completes what a fault leaves open.
func faultFailure(wire protocol, f Fault) *callFailure {
	e := &callFailure{Status: f.Status, Code: f.Code, Message: f.Message}
	if e.Code == "" {
		e.Code = "InternalFailure"
		if e.Status == http.StatusServiceUnavailable {
			e.Code = "ServiceUnavailable"
		}
	}
	if e.Status == 0 {
		e.Status = statusOf(wire, e.Code)
	}
	if e.Message == "" {
		e.Message = "injected " + e.Code
	}
	return e
}

// statusOf is the HTTP status that a service sends with an error code.
func statusOf(wire protocol, code string) int {
	if code == wire.throttled().Code {
		return wire.throttled().Status
	}
	_, isJSON := wire.(jsonProtocol)
	switch code {
	case "InternalFailure", "InternalServiceError", "InternalError", "ServiceException", "ServiceFailure", "KMSInternalException":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	case "TooManyRequestsException":
		return http.StatusTooManyRequests
	}
	if isJSON {
		return http.StatusBadRequest
	}
	switch code {
	case "ResourceNotFoundException", "NoSuchEntity", "NotFound":
		return http.StatusNotFound
	case "ResourceConflictException", "EntityAlreadyExists", "LimitExceeded", "DeleteConflict", "ConcurrentModification", "EntityTemporarilyUnmodifiable":
		return http.StatusConflict
	case "PreconditionFailedException":
		return http.StatusPreconditionFailed
	case "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "AuthorizationError":
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// Request is a call as a permission check sees it.
type Request struct {
	Account       string
	Region        string
	Action        string // secretsmanager:DescribeSecret
	Resource      string // an ARN, or "*"
	Principal     string // the user's or role's ARN
	Caller        string // as GetCallerIdentity gives it
	SessionPolicy []string
	SessionTags   map[string]string
	Params        map[string]string
}

// Deny refuses matching calls with AWS's AccessDenied; only Service, Operation, Region, Resource and Params of the match
// count.
func (a *Account) Deny(m Match) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather.denials = append(a.state.weather.denials, m)
}

// Authorize lets a function decide on every call; false is AccessDenied. The function is called with the account locked
// and must not call the account.
func (a *Account) Authorize(allowed func(Request) bool) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather.authorize = allowed
}

// allows says whether the call is permitted. GetCallerIdentity needs no permission (STS API reference).
func (w *weather) allows(x *exchange, c *Call) bool {
	if slices.ContainsFunc(w.denials, func(m Match) bool { return m.matches(c) }) {
		return false
	}
	if w.authorize == nil || c.Name() == "sts:GetCallerIdentity" {
		return true
	}
	return w.authorize(Request{
		Account: c.Account, Region: c.Region, Action: c.Name(), Resource: c.Resource, Principal: x.who.principal(),
		Caller: x.who.arn, SessionPolicy: x.who.policies, SessionTags: x.who.tags, Params: c.Params,
	})
}

// Lags are the lags of an account.
type Lags struct {
	IAM              Lag // of reads of roles, users, groups and managed policies
	FunctionPolicies Lag // of GetPolicy and GetResourcePolicy of Lambda
	ListSecrets      Lag // of ListSecrets; DescribeSecret is never behind
}

// Lag makes reads trail behind the writes that follow.
func (a *Account) Lag(l Lags) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.state.weather.lag = l
}

// EmptyPages makes each n-th page of ListSecrets empty, with a token, as AWS allows; n is at least 2, 0 ends it.
func (a *Account) EmptyPages(n int) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	if n == 1 {
		n = 2
	}
	a.state.weather.emptyPages = n
}

// like matches text with a pattern of * and ?; an empty pattern matches everything.
func like(pattern, text string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == text
	}
	// path.Match keeps * from crossing a slash and gives [ and \ a meaning.
	hide := strings.NewReplacer("/", "\x00", "[", `\[`, `\`, `\\`)
	ok, err := path.Match(hide.Replace(pattern), strings.ReplaceAll(text, "/", "\x00"))
	return err == nil && ok
}
