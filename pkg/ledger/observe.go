package ledger

import (
	"slices"
	"strings"
	"time"
)

// observeSecrets is what a sighting of secrets makes of the stored records: the records of those seen, sorted, the ones to
// store, and the secrets to forget.
func observeSecrets(stored []SecretRecord, at time.Time, seen []Naming, complete bool) (records, store []SecretRecord, forget []string) {
	known := make(map[string]SecretRecord, len(stored))
	for _, r := range stored {
		known[r.Secret] = r
	}
	done := make(map[string]bool, len(seen))
	for _, n := range seen {
		if done[n.Secret] {
			continue
		}
		done[n.Secret] = true
		r, changed := known[n.Secret].observe(at, n)
		if changed {
			store = append(store, r)
		}
		records = append(records, r)
	}
	if complete {
		for _, r := range stored {
			if !done[r.Secret] {
				forget = append(forget, r.Secret)
			}
		}
	}
	slices.SortFunc(records, func(a, b SecretRecord) int { return strings.Compare(a.Secret, b.Secret) })
	return records, store, forget
}

func byFinding(records []FindingRecord) map[string]FindingRecord {
	m := make(map[string]FindingRecord, len(records))
	for _, r := range records {
		m[r.Finding.ID] = r
	}
	return m
}

// newest sorts runs by their start, newest first, and cuts them to limit when it is not 0.
func newest(runs []Run, limit int) []Run {
	slices.SortFunc(runs, func(a, b Run) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	if limit > 0 && len(runs) > limit {
		runs = runs[:limit]
	}
	return runs
}
