package policy

import (
	"slices"
	"strings"
)

// actionIndex says for any action which statements name it, however many actions the statements list. Names are kept in
// lower case: IAM compares actions without case.
type actionIndex struct {
	words    int // of one set of statements
	arena    []byte
	entries  []actionEntry
	sets     []uint64 // words for each entry: the statements that list it
	table    []int32  // open addressing over entries: place + 1
	services []actionService
	always   []uint64 // the statements with "*"
	inverted []uint64 // the statements with NotAction
	globs    []actionGlob
	cross    []int32 // the globs whose service has a wildcard
	last     int32   // the service that was met last
	byName   map[string]int32
	twins    func(a, b int32) bool // whether two statements differ in their actions only
}

// actionEntry is one action without a wildcard.
type actionEntry struct {
	hash       uint32
	start, end int32 // in arena
	service    int32
	text       string // as it was first written
}

type actionService struct {
	start, end int32 // in arena, without the colon
	globs      []int32
	general    bool // a glob is more than a prefix
}

// actionGlob is one action with a wildcard. rest is what follows the service and its colon, or all of it when the service
// has a wildcard.
type actionGlob struct {
	statement int32
	service   int32 // -1 for a cross glob
	rest      string
	text      string
	language  *language
}

func newActionIndex(statements, actions int) *actionIndex {
	words := statements/64 + 1
	size := 16
	for size < actions*2 {
		size *= 2
	}
	return &actionIndex{
		words:    words,
		arena:    make([]byte, 0, actions*24),
		entries:  make([]actionEntry, 0, actions),
		sets:     make([]uint64, 0, actions*words),
		table:    make([]int32, size),
		always:   make([]uint64, words),
		inverted: make([]uint64, words),
		last:     -1,
	}
}

const (
	hashStart uint32 = 2166136261
	hashPrime uint32 = 16777619
)

// add lists the actions of a statement.
func (x *actionIndex) add(statement int, s *Statement) {
	actions := s.Actions
	if len(s.NotActions) > 0 {
		actions = s.NotActions
		setBit(x.inverted, statement)
	}
	for _, text := range actions {
		if text == "*" {
			setBit(x.always, statement)
			continue
		}
		x.addAction(statement, text)
	}
}

func (x *actionIndex) addAction(statement int, text string) {
	start := len(x.arena)
	hash, colon, wild := hashStart, -1, false
	for i := 0; i < len(text); i++ {
		c := lowerByte(text[i])
		switch {
		case c == ':' && colon < 0:
			colon = i
		case c == '*' || c == '?':
			wild = true
		}
		hash = (hash ^ uint32(c)) * hashPrime
		x.arena = append(x.arena, c)
	}
	if wild {
		x.addGlob(statement, text, start, colon)
		return
	}
	mask := uint32(len(x.table) - 1)
	at := hash & mask
	for ; x.table[at] != 0; at = (at + 1) & mask {
		e := &x.entries[x.table[at]-1]
		if e.hash == hash && string(x.arena[e.start:e.end]) == string(x.arena[start:]) {
			setBit(x.sets[int(x.table[at]-1)*x.words:], statement)
			x.arena = x.arena[:start]
			return
		}
	}
	service := int32(-1)
	if colon >= 0 {
		service = x.service(start, start+colon)
	}
	x.entries = append(x.entries, actionEntry{hash, int32(start), int32(len(x.arena)), service, text})
	for range x.words {
		x.sets = append(x.sets, 0)
	}
	if statement >= 0 {
		setBit(x.sets[(len(x.entries)-1)*x.words:], statement)
	}
	x.table[at] = int32(len(x.entries))
}

// service is the number of the service whose name is in the arena.
func (x *actionIndex) service(start, end int) int32 {
	name := x.arena[start:end]
	if x.last >= 0 && string(x.serviceName(x.last)) == string(name) {
		return x.last
	}
	if i := x.lookupService(string(name)); i >= 0 {
		x.last = i
		return i
	}
	x.services = append(x.services, actionService{start: int32(start), end: int32(end)})
	x.last = int32(len(x.services) - 1)
	if len(x.services) > manyServices {
		if x.byName == nil {
			x.byName = make(map[string]int32, 4*manyServices)
			for i := range x.services {
				x.byName[string(x.serviceName(int32(i)))] = int32(i)
			}
		}
		x.byName[string(name)] = x.last
	}
	return x.last
}

// manyServices is from how many on services are looked up in a map.
const manyServices = 24

func (x *actionIndex) serviceName(i int32) []byte {
	return x.arena[x.services[i].start:x.services[i].end]
}

func (x *actionIndex) addGlob(statement int, text string, start, colon int) {
	name := string(x.arena[start:])
	if colon < 0 || strings.ContainsAny(name[:colon], "*?") {
		x.arena = x.arena[:start]
		p := newPattern(name, ruleText, true, false, false)
		if p.shape == shapeAny {
			setBit(x.always, statement)
			return
		}
		x.cross = append(x.cross, int32(len(x.globs)))
		x.globs = append(x.globs, actionGlob{int32(statement), -1, name, text, patternLanguage(&p, nil)})
		return
	}
	before := len(x.services)
	service := x.service(start, start+colon)
	if len(x.services) == before {
		x.arena = x.arena[:start]
	} else {
		x.arena = x.arena[:start+colon]
	}
	rest := name[colon+1:]
	g := actionGlob{statement: int32(statement), service: service, rest: rest, text: text}
	if i := strings.IndexAny(rest, "*?"); i == len(rest)-1 && rest[i] == '*' {
		g.rest = rest[:i]
	} else {
		p := newPattern(rest, ruleText, true, false, false)
		g.language = patternLanguage(&p, nil)
		if g.language.open {
			g.rest, g.language = g.language.prefix, nil
		} else {
			x.services[service].general = true
		}
	}
	x.services[service].globs = append(x.services[service].globs, int32(len(x.globs)))
	x.globs = append(x.globs, g)
}

func setBit(set []uint64, i int) { set[i/64] |= 1 << (i % 64) }

func hasBit(set []uint64, i int) bool { return set[i/64]&(1<<(i%64)) != 0 }

// lookup finds the entry of a lower-case name.
func (x *actionIndex) lookup(name string) (int, bool) {
	hash := hashStart
	for i := 0; i < len(name); i++ {
		hash = (hash ^ uint32(name[i])) * hashPrime
	}
	mask := uint32(len(x.table) - 1)
	for at := hash & mask; x.table[at] != 0; at = (at + 1) & mask {
		e := &x.entries[x.table[at]-1]
		if e.hash == hash && string(x.arena[e.start:e.end]) == name {
			return int(x.table[at] - 1), true
		}
	}
	return 0, false
}

// lists says whether a statement of the set lists the action by name.
func (x *actionIndex) lists(entry int, statements []uint64) bool {
	for w, word := range x.sets[entry*x.words : (entry+1)*x.words] {
		if word&statements[w] != 0 {
			return true
		}
	}
	return false
}

// lookupService finds a service by its lower-case name; -1 when no statement names it.
func (x *actionIndex) lookupService(name string) int32 {
	if x.byName != nil {
		if i, ok := x.byName[name]; ok {
			return i
		}
		return -1
	}
	for i := range x.services {
		if string(x.serviceName(int32(i))) == name {
			return int32(i)
		}
	}
	return -1
}

// match puts into out the statements that apply to an action, given in lower case.
func (x *actionIndex) match(name string, out []uint64) {
	copy(out, x.always)
	if i, ok := x.lookup(name); ok {
		x.union(out, i)
	}
	if colon := strings.IndexByte(name, ':'); colon >= 0 {
		if service := x.lookupService(name[:colon]); service >= 0 {
			x.matchGlobs(service, name[colon+1:], out)
		}
	}
	x.finish(name, out)
}

// matchEntry is match for an action that is listed.
func (x *actionIndex) matchEntry(i int, out []uint64) {
	copy(out, x.always)
	x.union(out, i)
	e := &x.entries[i]
	if e.service >= 0 && len(x.services[e.service].globs) > 0 {
		s := &x.services[e.service]
		rest := x.arena[e.start+s.end-s.start+1 : e.end]
		for _, g := range s.globs {
			glob := &x.globs[g]
			if glob.language == nil {
				if len(rest) >= len(glob.rest) && string(rest[:len(glob.rest)]) == glob.rest {
					setBit(out, int(glob.statement))
				}
			} else if glob.language.matches(string(rest)) {
				setBit(out, int(glob.statement))
			}
		}
	}
	if len(x.cross) == 0 {
		for w := range out {
			out[w] ^= x.inverted[w]
		}
		return
	}
	x.finish(string(x.arena[e.start:e.end]), out)
}

func (x *actionIndex) union(out []uint64, entry int) {
	for w := range out {
		out[w] |= x.sets[entry*x.words+w]
	}
}

func (x *actionIndex) matchGlobs(service int32, rest string, out []uint64) {
	for _, g := range x.services[service].globs {
		glob := &x.globs[g]
		if glob.language == nil && strings.HasPrefix(rest, glob.rest) || glob.language != nil && glob.language.matches(rest) {
			setBit(out, int(glob.statement))
		}
	}
}

func (x *actionIndex) finish(name string, out []uint64) {
	for _, g := range x.cross {
		if x.globs[g].language.matches(name) {
			setBit(out, int(x.globs[g].statement))
		}
	}
	for w := range out {
		out[w] ^= x.inverted[w]
	}
}

// actionCell is a class of actions that no statement tells apart: a listed action (entry ≥ 0), or the actions of a
// service with a prefix that nothing else takes out, or some other action.
type actionCell struct {
	entry   int32
	service int32
	prefix  string // of a cell that a glob makes
	text    string // a member, when it is known already
	next    int32  // the next cell of the group, -1 at the end
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
	cells  []actionCell
	groups []actionGroup
	place  map[string]int32
	one    map[uint64]int32 // place when a set is one word
	key    []byte
	facts  *factView
}

// group adds a cell to the group of its statements.
func (g *actionGroups) group(statements []uint64, profile int32, c actionCell) {
	c.next = -1
	at := int32(len(g.cells))
	g.cells = append(g.cells, c)
	var (
		i  int32
		ok bool
	)
	if len(statements) == 1 && profile == 0 {
		i, ok = g.one[statements[0]]
	} else {
		g.key = g.key[:0]
		for _, w := range statements {
			g.key = append(g.key, byte(w), byte(w>>8), byte(w>>16), byte(w>>24), byte(w>>32), byte(w>>40), byte(w>>48), byte(w>>56))
		}
		g.key = append(g.key, byte(profile), byte(profile>>8), byte(profile>>16))
		i, ok = g.place[string(g.key)]
	}
	if ok {
		g.cells[g.groups[i].last].next = at
		g.groups[i].last = at
		return
	}
	i = int32(len(g.groups))
	g.groups = append(g.groups, actionGroup{statements: slices.Clone(statements), first: at, last: at, profile: profile})
	if len(statements) == 1 && profile == 0 {
		g.one[statements[0]] = i
	} else {
		g.place[string(g.key)] = i
	}
}

// split cuts the actions into groups. complete is false when the budget ended first; then some actions may be in no group.
func (x *actionIndex) split(facts *factView, b *budget) (g *actionGroups, complete bool) {
	g = &actionGroups{index: x, cells: make([]actionCell, 0, len(x.entries)+len(x.globs)+1), facts: facts, place: map[string]int32{}}
	g.one = make(map[uint64]int32)
	complete = true
	out := make([]uint64, x.words)
	if facts != nil {
		x.addFactActions(facts)
	}
	for i := range x.entries {
		cost := 1 + x.words + len(x.cross)
		if s := x.entries[i].service; s >= 0 {
			cost += len(x.services[s].globs)
		}
		if !b.spend(cost) {
			return g, false
		}
		x.matchEntry(i, out)
		profile := int32(0)
		if facts != nil {
			e := &x.entries[i]
			profile = facts.profile(string(x.arena[e.start:e.end]))
		}
		g.group(out, profile, actionCell{entry: int32(i)})
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
	return g, complete
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
		g.group(out, profile, actionCell{entry: -1, service: service, prefix: prefix})
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
		g.group(out, profile, actionCell{entry: -1, service: -1})
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
			at = slices.IndexFunc(told, func(have int32) bool { return x.twins != nil && b.spend(20) && x.twins(have, statement) })
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
		for _, text := range space.values {
			if _, ok := x.lookup(text); ok {
				listed.languages = append(listed.languages, literalLanguage(text))
				again = true
			}
		}
		if again && !b.spent() {
			continue
		}
		for _, text := range append(space.values, members...) {
			text = lowerASCII(text)
			if _, listed := x.lookup(text); listed || slices.ContainsFunc(require, func(e *element) bool { return !e.holds(text) }) {
				continue
			}
			x.match(text, out)
			profile := int32(0)
			if g.facts != nil {
				profile = g.facts.profile(text)
			}
			g.group(out, profile, actionCell{entry: -1, service: -1, text: text})
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

// spell is a member of the cell, written as IAM writes it where the action is known. ok is false when none was found.
func (g *actionGroups) spell(c int32, group int) (string, bool) {
	cell, x := &g.cells[c], g.index
	if cell.entry >= 0 {
		e := &x.entries[cell.entry]
		return spellAction(e.text), true
	}
	out := make([]uint64, x.words)
	want := g.groups[group].profile
	member := func(text string) bool {
		lower := lowerASCII(text)
		if _, ok := x.lookup(lower); ok {
			return false
		}
		x.match(lower, out)
		if g.facts != nil && g.facts.profile(lower) != want {
			return false
		}
		return slices.Equal(out, g.groups[group].statements)
	}
	if cell.text != "" {
		service, _, _ := strings.Cut(cell.text, ":")
		if text, ok := anyAction(service, member); ok {
			return text, true
		}
		if text, ok := x.anyService(member); ok && x.lookupService(service) < 0 {
			return text, true
		}
		return spellAction(titleAction(cell.text)), true
	}
	if cell.service < 0 {
		if text, ok := x.anyService(member); ok {
			return text, true
		}
		for _, text := range [...]string{"example:ReadExample", "other:ReadExample", "third:ReadExample"} {
			if member(text) {
				return text, true
			}
		}
		return "", false
	}
	service := string(x.serviceName(cell.service))
	for names := actionNames(service); names != ""; {
		var name string
		name, names, _ = strings.Cut(names, " ")
		if hasPrefix(name, cell.prefix, true) {
			if text := service + ":" + name; member(text) {
				return text, true
			}
		}
	}
	base := service + ":" + x.spellPrefix(cell.service, cell.prefix)
	for _, end := range [...]string{"Example", "", "Other", "Thing", "X", "Zone", "1"} {
		if text := base + end; text != service+":" && member(text) {
			return text, true
		}
	}
	for i := 0; i < 64; i++ {
		if text := base + "Example" + string(rune('A'+i%26)) + strings.Repeat("z", i/26); member(text) {
			return text, true
		}
	}
	return "", false
}

// anyAction is an action of a service that is a member.
func anyAction(service string, member func(string) bool) (string, bool) {
	for names := actionNames(service); names != ""; {
		var name string
		name, names, _ = strings.Cut(names, " ")
		if text := service + ":" + name; member(text) {
			return text, true
		}
	}
	return "", false
}

// anyService is an action, of a service that no statement names, that is a member.
func (x *actionIndex) anyService(member func(string) bool) (string, bool) {
	for _, service := range realServices {
		if x.lookupService(service) >= 0 {
			continue
		}
		if text, ok := anyAction(service, member); ok {
			return text, true
		}
	}
	return "", false
}

// spellPrefix is the prefix as a statement writes it.
func (x *actionIndex) spellPrefix(service int32, prefix string) string {
	for _, i := range x.services[service].globs {
		if g := &x.globs[i]; g.language == nil && g.rest == prefix {
			_, rest, _ := strings.Cut(g.text, ":")
			return strings.TrimRight(rest, "*")
		}
	}
	return prefix
}
