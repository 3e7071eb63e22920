package awstest

import (
	"maps"
	"slices"
	"time"
)

// Call is one call that reached the server, in the order of arrival.
type Call struct {
	At            time.Time
	Account       string // the account it was answered for
	Region        string
	Service       string // as in the signature's scope: secretsmanager, lambda, iam, kms, sts, sns, cloudformation
	Operation     string
	Write         bool   // whether the operation changes anything
	Resource      string // the ARN that it concerns, "*" if none
	Params        map[string]string
	Caller        string   // the caller's ARN
	SessionPolicy []string // the caller's session policies
	Status        int      // the HTTP status of the answer; 0 while it is under way, or when the connection was closed
	Error         string   // the error's code, empty on success
	Effect        bool     // whether the operation ran without an error of its own, whatever was then answered
}

// Name is the IAM action of the call, such as lambda:AddPermission.
func (c Call) Name() string { return c.Service + ":" + c.Operation }

// callLog holds what was called. Its lock is the server's.
type callLog struct {
	keep   bool
	calls  []*Call
	counts map[string]int
	errors map[string]int // by name and code
}

func (l *callLog) add(c *Call) {
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	l.counts[c.Name()]++
	if l.keep {
		l.calls = append(l.calls, c)
	}
}

func (l *callLog) fail(c *Call) {
	if l.errors == nil {
		l.errors = map[string]int{}
	}
	l.errors[c.Name()+" "+c.Error]++
}

// Calls are all calls to this server since the last ResetCalls, in order, of all accounts and Regions.
func (a *Account) Calls() []Call {
	return a.calls(func(*Call) bool { return true })
}

// Writes are the calls that change something, whether or not they succeeded.
func (a *Account) Writes() []Call {
	return a.calls(func(c *Call) bool { return c.Write })
}

func (a *Account) calls(keep func(*Call) bool) []Call {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	var out []Call
	for _, c := range a.srv.log.calls {
		if keep(c) {
			d := *c
			d.Params = maps.Clone(c.Params)
			d.SessionPolicy = slices.Clone(c.SessionPolicy)
			out = append(out, d)
		}
	}
	return out
}

// CallCounts counts the calls since the last ResetCalls by name, such as lambda:GetPolicy.
func (a *Account) CallCounts() map[string]int {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	return maps.Clone(a.srv.log.counts)
}

// ErrorCounts counts the calls since the last ResetCalls that were answered with an error, by name and code, such as
// "lambda:GetPolicy TooManyRequestsException"; the code of a connection that was closed is empty.
func (a *Account) ErrorCounts() map[string]int {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	return maps.Clone(a.srv.log.errors)
}

// ResetCalls forgets the calls so far.
func (a *Account) ResetCalls() {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.srv.log.calls, a.srv.log.counts, a.srv.log.errors = nil, nil, nil
}

// KeepCalls says whether calls are kept one by one (they are at the start) or only counted, which a long benchmark wants.
func (a *Account) KeepCalls(keep bool) {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	a.srv.log.keep = keep
}
