package repair_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// childJob, in a process's environment, makes the test binary one repairing process.
const childJob = "ROTATIONGUARD_TEST_REPAIR"

// job is what a child process does, and where it dies.
type job struct {
	URL, Ledger, Undo string
	Now               time.Time
	Options           repair.Options
	Rules             rotation.Rules
	// Append and After kill the process before or after the n-th journal entry is stored; 0: never.
	Append, After int
	// Full: the disk is as good as full once the plan is made, no file grows beyond Most bytes.
	Full bool
	Most uint64
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childJob); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.run(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The points of the matrices wait more than they compute.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// dying is a ledger at one of whose journal entries the process is killed.
type dying struct {
	ledger.Ledger
	job *job
	n   int
}

func (d *dying) Append(ctx context.Context, l ledger.Lease, e ledger.Entry) (ledger.Entry, error) {
	d.n++
	if d.n == d.job.Append {
		die()
	}
	e, err := d.Ledger.Append(ctx, l, e)
	if d.n == d.job.After {
		die()
	}
	return e, err
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	time.Sleep(time.Minute)
}

// run is one process's run: read, plan, apply.
func (j *job) run(ctx context.Context) error {
	r := runner{
		cfg: aws.Config{Region: region, BaseEndpoint: aws.String(j.URL), Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")},
		rules: j.Rules, opts: j.Options, now: j.Now, visible: time.Second, undo: j.Undo,
	}
	file, err := ledger.OpenFile(j.Ledger)
	if err != nil {
		return err
	}
	l := &dying{Ledger: file, job: j}
	plan, err := r.plan(ctx, l)
	if err != nil {
		return err
	}
	if j.Full {
		if err := j.fill(); err != nil {
			return err
		}
	}
	_, err = r.repairer(l).Apply(ctx, plan)
	return errors.Join(err, l.Close())
}

// fill makes the disk as good as full: no file grows beyond the limit.
func (j *job) fill() error {
	signal.Ignore(syscall.SIGXFSZ) // writing then answers EFBIG
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: j.Most, Max: j.Most})
}

// start starts a child process on the bench's account.
func (b *bench) start(t *testing.T, j job) *exec.Cmd {
	t.Helper()
	j.URL, j.Ledger, j.Now, j.Options, j.Rules, j.Undo = b.URL(), b.path, b.now, b.opts, b.rules, b.undo
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), b.Environ()...)
	cmd.Env = append(cmd.Env, childJob+"="+string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestCrashes kills a running process at a sample of its calls and journal writes, for every kind of run.
func TestCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	crashMatrix(t, every(283))
}

// crash is where a process is killed.
type crash struct {
	what, name string
	job        job
	call       int  // the call that it dies at; 0: none
	after      bool // after the call took effect
}

// crashes are a kill before and after each of its calls and each of its journal entries.
func (u *undisturbed) crashes(calls int) []crash {
	var all []crash
	for n := 1; n <= calls; n++ {
		all = append(all, crash{what: "killed before a call", name: fmt.Sprintf("before call %d", n), call: n},
			crash{what: "killed after a call took effect", name: fmt.Sprintf("after call %d", n), call: n, after: true})
	}
	for n := 1; n <= 2*len(u.made); n++ { // an intent and an outcome each
		all = append(all, crash{what: "killed before a journal entry", name: fmt.Sprintf("before journal entry %d", n), job: job{Append: n}},
			crash{what: "killed after a journal entry", name: fmt.Sprintf("after journal entry %d", n), job: job{After: n}})
	}
	return all
}

// crashMatrix kills a process at every stride-th of these points, for every kind of run. The next run must end where an undisturbed one
// does, nothing that rotation needs may be absent in between, and the journal must know of every write.
func crashMatrix(t *testing.T, strides func(scenario int) int) {
	var tb table
	t.Run("points", func(t *testing.T) {
		for i := range scenarios {
			want, stride := scenarios[i].undisturbed(t), strides(i)
			rows := map[string]*row{}
			points := want.crashes(want.processCalls(t))
			for n := range points {
				c := &points[n]
				if rows[c.what] == nil {
					rows[c.what] = tb.row(scenarios[i].name, c.what)
				}
				if n%stride == (3*i)%stride {
					t.Run(scenarios[i].name+", killed "+c.name, func(t *testing.T) {
						t.Parallel()
						want.crashPoint(t, &tb, rows[c.what], c)
					})
				}
			}
		}
	})
	tb.print(t)
}

// processCalls is how many calls a whole process makes.
func (u *undisturbed) processCalls(t *testing.T) int {
	t.Helper()
	b := newBench(t)
	u.scenario.prepare(t, b)
	b.ResetCalls()
	if err := b.start(t, job{}).Wait(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(u.state, b.state(t)); d != "" {
		t.Fatalf("%s: a process does not end where a run in this one does:\n%s", u.scenario.name, d)
	}
	return len(b.Calls())
}

func (u *undisturbed) crashPoint(t *testing.T, tb *table, r *row, c *crash) {
	b := newBench(t)
	u.scenario.prepare(t, b)
	tr := b.watch(t)
	tr.end = u.allowed
	b.ResetCalls()
	b.Fail(awstest.Match{Count: -1}, awstest.Fault{After: true, Run: tr.step})
	kill := make(chan int, 1)
	if c.call > 0 {
		b.Fail(awstest.Match{Nth: c.call}, awstest.Fault{After: c.after, CloseConn: true, Run: func() {
			pid := <-kill
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}})
	}
	cmd := b.start(t, c.job)
	kill <- cmd.Process.Pid
	if err := cmd.Wait(); err == nil {
		tb.miss(r)
		return
	}
	b.Heal()
	tr.step()
	b.accounted(t)
	b.now = b.now.Add(10 * time.Minute)
	b.runWatched(t, tr)
	b.accounted(t)
	diff := cmp.Diff(u.state, b.state(t))
	if diff != "" {
		t.Errorf("the next run does not end where an undisturbed one does (-want +got):\n%s", diff)
	}
	if len(tr.lost) > 0 {
		t.Errorf("lost: %v", tr.lost)
	}
	tb.count(r, diff == "", len(tr.lost))
}
