package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func newLedger(t *testing.T) *ledger.File {
	t.Helper()
	l, err := ledger.OpenFile(filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// keep stores the history that the tests look at: a secret that breaks and is repaired, one that is fine, one that goes, one that is skipped
// at first; a change that came to its end, one that was refused and made anew, one without an outcome; an exemption that is removed, one that
// expires, one that stands.
func keep(t *testing.T, l ledger.Ledger, text string) {
	t.Helper()
	ctx := t.Context()
	app, late, gone, off := string(secretARN("app")), string(secretARN("late")), string(secretARN("gone")), string(secretARN("off"))
	exempt := func(id string, expires int) ledger.Exemption {
		return ledger.Exemption{ID: id, Rule: "logs" + text, Owner: "ana" + text, Reason: "moves" + text, Added: now.Add(-days(60)), AddedBy: "arn:aws:iam::1:user/ana" + text, Expires: now.Add(days(expires))}
	}
	seal := func(r ledger.Run, day int) {
		t.Helper()
		r.ID, r.Started = fmt.Sprintf("run-%d", day), now.Add(days(day))
		ended := r.Started.Add(time.Minute)
		r.Ended, r.Command, r.Caller = &ended, "sweep", "arn:aws:sts::1:assumed-role/guard/x"+text
		if _, err := l.SealRun(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	seal(ledger.Run{Mode: "report", Complete: true, Verdicts: map[drift.Verdict]int{drift.InSync: 3, drift.Skipped: 1}, Changed: []ledger.VerdictChange{
		{Secret: app, Is: drift.InSync, Reason: "all is allowed" + text}, {Secret: gone, Is: drift.InSync}, {Secret: late, Is: drift.InSync}, {Secret: off, Was: drift.InSync, Is: drift.Skipped},
	}, Exemptions: []ledger.Exemption{exempt("e-1", 100), exempt("e-2", -10)}}, -120)
	seal(ledger.Run{Mode: "report", Complete: true, Changed: []ledger.VerdictChange{{Secret: late, Was: drift.InSync, Is: drift.Broken, Reason: "GetSecretValue is denied" + text}}}, -30)
	lease, err := l.Acquire(ctx, "run--20", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	detail, err := json.Marshal(repair.Change{
		ID: "change-1", Call: repair.PutRolePolicy, Function: functionARN("rotate-late"), Secrets: []rotation.ARN{secretARN("late")}, Findings: []string{"f-1"},
		Before: "", After: `{"Version":"2012-10-17"}` + text, Diff: "@@ -0,0 +1 @@\n+{}" + text + "\n", Proof: repair.Proof{Required: 8, Before: 7, After: 8, Excess: "inside" + text, Lost: "nothing"},
	})
	if err != nil {
		t.Fatal(err)
	}
	write := func(run string, day int, phase ledger.Phase, change, status, reason string) ledger.Entry {
		t.Helper()
		e := ledger.Entry{
			Run: run, At: now.Add(days(day)), Phase: phase, Change: change, Call: "iam:PutRolePolicy", Subject: string(roleARN("rotate-late")) + text, Name: "rotationguard-x" + text,
			Status: status, Reason: reason,
		}
		if phase == ledger.PhaseIntent {
			e.Detail = detail
		}
		e, err := l.Append(ctx, lease, e)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	journal := []ledger.Entry{
		write("run--20", -20, ledger.PhaseIntent, "change-1", "planned", ""), write("run--20", -20, ledger.PhaseOutcome, "change-1", "planned", "412"+text),
		write("run--20", -20, ledger.PhaseIntent, "change-1", "planned", ""), write("run--20", -20, ledger.PhaseOutcome, "change-1", "done", ""),
	}
	hash, err := ledger.HashEntries(journal)
	if err != nil {
		t.Fatal(err)
	}
	seal(ledger.Run{
		Mode: "repair", Complete: true, Cause: "RemovePermission by bob" + text, Journal: hash, Summary: "1 done, 0 failed, 0 refused, 0 waiting",
		Changed: []ledger.VerdictChange{{Secret: late, Was: drift.Broken, Is: drift.InSync}, {Secret: off, Was: drift.Skipped, Is: drift.Drifted}}, Exemptions: []ledger.Exemption{exempt("e-1", 100), exempt("e-2", -10), exempt("e-3", 50)},
	}, -20)
	seal(ledger.Run{Mode: "report", Changed: []ledger.VerdictChange{}}, -15) // a selection
	seal(ledger.Run{Mode: "report", Complete: true, Changed: []ledger.VerdictChange{{Secret: gone, Was: drift.InSync, Is: ledger.VerdictGone}}, Exemptions: []ledger.Exemption{exempt("e-3", 50)}}, -5)
	if err := l.PutRun(ctx, ledger.Run{ID: "run--2", Command: "apply", Mode: "repair", Caller: "ana" + text, Started: now.Add(-days(2))}); err != nil {
		t.Fatal(err)
	}
	write("run--2", -2, ledger.PhaseIntent, "change-2", "planned", "")
	if err := l.PutExemption(ctx, ledger.Exemption{ID: "e-4", Secret: "s", Owner: "bo" + text, Reason: "new", Added: now.Add(-time.Hour), Expires: now.Add(days(3)), AddedBy: "bo"}); err != nil {
		t.Fatal(err)
	}
}

func readAudit(t *testing.T, l ledger.Ledger, since, until int) *Audit {
	t.Helper()
	a, err := ReadAudit(t.Context(), l, now.Add(days(since)), now.Add(days(until)), now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// outline is one line for each secret, change, exemption and run.
func (a *Audit) outline() []string {
	var out []string
	for _, s := range a.Secrets {
		line := s.Name + " " + s.share()
		for _, p := range s.Periods {
			line += "; " + fromText(p.From)[:10] + " " + string(p.Verdict) + " " + p.Run
		}
		out = append(out, line)
	}
	for _, c := range a.Changes {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s in %s: %s %s %s", c.ID, c.Run, c.Status, c.Reason, c.Problem)))
	}
	for _, e := range a.Exemptions {
		out = append(out, strings.TrimSpace(e.ID+" "+e.State+" "+e.First+" "+e.Ended))
	}
	return out
}

func TestAuditOfATimeSaysWhatWasInIt(t *testing.T) {
	l := newLedger(t)
	keep(t, l, "")
	tests := []struct {
		name         string
		since, until int
		runs, whole  int
		gapDays      int64
		want         []string
	}{
		{"all", -365, 0, 5, 4, 245, []string{
			"app 100.0 %; 2025-11-01 in-sync run--120",
			"gone 100.0 %; 2025-11-01 in-sync run--120; 2026-02-24 gone run--5",
			"late 91.3 %; 2025-11-01 in-sync run--120; 2026-01-30 broken run--30; 2026-02-09 in-sync run--20",
			"off 0.0 %; before     in-sync ; 2025-11-01 skipped run--120; 2026-02-09 drifted run--20",
			"change-1 in run--20: planned anew 412", "change-1 in run--20: done", "change-2 in run--2: not known no outcome was stored its run did not end: nothing protects this record",
			"e-1 removed run--120 run--5", "e-2 expired run--120 run--5", "e-3 in force run--20", "e-4 added",
		}},
		{"the last ten days", -10, 0, 1, 1, 15, []string{
			"app 100.0 %; 2025-11-01 in-sync run--120",
			"gone 100.0 %; 2025-11-01 in-sync run--120; 2026-02-24 gone run--5",
			"late 100.0 %; 2026-02-09 in-sync run--20",
			"off 0.0 %; 2026-02-09 drifted run--20",
			"change-2 in run--2: not known no outcome was stored its run did not end: nothing protects this record",
			"e-1 removed run--120 run--5", "e-3 in force run--20", "e-4 added",
		}},
		{"a time in the past", -40, -19, 2, 2, 90, []string{
			"app 100.0 %; 2025-11-01 in-sync run--120",
			"gone 100.0 %; 2025-11-01 in-sync run--120",
			"late 50.0 %; 2025-11-01 in-sync run--120; 2026-01-30 broken run--30; 2026-02-09 in-sync run--20",
			"off -; 2025-11-01 skipped run--120; 2026-02-09 drifted run--20",
			"change-1 in run--20: planned anew 412", "change-1 in run--20: done",
			"e-1 in force run--120", "e-2 in force run--120", "e-3 in force run--20",
		}},
		{"before the first run", -300, -200, 0, 0, 100, []string{"off -; before     in-sync "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := readAudit(t, l, tt.since, tt.until)
			if got := a.outline(); !slices.Equal(got, tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if a.Watch.Runs != tt.runs || a.Watch.Complete != tt.whole || a.Watch.LongestGap != tt.gapDays*24*3600 {
				t.Errorf("watch = %+v, want %d runs, %d complete, a gap of %d days", a.Watch, tt.runs, tt.whole, tt.gapDays)
			}
			if !a.Held() || a.ExitCode() != ExitInSync {
				t.Errorf("problems = %v", a.Chain.Problems)
			}
		})
	}
	c := readAudit(t, l, -365, 0).Changes[1]
	if c.Caller == "" || c.Cause != "RemovePermission by bob" || c.Mode != "repair" || c.Proof == nil || c.Proof.After != 8 || c.After == "" || c.Diff == "" || len(c.Findings) != 1 || c.Number != 3 {
		t.Errorf("change = %+v", c)
	}
}

// TestAuditOfASecretThatNoRunMentionsAnyMore: its verdict is older than the runs that the ledger keeps.
func TestAuditOfASecretThatNoRunMentionsAnyMore(t *testing.T) {
	l := newLedger(t)
	seal := func(id string, at time.Time, changed ...ledger.VerdictChange) {
		t.Helper()
		if _, err := l.SealRun(t.Context(), ledger.Run{ID: id, Started: at, Complete: true, Changed: changed}); err != nil {
			t.Fatal(err)
		}
	}
	seal("old", now.Add(-ledger.Retention-days(2)), ledger.VerdictChange{Secret: string(secretARN("app")), Is: drift.InSync})
	seal("new", now.Add(-days(1)))
	a := readAudit(t, l, -90, 0)
	if got, want := a.outline(), []string{"app 100.0 %; 2025-01-23 in-sync "}; !slices.Equal(got, want) || !a.Held() || a.Chain.First != 2 {
		t.Errorf("got %q, want %q; chain %+v", got, want, a.Chain)
	}
	if got := a.runHolds(""); !strings.HasPrefix(got, "no: ") {
		t.Errorf("a verdict that no run says holds: %q", got)
	}
}

func TestAuditInEveryForm(t *testing.T) {
	l := newLedger(t)
	keep(t, l, "")
	torn := readAudit(t, l, -90, 0)
	torn.Chain.Problems = []ledger.Problem{{Number: 2, Run: "run--30", What: "edited: it has not the hash that it was sealed with"}}
	for name, a := range map[string]*Audit{"audit": readAudit(t, l, -90, 0), "audit-torn": torn, "audit-empty": readAudit(t, newLedger(t), -90, 0)} {
		t.Run(name, func(t *testing.T) {
			forms := map[string]func(*bytes.Buffer) error{
				".txt": func(b *bytes.Buffer) error { return a.WriteText(b, Style{Width: 80}) }, ".csv": func(b *bytes.Buffer) error { return a.WriteCSV(b) },
				".json": func(b *bytes.Buffer) error { return a.WriteJSON(b) }, ".html": func(b *bytes.Buffer) error { return a.WriteHTML(b) },
			}
			for form, write := range forms {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Fatal(err)
				}
				text := b.String()
				if form == ".html" {
					checkAuditPage(t, text)
					text = strings.Replace(strings.Replace(text, htmlStyle+auditStyle, "", 1), strings.ReplaceAll(sourceHash(htmlStyle+auditStyle), "+", "&#43;"), "", 1)
				}
				golden(t, name+form, []byte(text))
			}
			validateAudit(t, a)
		})
	}
}

// auditPages are pages of audits for a browser to open.
func auditPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for name, text := range map[string]string{"audit": "", "audit-hostile": strings.ToValidUTF8(nasty, "\uFFFD")} {
		l := newLedger(t)
		keep(t, l, text)
		a := readAudit(t, l, -90, 0)
		if text != "" {
			a.Chain.Problems = []ledger.Problem{{Number: 2, Run: text, What: text}}
		}
		var page bytes.Buffer
		if err := a.WriteHTML(&page); err != nil {
			t.Fatal(err)
		}
		pages[name] = page.String()
	}
	return pages
}

func validateAudit(t *testing.T, a *Audit) {
	t.Helper()
	text, err := os.ReadFile("audit.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := a.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := compile(t, text).Validate(value); err != nil {
		t.Error(err)
	}
}

// checkAuditPage holds an audit's page to the elements of the other one: no script, no link out, nothing that acts on a terminal.
func checkAuditPage(t *testing.T, page string) {
	t.Helper()
	checkElements(t, strings.Replace(page, htmlStyle+auditStyle, "", 1), 1)
}

func TestHostileTextInAnAuditIsInert(t *testing.T) {
	texts := append(slices.Clone(hostileTexts), nasty, strings.Join(hostileTexts, " "))
	for i, text := range texts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			l := newLedger(t)
			keep(t, l, strings.ToValidUTF8(text, "\uFFFD"))
			a := readAudit(t, l, -365, 0)
			for k := range a.Secrets { // an ARN that no service would give
				a.Secrets[k].ARN, a.Secrets[k].Name, a.Secrets[k].Verdict = text, text, drift.Verdict(text)
				for n := range a.Secrets[k].Periods {
					a.Secrets[k].Periods[n].Verdict, a.Secrets[k].Periods[n].Run = drift.Verdict(text), text
				}
			}
			for k := range a.Changes {
				a.Changes[k].ID, a.Changes[k].Call, a.Changes[k].Status, a.Changes[k].Before = text, text, repair.Status(text), text
			}
			a.Chain.Problems = []ledger.Problem{{Number: 1, Run: text, What: text}}
			a.Account, a.Region = text, text
			var html, plain, cells, value bytes.Buffer
			for _, err := range []error{a.WriteHTML(&html), a.WriteText(&plain, Style{Width: 80}), a.WriteCSV(&cells), a.WriteJSON(&value)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			checkAuditPage(t, html.String())
			for form, out := range map[string]string{"text": plain.String(), "CSV": cells.String(), "JSON": value.String()} {
				for _, r := range out {
					if r != '\n' && !unicode.IsPrint(r) {
						t.Fatalf("the %s holds %U", form, r)
					}
				}
			}
			rows, err := csv.NewReader(&cells).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				for _, cell := range row {
					if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
						t.Errorf("a spreadsheet computes %q", cell)
					}
				}
			}
		})
	}
}
