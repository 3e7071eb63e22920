package policy

import (
	"bytes"
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
	out      []uint64 // room for one set
	globs    []actionGlob
	cross    []int32   // the globs whose service has a wildcard
	last     int32     // the service that was met last
	byName   interner  // the services
	comparer *comparer // knows the statements
	room     slab[uint64]
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

// prepare makes room for the actions of statements. The index is empty.
func (x *actionIndex) prepare(statements, actions int) {
	x.words, x.last = statements/64+1, -1
	size := 16
	for size < actions*2 {
		size *= 2
	}
	if cap(x.table) < size {
		x.table = make([]int32, size)
	}
	x.table = x.table[:size]
	if cap(x.entries) < actions {
		x.entries = make([]actionEntry, 0, actions)
	}
	if cap(x.arena) == 0 {
		x.arena = make([]byte, 0, actions*24)
	}
	x.always, x.inverted, x.out = x.room.take(x.words), x.room.take(x.words), x.room.take(x.words)
	x.sets = x.room.take(actions * x.words)[:0]
}

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
	x.arena = append(x.arena, text...)
	name := x.arena[start:]
	hash, wild := lowerName(name)
	if wild {
		x.addGlob(statement, text, start, bytes.IndexByte(name, ':'))
		return
	}
	mask := uint32(len(x.table) - 1)
	at := hash & mask
	for ; x.table[at] != 0; at = (at + 1) & mask {
		e := &x.entries[x.table[at]-1]
		if e.hash == hash && string(x.arena[e.start:e.end]) == string(name) {
			setBit(x.sets[int(x.table[at]-1)*x.words:], statement)
			x.arena = x.arena[:start]
			return
		}
	}
	service := int32(-1)
	if x.last >= 0 && begins(name, x.serviceName(x.last)) {
		service = x.last
	} else if colon := bytes.IndexByte(name, ':'); colon >= 0 {
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

// begins says whether the name of an action begins with a service and a colon.
func begins(name, service []byte) bool {
	return len(name) > len(service) && name[len(service)] == ':' && string(name[:len(service)]) == string(service)
}

// service is the number of the service whose name is in the arena.
func (x *actionIndex) service(start, end int) int32 {
	name := x.arena[start:end]
	if x.last >= 0 && string(x.serviceName(x.last)) == string(name) {
		return x.last
	}
	i, known := x.byName.number(name, int32(len(x.services)))
	if x.last = i; known {
		return i
	}
	x.services = append(x.services, actionService{start: int32(start), end: int32(end)})
	return i
}

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
	hash := hashText(name)
	mask := uint32(len(x.table) - 1)
	for at := hash & mask; x.table[at] != 0; at = (at + 1) & mask {
		e := &x.entries[x.table[at]-1]
		if e.hash == hash && string(x.arena[e.start:e.end]) == name {
			return int(x.table[at] - 1), true
		}
	}
	return 0, false
}

// named says whether a statement lists the action by name, in Action or NotAction.
func (x *actionIndex) named(entry int) bool {
	for _, word := range x.sets[entry*x.words : (entry+1)*x.words] {
		if word != 0 {
			return true
		}
	}
	return false
}

// lookupService finds a service by its lower-case name; -1 when no statement names it.
func (x *actionIndex) lookupService(name string) int32 {
	if x.last >= 0 && string(x.serviceName(x.last)) == name {
		return x.last
	}
	return x.byName.find(name)
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
