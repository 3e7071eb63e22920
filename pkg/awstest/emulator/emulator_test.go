package emulator

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestServersAnswerOnLoopbackAndEndWithStop(t *testing.T) {
	tests := []struct {
		name  string
		start func(context.Context) (*Server, error)
	}{
		{"moto", StartMoto},
		{"ministack", func(ctx context.Context) (*Server, error) { return StartMinistack(ctx) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := tt.start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(s.URL, "http://127.0.0.1:") {
				t.Errorf("URL = %s, want loopback", s.URL)
			}
			if err := s.Reset(t.Context()); err != nil {
				t.Errorf("Reset: %v\n%s", err, s.Log())
			}
			if err := s.Stop(); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if resp, err := http.Get(s.URL); err == nil {
				resp.Body.Close()
				t.Errorf("%s still answers after Stop", s.URL)
			}
			if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
				t.Errorf("%s is left after Stop", s.dir)
			}
		})
	}
}

// TestMain lets the test binary be the process that starts a server and is killed before it stops it.
func TestMain(m *testing.M) {
	if os.Getenv("EMULATOR_TEST_OWNER") == "" {
		os.Exit(m.Run())
	}
	s, err := StartMoto(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.URL)
	select {}
}

func TestServerEndsWithAnOwnerThatIsKilled(t *testing.T) {
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "EMULATOR_TEST_OWNER=1", "TMPDIR="+t.TempDir())
	owner.Stderr = os.Stderr
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("reading the server's address: %v", err)
	}
	url = strings.TrimSpace(url)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		resp, err := http.Get(url)
		if err != nil {
			return
		}
		resp.Body.Close()
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s still answers after its owner was killed", url)
}

func TestManagedPoliciesAreDocuments(t *testing.T) {
	dir, err := ManagedPolicies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 1500 {
		t.Fatalf("%d managed policies in %s (%v), want at least 1500", len(files), dir, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "AWSLambdaVPCAccessExecutionRole.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Statement []json.RawMessage }
	if err := json.Unmarshal(data, &document); err != nil || len(document.Statement) == 0 {
		t.Errorf("AWSLambdaVPCAccessExecutionRole has %d statements (%v), want some", len(document.Statement), err)
	}
}

func TestMissingPythonIsOneLine(t *testing.T) {
	empty := t.TempDir()
	for _, tool := range []string{"bash", "dirname", "env"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(empty, tool)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", empty)
	_, err := Install(t.Context(), "moto")
	if err == nil || !strings.Contains(err.Error(), "Python 3.11") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Install without Python = %v, want one line that names Python 3.11", err)
	}
}

func TestUnknownEmulatorIsAnError(t *testing.T) {
	if _, err := Install(t.Context(), "localstack"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("Install(localstack) = %v, want one line", err)
	}
}
