package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
)

// VerdictGone is the verdict of a secret that no complete run finds any more.
const VerdictGone drift.Verdict = "gone"

// VerdictChange is one secret whose verdict a run saw to be another than before.
type VerdictChange struct {
	Secret string        `json:"secret"`
	Was    drift.Verdict `json:"was,omitempty"` // empty: it was not known
	Is     drift.Verdict `json:"is"`
	Reason string        `json:"reason,omitempty"`
}

// VerdictRecord is a secret's last verdict, and since when it has it.
type VerdictRecord struct {
	Secret  string        `json:"secret"`
	Verdict drift.Verdict `json:"verdict"`
	Since   time.Time     `json:"since"`
}

// Head is the end of the chain of runs.
type Head struct {
	Number  uint64    `json:"number"`
	Hash    string    `json:"hash"`
	Started time.Time `json:"started"`
	// Exemptions is the hash of the exemptions that the last run named.
	Exemptions string `json:"exemptions,omitempty"`
}

// ChangedVerdicts are the verdicts that differ from what is stored, sorted by secret. complete says that the whole account was listed: a secret
// that was not seen is gone.
func ChangedVerdicts(stored []VerdictRecord, seen []VerdictChange, complete bool) []VerdictChange {
	was := make(map[string]drift.Verdict, len(stored))
	for _, r := range stored {
		was[r.Secret] = r.Verdict
	}
	found := make(map[string]bool, len(seen))
	var out []VerdictChange
	for _, v := range seen {
		if found[v.Secret] {
			continue
		}
		found[v.Secret] = true
		if v.Was = was[v.Secret]; v.Was != v.Is {
			out = append(out, v)
		}
	}
	for _, r := range stored {
		if complete && !found[r.Secret] && r.Verdict != VerdictGone {
			out = append(out, VerdictChange{Secret: r.Secret, Was: r.Verdict, Is: VerdictGone, Reason: "the account does not list it any more"})
		}
	}
	slices.SortFunc(out, func(a, b VerdictChange) int { return strings.Compare(a.Secret, b.Secret) })
	return out
}

// records are changed verdicts as a run that started at a moment leaves them.
func records(started time.Time, changed []VerdictChange) []VerdictRecord {
	out := make([]VerdictRecord, len(changed))
	for i, c := range changed {
		out[i] = VerdictRecord{c.Secret, c.Is, started}
	}
	return out
}

// HashEntries is the hash of a run's journal, "" of one without entries.
func HashEntries(entries []Entry) (string, error) {
	if len(entries) == 0 {
		return "", nil
	}
	return hashJSON(entries)
}

// hashJSON is the SHA-256 of a value as JSON, whose maps have their keys sorted.
func hashJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// hash is what the next run's Previous has to say of this one: that of its JSON, which is never in memory as a whole.
func (r Run) hash() (string, error) {
	changed := r.Changed
	if r.Hash = ""; len(changed) == 0 {
		return hashJSON(r)
	}
	gap := VerdictChange{Secret: "\x00"}
	r.Changed = []VerdictChange{gap}
	whole, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	between, err := json.Marshal(gap)
	if err != nil {
		return "", err
	}
	before, after, _ := bytes.Cut(whole, between) // in a string its quotes would be escaped
	sum := sha256.New()
	sum.Write(before)
	for i := range changed {
		if i > 0 {
			sum.Write([]byte{','})
		}
		data, err := json.Marshal(&changed[i])
		if err != nil {
			return "", err
		}
		sum.Write(data)
	}
	sum.Write(after)
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// seal puts a run at the end of the chain.
func seal(r Run, head Head) (Run, Head, error) {
	r.Started = r.Started.UTC()
	if r.Ended != nil {
		ended := r.Ended.UTC()
		r.Ended = &ended
	}
	exempt := head.Exemptions
	if r.Exemptions != nil {
		named := slices.Clone(r.Exemptions)
		for i := range named {
			named[i].Told = nil // who was told is no part of an exemption
		}
		var err error
		if exempt, err = hashJSON(named); err != nil {
			return r, head, err
		}
		r.Exemptions = named
		if exempt == head.Exemptions {
			r.Exemptions = nil
		}
	}
	r.Number, r.Previous, r.PreviousStarted = head.Number+1, head.Hash, nil
	if head.Number > 0 {
		r.PreviousStarted = &head.Started
	}
	hash, err := r.hash()
	if err != nil {
		return r, head, fmt.Errorf("sealing run %s: %w", r.ID, err)
	}
	r.Hash = hash
	return r, Head{r.Number, hash, r.Started, exempt}, nil
}

// Problem is one place at which the chain of runs does not hold.
type Problem struct {
	Number uint64 `json:"number"`
	Run    string `json:"run,omitempty"`
	What   string `json:"what"`
}

func (p Problem) String() string {
	if p.Run == "" {
		return fmt.Sprintf("run number %d: %s", p.Number, p.What)
	}
	return fmt.Sprintf("run %s (number %d): %s", p.Run, p.Number, p.What)
}

// Chain is what verifying comes to.
type Chain struct {
	Runs     int       `json:"runs"`  // that the chain holds
	First    uint64    `json:"first"` // the oldest; those before it are older than Retention and dropped
	Head     Head      `json:"head"`
	Problems []Problem `json:"problems"`
}

// Verify says where runs were edited, removed or inserted since they were sealed. Runs that were begun and not ended are no part of the chain, and
// those older than Retention are dropped at any time, in any order: DynamoDB deletes items within days of their time to live.
// Nobody who can rewrite the whole ledger with its head is found out, unless a hash of before was kept elsewhere: see Holds.
func Verify(runs []Run, head Head, journal []Entry, now time.Time) (Chain, error) {
	c := Chain{Head: head, Problems: []Problem{}}
	byRun := map[string][]Entry{}
	for _, e := range journal {
		byRun[e.Run] = append(byRun[e.Run], e)
	}
	sealed := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Number == 0 || dropped(r.Started, now) })
	slices.SortStableFunc(sealed, func(a, b Run) int {
		return cmp.Compare(a.Number, b.Number)
	})
	c.Runs = len(sealed)
	said := map[string]bool{}
	say := func(number uint64, run, what string) {
		if !said[run] || run == "" {
			said[run] = run != ""
			c.Problems = append(c.Problems, Problem{number, run, what})
		}
	}
	for i := range sealed {
		r := &sealed[i]
		hash, err := r.hash()
		if err != nil {
			return c, err
		}
		switch {
		case r.Number > head.Number:
			say(r.Number, r.ID, "inserted: the chain ends before it")
		case hash != r.Hash:
			say(r.Number, r.ID, "edited: it has not the hash that it was sealed with")
		}
	}
	c.First = walk(sealed, head, now, say)
	for i := range sealed {
		entries, err := HashEntries(byRun[sealed[i].ID])
		if err != nil {
			return c, err
		}
		if entries != sealed[i].Journal {
			say(sealed[i].Number, sealed[i].ID, "its journal entries were edited, removed or inserted")
		}
	}
	slices.SortStableFunc(c.Problems, func(a, b Problem) int {
		return cmp.Compare(a.Number, b.Number)
	})
	return c, nil
}

// walk goes from the end of the chain to its beginning: every run has to be the one that the next names. It answers with the oldest number.
func walk(sealed []Run, head Head, now time.Time, say func(number uint64, run, what string)) (first uint64) {
	want, next, started := head.Hash, head.Number, head.Started // of the run that comes next
	for i := len(sealed) - 1; i >= 0; i-- {
		r := &sealed[i]
		if r.Number > head.Number {
			continue
		}
		if r.Number > next {
			say(r.Number, r.ID, "inserted: another run has its number")
			continue
		}
		if next > r.Number && dropped(started, now) {
			break // what is before it began at about the same time
		}
		for ; next > r.Number; next-- {
			say(next, "", "removed")
			want = ""
		}
		twin := i > 0 && sealed[i-1].Number == r.Number
		if want != "" && r.Hash != want {
			if twin {
				say(r.Number, r.ID, "inserted: the next run names another")
				continue
			}
			say(r.Number, r.ID, "replaced: the next run names another hash")
		}
		want, next, first = r.Previous, r.Number-1, r.Number
		if r.PreviousStarted != nil {
			started = *r.PreviousStarted
		}
		if r.Number == 1 {
			want = ""
		}
	}
	if next > 0 && !dropped(started, now) {
		say(next, "", "removed, with all before it, though it is not as old as what is dropped")
	}
	return first
}

// dropped says whether a run that began then is older than what is kept.
func dropped(started, now time.Time) bool { return now.Sub(started) >= Retention }

// Holds says whether the chain still has the run with a number and hash that were noted when it was sealed. That finds out who wrote the whole
// chain anew, which the chain by itself cannot.
func Holds(runs []Run, number uint64, hash string) bool {
	return slices.ContainsFunc(runs, func(r Run) bool {
		got, err := r.hash()
		return err == nil && r.Number == number && got == hash
	})
}
