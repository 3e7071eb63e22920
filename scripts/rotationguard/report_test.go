package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// edit changes what the ledger's file holds, as somebody would who is not the program.
func edit(t *testing.T, path string, do func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(do), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestEvidenceOfWhatRunsSawAndWrote(t *testing.T) {
	b := newBench(t)
	b.writes("config.yaml", lifted)
	with := func(args ...string) typed {
		t.Helper()
		return b.on(append(args, "--ledger", "ledger.db")...)
	}
	with("sweep").wants(t, 2)
	with("sweep", "--mode", "repair", "--config", "config.yaml").wants(t, 2)
	hostile := "=cmd|' /C calc'!A0 <script>alert(1)</script> \x1b[31mred"
	with("exempt", "add", "--rule", "secrets-wide", "--owner", hostile, "--reason", hostile, "--expires", time.Now().AddDate(0, 0, 20).Format(time.DateOnly)).wants(t, 0)
	with("sweep").wants(t, 2)

	// The ledger alone is read: no account is there.
	report := func(args ...string) typed {
		t.Helper()
		return b.types(append(append([]string{"report"}, args...), "--ledger", "ledger.db")...)
	}
	text := report("--since", "7d").wants(t, 0).stdout
	for _, want := range []string{"account " + account.ID, "3 runs read the account, 3 of them all of it", "chain of runs holds: 3 runs", "iam:PutRolePolicy", "required requests allowed before", "in force"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q", want)
		}
	}
	page := report("--output", "html").wants(t, 0).stdout
	rows, err := csv.NewReader(strings.NewReader(report("--output", "csv").wants(t, 0).stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, row := range rows[1:] {
		kinds[row[0]]++
	}
	if kinds["verdict"] < 20 || kinds["change"] < 10 || kinds["exemption"] != 1 || kinds["run"] != 3 {
		t.Errorf("the CSV holds %v", kinds)
	}
	if strings.Contains(page, "<script") || strings.Contains(text+page, "\x1b") {
		t.Error("the exemption's owner acts")
	}
	var audit struct {
		Changes []struct {
			Caller, Run, Status string
			Proof               *struct{ Required int }
		}
		Secrets []struct {
			Periods []struct{ Verdict, Run string }
		}
	}
	if err := json.Unmarshal([]byte(report("--output", "json").wants(t, 0).stdout), &audit); err != nil {
		t.Fatal(err)
	}
	for _, c := range audit.Changes {
		if !strings.HasPrefix(c.Caller, "arn:aws:") || c.Run == "" || c.Proof == nil || c.Proof.Required == 0 {
			t.Errorf("change %+v", c)
		}
	}

	end := regexp.MustCompile(`Its end is (3:[0-9a-f]{64})\n`).FindStringSubmatch(report("verify").wants(t, 0).stdout)
	if end == nil {
		t.Fatal("verify prints no end of the chain")
	}
	report("verify", "--noted", end[1]).wants(t, 0)
	if got := report("verify", "--noted", strings.Replace(end[1], "3:", "2:", 1)).wants(t, 2).stdout; !strings.Contains(got, "run number 2: ") {
		t.Errorf("a noted end that the chain never had: %s", got)
	}
	edit(t, "ledger.db", func(tx *bolt.Tx) error {
		runs := tx.Bucket([]byte("runs"))
		return runs.ForEach(func(id, value []byte) error {
			if !bytes.Contains(value, []byte(`"number":1,`)) {
				return nil
			}
			return runs.Put(bytes.Clone(id), bytes.ReplaceAll(value, []byte(`"broken"`), []byte(`"in-sync"`)))
		})
	})
	if got := report("verify").wants(t, 2).stdout; !strings.Contains(got, "(number 1): edited") {
		t.Errorf("after an edit verify says %s", got)
	}
	if got := report().wants(t, 2).stdout; !strings.Contains(got, "does not hold in 1 place:") {
		t.Errorf("after an edit the report says %.300s", got)
	}
	var chain struct{ Problems []struct{ Number int } }
	if err := json.Unmarshal([]byte(report("verify", "--output", "json").wants(t, 2).stdout), &chain); err != nil || len(chain.Problems) != 1 || chain.Problems[0].Number != 1 {
		t.Errorf("chain = %+v, %v", chain, err)
	}
}

func TestEvidenceThatCannotBeRead(t *testing.T) {
	b := newBench(t)
	garbage := b.writes("garbage.db", strings.Repeat("no ledger ", 2000))
	for name, args := range map[string][]string{
		"a file that is none":   {"--ledger", garbage},
		"a folder":              {"--ledger", b.folder},
		"no credentials":        {"--endpoint-url", "http://127.0.0.1:1", "--region", "eu-west-1"},
		"a folder that is none": {"--ledger", filepath.Join(garbage, "l.db")},
	} {
		for _, command := range [][]string{{"report"}, {"report", "verify"}} {
			got := b.types(append(command, args...)...)
			if got.code != 1 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("%s, %v: %+v", name, command, got)
			}
		}
	}
	b.types("report", "verify", "--ledger", "mistyped.db").refused(t, "--ledger mistyped.db: no such file")
	b.types("findings", "--ledger", "fresh.db").wants(t, 0)
	if got := b.types("report", "verify", "--ledger", "fresh.db").wants(t, 0).stdout; got != "No run was sealed yet.\n" {
		t.Errorf("a new ledger: %q", got)
	}
	for _, bad := range [][]string{{"--since", "yesterday"}, {"--since", "0d"}, {"--since", "999999999999w"}, {"--since", "2999-01-01"}, {"--until", "90d"}, {"verify", "--noted", "3"}, {"verify", "--noted", "x:00"}, {"verfy"}} {
		b.types(append([]string{"report", "--ledger", "fresh.db"}, bad...)...).refused(t, bad[len(bad)-1])
	}
}
