package policy

import (
	"encoding/binary"
	"slices"
	"strings"
)

// actionCell is a class of actions that no statement tells apart: a listed action (entry ≥ 0), or the actions of a
// service with a prefix that nothing else takes out, or some other action.
type actionCell struct {
	entry int32 // -1 when it is not listed
	next  int32 // the next cell of the group, -1 at the end
	other int32 // of one that is not listed the place in others
}

// otherCell is what is known of a class of actions that are not listed.
type otherCell struct {
	service int32  // -1 when no statement names it
	prefix  string // when a glob makes the class
	text    string // a member, when it is known already
}

// actionGroup is all cells with the same statements.
type actionGroup struct {
	statements []uint64
	first      int32
	last       int32
	profile    int32 // what the facts say of these actions
}

// actionGroups is the whole of all actions, cut into groups.
type actionGroups struct {
	index  *actionIndex
	of     []int32 // the group of each entry
	cells  []actionCell
	others []otherCell
	groups []actionGroup
	place  interner // of a group's statements and profile
	latest int32    // the group that was found last
	key    []byte
	sets   slab[uint64]
	facts  *factView

	numbers slab[int32]
}

// group adds the cell of an entry to the group of its statements and says which that is.
func (g *actionGroups) group(statements []uint64, profile int32, entry int32) int32 {
	at := int32(len(g.cells))
	g.cells = append(g.cells, actionCell{entry: entry, next: -1, other: int32(len(g.others) - 1)})
	i, known := g.latest, g.latest < int32(len(g.groups)) && g.groups[g.latest].profile == profile && slices.Equal(g.groups[g.latest].statements, statements)
	if !known {
		g.key = g.key[:0]
		for _, w := range statements {
			g.key = binary.LittleEndian.AppendUint64(g.key, w)
		}
		g.key = binary.LittleEndian.AppendUint32(g.key, uint32(profile))
		i, known = g.place.number(g.key, int32(len(g.groups)))
		g.latest = i
	}
	if known {
		g.cells[g.groups[i].last].next = at
		g.groups[i].last = at
		return i
	}
	set := g.sets.take(len(statements))
	copy(set, statements)
	g.groups = append(g.groups, actionGroup{statements: set, first: at, last: at, profile: profile})
	return i
}

// groupOther adds the cell of actions that are not listed.
func (g *actionGroups) groupOther(statements []uint64, profile int32, c otherCell) {
	g.others = append(g.others, c)
	g.group(statements, profile, -1)
}

// split cuts the actions into groups. complete is false when the budget ended first; then some actions may be in no group.
func (x *actionIndex) split(g *actionGroups, facts *factView, b *budget) (complete bool) {
	g.index, g.facts = x, facts
	if n := len(x.entries) + len(x.globs) + 1; cap(g.cells) < n {
		g.cells = make([]actionCell, 0, n)
	}
	complete = true
	out := x.out
	if facts != nil {
		x.addFactActions(facts)
	}
	g.of = g.numbers.take(len(x.entries))
	for i := range x.entries {
		cost := 1 + x.words + len(x.cross)
		if s := x.entries[i].service; s >= 0 {
			cost += len(x.services[s].globs)
		}
		if !b.spend(cost) {
			return false
		}
		x.matchEntry(i, out)
		profile := int32(0)
		if facts != nil {
			e := &x.entries[i]
			profile = facts.profile(string(x.arena[e.start:e.end]))
		}
		g.of[i] = g.group(out, profile, int32(i))
	}
	for i := range x.services {
		s := &x.services[i]
		if len(s.globs) == 0 && len(x.cross) == 0 && facts == nil {
			continue
		}
		if facts != nil && slices.Contains(facts.complete, string(x.serviceName(int32(i)))) {
			continue // every action has an entry
		}
		if !s.general && len(x.cross) == 0 && (facts == nil || !facts.general()) {
			x.splitPrefixes(g, int32(i), out, b)
			continue
		}
		complete = x.splitService(g, int32(i), out, b) && complete
	}
	complete = x.splitRest(g, out, b) && complete
	return complete
}

// addFactActions lists the actions that the facts name beside those of the statements, where a wildcard can reach them.
func (x *actionIndex) addFactActions(facts *factView) {
	everything := len(x.cross) > 0
	for w := range x.always {
		everything = everything || x.always[w]|x.inverted[w] != 0
	}
	for _, text := range facts.actions {
		lower := lowerASCII(text)
		if _, ok := x.lookup(lower); ok {
			continue
		}
		service, _, _ := strings.Cut(lower, ":")
		if i := x.lookupService(service); !everything && (i < 0 || len(x.services[i].globs) == 0) {
			continue
		}
		x.reserve()
		x.addAction(-1, text)
	}
}

// reserve makes room for one more entry.
func (x *actionIndex) reserve() {
	if 2*(len(x.entries)+1) <= len(x.table) {
		return
	}
	x.table = make([]int32, 2*len(x.table))
	mask := uint32(len(x.table) - 1)
	for i := range x.entries {
		at := x.entries[i].hash & mask
		for x.table[at] != 0 {
			at = (at + 1) & mask
		}
		x.table[at] = int32(i + 1)
	}
}

// splitPrefixes handles a service whose globs are all prefixes: each prefix without the longer ones is a class.
func (x *actionIndex) splitPrefixes(g *actionGroups, service int32, out []uint64, b *budget) {
	globs := x.services[service].globs
	visit := func(prefix string) {
		b.spend(1 + len(globs))
		copy(out, x.always)
		for _, i := range globs {
			if strings.HasPrefix(prefix, x.globs[i].rest) {
				setBit(out, int(x.globs[i].statement))
			}
		}
		for w := range out {
			out[w] ^= x.inverted[w]
		}
		profile := int32(0)
		if g.facts != nil {
			profile = g.facts.profile(string(x.serviceName(service)) + ":" + prefix + "\x00")
		}
		g.groupOther(out, profile, otherCell{service: service, prefix: prefix})
	}
	for k, i := range globs {
		prefix := x.globs[i].rest
		if !slices.ContainsFunc(globs[:k], func(j int32) bool { return x.globs[j].rest == prefix }) {
			visit(prefix)
		}
	}
	if g.facts != nil {
		// The facts know the service: its other actions are a class of their own.
		visit("")
	}
}

// splitService finds the classes of a service by automata.
func (x *actionIndex) splitService(g *actionGroups, service int32, out []uint64, b *budget) bool {
	name := string(x.serviceName(service)) + ":"
	require := []*element{{languages: []*language{newLanguage(append(literalLanguage(name).symbols(), symbol{kind: symbolAnyInSegment}, symbol{kind: symbolStarInSegment}))}}}
	return x.splitSpace(g, require, name, out, b)
}

// splitRest finds the classes of actions of services that no statement names.
func (x *actionIndex) splitRest(g *actionGroups, out []uint64, b *budget) bool {
	if len(x.cross) == 0 && (g.facts == nil || !g.facts.general()) {
		for w := range out {
			out[w] = x.always[w] ^ x.inverted[w]
		}
		profile := int32(0)
		if g.facts != nil {
			profile = g.facts.profile("\x00:\x00")
		}
		g.groupOther(out, profile, otherCell{service: -1})
		return true
	}
	named := &element{negated: true}
	for i := range x.services {
		named.languages = append(named.languages, prefixLanguage(string(x.serviceName(int32(i)))+":"))
	}
	colon := newLanguage([]symbol{{kind: symbolAnyInSegment}, {kind: symbolStarInSegment}, {symbolChar, ':'}, {kind: symbolAnyInSegment}, {kind: symbolStarInSegment}})
	return x.splitSpace(g, []*element{named, {languages: []*language{colon}}}, "", out, b)
}

// splitSpace finds the classes of names that satisfy require. A name that is listed is no member: it has its own cell.
func (x *actionIndex) splitSpace(g *actionGroups, require []*element, service string, out []uint64, b *budget) bool {
	// Statements that differ in their actions only are told apart only as far as showing each of them takes.
	first := map[int32]int{}
	var tell []*element
	var told []int32
	var members []string
	add := func(statement int32, l *language) {
		at, ok := first[statement]
		if !ok {
			at = slices.IndexFunc(told, func(have int32) bool { return have >= 0 && b.spend(20) && x.twins(have, statement) })
			if at < 0 {
				at = len(told)
				tell = append(tell, &element{})
				told = append(told, statement)
			} else {
				members = append(members, l.member(1))
			}
			first[statement] = at
		}
		tell[at].languages = append(tell[at].languages, l)
	}
	for i := range x.globs {
		glob := &x.globs[i]
		switch {
		case glob.service < 0:
			add(glob.statement, glob.language)
		case service != "" && string(x.serviceName(glob.service))+":" == service:
			whole := newLanguage(append(literalLanguage(service).symbols(), glob.symbols()...))
			add(glob.statement, whole)
		}
	}
	if g.facts != nil {
		for _, f := range g.facts.globs {
			e := &element{languages: []*language{f.language}}
			tell = append(tell, e)
			told = append(told, -1)
		}
	}
	listed := &element{negated: true}
	for {
		space := newTextSpace(append(slices.Clone(require), listed), tell, b)
		space.lower = true
		space.guess(nil)
		space.guessMore()
		complete := space.complete()
		again := false
		texts := make([]string, 0, len(space.found)+len(members))
		for i := range space.found {
			text := space.found[i].value
			texts = append(texts, text)
			if _, ok := x.lookup(text); ok {
				listed.languages = append(listed.languages, literalLanguage(text))
				again = true
			}
		}
		if again && !b.spent() {
			continue
		}
		for _, text := range append(texts, members...) {
			text = lowerASCII(text)
			if _, listed := x.lookup(text); listed || slices.ContainsFunc(require, func(e *element) bool { return !e.holds(text) }) {
				continue
			}
			x.match(text, out)
			profile := int32(0)
			if g.facts != nil {
				profile = g.facts.profile(text)
			}
			g.groupOther(out, profile, otherCell{service: -1, text: text})
		}
		return complete
	}
}

// symbols are the steps of what follows the service.
func (g *actionGlob) symbols() []symbol {
	if g.language == nil {
		return prefixLanguage(g.rest).symbols()
	}
	return g.language.symbols()
}
