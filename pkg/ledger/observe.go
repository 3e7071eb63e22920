package ledger

import (
	"slices"
	"strings"
	"time"
)

// observeSecrets is what a sighting of secrets makes of the stored records: the records of those seen, sorted, the ones to
// store, and the secrets to forget. A secret that is seen twice counts as it was seen first.
func observeSecrets(stored []SecretRecord, at time.Time, seen []Naming, complete bool) (records, store []SecretRecord, forget []string) {
	bySecret := func(a, b SecretRecord) int { return strings.Compare(a.Secret, b.Secret) }
	if !slices.IsSortedFunc(stored, bySecret) {
		slices.SortFunc(stored, bySecret)
	}
	seen = slices.Clone(seen)
	slices.SortStableFunc(seen, func(a, b Naming) int { return strings.Compare(a.Secret, b.Secret) })
	seen = slices.CompactFunc(seen, func(a, b Naming) bool { return a.Secret == b.Secret })
	records = make([]SecretRecord, 0, len(seen))
	for _, n := range seen {
		for len(stored) > 0 && stored[0].Secret < n.Secret {
			forget, stored = append(forget, stored[0].Secret), stored[1:]
		}
		var known SecretRecord
		if len(stored) > 0 && stored[0].Secret == n.Secret {
			known, stored = stored[0], stored[1:]
		}
		r, changed := known.observe(at, n)
		if changed {
			store = append(store, r)
		}
		records = append(records, r)
	}
	for i := range stored {
		forget = append(forget, stored[i].Secret)
	}
	if !complete {
		forget = nil
	}
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
