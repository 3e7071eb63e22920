package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// host is an account in a process of its own.
type host struct {
	served
	stdin io.Closer
	cmd   *exec.Cmd
}

// start runs this program again as the account's process.
func start(s size, speed float64) (*host, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", "-secrets", strconv.Itoa(s.secrets), "-rotating", strconv.Itoa(s.rotating), "-functions", strconv.Itoa(s.functions),
		"-roles", strconv.Itoa(s.roles), "-heavy="+strconv.FormatBool(s.heavy), "-speed", strconv.FormatFloat(speed, 'g', -1, 64))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &host{stdin: in, cmd: cmd}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &h.served)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the account: %w", err), h.close())
	}
	return h, nil
}

func (h *host) close() error {
	return errors.Join(h.stdin.Close(), h.cmd.Wait())
}

func (h *host) is(w weather) error {
	answer, err := http.PostForm(h.Control+"/weather", url.Values{"is": {string(w)}})
	if err != nil {
		return fmt.Errorf("setting the weather: %w", err)
	}
	return answer.Body.Close()
}

func (h *host) tally() (tally, error) {
	var t tally
	answer, err := http.Get(h.Control + "/tally")
	if err != nil {
		return t, fmt.Errorf("asking for the calls: %w", err)
	}
	return t, errors.Join(json.NewDecoder(answer.Body).Decode(&t), answer.Body.Close())
}

// measured is what one run of a program took.
type measured struct {
	wall time.Duration
	cpu  time.Duration
	peak int64 // bytes of resident memory, VmHWM
	code int
	said string // the end of its stderr
}

// measure runs a program to its end. Its peak is read from the kernel while it runs: what wait4 gives would count this process's
// memory too, of which the child is a copy until it runs the program.
func measure(cmd *exec.Cmd) (measured, error) {
	var m measured
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return m, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.peak = max(m.peak, peakOf(cmd.Process.Pid))
		case err := <-done:
			m.wall, m.cpu, m.code = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), cmd.ProcessState.ExitCode()
			m.said = stderr.String()
			var exit *exec.ExitError
			if errors.As(err, &exit) && m.code >= 0 {
				err = nil
			}
			return m, err
		}
	}
}

// peakOf is VmHWM of /proc/PID/status (proc_pid_status(5)); 0 where there is none.
func peakOf(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
