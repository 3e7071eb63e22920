package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// site is one account that is read, with its share of the quotas.
type site struct {
	reader  *Reader
	clients Clients
	home    bool // the account whose secrets are listed: its credentials failing ends the run
	buckets map[pool]*bucket
	retries *retries

	mu   sync.Mutex
	down map[string]outage // by service
}

// outage counts calls in a row that a service's endpoint did not answer.
type outage struct {
	count int
	last  error
}

// giveUpAfter so many unanswered calls in a row a service is not asked again in this run: each would wait for its full time, for
// every function of the account.
const giveUpAfter = 3

// ask makes one call: waits for its turn at the quota, bounds its time and counts it. opts may hold no more than the SDK's.
func ask[In, Out, Opt any](ctx context.Context, s *site, call string, do func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In, opts ...func(*Opt)) (*Out, error) {
	service, _, _ := strings.Cut(call, ":")
	if err := s.outageOf(service); err != nil {
		return nil, err
	}
	p := poolOf(call)
	bucket := s.buckets[p]
	if err := s.reader.turn(ctx, p, bucket); err != nil {
		if ctx.Err() == nil { // a turn after the deadline is refused at once; until then, others still end what they have begun
			<-ctx.Done()
			err = ctx.Err()
		}
		return nil, &stoppedError{fmt.Errorf("waiting for a turn at %s: %w", call, err)}
	}
	s.reader.count(call)
	s.retries.called()
	var out *Out
	var err error
	for range throttledRounds { // a turn may be longer than an answer is waited for
		bounded, cancel := context.WithTimeoutCause(context.WithValue(ctx, turnKey{}, &turn{bucket, s.retries}), callTimeout, errSilent)
		out, err = do(bounded, in, opts...)
		cancel()
		if !isThrottled(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil && ctx.Err() != nil {
		return nil, &stoppedError{ctx.Err()}
	}
	s.note(service, err)
	return out, err
}

// turn is what a call's attempts draw on. The SDK asks the retryer before each of them, and gives it nothing but the call's context.
type turn struct {
	bucket  *bucket
	retries *retries
}

type turnKey struct{}

func turnOf(ctx context.Context) *turn {
	t, _ := ctx.Value(turnKey{}).(*turn)
	return t
}

func (r *Reader) newSite(clients Clients) *site {
	return &site{reader: r, clients: clients, buckets: newBuckets(r.options.QuotaShare, r.options.Rates, r.options.Unthrottled), retries: newRetries()}
}

var errSilent = errors.New("no answer in time")

// outageOf is the last error of a service that is not asked any more in this run.
func (s *site) outageOf(service string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.down[service]; o.count >= giveUpAfter {
		return o.last
	}
	return nil
}

func (s *site) note(service string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil || !unanswered(err):
		delete(s.down, service)
	default:
		if s.down == nil {
			s.down = map[string]outage{}
		}
		s.down[service] = outage{s.down[service].count + 1, err}
	}
}

// gap makes the gap of a failed call, or gives the error back when it ends the run.
func (s *site) gap(call, resource string, err error) (rotation.Gap, error) {
	switch {
	case stopped(err):
		return rotation.Gap{}, err
	case s.home && everywhere(err):
		return rotation.Gap{}, s.clients.accountError("calling "+call, err)
	}
	return newGap(call, resource, err), nil
}

// begin checks what no call could succeed without.
func (s *site) begin(ctx context.Context) error {
	if err := s.clients.checkRegion(); err != nil {
		return err
	}
	s.mu.Lock()
	s.down = nil
	s.mu.Unlock()
	if s.clients.Credentials == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := s.clients.Credentials.Retrieve(bounded); err != nil {
		if ctx.Err() != nil {
			return &stoppedError{ctx.Err()}
		}
		t := TroubleMissing
		if known := troubleOf(err); known == TroubleExpired || known == TroubleDenied {
			t = known
		}
		return &AccountError{Trouble: t, Line: s.clients.line(t, err), cause: err}
	}
	return nil
}

// codeNoMember is the code of a gap for an account that no role is configured for.
const codeNoMember = "NoMemberRole"

// siteAnswer is the site of another account, nil if no role is configured for it, or why it cannot be entered.
type siteAnswer struct {
	site *site
	err  error
}

// site is where things of an account are read: at home, or with a configured role. The gap says why an account cannot be.
func (r *run) site(ctx context.Context, account, call, resource string) (*site, *rotation.Gap, error) {
	if account == r.account || account == "" || r.account == "" {
		return r.home, nil, nil
	}
	a, _ := r.members.get(account, func() (siteAnswer, error) {
		s, err := r.member(ctx, account)
		return siteAnswer{s, err}, nil
	})
	switch {
	case stopped(a.err):
		return nil, nil, a.err
	case a.err != nil:
		g := newGap("sts:AssumeRole", account, a.err)
		g.Message = "account " + account + ": " + g.Message
		return nil, &g, nil //nolint:nilerr // the gap is the error, about this account alone
	case a.site == nil:
		return nil, &rotation.Gap{
			Call: call, Resource: rotation.OneLine(resource), Code: codeNoMember,
			Message: "it is in account " + account + ", for which no member role is configured",
		}, nil
	}
	return a.site, nil, nil
}

// member makes the site of another account, kept for later runs so that its quotas are shared; nil: none is configured.
func (r *run) member(ctx context.Context, account string) (*site, error) {
	if r.reader.options.Member == nil {
		return nil, nil
	}
	r.reader.mu.Lock()
	s := r.reader.sites[account]
	r.reader.mu.Unlock()
	if s != nil {
		return s, s.begin(ctx)
	}
	clients, ok, err := r.reader.options.Member(ctx, account)
	if err != nil || !ok {
		return nil, err
	}
	s = r.reader.newSite(clients)
	r.reader.mu.Lock()
	r.reader.sites[account] = s
	r.reader.mu.Unlock()
	return s, s.begin(ctx)
}
