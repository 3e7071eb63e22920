package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// environment is one execution environment: the built bootstrap, and the Runtime API that it asks for events (Lambda Developer Guide, "Using
// the Lambda runtime API for custom runtimes").
type environment struct {
	cmd    *exec.Cmd
	log    *lockedBuffer
	events chan invocation
	ended  chan struct{}
	ready  chan struct{} // closed at the first request for an event: initialization is over
	asked  sync.Once

	mu      sync.Mutex
	waiting map[string]chan outcome
	next    int
}

type invocation struct {
	id, payload string
	deadline    time.Time
}

// outcome is how an invocation ended: with an answer or with an error.
type outcome struct {
	answer  answer
	raw     string
	failed  bool
	kind    string // errorType
	message string // errorMessage
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// built is where the bootstrap is built, empty until a test needs it.
var built string

// build makes the bootstrap as scripts/build.sh does, for the machine that the test runs on.
var build = sync.OnceValue(func() error {
	var err error
	if built, err = os.MkdirTemp("", "rotationguard-bootstrap-"); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags=-s -w -buildid=", "-o", filepath.Join(built, "bootstrap"), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the bootstrap: %w: %s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

func bootstrap(t testing.TB) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(built, "bootstrap")
}

// deploy starts the bootstrap with a config and environment variables, and nothing else of this process's environment.
func deploy(t testing.TB, config string, environ ...string) *environment {
	t.Helper()
	root := t.TempDir()
	if config != "" {
		if err := os.WriteFile(filepath.Join(root, "rotationguard.yaml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		environ = append(environ, envConfig+"=rotationguard.yaml")
	}
	e := &environment{
		log: &lockedBuffer{}, events: make(chan invocation), ended: make(chan struct{}), ready: make(chan struct{}), waiting: map[string]chan outcome{},
	}
	api := httptest.NewServer(e.handler())
	e.cmd = exec.Command(bootstrap(t))
	e.cmd.Dir = root
	e.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"), "LAMBDA_TASK_ROOT=" + root, "AWS_LAMBDA_FUNCTION_NAME=rotationguard-sweep",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_EC2_METADATA_DISABLED=true", "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
	}, environ...)
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = e.cmd.Wait()
		close(e.ended)
	}()
	t.Cleanup(func() {
		e.stop()
		api.CloseClientConnections()
		api.Close()
		if t.Failed() {
			log := e.log.String()
			t.Logf("the end of the function's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return e
}

// stop ends the execution environment.
func (e *environment) stop() {
	_ = e.cmd.Process.Kill()
	<-e.ended
}

func (e *environment) handler() http.Handler {
	const base = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"invocation/next", func(w http.ResponseWriter, r *http.Request) {
		e.asked.Do(func() { close(e.ready) })
		select {
		case <-r.Context().Done():
		case i := <-e.events:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:rotationguard-sweep")
			w.Header().Set("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1")
			_, _ = io.WriteString(w, i.payload)
		}
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o := outcome{raw: string(body)}
		if err := json.Unmarshal(body, &o.answer); err != nil {
			o.failed, o.message = true, "the answer is no answer: "+err.Error()
		}
		e.end(r.PathValue("id"), o)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var said struct {
			ErrorType, ErrorMessage string
			StackTrace              []json.RawMessage
		}
		o := outcome{raw: string(body), failed: true}
		if err := json.Unmarshal(body, &said); err != nil || len(said.StackTrace) > 0 {
			o.kind, o.message = "NoError", o.raw
		} else {
			o.kind, o.message = said.ErrorType, said.ErrorMessage
		}
		e.end(r.PathValue("id"), o)
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

func (e *environment) end(id string, o outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if waiting := e.waiting[id]; waiting != nil {
		waiting <- o
		delete(e.waiting, id)
	}
}

// invoke sends an event and waits for its end. The function has so long for it; it failing to end in time fails the test.
func (e *environment) invoke(t testing.TB, payload string, within time.Duration) outcome {
	t.Helper()
	e.mu.Lock()
	e.next++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", e.next)
	done := make(chan outcome, 1)
	e.waiting[id] = done
	e.mu.Unlock()
	deadline := time.Now().Add(within)
	select {
	case e.events <- invocation{id: id, payload: payload, deadline: deadline}:
	case <-e.ended:
		t.Fatalf("the function ended before an event: %s", e.log)
	case <-time.After(within):
		t.Fatalf("the function asked for no event: %s", e.log)
	}
	select {
	case o := <-done:
		e.checkLog(t, id)
		return o
	case <-e.ended:
		t.Fatalf("the function ended during an event: %s", e.log)
	case <-time.After(time.Until(deadline)):
		t.Fatalf("no answer before the deadline: %s", e.log)
	}
	return outcome{}
}

// checkLog holds that every line is JSON and that one at least carries the request's id. Lines arrive through a pipe, a moment later.
func (e *environment) checkLog(t testing.TB, id string) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		log := e.log.String()
		found := false
		for line := range strings.Lines(log) {
			var fields struct{ Level, Message, RequestID string }
			if err := json.Unmarshal([]byte(line), &fields); err != nil && strings.HasSuffix(line, "\n") {
				t.Fatalf("a line of the log is not JSON: %q", line)
			}
			found = found || fields.RequestID == id
		}
		if found {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("no line of the log has the request id %s", id)
		}
	}
}

// cpu is the CPU time that the function has used, and 0 where it cannot be read (Linux, Documentation/scheduler/sched-stats.rst: the first
// field of a thread's schedstat is its nanoseconds on a CPU).
func (e *environment) cpu(t testing.TB) time.Duration {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", e.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if errors.Is(err, fs.ErrNotExist) { // it has ended
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ns, err := strconv.ParseInt(strings.Fields(string(stat))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// peak is the most memory that the function has used, in KiB, where the operating system tells.
func (e *environment) peak() int {
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return kib
		}
	}
	return 0
}
