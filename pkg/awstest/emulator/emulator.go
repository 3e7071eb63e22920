// Package emulator runs the local AWS emulators that others wrote: moto for an account, ministack where a Lambda
// function must really run, a schedule fire, a template deploy or IAM be enforced.
//
// Each server listens on a free port of 127.0.0.1, keeps its files in a temporary folder, and ends with Stop or, if
// that is never reached, with the process that started it. Installing them is scripts/emulators.sh's work, which is
// called first and does nothing once it is done. It is for tests and scripts/demo.
package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout covers a cold start with AWS's managed policies on a busy machine of two cores.
const startTimeout = 90 * time.Second

// supervise runs the server and ends it when standard input closes, so that it does not outlive a caller that was
// killed or has panicked. Descriptor 3 keeps that input, because a shell gives background commands /dev/null.
const supervise = `exec 3<&0; "$@" </dev/null & server=$!; (cat <&3 >/dev/null; kill $server 2>/dev/null) & wait $server`

// Server is one running emulator.
type Server struct {
	// URL is the endpoint for every service, such as "http://127.0.0.1:40123".
	URL string

	name  string
	reset string // the path whose POST empties the emulator
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
	log   *logBuffer
	done  chan struct{} // closed when the supervising shell has ended
	once  sync.Once
}

// StartMoto starts moto server with AWS's managed policies loaded and functions that are never run.
func StartMoto(ctx context.Context) (*Server, error) {
	s, err := start(ctx, program{
		name:  "moto",
		ready: "/moto-api/",
		reset: "/moto-api/reset",
		command: func(env, port string) []string {
			return []string{filepath.Join(env, "bin", "moto_server"), "-H", "127.0.0.1", "-p", port}
		},
		environ: func(string, string) []string { return []string{"MOTO_IAM_LOAD_MANAGED_POLICIES=true"} },
	})
	if err != nil {
		return nil, err
	}
	// Without this moto asks for a container engine as soon as a rotation invokes a function.
	if err := s.post(ctx, "/moto-api/config", `{"lambda":{"use_docker":false}}`); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// StartMinistack starts ministack; environ adds settings of its own, such as "AUTH=true" to enforce IAM.
func StartMinistack(ctx context.Context, environ ...string) (*Server, error) {
	return start(ctx, program{
		name:  "ministack",
		ready: "/_ministack/ready",
		reset: "/_ministack/reset",
		command: func(env, _ string) []string {
			return []string{filepath.Join(env, "bin", "ministack")}
		},
		environ: func(dir, port string) []string {
			return append([]string{
				"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port, "MINISTACK_HOST=127.0.0.1",
				"IOT_MTLS_ENABLED=0", "SFTP_ENABLED=0", // both would listen on fixed ports of every interface
				"STATE_DIR=" + filepath.Join(dir, "state"), "S3_DATA_DIR=" + filepath.Join(dir, "s3"), "TMPDIR=" + dir,
			}, environ...)
		},
	})
}

// Reset empties the emulator: everything its accounts held is gone.
func (s *Server) Reset(ctx context.Context) error { return s.post(ctx, s.reset, "") }

// Log returns the last 64 KiB that the server printed, for a failure's message.
func (s *Server) Log() string { return s.log.String() }

// Stop ends the server with all that it started and removes its files. Stopping twice is harmless.
func (s *Server) Stop() error {
	s.once.Do(func() {
		s.signal(syscall.SIGTERM)
		select {
		case <-s.done:
		case <-time.After(5 * time.Second):
		}
		s.signal(syscall.SIGKILL) // what ignored the request, and the shell that waits for the input's end
		<-s.done
		_ = s.stdin.Close()
	})
	return os.RemoveAll(s.dir)
}

// signal sends to the server's whole process group; one that is gone already is what was wanted.
func (s *Server) signal(sig syscall.Signal) { _ = syscall.Kill(-s.cmd.Process.Pid, sig) }

// program says how one emulator is run.
type program struct {
	name         string
	ready, reset string
	command      func(env, port string) []string
	environ      func(dir, port string) []string
}

func start(ctx context.Context, p program) (*Server, error) {
	env, err := Install(ctx, p.name)
	if err != nil {
		return nil, err
	}
	// The port is free when it is chosen and may be taken before the server has it.
	for attempt := 1; ; attempt++ {
		s, err := launch(ctx, p, env)
		if err == nil || ctx.Err() != nil || attempt == 3 {
			return s, err
		}
	}
}

func launch(ctx context.Context, p program, env string) (*Server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "rotationguard-"+p.name+"-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for %s: %w", p.name, err)
	}
	args := append([]string{"-c", supervise, p.name}, p.command(env, port)...)
	s := &Server{
		URL: "http://127.0.0.1:" + port, name: p.name, reset: p.reset, dir: dir,
		cmd: exec.Command("/bin/sh", args...), log: &logBuffer{}, done: make(chan struct{}),
	}
	s.cmd.Dir = dir
	s.cmd.Env = append(serverEnviron(), p.environ(dir, port)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.stdin, err = s.cmd.StdinPipe(); err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.name, err), os.RemoveAll(dir))
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	if err := s.await(ctx, p.ready); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// await returns when the server answers path.
func (s *Server) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if s.answers(ctx, path) {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("starting %s: it ended: %s", s.name, s.lastLine())
		case <-ctx.Done():
			return fmt.Errorf("starting %s: no answer at %s%s: %w", s.name, s.URL, path, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) answers(ctx context.Context, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return false
	}
	resp, err := loopback.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

func (s *Server) post(ctx context.Context, path, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking %s for %s: %w", s.name, path, err)
	}
	resp, err := loopback.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s for %s: %w", s.name, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("asking %s for %s: %s", s.name, path, resp.Status)
	}
	return nil
}

func (s *Server) lastLine() string {
	lines := strings.Split(strings.TrimSpace(s.Log()), "\n")
	return lines[len(lines)-1]
}

// loopback ignores proxies and keeps no connection, because moto sometimes closes a kept one.
var loopback = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// serverEnviron is the caller's environment without what would change how an emulator answers.
func serverEnviron() []string {
	var kept []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MOTO_") || strings.HasPrefix(name, "MINISTACK_") {
			continue
		}
		kept = append(kept, v)
	}
	return kept
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return strconv.Itoa(port), l.Close()
}

// logBuffer keeps the end of what is written to it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const logKept = 64 << 10

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if over := l.buf.Len() - 2*logKept; over > 0 {
		l.buf.Next(l.buf.Len() - logKept)
	}
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buf.Bytes()
	return string(b[max(0, len(b)-logKept):])
}
