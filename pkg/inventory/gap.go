package inventory

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Gaps are all that could not be read of a group, each once, sorted: what a report lists under errors. A document that was read and is no
// policy is one of them, with the call policy.Parse.
func Gaps(g rotation.Group) []rotation.Gap {
	seen := map[rotation.Gap]bool{}
	add := func(gaps ...rotation.Gap) {
		for _, gap := range gaps {
			seen[gap] = true
		}
	}
	addPolicy := func(p *rotation.Policy) {
		if p.Gap != nil {
			add(*p.Gap)
		}
	}
	for i := range g.Setups {
		s := &g.Setups[i]
		add(s.Function.Gaps...)
		add(s.Role.Gaps...)
		for p := range policies(s) {
			addPolicy(p)
		}
		for _, secret := range s.Secrets {
			add(secret.Gaps...)
		}
		for _, m := range s.Masters {
			for _, gap := range m.Gaps {
				// That a declared master does not exist is an answer: the secret is unknown, and no read has failed.
				if !slices.Contains(absentCodes, gap.Code) {
					add(gap)
				}
			}
			addPolicy(&m.Policy)
		}
		for _, k := range s.Keys {
			add(k.Gaps...)
			addPolicy(&k.Policy)
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b rotation.Gap) int {
		return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
}
