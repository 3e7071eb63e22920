package repair_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// childJob, in a process's environment, makes the test binary one repairing process.
const childJob = "ROTATIONGUARD_TEST_REPAIR"

// job is what a child process repairs, and where it dies.
type job struct {
	URL, Ledger string
	Now         time.Time
	// Append and After kill the process before or after the n-th journal entry is stored; 0: never.
	Append, After int
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childJob); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.repair(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
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

// repair is one process's run: read, plan, apply.
func (j *job) repair(ctx context.Context) error {
	cfg := aws.Config{Region: region, BaseEndpoint: aws.String(j.URL), Credentials: credentials.NewStaticCredentialsProvider(
		os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")}
	file, err := ledger.OpenFile(j.Ledger)
	if err != nil {
		return err
	}
	l := &dying{Ledger: file, job: j}
	var judgements []drift.Judgement
	for g, err := range inventory.New(inventory.NewClients(cfg), inventory.Options{Unthrottled: true}).Groups(ctx, rotation.Scope{}) {
		if err != nil {
			return err
		}
		judgements = append(judgements, drift.Judge(g, drift.Options{})...)
	}
	o := repair.Options{Mode: repair.ModeRepair, MaxChanges: 1000, MaxChangePercent: 100}
	h, err := repair.Remember(ctx, l, judgements, true, j.Now)
	if err != nil {
		return err
	}
	r := repair.New(repair.NewClients(cfg), l, o)
	r.Now = func() time.Time { return j.Now }
	r.Visible = time.Second
	_, err = r.Apply(ctx, repair.NewPlan(judgements, o, h))
	return errors.Join(err, l.Close())
}

// start starts a child process on the bench's account.
func (b *bench) start(t *testing.T, j job) *exec.Cmd {
	t.Helper()
	j.URL, j.Ledger, j.Now = b.URL(), b.path, b.now
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

// TestCrashes kills a repairing process at a sample of its calls and journal writes.
func TestCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	t.Parallel()
	crashMatrix(t, 17)
}

// crashMatrix kills a repairing process before and after every stride-th write and read, and around every stride-th journal entry. The next
// run must end where an undisturbed one does, nothing that rotation needs may be absent in between, and the journal must know of
// every write.
func crashMatrix(t *testing.T, stride int) {
	want, calls, changes := undisturbed(t)
	type point struct {
		name string
		job  job
		call int
		when bool // after the call took effect
	}
	var points []point
	for n := 1; n <= calls; n++ {
		points = append(points, point{name: fmt.Sprintf("before call %d", n), call: n}, point{name: fmt.Sprintf("after call %d", n), call: n, when: true})
	}
	for n := 1; n <= 2*changes; n++ { // an intent and an outcome each
		points = append(points, point{name: fmt.Sprintf("before journal entry %d", n), job: job{Append: n}}, point{name: fmt.Sprintf("after journal entry %d", n), job: job{After: n}})
	}
	tried, converged, lost := 0, 0, 0
	for i := 0; i < len(points); i += stride {
		p := points[i]
		tried++
		t.Run(p.name, func(t *testing.T) {
			b := newBench(t)
			b.addMixed()
			tr := b.watch(t)
			b.ResetCalls()
			b.Fail(awstest.Match{Count: -1}, awstest.Fault{After: true, Run: tr.step})
			kill := make(chan int, 1)
			if p.call > 0 {
				b.Fail(awstest.Match{Nth: p.call}, awstest.Fault{After: p.when, CloseConn: true, Run: func() {
					pid := <-kill
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}})
			}
			cmd := b.start(t, p.job)
			kill <- cmd.Process.Pid
			_ = cmd.Wait() // killed
			b.Heal()
			b.Fail(awstest.Match{Count: -1}, awstest.Fault{After: true, Run: tr.step})
			b.accounted(t, nil)
			b.now = b.now.Add(10 * time.Minute)
			next := b.start(t, job{})
			if err := next.Wait(); err != nil {
				t.Fatalf("the next run: %v", err)
			}
			if tr.steps == 0 {
				t.Error("nobody watched")
			}
			b.accounted(t, nil)
			if d := cmp.Diff(want, b.state(t)); d != "" {
				t.Errorf("the next run does not end where an undisturbed one does (-want +got):\n%s", d)
			} else {
				converged++
			}
			lost += len(tr.lost)
			if len(tr.lost) > 0 {
				t.Errorf("lost: %v", tr.lost)
			}
		})
	}
	t.Logf("crash points %d, converged %d, grants lost %d", tried, converged, lost)
}

// undisturbed is a whole run of a process that nobody kills: where it ends, how many calls and how many changes it makes.
func undisturbed(t *testing.T) (want map[string]string, calls, changes int) {
	t.Helper()
	b := newBench(t)
	b.addMixed()
	b.ResetCalls()
	if err := b.start(t, job{}).Wait(); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Writes() {
		if c.Service != "sts" {
			changes++
		}
	}
	return b.state(t), len(b.Calls()), changes
}
