package ledger_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
)

func conformChain(t *testing.T, open func() ledger.Ledger) {
	ctx, l := t.Context(), open()
	if h := must[ledger.Head](t)(l.Head(ctx)); h.Number != 0 {
		t.Errorf("a new ledger's head = %+v", h)
	}
	exemptions := []ledger.Exemption{{ID: "e", Rule: "r", Owner: "ann", Reason: "moves", Expires: noon.Add(time.Hour), Added: noon}}
	var many []ledger.VerdictChange
	for i := range 1000 {
		many = append(many, ledger.VerdictChange{Secret: fmt.Sprintf("s%04d", i), Is: drift.InSync})
	}
	ended := noon.Add(time.Minute)
	first := must[ledger.Run](t)(l.SealRun(ctx, ledger.Run{
		ID: "r1", Mode: "report", Command: "sweep", Caller: "ann", Started: noon, Ended: &ended, Complete: true,
		Verdicts: map[drift.Verdict]int{drift.InSync: 1000}, Changed: many, Exemptions: exemptions,
	}))
	equal(t, "verdicts", len(must[[]ledger.VerdictRecord](t)(open().Verdicts(ctx))), 1000)
	ok(t, l.PutRun(ctx, ledger.Run{ID: "r2", Started: noon.Add(time.Hour)}))
	second := must[ledger.Run](t)(open().SealRun(ctx, ledger.Run{
		ID: "r2", Started: noon.Add(time.Hour), Exemptions: exemptions, Changed: []ledger.VerdictChange{{Secret: "s0001", Was: drift.InSync, Is: drift.Broken, Reason: "denied"}},
	}))
	third := must[ledger.Run](t)(l.SealRun(ctx, ledger.Run{ID: "r3", Started: noon.Add(2 * time.Hour), Exemptions: []ledger.Exemption{}}))
	ok(t, l.PutRun(ctx, ledger.Run{ID: "r4", Started: noon.Add(3 * time.Hour)})) // begun and not ended
	if first.Number != 1 || second.Number != 2 || second.Previous != first.Hash || third.Previous != second.Hash || !second.PreviousStarted.Equal(noon) {
		t.Errorf("chain = %+v, %+v, %+v", first.Number, second, third)
	}
	if second.Exemptions != nil || third.Exemptions == nil {
		t.Errorf("exemptions of the second run = %v, want those of the first unsaid; of the third %v, want none said", second.Exemptions, third.Exemptions)
	}
	runs := must[[]ledger.Run](t)(open().Runs(ctx, 0))
	if len(runs) != 4 {
		t.Fatalf("%d runs", len(runs))
	}
	equal(t, "the first run as it was sealed", runs[3], first)
	for _, r := range []ledger.Run{first, second, third} {
		unhashed := r
		unhashed.Hash = ""
		equal(t, "the hash of "+r.ID, r.Hash, fmt.Sprintf("%x", sha256.Sum256(must[[]byte](t)(json.Marshal(unhashed)))))
	}
	equal(t, "the second", runs[2], second)
	chain := must[ledger.Chain](t)(ledger.Verify(runs, must[ledger.Head](t)(l.Head(ctx)), nil, noon))
	equal(t, "problems", chain.Problems, []ledger.Problem{})
	equal(t, "runs in the chain", chain.Runs, 3)
	records := must[[]ledger.VerdictRecord](t)(l.Verdicts(ctx))
	equal(t, "a changed verdict", records[1], ledger.VerdictRecord{Secret: "s0001", Verdict: drift.Broken, Since: noon.Add(time.Hour)})
}

// raceForTheEnd has many runs end at once: each has a place of its own.
func raceForTheEnd(t *testing.T, open func() ledger.Ledger) {
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if _, err := open().SealRun(t.Context(), ledger.Run{ID: fmt.Sprint("r", i), Started: noon}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	l := open()
	chain := must[ledger.Chain](t)(ledger.Verify(must[[]ledger.Run](t)(l.Runs(t.Context(), 0)), must[ledger.Head](t)(l.Head(t.Context())), nil, noon))
	if chain.Runs != 6 || len(chain.Problems) > 0 {
		t.Errorf("chain = %+v", chain)
	}
}

// chain is a ledger's chain of eight runs, a day each, with a journal entry in the fifth.
func chain(t *testing.T) (runs []ledger.Run, head ledger.Head, journal []ledger.Entry) {
	t.Helper()
	ctx, l := t.Context(), openFile(t, t.TempDir()+"/l.db")
	lease := must[ledger.Lease](t)(l.Acquire(ctx, "r5", noon, time.Minute))
	journal = []ledger.Entry{must[ledger.Entry](t)(l.Append(ctx, lease, ledger.Entry{Run: "r5", At: noon, Phase: ledger.PhaseIntent, Change: "c", Detail: []byte(`{"after":"x"}`)}))}
	for n := 1; n <= 8; n++ {
		r := ledger.Run{ID: fmt.Sprint("r", n), Command: "sweep", Caller: "ann", Started: noon.Add(time.Duration(n) * 24 * time.Hour)}
		if n == 5 {
			r.Journal = must[string](t)(ledger.HashEntries(journal))
		}
		must[ledger.Run](t)(l.SealRun(ctx, r))
	}
	runs = must[[]ledger.Run](t)(l.Runs(ctx, 0))
	slices.Reverse(runs)
	return runs, must[ledger.Head](t)(l.Head(ctx)), journal
}

func TestVerifySaysWhichRunWasTamperedWith(t *testing.T) {
	sealedLike := func(r ledger.Run) ledger.Run { // as somebody would who knows how a run is hashed
		r.Hash = ""
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Hash = fmt.Sprintf("%x", sha256.Sum256(data))
		return r
	}
	days := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
	tests := []struct {
		name   string
		tamper func(runs []ledger.Run, head *ledger.Head, journal *[]ledger.Entry) []ledger.Run
		now    time.Time
		want   []string
	}{
		{"nothing was done", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run { return r }, noon, nil},
		{"a run is edited", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			r[2].Caller = "nobody"
			return r
		}, noon, []string{"run r3 (number 3): edited"}},
		{"a run is edited and hashed anew", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			r[2].Caller = "nobody"
			r[2] = sealedLike(r[2])
			return r
		}, noon, []string{"run r3 (number 3): replaced"}},
		{"the last run is edited and hashed anew", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			r[7].Caller = "nobody"
			r[7] = sealedLike(r[7])
			return r
		}, noon, []string{"run r8 (number 8): replaced"}},
		{"a run in the middle is removed", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return slices.Delete(r, 3, 4)
		}, noon, []string{"run number 4: removed"}},
		{"two runs are removed", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return slices.Delete(r, 3, 5)
		}, noon, []string{"run number 4: removed", "run number 5: removed"}},
		{"the newest run is removed", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return r[:7]
		}, noon, []string{"run number 8: removed"}},
		{"the oldest run is removed", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return r[1:]
		}, noon, []string{"run number 1: removed, with all before it"}},
		{"the oldest runs are older than what is kept", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return r[3:]
		}, noon.Add(days(3) + ledger.Retention), nil},
		{"runs older than what is kept are dropped in any order, with their journal", func(r []ledger.Run, _ *ledger.Head, j *[]ledger.Entry) []ledger.Run {
			*j = nil
			return slices.Delete(slices.Delete(r, 5, 6), 1, 3)
		}, noon.Add(days(6) + ledger.Retention), nil},
		{"one that is kept is gone among them", func(r []ledger.Run, _ *ledger.Head, j *[]ledger.Entry) []ledger.Run {
			*j = nil
			return slices.Delete(slices.Delete(r, 6, 7), 1, 3)
		}, noon.Add(days(6) + ledger.Retention), []string{"run number 7: removed"}},
		{"more than the oldest runs are gone", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return r[4:]
		}, noon.Add(days(3) + ledger.Retention), []string{"run number 4: removed"}},
		{"all runs are older than what is kept", func([]ledger.Run, *ledger.Head, *[]ledger.Entry) []ledger.Run { return nil }, noon.Add(days(9) + ledger.Retention), nil},
		{"all runs are gone", func([]ledger.Run, *ledger.Head, *[]ledger.Entry) []ledger.Run { return nil }, noon, []string{"run number 8: removed"}},
		{"a run is inserted with a number that there is", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			forged := r[4]
			forged.ID, forged.Caller = "forged", "somebody"
			return append(r, sealedLike(forged))
		}, noon, []string{"run forged (number 5): inserted"}},
		{"a run is inserted at the end", func(r []ledger.Run, h *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			return append(r, sealedLike(ledger.Run{ID: "forged", Number: 9, Started: noon}))
		}, noon, []string{"run forged (number 9): inserted"}},
		{"a run's number is taken away", func(r []ledger.Run, _ *ledger.Head, _ *[]ledger.Entry) []ledger.Run {
			r[5].Number = 0
			return r
		}, noon, []string{"run number 6: removed"}},
		{"a journal entry is edited", func(r []ledger.Run, _ *ledger.Head, j *[]ledger.Entry) []ledger.Run {
			(*j)[0].Detail = []byte(`{"after":"y"}`)
			return r
		}, noon, []string{"run r5 (number 5): its journal entries"}},
		{"a journal entry is removed", func(r []ledger.Run, _ *ledger.Head, j *[]ledger.Entry) []ledger.Run {
			*j = nil
			return r
		}, noon, []string{"run r5 (number 5): its journal entries"}},
		{"a journal entry is given to a run that wrote nothing", func(r []ledger.Run, _ *ledger.Head, j *[]ledger.Entry) []ledger.Run {
			*j = append(*j, ledger.Entry{Run: "r2", At: noon})
			return r
		}, noon, []string{"run r2 (number 2): its journal entries"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runs, head, journal := chain(t)
			runs = tt.tamper(runs, &head, &journal)
			for _, turned := range []bool{false, true} {
				if turned {
					slices.Reverse(runs)
				}
				got := must[ledger.Chain](t)(ledger.Verify(runs, head, journal, tt.now))
				if len(got.Problems) != len(tt.want) {
					t.Fatalf("problems = %v, want %v", got.Problems, tt.want)
				}
				for i, want := range tt.want {
					if !strings.HasPrefix(got.Problems[i].String(), want) {
						t.Errorf("problem = %s, want %s", got.Problems[i], want)
					}
				}
			}
		})
	}
}

func TestANotedHashFindsOutWhoWroteTheChainAnew(t *testing.T) {
	runs, head, _ := chain(t)
	if !ledger.Holds(runs, head.Number, head.Hash) || !ledger.Holds(runs, runs[2].Number, runs[2].Hash) {
		t.Error("the chain does not hold its own runs")
	}
	edited := slices.Clone(runs)
	edited[2].Caller = "nobody"
	for _, r := range []struct {
		runs   []ledger.Run
		number uint64
		hash   string
	}{{runs, 7, head.Hash}, {runs[:7], 8, head.Hash}, {runs, 0, ""}, {edited, edited[2].Number, edited[2].Hash}} {
		if ledger.Holds(r.runs, r.number, r.hash) {
			t.Errorf("%d runs hold %d %s", len(r.runs), r.number, r.hash)
		}
	}
}
