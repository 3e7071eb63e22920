package ledger_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// conform holds a ledger to what the interface promises. open opens the same ledger again, as another process would.
func conform(t *testing.T, fresh func(t *testing.T) (open func() ledger.Ledger)) {
	rules := []struct {
		name string
		test func(t *testing.T, open func() ledger.Ledger)
	}{
		{"a secret counts from when it names what it names", conformSecrets},
		{"only a complete listing forgets secrets", conformForgets},
		{"what functions rest on is what was seen last", conformFunctions},
		{"marks are what was put last", conformMarks},
		{"a finding is told when it is new, worse, resolved and reopened", conformFindings},
		{"an alert that was not told is due again", conformUntold},
		{"what was not covered is not resolved", conformCovers},
		{"each channel is told on its own", conformChannels},
		{"what we ended is told though nobody heard of it", conformMended},
		{"runs come newest first", conformRuns},
		{"of the runs only those since a moment are read", conformRunsSince},
		{"runs that have ended are a chain", conformChain},
		{"the journal takes entries only under the lease", conformJournal},
		{"one holder has the lease", conformLease},
		{"a pause holds until resumed, the first reason kept", conformPause},
		{"exemptions are added, listed and removed", conformExemptions},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.test(t, fresh(t)) })
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func conformSecrets(t *testing.T, open func() ledger.Ledger) {
	ctx := t.Context()
	observe := func(hours int, function, key string) ledger.SecretRecord {
		t.Helper()
		at := noon.Add(time.Duration(hours) * time.Hour)
		records := must[[]ledger.SecretRecord](t)(open().ObserveSecrets(ctx, at, []ledger.Naming{{Secret: "s", Function: function, Key: key}}, false))
		if len(records) != 1 {
			t.Fatalf("%d records", len(records))
		}
		return records[0]
	}
	at := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }

	equal(t, "first seen", observe(0, "f", "k"), ledger.SecretRecord{Secret: "s", Function: "f", Key: "k", FirstSeen: at(0), FunctionSince: at(0), KeySince: at(0)})
	equal(t, "unchanged", observe(1, "f", "k"), ledger.SecretRecord{Secret: "s", Function: "f", Key: "k", FirstSeen: at(0), FunctionSince: at(0), KeySince: at(0)})
	equal(t, "re-pointed", observe(2, "g", "k"), ledger.SecretRecord{Secret: "s", Function: "g", Key: "k", FirstSeen: at(0), FunctionSince: at(2), KeySince: at(0)})
	equal(t, "pointed back", observe(3, "f", "k"), ledger.SecretRecord{Secret: "s", Function: "f", Key: "k", FirstSeen: at(0), FunctionSince: at(3), KeySince: at(0)})
	last := observe(4, "f", "")
	equal(t, "another key", last, ledger.SecretRecord{Secret: "s", Function: "f", FirstSeen: at(0), FunctionSince: at(3), KeySince: at(4)})
	equal(t, "stored", must[[]ledger.SecretRecord](t)(open().Secrets(ctx)), []ledger.SecretRecord{last})
}

func conformForgets(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	names := func() []string {
		var out []string
		for _, r := range must[[]ledger.SecretRecord](t)(l.Secrets(ctx)) {
			out = append(out, r.Secret)
		}
		return out
	}
	see := func(complete bool, secrets ...string) {
		t.Helper()
		var seen []ledger.Naming
		for _, s := range secrets {
			seen = append(seen, ledger.Naming{Secret: s, Function: "f"})
		}
		must[[]ledger.SecretRecord](t)(l.ObserveSecrets(ctx, noon, seen, complete))
	}
	see(true, "b", "a", "c", "a")
	see(false, "a")
	equal(t, "after a partial run", names(), []string{"a", "b", "c"})
	see(true, "a", "c")
	equal(t, "after a complete run", names(), []string{"a", "c"})
	see(true)
	equal(t, "after an empty account", names(), nil)

	var many []string
	for i := range 1000 {
		many = append(many, "secret-"+string(rune('a'+i/100))+string(rune('a'+i/10%10))+string(rune('a'+i%10)))
	}
	slices.Sort(many)
	see(true, many...)
	equal(t, "many", names(), many)
}

func conformFunctions(t *testing.T, open func() ledger.Ledger) {
	ctx := t.Context()
	see := func(complete bool, seen ...ledger.FunctionRecord) []ledger.FunctionRecord {
		t.Helper()
		ok(t, open().ObserveFunctions(ctx, seen, complete))
		return must[[]ledger.FunctionRecord](t)(open().Functions(ctx))
	}
	a := ledger.FunctionRecord{Function: "a", Role: "r", Policies: []string{"p"}, Masters: []string{"m"}, Keys: []string{"k"}}
	b := ledger.FunctionRecord{Function: "b", Role: "r"}
	equal(t, "first", see(true, b, a, a), []ledger.FunctionRecord{a, b})
	a.Role = "other"
	equal(t, "another role", see(false, a), []ledger.FunctionRecord{a, b})
	for i := range 2000 {
		a.Keys = append(a.Keys, "key-"+string(rune('a'+i%26)))
	}
	many := ledger.FunctionRecord{Function: "a", Role: "other", Policies: []string{"p"}, Many: true}
	equal(t, "too many keys", see(false, a), []ledger.FunctionRecord{many, b})
	equal(t, "after a complete run", see(true, b), []ledger.FunctionRecord{b})
}

func finding(id string, s drift.Severity) *drift.Finding {
	return &drift.Finding{ID: id, Rule: "r", Severity: s, Explanation: "because", Function: "arn:aws:lambda:eu-west-1:111122223333:function:rotate"}
}

func everything(drift.Finding) bool { return true }

var mail = []ledger.Channel{"mail"}

// tell sights findings, marks what is due as told, and answers "kind id" for each.
func tell(t *testing.T, l ledger.Ledger, hours int, remind time.Duration, findings ...*drift.Finding) []string {
	t.Helper()
	due := sight(t, l, hours, remind, findings...)
	ok(t, l.Told(t.Context(), noon.Add(time.Duration(hours)*time.Hour), due))
	return kinds(due)
}

func sight(t *testing.T, l ledger.Ledger, hours int, remind time.Duration, findings ...*drift.Finding) []ledger.Transition {
	t.Helper()
	return must[[]ledger.Transition](t)(l.ObserveFindings(t.Context(), ledger.Sighting{
		At: noon.Add(time.Duration(hours) * time.Hour), Findings: findings, Covers: everything, RemindAfter: remind, Channels: mail,
	}))
}

func kinds(transitions []ledger.Transition) []string {
	var out []string
	for _, x := range transitions {
		out = append(out, string(x.Kind)+" "+x.Record.Finding.ID)
	}
	return out
}

func conformFindings(t *testing.T, open func() ledger.Ledger) {
	l := open()
	week := 168 * time.Hour
	equal(t, "new", tell(t, l, 0, week, finding("b", drift.High), finding("a", drift.Low)), []string{"new a", "new b"})
	equal(t, "standing", tell(t, l, 1, week, finding("b", drift.High), finding("a", drift.Low)), nil)
	equal(t, "worse", tell(t, l, 2, week, finding("b", drift.Critical), finding("a", drift.Low)), []string{"worse b"})
	equal(t, "better", tell(t, l, 3, week, finding("b", drift.Low), finding("a", drift.Low)), nil)
	equal(t, "resolved", tell(t, l, 4, week, finding("b", drift.Low)), []string{"resolved a"})
	equal(t, "still resolved", tell(t, l, 5, week, finding("b", drift.Low)), nil)
	equal(t, "reopened", tell(t, l, 6, week, finding("b", drift.Low), finding("a", drift.Low)), []string{"reopened a"})
	equal(t, "reminded", tell(t, l, 171, week, finding("b", drift.Low), finding("a", drift.Low)), []string{"reminder b"})

	records := must[[]ledger.FindingRecord](t)(open().Findings(t.Context()))
	if len(records) != 2 || records[0].Finding.ID != "a" || records[0].Reopened != 1 || !records[0].FirstSeen.Equal(noon) {
		t.Errorf("records = %+v", records)
	}
}

func conformUntold(t *testing.T, open func() ledger.Ledger) {
	l := open()
	equal(t, "new", kinds(sight(t, l, 0, 0, finding("a", drift.High))), []string{"new a"})
	equal(t, "not told", kinds(sight(t, l, 1, 0, finding("a", drift.High))), []string{"new a"})
	equal(t, "gone before it was told", kinds(sight(t, l, 2, 0)), nil)
	equal(t, "back", tell(t, l, 3, 0, finding("a", drift.High)), []string{"new a"})
	equal(t, "resolved, not told", kinds(sight(t, l, 4, 0)), []string{"resolved a"})
	equal(t, "resolved, told", tell(t, l, 5, 0), []string{"resolved a"})
}

func conformCovers(t *testing.T, open func() ledger.Ledger) {
	l := open()
	tell(t, l, 0, 0, finding("a", drift.High), finding("b", drift.High))
	due := must[[]ledger.Transition](t)(l.ObserveFindings(t.Context(), ledger.Sighting{
		At: noon.Add(time.Hour), Covers: func(f drift.Finding) bool { return f.ID == "b" }, Channels: mail,
	}))
	equal(t, "resolved", kinds(due), []string{"resolved b"})
}

func conformChannels(t *testing.T, open func() ledger.Ledger) {
	l := open()
	see := func(hours int, channels ...ledger.Channel) []ledger.Transition {
		t.Helper()
		return must[[]ledger.Transition](t)(open().ObserveFindings(t.Context(), ledger.Sighting{
			At: noon.Add(time.Duration(hours) * time.Hour), Findings: []*drift.Finding{finding("a", drift.High)}, Covers: everything, Channels: channels,
		}))
	}
	equal(t, "nobody to tell", kinds(see(0)), nil)
	first := see(1, "mail", "chat")
	equal(t, "both", []ledger.Channel{first[0].Channel, first[1].Channel}, []ledger.Channel{"mail", "chat"})
	ok(t, l.Told(t.Context(), noon, first[:1]))
	second := see(2, "mail", "chat")
	if len(second) != 1 || second[0].Channel != "chat" || second[0].Kind != ledger.New {
		t.Fatalf("after mail was told: %+v", second)
	}
	ok(t, l.Told(t.Context(), noon, second))
	equal(t, "all told", kinds(see(3, "mail", "chat")), nil)
	equal(t, "a channel that is added", kinds(see(4, "mail", "events")), []string{"new a"})
}

func conformMended(t *testing.T, open func() ledger.Ledger) {
	l := open()
	sight(t, l, 0, 0, finding("a", drift.High), finding("b", drift.Info))
	mended := func(hours int) []ledger.Transition {
		return must[[]ledger.Transition](t)(open().ObserveFindings(t.Context(), ledger.Sighting{
			At: noon.Add(time.Duration(hours) * time.Hour), Covers: everything, Channels: mail, Mended: map[string]string{"a": "change-1", "b": "change-1"},
		}))
	}
	due := mended(1)
	if len(due) != 1 || due[0].Kind != ledger.Resolved || due[0].Record.ResolvedBy != "change-1" {
		t.Fatalf("mended in the run that found it: %+v", due)
	}
	equal(t, "not told", kinds(mended(2)), []string{"resolved a"})
	ok(t, l.Told(t.Context(), noon, due))
	equal(t, "told", kinds(mended(3)), nil)
}

func conformRuns(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	for i, id := range []string{"r1", "r3", "r2"} {
		ok(t, l.PutRun(ctx, ledger.Run{ID: id, Mode: "report", Command: "sweep", Started: noon.Add(time.Duration([]int{1, 3, 2}[i]) * time.Minute)}))
	}
	ended := noon.Add(time.Hour)
	want := ledger.Run{ID: "r3", Mode: "report", Command: "sweep", Started: noon.Add(3 * time.Minute), Ended: &ended, Summary: "2 broken"}
	ok(t, l.PutRun(ctx, want))
	runs := must[[]ledger.Run](t)(open().Runs(ctx, 2))
	if len(runs) != 2 || runs[1].ID != "r2" {
		t.Fatalf("runs = %+v", runs)
	}
	equal(t, "newest", runs[0], want)
	if got := must[[]ledger.Run](t)(l.Runs(ctx, 0)); len(got) != 3 {
		t.Errorf("%d runs, want all 3", len(got))
	}
}

func conformRunsSince(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	for day := range 10 {
		at := noon.AddDate(0, 0, day)
		_, err := l.SealRun(ctx, ledger.Run{
			ID: at.Format("20060102T150405Z") + "-00000000", Mode: "report", Command: "sweep", Started: at, Ended: &at, Complete: true,
			Changed: []ledger.VerdictChange{{Secret: "s", Is: drift.InSync, Reason: at.String()}},
		})
		ok(t, err)
	}
	for _, tt := range []struct {
		since       time.Time
		limit, want int
	}{
		{time.Time{}, 0, 10}, {noon, 0, 10}, {noon.AddDate(0, 0, 7), 0, 3}, {noon.AddDate(0, 0, 7).Add(time.Second), 0, 2}, {noon.AddDate(0, 0, 2), 4, 4}, {noon.AddDate(0, 1, 0), 0, 0},
	} {
		runs := must[[]ledger.Run](t)(open().RunsSince(ctx, tt.since, tt.limit))
		all := must[[]ledger.Run](t)(l.Runs(ctx, tt.want))
		if tt.want == 0 {
			all = nil
		}
		if len(runs) != tt.want || len(runs) > 0 && !reflect.DeepEqual(runs, all) {
			t.Errorf("since %s, %d at most: %d runs, want the newest %d", tt.since, tt.limit, len(runs), tt.want)
		}
	}
}

func conformJournal(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	if _, err := l.Append(ctx, ledger.Lease{Number: 1}, ledger.Entry{Run: "r"}); !errors.Is(err, ledger.ErrLost) {
		t.Fatalf("an entry without a lease: %v, want ErrLost", err)
	}
	lease := must[ledger.Lease](t)(l.Acquire(ctx, "me", noon, time.Minute))
	var stored []ledger.Entry
	for i, run := range []string{"r1", "r1", "r2"} {
		e := ledger.Entry{
			Run: run, At: noon.Add(time.Duration(i) * time.Hour), Phase: ledger.PhaseIntent, Change: "c", Call: "iam:PutRolePolicy",
			Subject: "role", Name: "n", Detail: json.RawMessage(`{"before":"x"}`),
		}
		stored = append(stored, must[ledger.Entry](t)(l.Append(ctx, lease, e)))
	}
	for i, e := range stored {
		if e.Lease != lease.Number || i > 0 && e.Seq <= stored[i-1].Seq {
			t.Errorf("entry %d = %+v: no rising number or not the lease's", i, e)
		}
	}
	equal(t, "a run's entries", must[[]ledger.Entry](t)(open().Entries(ctx, "r1")), stored[:2])
	equal(t, "entries since", must[[]ledger.Entry](t)(open().EntriesSince(ctx, noon.Add(time.Hour))), stored[1:])
	ok(t, l.Release(ctx, lease))
	if _, err := l.Append(ctx, lease, ledger.Entry{Run: "r1", At: noon}); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("an entry after release: %v, want ErrLost", err)
	}
}

func conformLease(t *testing.T, open func() ledger.Ledger) {
	ctx, mine, theirs := t.Context(), open(), open()
	first := must[ledger.Lease](t)(mine.Acquire(ctx, "me", noon, time.Minute))
	if _, err := theirs.Acquire(ctx, "them", noon.Add(time.Second), time.Minute); !errors.Is(err, ledger.ErrHeld) {
		t.Fatalf("a second holder: %v, want ErrHeld", err)
	}
	renewed := must[ledger.Lease](t)(mine.Renew(ctx, first, noon.Add(30*time.Second), time.Minute))
	if renewed.Number != first.Number || !renewed.Until.Equal(noon.Add(90*time.Second)) {
		t.Errorf("renewed = %+v", renewed)
	}
	ok(t, mine.Release(ctx, renewed))
	second := must[ledger.Lease](t)(theirs.Acquire(ctx, "them", noon.Add(time.Minute), time.Minute))
	if second.Number <= first.Number {
		t.Errorf("the counter went from %d to %d", first.Number, second.Number)
	}
	if _, err := mine.Renew(ctx, renewed, noon, time.Minute); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("renewing a lost lease: %v, want ErrLost", err)
	}
	if _, err := mine.Append(ctx, renewed, ledger.Entry{Run: "r", At: noon}); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("an entry on a lost lease: %v, want ErrLost", err)
	}
	ok(t, mine.Release(ctx, renewed))
	if _, err := theirs.Append(ctx, second, ledger.Entry{Run: "r", At: noon}); err != nil {
		t.Errorf("releasing a lost lease took the other's: %v", err)
	}
}

func conformPause(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	if p := must[*ledger.Pause](t)(l.Paused(ctx)); p != nil {
		t.Errorf("a new ledger is paused: %+v", p)
	}
	lease := must[ledger.Lease](t)(l.Acquire(ctx, "me", noon, time.Minute))
	other := open() // a person stops a run that is going on
	first := ledger.Pause{By: "ann", Reason: "incident", At: noon}
	ok(t, other.Pause(ctx, first))
	ok(t, other.Pause(ctx, ledger.Pause{By: "bob", At: noon.Add(time.Hour)}))
	equal(t, "pause", must[*ledger.Pause](t)(l.Paused(ctx)), &first)
	ok(t, other.Resume(ctx))
	ok(t, other.Resume(ctx))
	if p := must[*ledger.Pause](t)(l.Paused(ctx)); p != nil {
		t.Errorf("still paused: %+v", p)
	}
	ok(t, l.Release(ctx, lease))
}

func conformExemptions(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	a := ledger.Exemption{ID: "a", Finding: "f", Owner: "ann", Reason: "moves", Expires: noon.Add(time.Hour), Added: noon, AddedBy: "arn:aws:iam::111122223333:role/ann"}
	b := ledger.Exemption{ID: "b", Secret: "s*", Owner: "bob", Reason: "test", Expires: noon, Added: noon}
	ok(t, l.PutExemption(ctx, b))
	ok(t, l.PutExemption(ctx, a))
	equal(t, "list", must[[]ledger.Exemption](t)(open().Exemptions(ctx)), []ledger.Exemption{a, b})
	ok(t, l.DeleteExemption(ctx, "b"))
	if err := l.DeleteExemption(ctx, "b"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("removing what is gone: %v, want ErrNotFound", err)
	}
	equal(t, "list", must[[]ledger.Exemption](t)(l.Exemptions(ctx)), []ledger.Exemption{a})
}

func conformMarks(t *testing.T, open func() ledger.Ledger) {
	ctx := t.Context()
	l := open()
	if marks, err := l.Marks(ctx, ledger.MarksRead); err != nil || len(marks) > 0 {
		t.Fatalf("a new ledger has %d bytes of marks, %v", len(marks), err)
	}
	for _, n := range []int{3, 30_000, 1, 0} {
		marks := make([]byte, n*ledger.MarkSize)
		for i := range marks {
			marks[i] = byte(i * 7 >> 3)
		}
		ok(t, l.PutMarks(ctx, ledger.MarksRead, marks))
		ok(t, l.PutMarks(ctx, ledger.MarksCompared, []byte("another kind is apart")))
		if got, err := open().Marks(ctx, ledger.MarksRead); err != nil || string(got) != string(marks) {
			t.Errorf("%d marks: %d bytes come back, want %d, %v", n, len(got), len(marks), err)
		}
	}
}
