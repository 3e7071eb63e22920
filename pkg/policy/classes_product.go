package policy

import "slices"

// maxProductStates bounds the memory of one product of automata.
const maxProductStates = 60_000

// product walks the automata of all languages together and adds a value for every class that it meets. With known, wanted
// holds every class that can still be missing, so that the walk may stop early.
func (s *textSpace) product(languages []*language, wanted []string, known bool) bool {
	place := make(map[*language]int, len(languages))
	for i, l := range languages {
		place[l] = i
	}
	positive := -1 // the required element whose death ends a walk
	for i, e := range s.require {
		if !e.negated && !anyLanguage(e.languages, (*language).universal) {
			positive = i
		}
	}
	type node struct {
		parent int32
		char   rune
	}
	n := len(languages)
	var (
		nodes  []node
		states []int32 // n for each node
		index  = make(map[string]struct{})
		key    = make([]byte, 4*n)
	)
	// members are the languages that only one element names, for each element.
	members := make([][]int, len(s.require)+len(s.tell))
	for i, owner := range s.owners(languages) {
		if owner >= 0 {
			members[owner] = append(members[owner], i)
		}
	}
	members = slices.DeleteFunc(members, func(list []int) bool { return len(list) < 2 })
	visit := func(parent int32, c rune, at []int32) {
		// An element that holds whatever follows needs no more than one language to say so.
		for _, list := range members {
			if slices.ContainsFunc(list, func(i int) bool { return at[i] == acceptState }) {
				for _, i := range list {
					at[i] = deadState
				}
				at[list[0]] = acceptState
			}
		}
		for i, st := range at {
			key[4*i], key[4*i+1], key[4*i+2], key[4*i+3] = byte(st), byte(st>>8), byte(st>>16), byte(st>>24)
		}
		if _, ok := index[string(key)]; ok {
			return
		}
		s.budget.grow(8*n + 96)
		index[string(key)] = struct{}{}
		nodes = append(nodes, node{parent, c})
		states = append(states, at...)
	}
	holds := func(e *element, at []int32) bool {
		for _, l := range e.languages {
			if l.universal() || !l.empty && l.dfa[at[place[l]]].accept {
				return !e.negated
			}
		}
		return e.negated
	}
	text := func(i int32) string {
		var out []rune
		for ; nodes[i].parent >= 0; i = nodes[i].parent {
			out = append(out, nodes[i].char)
		}
		for a, z := 0, len(out)-1; a < z; a, z = a+1, z-1 {
			out[a], out[z] = out[z], out[a]
		}
		return string(out)
	}
	at := make([]int32, n)
	for i, l := range languages {
		at[i] = l.determine(s.budget)
	}
	visit(-1, 0, at)
	left := len(wanted)
	var named []rune
	for i := 0; i < len(nodes); i++ {
		if i >= maxProductStates || !s.budget.spend(20+10*n) {
			return false
		}
		here := states[i*n : i*n+n]
		within := true
		for _, e := range s.require {
			within = within && holds(e, here)
		}
		if within {
			clear(s.key)
			for k, e := range s.tell {
				if holds(e, here) {
					s.key[k/8] |= 1 << (k % 8)
				}
			}
			if s.add(text(int32(i)), false) && known && slices.Contains(wanted, string(s.key)) {
				if left--; left == 0 {
					return true
				}
			}
		}
		if positive >= 0 {
			dead := true
			for _, l := range s.require[positive].languages {
				dead = dead && (l.empty || here[place[l]] == deadState)
			}
			if dead {
				continue
			}
		}
		named = named[:0]
		settled := true
		for k, l := range languages {
			st := &l.dfa[here[k]]
			if st.settled {
				continue
			}
			settled = false
			for _, c := range st.named {
				if !hasChar(named, c) {
					named = append(named, c)
				}
			}
		}
		if settled {
			continue
		}
		for c := -1; c < len(named); c++ {
			char, shown := other, otherThan(named, s.lower)
			if c >= 0 {
				char, shown = named[c], named[c]
			}
			s.budget.spend(10 + 6*n)
			for k, l := range languages {
				at[k] = l.step(states[i*n+k], char, s.budget)
			}
			visit(int32(i), shown, at)
		}
	}
	return !s.budget.spent()
}

func hasChar(list []rune, c rune) bool {
	for _, have := range list {
		if have == c {
			return true
		}
	}
	return false
}
