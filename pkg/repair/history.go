package repair

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// History is what earlier runs know that bears on a plan. The zero History remembers nothing: every secret counts as first
// seen now.
type History struct {
	At        time.Time // now
	Complete  bool      // the whole account was listed in this run
	Functions int       // known rotation functions, of which the breaker takes its percentage
	Secrets   map[rotation.ARN]ledger.SecretRecord
	Writes    []Write // as far as the journal reaches, oldest first
	Paused    *ledger.Pause
	// FindingsSince is since when findings stand. Mode enforce waits with younger ones.
	FindingsSince map[string]time.Time
	// RoleUsers are the functions, versions too, that run with a role, as ReadRoleUsers reads them. Mode enforce takes nothing from
	// a role while they are not known.
	RoleUsers map[rotation.ARN][]rotation.ARN
	// Orphans are what of ours serves nothing any more, as ReadOrphans reads them. Only a run that has listed the whole account knows.
	Orphans []Orphan
}

// Write is one change that an earlier run made.
type Write struct {
	Run    string
	Change string
	Undoes string // the change that it rolled back
	At     time.Time
	// Findings are those that it ends, or that it brings back.
	Findings []string
}

// RepeatWindow is how far back repeated changes are counted, and RepeatLimit how often the same change may be made in it: something undoes
// it, and doing it again helps nobody.
const (
	RepeatWindow = 7 * 24 * time.Hour
	RepeatLimit  = 3
)

// Remember puts what a run has read into the ledger's index and answers with the history for its plan. It is called in every
// mode: settling counts from when a secret was first seen, not from when repair was switched on.
func Remember(ctx context.Context, l ledger.Ledger, judgements []drift.Judgement, complete bool, at time.Time) (History, error) {
	h := History{At: at, Complete: complete, Secrets: map[rotation.ARN]ledger.SecretRecord{}}
	records, err := l.ObserveSecrets(ctx, at, namings(judgements), complete)
	if err != nil {
		return h, fmt.Errorf("remembering the secrets: %w", err)
	}
	for _, r := range records {
		h.Secrets[rotation.ARN(r.Secret)] = r
	}
	if h.Functions, err = knownFunctions(ctx, l); err != nil {
		return h, err
	}
	// All of the journal: what a person rolled back stays so however long ago that was.
	entries, err := l.EntriesSince(ctx, time.Time{})
	if err != nil {
		return h, fmt.Errorf("reading the journal: %w", err)
	}
	if h.Writes, err = writes(entries); err != nil {
		return h, err
	}
	findings, err := l.Findings(ctx)
	if err != nil {
		return h, fmt.Errorf("reading the findings' history: %w", err)
	}
	h.FindingsSince = make(map[string]time.Time, len(findings))
	for i := range findings {
		if f := &findings[i]; f.Resolved == nil {
			h.FindingsSince[f.Finding.ID] = f.Since()
		}
	}
	if h.Paused, err = l.Paused(ctx); err != nil {
		return h, fmt.Errorf("reading the pause: %w", err)
	}
	return h, nil
}

// namings are the secrets of the judgements and their masters, each with what it names.
func namings(judgements []drift.Judgement) []ledger.Naming {
	seen := map[rotation.ARN]bool{}
	var out []ledger.Naming
	add := func(s *rotation.Secret) {
		if s.ARN != "" && !seen[s.ARN] {
			seen[s.ARN] = true
			out = append(out, ledger.Naming{Secret: string(s.ARN), Function: string(s.FunctionARN), Key: s.KMSKeyID})
		}
	}
	for i := range judgements {
		for j := range judgements[i].Setup.Secrets {
			if s := &judgements[i].Setup.Secrets[j]; s.Kind == rotation.KindLambda {
				add(s)
			}
		}
	}
	for i := range judgements {
		for _, m := range judgements[i].Setup.Masters {
			add(&m)
		}
	}
	return out
}

func knownFunctions(ctx context.Context, l ledger.Ledger) (int, error) {
	records, err := l.Secrets(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting the rotation functions: %w", err)
	}
	functions := map[string]bool{}
	for _, r := range records {
		if r.Function != "" {
			functions[r.Function] = true
		}
	}
	return len(functions), nil
}

// writes are the changes among journal entries that were made or may have been: an intent without an outcome counts, and a call without an answer.
func writes(entries []ledger.Entry) ([]Write, error) {
	type attempt struct{ run, change string }
	open, told := map[attempt]Write{}, map[attempt]bool{} // not known to be made, and those of them with an outcome
	var out []Write
	for _, e := range entries {
		at := attempt{e.Run, e.Change}
		w, first := open[at]
		switch e.Phase {
		case ledger.PhaseIntent:
			w = Write{Run: e.Run, Change: e.Change, Undoes: e.Undoes, At: e.At}
			var c struct{ Findings []string }
			if err := json.Unmarshal(e.Detail, &c); err != nil {
				return nil, fmt.Errorf("reading change %s of run %s: %w", e.Change, e.Run, err)
			}
			w.Findings = c.Findings
			open[at], told[at] = w, false
		case ledger.PhaseOutcome:
			if first && (e.Status == string(Done) || e.Unsure) {
				out = append(out, w)
				delete(open, at)
			}
			told[at] = true
		}
	}
	for at, w := range open {
		if !told[at] {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b Write) int { return a.At.Compare(b.At) })
	return out, nil
}

// past is what became of a change in earlier runs.
type past struct {
	last   time.Time // when it was made last, to the byte
	made   int       // by how many runs of the RepeatWindow
	undone string    // the run in which a person took it back and since which it was not made again
}

func (h History) past(c *Change) (p past) {
	backwards := map[string]bool{} // the changes that took something back
	runs := map[string]bool{}
	for _, w := range h.Writes {
		backward := w.Undoes != "" && !backwards[w.Undoes]
		backwards[w.Change] = backward
		same := w.Change == c.ID
		alike := same || slices.ContainsFunc(w.Findings, func(id string) bool { return slices.Contains(c.Findings, id) })
		switch {
		case backward && same:
			p.undone, p.last = "", w.At // a person put it back by taking back another
		case backward && (w.Undoes == c.ID || alike):
			p.undone = w.Run
		case backward || !alike:
		default:
			p.undone = ""
			if same {
				p.last = w.At
			}
			if h.At.Sub(w.At) < RepeatWindow {
				runs[w.Run] = true
			}
		}
	}
	p.made = len(runs)
	return p
}

// since is from when on a secret has named what it names now.
func (h History) since(secret rotation.ARN) time.Time {
	r, ok := h.Secrets[secret]
	if !ok {
		return h.At
	}
	since := r.FirstSeen
	for _, t := range []time.Time{r.FunctionSince, r.KeySince} {
		if t.After(since) {
			since = t
		}
	}
	return since
}
