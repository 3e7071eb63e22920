package sweep_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// slow is a source that gives so many groups and then takes longer than any part has.
type slow struct {
	sweep.Source
	groups int
}

func (s slow) Groups(ctx context.Context, scope rotation.Scope) iter.Seq2[rotation.Group, error] {
	return func(yield func(rotation.Group, error) bool) {
		left := s.groups
		for g, err := range s.Source.Groups(ctx, scope) {
			if left--; left < 0 && scope.All() { // verifying is not cut
				<-ctx.Done()
				yield(rotation.Group{}, ctx.Err())
				return
			}
			if !yield(g, err) {
				return
			}
		}
	}
}

// late is a source that has read nothing ahead when it is cut.
type late struct{ sweep.Source }

func (l late) Groups(ctx context.Context, scope rotation.Scope) iter.Seq2[rotation.Group, error] {
	scope.Ahead, scope.OnAhead = nil, nil
	return l.Source.Groups(ctx, scope)
}

// direct calls an account in memory without a network, whose waiting stops the clock of a test's bubble.
type direct struct{ account http.Handler }

func (d direct) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	defer func() {
		switch gone := recover(); gone {
		case nil:
		case http.ErrAbortHandler: // the account hangs up on who does not wait any more
			err = io.ErrUnexpectedEOF
		default:
			panic(gone)
		}
	}()
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	d.account.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// inBubble is the demo's account and a sweeper of it, for a test with a clock of its own.
func inBubble(t *testing.T, mode string) (*awstest.Account, *sweep.Sweeper) {
	t.Helper()
	a := awstest.NewHandler(awstest.Options{ID: account.ID, Region: account.Region})
	if err := account.Fill(a, time.Now()); err != nil {
		t.Fatal(err)
	}
	cfg := a.Config()
	cfg.HTTPClient = &http.Client{Transport: direct{a.Handler()}}
	return a, newSweeperOf(t, cfg, "mode: "+mode+"\nrepair: "+lifted)
}

type parts [][]byte

func (p parts) open() (open []func(context.Context) (io.ReadCloser, error)) {
	for _, part := range p {
		open = append(open, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(part)), nil })
	}
	return open
}

// inParts sweeps with a process of its own for each part, which reads so many groups; between is called after every part that was cut.
func inParts(t *testing.T, s *sweep.Sweeper, groups func(part int) int, between func(part int)) (report.Outcome, int) {
	t.Helper()
	source := s.Source
	return sweepParts(t, s, func(part int) (sweep.Source, time.Duration) { return slow{source, groups(part)}, time.Hour }, between)
}

// sweepParts sweeps with a process of its own for each part: with what it reads from, and for how long.
func sweepParts(t *testing.T, s *sweep.Sweeper, with func(part int) (sweep.Source, time.Duration), between func(part int)) (report.Outcome, int) {
	t.Helper()
	var done parts
	source := s.Source
	defer func() { s.Source, s.Continue = source, nil }()
	for {
		var part bytes.Buffer
		var within time.Duration
		s.Source, within = with(len(done))
		s.Continue = &sweep.Continuation{Until: time.Now().Add(within), Earlier: done.open(), Part: &part}
		outcome, err := s.Sweep(t.Context(), rotation.Scope{})
		switch {
		case err == nil:
			return outcome, len(done) + 1
		case !errors.Is(err, sweep.ErrCut):
			t.Fatal(err)
		case s.Continue.Groups() == 0:
			t.Fatalf("part %d read nothing in %s", len(done), within)
		}
		done = append(done, part.Bytes())
		between(len(done))
	}
}

func text(t *testing.T, o *report.Outcome) string {
	t.Helper()
	var b bytes.Buffer
	if err := o.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func countGroups(t *testing.T, s *sweep.Sweeper) int {
	t.Helper()
	n := 0
	for _, err := range s.Source.Groups(t.Context(), rotation.Scope{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestASweepInPartsIsOneSweep cuts behind every group, and behind each of them.
func TestASweepInPartsIsOneSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := inBubble(t, "report")
		s.Ledger = nil
		whole := run(t, s, rotation.Scope{})
		want := text(t, &whole)
		total := countGroups(t, s)
		if total < 20 {
			t.Fatalf("%d groups", total)
		}
		for k := 1; k < total; k++ {
			got, n := inParts(t, s, func(part int) int { return []int{k, 1 << 30}[part] }, func(int) {})
			if n != 2 || text(t, &got) != want {
				t.Errorf("cut behind group %d of %d, %d parts are another sweep", k, total, n)
			}
		}
		got, n := inParts(t, s, func(int) int { return 1 }, func(int) {})
		if n != total || text(t, &got) != want {
			t.Errorf("one group a part, %d parts for %d groups are another sweep", n, total)
		}
	})
}

// revision is what Lambda names a function policy's state by, at random.
var revision = regexp.MustCompile(`"revision": "[^"]*"`)

// TestOnlyTheLastPartWrites also holds that a ledger remembers nothing of a part that was cut, and that the last part mends what one sweep does.
func TestOnlyTheLastPartWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		one, first := inBubble(t, "repair")
		two, s := inBubble(t, "repair")
		for _, s := range []*sweep.Sweeper{first, s} {
			s.Run, s.Channels, s.Now = "run", []ledger.Channel{"topic"}, func() time.Time { return now }
		}
		whole := run(t, first, rotation.Scope{})
		got, n := inParts(t, s, func(int) int { return 7 }, func(part int) {
			if writes := two.Writes(); len(writes) > 0 {
				t.Errorf("part %d wrote %s", part, writes[0].Name())
			}
			findings, err := s.Ledger.Findings(t.Context())
			if err != nil || len(findings) > 0 {
				t.Errorf("part %d left %d findings in the ledger (%v)", part, len(findings), err)
			}
			if runs, err := s.Ledger.Runs(t.Context(), 0); err != nil || len(runs) > 0 {
				t.Errorf("part %d left %d runs in the ledger (%v)", part, len(runs), err)
			}
		})
		if n < 4 || len(two.Writes()) == 0 || len(two.Writes()) != len(one.Writes()) {
			t.Errorf("%d parts made %d writes, one sweep made %d", n, len(two.Writes()), len(one.Writes()))
		}
		if d := cmp.Diff(revision.ReplaceAllString(text(t, &whole), ""), revision.ReplaceAllString(text(t, &got), "")); d != "" || len(got.News) == 0 || len(got.News) != len(whole.News) {
			t.Errorf("the parts end with %d news, one sweep with %d (-one +parts):\n%s", len(got.News), len(whole.News), d)
		}
		if runs, err := s.Ledger.Runs(t.Context(), 0); err != nil || len(runs) != 1 {
			t.Errorf("the parts are %d runs (%v)", len(runs), err)
		}
	})
}

// TestAPartThatIsLateLeavesTheEndToTheNext: the next part makes no call to read the account.
func TestAPartThatIsLateLeavesTheEndToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := inBubble(t, "report")
		whole := run(t, s, rotation.Scope{})
		var part bytes.Buffer
		s.Continue = &sweep.Continuation{Until: time.Now().Add(time.Hour), EndBy: time.Now().Add(-time.Second), Part: &part}
		if _, err := s.Sweep(t.Context(), rotation.Scope{}); !errors.Is(err, sweep.ErrCut) {
			t.Fatalf("a late part ended with %v", err)
		}
		a.ResetCalls()
		s.Continue = &sweep.Continuation{Until: time.Now().Add(time.Hour), EndBy: time.Now().Add(-time.Second), Part: io.Discard, Earlier: parts{part.Bytes()}.open()}
		got := run(t, s, rotation.Scope{})
		if text(t, &got) != text(t, &whole) {
			t.Error("the end in a part of its own is another sweep")
		}
		if calls := a.Calls(); len(calls) > 0 {
			t.Errorf("the last part called %s", calls[0].Name())
		}
	})
}

// TestPartsListOnce: what was listed and read in one part is asked for in no other.
func TestPartsListOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := inBubble(t, "report")
		s.Ledger = nil
		once := []string{"secretsmanager:ListSecrets", "secretsmanager:GetResourcePolicy", "lambda:GetFunctionConfiguration", "lambda:GetPolicy"}
		run(t, s, rotation.Scope{})
		want := a.CallCounts()
		want["secretsmanager:GetResourcePolicy"]++ // of a master that is a secret of an earlier part
		for _, groups := range []int{1, 3, 8} {
			a.ResetCalls()
			_, n := inParts(t, s, func(int) int { return groups }, func(int) {})
			got := a.CallCounts()
			for _, call := range once {
				if got[call] > want[call] {
					t.Errorf("%d parts of %d groups call %s %d times, want no more than %d", n, groups, call, got[call], want[call])
				}
			}
		}
	})
}

func TestWhatMovesBetweenParts(t *testing.T) {
	const prefix = "arn:aws:secretsmanager:" + account.Region + ":" + account.ID + ":secret:"
	yes := true
	add := func(a *awstest.Account, name, function string) {
		a.AddSecret(awstest.Secret{
			ARN: prefix + name + "-AbCdEf", RotationEnabled: &yes, RotationLambdaARN: "arn:aws:lambda:" + account.Region + ":" + account.ID + ":function:" + function,
		})
	}
	tests := []struct {
		name    string
		before  func(a *awstest.Account)
		between func(a *awstest.Account)
		secret  string
		want    drift.Verdict // of the secret; empty: it is not in the report
		unread  bool          // the sweep says that not everything was read, and ends nothing
		late    bool          // nothing was read ahead before the cut
	}{
		{"a secret that is made after the list is the next sweep's", nil, func(a *awstest.Account) { add(a, "late", "zz-gone") }, "late", "", false, false},
		{"a secret that is made for a function before the cut is the next sweep's", nil, func(a *awstest.Account) { add(a, "early", "aa-gone") }, "early", "", false, false},
		{"a secret that was listed is read behind the cut", func(a *awstest.Account) { add(a, "late", "zz-gone") }, func(*awstest.Account) {}, "late", drift.Orphaned, false, false},
		{"a function that gets a role from before the cut is not read, and that is said", func(a *awstest.Account) {
			role := a.AddRole(awstest.Role{Name: "zz-role"})
			a.AddFunction(awstest.Function{Name: "zz-last", FunctionConfig: awstest.FunctionConfig{Role: role}})
			role = a.AddRole(awstest.Role{Name: "aa-role"})
			a.AddFunction(awstest.Function{Name: "aa-first", FunctionConfig: awstest.FunctionConfig{Role: role}})
			add(a, "last", "zz-last")
			add(a, "first", "aa-first")
		}, func(a *awstest.Account) {
			first, _ := a.Function("aa-first")
			a.UpdateFunction("zz-last", func(f *awstest.Function) { f.Role = first.Role })
		}, "last", "", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, s := inBubble(t, "report")
				if tt.before != nil {
					tt.before(a)
				}
				if tt.late {
					s.Source = late{s.Source}
				}
				got, _ := inParts(t, s, func(part int) int { return []int{10, 1 << 30}[part] }, func(int) { tt.between(a) })
				i := slices.IndexFunc(got.Secrets, func(x report.Secret) bool { return strings.HasPrefix(string(x.ARN), prefix+tt.secret+"-") })
				switch {
				case (i >= 0) != (tt.want != ""):
					t.Errorf("the secret is in the report: %t", i >= 0)
				case i >= 0 && got.Secrets[i].Verdict != tt.want:
					t.Errorf("the secret is %s, want %s", got.Secrets[i].Verdict, tt.want)
				}
				said := slices.ContainsFunc(got.Errors, func(e report.Error) bool {
					return strings.Contains(e.Message, "while the sweep was continued in parts")
				})
				runs, err := s.Ledger.Runs(t.Context(), 0)
				if said != tt.unread || err != nil || len(runs) != 1 || runs[0].Complete == tt.unread {
					t.Errorf("said %t, runs %+v, %v", said, runs, err)
				}
			})
		})
	}
}

func TestPoisonParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := inBubble(t, "repair")
		var part bytes.Buffer
		source := s.Source
		s.Source = slow{source, 12}
		s.Continue = &sweep.Continuation{Until: time.Now().Add(time.Hour), Part: &part}
		if _, err := s.Sweep(t.Context(), rotation.Scope{}); !errors.Is(err, sweep.ErrCut) {
			t.Fatal(err)
		}
		s.Source = source
		good := part.Bytes()
		flipped := bytes.Clone(good)
		flipped[len(flipped)/2] ^= 0x55
		for _, tt := range []struct {
			name string
			open []func(context.Context) (io.ReadCloser, error)
			of   string
			want string
		}{
			{"one that is cut off", parts{good[:len(good)/2]}.open(), account.ID, "reading what an earlier part has read"},
			{"an empty one", parts{{}}.open(), account.ID, "reading what an earlier part has read"},
			{"a damaged one", parts{flipped}.open(), account.ID, "reading what an earlier part has read"},
			{"garbage", parts{[]byte("part")}.open(), account.ID, "reading what an earlier part has read"},
			{"one that is missing", []func(context.Context) (io.ReadCloser, error){func(context.Context) (io.ReadCloser, error) { return nil, errors.New("NoSuchKey") }}, account.ID, "continuing the sweep: NoSuchKey"},
			{"another account's", parts{good}.open(), "999999999999", "an earlier part is of account " + account.ID},
		} {
			a.ResetCalls()
			s.Account = tt.of
			s.Continue = &sweep.Continuation{Until: time.Now().Add(time.Hour), Part: io.Discard, Earlier: tt.open}
			if _, err := s.Sweep(t.Context(), rotation.Scope{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			}
			if calls := a.Calls(); len(calls) > 0 {
				t.Errorf("%s: called %s", tt.name, calls[0].Name())
			}
		}
		if findings, err := s.Ledger.Findings(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("poison left %d findings in the ledger (%v)", len(findings), err)
		}
	})
}
