package awstest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options are the settings of a new server's first account. The zero value is a good one.
type Options struct {
	ID     string           // 12 digits; 123456789012 when empty
	Region string           // the home Region; us-east-1 when empty
	Now    func() time.Time // the clock of every date, lag, session and quota; time.Now when nil. Delays are real time.
	Addr   string           // where Start and New listen; 127.0.0.1 with a free port when empty
}

// TB is what New needs of a *testing.T, *testing.B or *rapid.T.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Account is one AWS account seen from one Region. Views of other Regions and accounts on the same server come from In
// and Peer. All methods are safe for concurrent use.
type Account struct {
	srv    *server
	state  *account
	region string
}

// server is everything behind one URL. mu guards all state below it.
type server struct {
	now  func() time.Time
	stop context.Context
	end  context.CancelFunc
	url  string
	http *http.Server
	out  *transport // of the configs that Config gives

	mu         sync.Mutex
	operations map[string]*operation
	accounts   map[string]*account
	identities map[string]*identity // by access key id
	log        callLog
	drawn      uint64 // how many random-looking ids were given out
}

// account is the state of one AWS account.
type account struct {
	id        string
	partition string
	home      *identity
	iam       *iamState
	regions   map[string]*region
	weather   weather
}

// region is what an account holds in one Region.
type region struct {
	name      string
	secrets   secretStore
	functions functionStore
	keys      keyStore
	stacks    []Stack
	topics    map[string]bool
	messages  []Message
	buckets   map[string]*bucket
	pages     int // ListSecrets pages answered, for EmptyPages
}

// New starts a server on loopback for the length of a test.
func New(tb TB, o Options) *Account {
	tb.Helper()
	a, err := Start(o)
	if err != nil {
		tb.Fatalf("starting an account: %v", err)
	}
	tb.Cleanup(func() {
		if err := a.Close(); err != nil {
			tb.Fatalf("closing the account: %v", err)
		}
	})
	return a
}

// Start starts a server for a program that is not a test. Close it when done.
func Start(o Options) (*Account, error) {
	a := newAccount(o)
	addr := o.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for AWS calls: %w", err)
	}
	a.srv.url = "http://" + l.Addr().String()
	a.srv.http = &http.Server{Handler: a.srv, ReadHeaderTimeout: time.Minute}
	go a.srv.http.Serve(l) //nolint:errcheck // ends with ErrServerClosed, by Close
	return a, nil
}

// NewHandler gives an account that no port serves yet: the caller serves its Handler.
func NewHandler(o Options) *Account { return newAccount(o) }

func newAccount(o Options) *Account {
	if o.ID == "" {
		o.ID = "123456789012"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{
		now:        o.Now,
		operations: operations(),
		accounts:   map[string]*account{},
		identities: map[string]*identity{},
		out:        newTransport(),
	}
	s.log.keep = true
	s.stop, s.end = context.WithCancel(context.Background())
	return &Account{srv: s, state: s.account(o.ID, o.Region), region: o.Region}
}

// account gives the account of an id and makes it when it is new. The partition is that of the Region it is made with.
func (s *server) account(id, home string) *account {
	if a, ok := s.accounts[id]; ok {
		return a
	}
	a := &account{id: id, partition: partitionOf(home), regions: map[string]*region{}}
	a.iam = newIAM(a)
	a.home = s.newIdentity(a, "arn:"+a.partition+":iam::"+id+":user/awstest")
	s.accounts[id] = a
	return a
}

// in gives what the account holds in a Region.
func (a *account) in(name string) *region {
	r, ok := a.regions[name]
	if !ok {
		r = &region{name: name, topics: map[string]bool{}, buckets: map[string]*bucket{}}
		a.regions[name] = r
	}
	return r
}

// arn makes an ARN of this account; IAM's have no Region.
func (a *account) arn(service, region, rest string) string {
	return "arn:" + a.partition + ":" + service + ":" + region + ":" + a.id + ":" + rest
}

// partitionOf names the partition of a Region, after "Amazon Resource Names" in the AWS General Reference.
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "us-isob-"):
		return "aws-iso-b"
	case strings.HasPrefix(region, "us-iso-"):
		return "aws-iso"
	case strings.HasPrefix(region, "eusc-"):
		return "aws-eusc"
	}
	return "aws"
}

// URL is the endpoint that clients are pointed at. It is empty for an account of NewHandler.
func (a *Account) URL() string { return a.srv.url }

// Handler serves every account of this server, for a program that listens itself.
func (a *Account) Handler() http.Handler { return a.srv }

// Close stops the server and lets go of calls that hang.
func (a *Account) Close() error {
	a.srv.end()
	defer a.srv.out.inner.CloseIdleConnections()
	if a.srv.http == nil {
		return nil
	}
	return a.srv.http.Close()
}

// ID is the account's twelve digits.
func (a *Account) ID() string { return a.state.id }

// Region is the Region that this view is of.
func (a *Account) Region() string { return a.region }

// Partition is aws, aws-cn, aws-us-gov and so on.
func (a *Account) Partition() string { return a.state.partition }

// In is the same account seen from another Region.
func (a *Account) In(region string) *Account {
	return &Account{srv: a.srv, state: a.state, region: region}
}

// Peer is another account on the same server, made when it is new.
func (a *Account) Peer(id string) *Account {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	return &Account{srv: a.srv, state: a.srv.account(id, a.region), region: a.region}
}

// Accounts lists the ids of all accounts on this server.
func (a *Account) Accounts() []string {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	return slices.Sorted(maps.Keys(a.srv.accounts))
}

// Config is what SDK clients are made from: this account's user awstest, this view's Region, this server.
func (a *Account) Config() aws.Config { return a.config(a.state.home) }

// ConfigAs is Config for another principal: a user's ARN, or a role's ARN for a session of it.
func (a *Account) ConfigAs(principal string) aws.Config {
	a.srv.mu.Lock()
	defer a.srv.mu.Unlock()
	return a.config(a.srv.newIdentity(a.state, principal))
}

func (a *Account) config(who *identity) aws.Config {
	c := aws.Config{
		Region:      a.region,
		HTTPClient:  &http.Client{Transport: a.srv.out},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return who.credentials(), nil }),
	}
	if a.srv.url != "" {
		c.BaseEndpoint = aws.String(a.srv.url)
	}
	return c
}

// Environ is Config for another process: AWS_ variables in the form of os.Environ.
func (a *Account) Environ() []string {
	who := a.state.home
	return []string{
		"AWS_ACCESS_KEY_ID=" + who.key,
		"AWS_SECRET_ACCESS_KEY=" + who.secret,
		"AWS_REGION=" + a.region,
		"AWS_DEFAULT_REGION=" + a.region,
		"AWS_ENDPOINT_URL=" + a.srv.url,
	}
}

// lock holds the server's state and gives this view's Region; every plain-value method starts with it.
func (a *Account) lock() (*region, func()) {
	a.srv.mu.Lock()
	return a.state.in(a.region), a.srv.mu.Unlock
}
