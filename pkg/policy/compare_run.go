package policy

import (
	"math/bits"
	"slices"
)

// Sides of a comparison.
const (
	expectedSide = 0
	actualSide   = 1
)

// comparer carries one comparison: what stays the same, and the run over one case of the policy variables.
type comparer struct {
	relations [2]Relation
	limited   [2]bool    // the side has a boundary
	statement []compared // expected's, then actual's
	index     *actionIndex
	allowing  [2][]uint64 // the statements that can be shown to grant
	facts     *factView
	budget    budget
	reasons   []Reason
	doubted   map[int32]bool

	keys           *dictionary
	variableKeys   []variableCase
	variableColons bool // where the colons of a variable's value are matters

	resourceUniverse, arnUniverse *element

	run
}

// run is what belongs to one case of the policy variables.
type run struct {
	words     *vocabulary
	domains   map[string]*domain
	related   map[[2]int32]relation
	solved    map[string][]difference
	callers   []callerClass
	naming    []principalIndex // by principal
	variables []variableCase
	pins      []pin     // what the case fixes, by dimension; nil when it fixes nothing
	require   []int32   // atoms that the case asks for
	refuse    [][]int32 // clauses that the case asks for

	impossible    bool     // no request is of this case
	variableTexts []string // variables with their defaults, numbered
}

// difference is one way in which a group of actions is answered differently.
type difference struct {
	direction Direction
	caller    int
	credit    []int32 // the bits that grant it
	request   []assigned
	vague     bool
	require   []int32 // what was asked
	question  *question
	pins      []pin  // what is fixed beside the request
	resource  string // of its first witness
}

// add takes the statements of a set over.
func (c *comparer) add(set *Set, at int) {
	c.relations[at], c.limited[at] = set.Relation, set.Boundary != nil
	take := func(d *Document, from side) {
		if set.Relation == ResourceOnly && from != resourceSide {
			return
		}
		for i := range d.Statements {
			s := &d.Statements[i]
			c.statement = append(c.statement, compared{written: s, document: d, index: i, role: role{at == actualSide, from, s.Effect == Deny}})
		}
	}
	for _, d := range set.Identity {
		take(d, identitySide)
	}
	if set.Boundary != nil {
		take(set.Boundary, boundarySide)
	}
	for _, d := range set.Resource {
		take(d, resourceSide)
	}
}

// list puts the actions into an index.
func (c *comparer) list() {
	actions := 0
	for i := range c.statement {
		actions += len(c.statement[i].written.Actions) + len(c.statement[i].written.NotActions)
	}
	c.index = newActionIndex(len(c.statement), actions)
	c.index.twins = func(a, b int32) bool { return c.statement[a].twin(&c.statement[b]) }
	for at := range c.allowing {
		c.allowing[at] = make([]uint64, c.index.words)
	}
	for i := range c.statement {
		s := &c.statement[i]
		c.index.add(i, s.written)
		if !s.role.deny && s.role.side != boundarySide {
			setBit(c.allowing[sideOf(s.role)], i)
		}
	}
}

// twin says whether two statements of one side differ in nothing but their actions.
func (s *compared) twin(t *compared) bool {
	return s.role == t.role && len(s.written.NotActions)+len(t.written.NotActions) == 0 && s.same(t)
}

// same says whether two statements, on whichever side, ask the same of whom, of what and when, as far as their texts show.
func (s *compared) same(t *compared) bool {
	x, y := s.written, t.written
	return s.role.side == t.role.side && s.role.deny == t.role.deny && (s.document.Version == t.document.Version || !s.variable() && !t.variable()) &&
		slices.Equal(x.Resources, y.Resources) && slices.Equal(x.NotResources, y.NotResources) &&
		slices.Equal(x.Principals, y.Principals) && slices.Equal(x.NotPrincipals, y.NotPrincipals) &&
		slices.EqualFunc(x.Conditions, y.Conditions, func(k, m Condition) bool {
			return k.Operator == m.Operator && k.Key == m.Key && slices.Equal(k.Values, m.Values)
		})
}

// doubtBound is why a statement stays in doubt whose comparison would take too long.
const doubtBound = "the comparison of this statement did not end within its bound"

// size is about how many bytes the statement takes when it is compiled, its actions aside.
func (s *Statement) size() int {
	n := 400
	add := func(list []string) {
		for _, text := range list {
			n += 300 + 10*len(text)
			for i := 0; i < len(text); i++ {
				if text[i] == '*' || text[i] == '?' || text[i] == '$' {
					n += 180
				}
			}
		}
	}
	add(s.Resources)
	add(s.NotResources)
	for i := range s.Conditions {
		add(s.Conditions[i].Values)
	}
	return n
}

// compile makes a statement ready.
func (c *comparer) compile(i int) *compared {
	s := &c.statement[i]
	if s.statement != nil {
		return s
	}
	c.budget.grow(s.written.size())
	compiled := newStatementForAnyAction(s.document, s.index, s.role.side)
	s.statement = &compiled
	if len(compiled.conditions) != len(s.written.Conditions) {
		// The evaluator leaves out what it does not know, and so does the comparison; but then nothing is settled.
		c.doubt(int32(i), "a condition has an operator that IAM does not know")
		known := *s.written
		known.Conditions = slices.DeleteFunc(slices.Clone(known.Conditions), func(k Condition) bool {
			_, message := readOperator(k.Operator)
			return message != ""
		})
		s.written = &known
	}
	return s
}

// scan numbers the condition keys and says what is known of them from the operators that test them and from the facts.
func (c *comparer) scan() {
	c.keys = &dictionary{dimensions: make([]dimension, 1, 8), numbered: make(map[string]int32, 8)}
	c.keys.dimensions[resourceDimension].family = familyText
	for i := range c.statement {
		s := &c.statement[i]
		conditions := s.written.Conditions // compile leaves out what it does not know
		for j := range conditions {
			written := &conditions[j]
			op, message := readOperator(written.Operator)
			if message != "" {
				c.compile(i)
				continue
			}
			d := &c.keys.dimensions[c.keys.dimension(written.Key)]
			if op.quantifier != single && op.comparison != nullCheck {
				d.several = true
			}
			d.family = d.family.join(familyOf(op.comparison, written.Values, s.document.Version))
		}
	}
	c.variableKeys = c.listVariables()
	for _, k := range c.variableKeys {
		c.keys.dimension(k.key)
	}
	if c.facts != nil {
		c.facts.applyKeys(c.keys)
	}
}

// begin starts the run of one case of the variables.
func (c *comparer) begin(variables []variableCase) {
	v := newVocabulary(c.keys, len(c.statement))
	c.run = run{words: v, variables: variables}
	v.resolve = c.resolve
	if c.facts != nil {
		c.facts.reset()
	}
	for i := range c.statement {
		c.statement[i].bit = bitUnmade
	}
	for i := range c.statement {
		if s := &c.statement[i]; s.role.side == resourceSide || len(s.written.Principals)+len(s.written.NotPrincipals) > 0 {
			c.bit(i)
		}
	}
	c.callers = c.callerClasses()
	c.assumeVariables()
}

// bit is the bit of a statement.
func (c *comparer) bit(i int) int32 {
	s := &c.statement[i]
	if s.bit == bitUnmade {
		s.bit = bitNever
		if !c.budget.spend(s.written.size() / 2) {
			c.doubt(int32(i), doubtBound)
			return bitNever
		}
		if c.compile(i); !s.unsatisfiable {
			s.bit = c.words.bit(s, int32(i))
		}
	}
	return s.bit
}

func sideOf(r role) int {
	if r.actual {
		return actualSide
	}
	return expectedSide
}

// doubt records why the comparison cannot be settled, once for each statement.
func (c *comparer) doubt(statement int32, text string) {
	if c.doubted[statement] {
		return
	}
	if c.doubted == nil {
		c.doubted = map[int32]bool{}
	}
	c.doubted[statement] = true
	r := Reason{Text: text}
	if statement >= 0 {
		r.Statement = c.statement[statement].name()
	}
	c.reasons = append(c.reasons, r)
}

// name refers to the statement.
func (s *compared) name() StatementRef {
	return StatementRef{Document: s.document.Name, Index: s.index, Sid: s.written.Sid}
}

// tallied sorts the bits that may match a request by what they do.
type tallied struct {
	denies, identity, boundary []int32
	direct, named, delegating  []int32 // Allow of the resource documents, by how the caller is named
}

// tally sorts the bits of a group for a caller.
func (c *comparer) tally(present []int32, caller *callerClass) [2]tallied {
	var out [2]tallied
	for _, n := range present {
		b := &c.words.bits[n]
		named := caller.reaches[b.principal]
		if b.principal == 0 {
			named = reachDirect
		} else if c.words.principals[b.principal].notPrincipal && b.role.deny && c.bounded(sideOf(b.role)) {
			named = reachDirect
		}
		if named == reachNone {
			continue
		}
		t := &out[sideOf(b.role)]
		switch {
		case b.role.deny:
			t.denies = append(t.denies, n)
		case b.role.side == identitySide:
			t.identity = append(t.identity, n)
		case b.role.side == boundarySide:
			t.boundary = append(t.boundary, n)
		case named == reachDirect:
			t.direct = append(t.direct, n)
		case named == reachRole:
			t.named = append(t.named, n)
		default:
			t.delegating = append(t.delegating, n)
		}
	}
	return out
}

// bounded says whether callers have a boundary on that side.
func (c *comparer) bounded(at int) bool {
	return c.limited[at] && c.relations[at] != ResourceOnly
}

// grant is one way to be allowed: all of bits match. credit are those that a person would name.
type grant struct {
	bits   []int32
	credit []int32
}

// grants lists the ways in which a side allows, as Compiled.combine has them.
func (c *comparer) grants(at int, t *tallied) []grant {
	relation, bounded := c.relations[at], c.bounded(at)
	var out []grant
	within := func(bits, credit []int32) {
		if !bounded {
			out = append(out, grant{bits, credit})
			return
		}
		for _, b := range t.boundary {
			out = append(out, grant{append(slices.Clone(bits), b), credit})
		}
	}
	alone := func(list []int32) {
		for i := range list {
			out = append(out, grant{list[i : i+1 : i+1], list[i : i+1 : i+1]})
		}
	}
	switch relation {
	case CrossAccount:
		for _, list := range [][]int32{t.direct, t.named, t.delegating} {
			for _, r := range list {
				for _, i := range t.identity {
					within([]int32{i, r}, []int32{i, r})
				}
			}
		}
	case ResourceOnly:
		alone(t.direct)
		alone(t.named)
		alone(t.delegating)
	case Delegated:
		alone(t.direct)
		for i := range t.named {
			within(t.named[i:i+1:i+1], t.named[i:i+1:i+1])
		}
		for _, i := range t.identity {
			for _, d := range t.delegating {
				within([]int32{i, d}, []int32{i, d})
			}
		}
	default:
		for i := range t.identity {
			within(t.identity[i:i+1:i+1], t.identity[i:i+1:i+1])
		}
		alone(t.direct)
		for i := range t.named {
			within(t.named[i:i+1:i+1], t.named[i:i+1:i+1])
		}
	}
	return out
}

// refusals lists the ways in which a side does not allow, apart from an explicit Deny: in each, none of the bits match.
func (c *comparer) refusals(at int, t *tallied) [][]int32 {
	relation, bounded := c.relations[at], c.bounded(at)
	var out [][]int32
	none := func(lists ...[]int32) { out = append(out, slices.Concat(lists...)) }
	switch relation {
	case CrossAccount:
		none(t.identity)
		none(t.direct, t.named, t.delegating)
		if bounded {
			none(t.boundary)
		}
	case ResourceOnly:
		none(t.direct, t.named, t.delegating)
	case Delegated:
		none(t.direct, t.named, t.identity)
		none(t.direct, t.named, t.delegating)
		if bounded {
			none(t.direct, t.boundary)
		}
	default:
		none(t.identity, t.direct, t.named)
		if bounded {
			none(t.boundary, t.direct)
		}
	}
	return out
}

// present lists the bits of a group's statements.
func (c *comparer) present(group *actionGroup) []int32 {
	var out []int32
	eachBit(group.statements, func(i int) {
		if b := c.bit(i); b >= 0 && !slices.Contains(out, b) {
			out = append(out, b)
		}
	})
	slices.Sort(out)
	return out
}

// eachBit calls f with every member of a set.
func eachBit(set []uint64, f func(i int)) {
	for w, word := range set {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// symmetric says that both sides ask the same of a caller, whatever the request.
func (c *comparer) symmetric(t *[2]tallied) bool {
	if c.relations[0] != c.relations[1] || c.bounded(0) != c.bounded(1) {
		return false
	}
	x, y := &t[expectedSide], &t[actualSide]
	for _, lists := range [...][2][]int32{{x.denies, y.denies}, {x.identity, y.identity}, {x.boundary, y.boundary}, {x.direct, y.direct}, {x.named, y.named}, {x.delegating, y.delegating}} {
		if !c.words.sameMeaning(lists[0], lists[1]) {
			return false
		}
	}
	return true
}

// sameMeaning says that two lists of bits ask the same, each in its place.
func (v *vocabulary) sameMeaning(a, b []int32) bool {
	if len(a) == 0 && len(b) == 0 {
		return true
	}
	var rooms [2][16]int32
	lists := [2][]int32{v.requirements(rooms[0][:0], a), v.requirements(rooms[1][:0], b)}
	return slices.Equal(lists[0], lists[1])
}

// requirements lists the distinct requirements of bits, sorted.
func (v *vocabulary) requirements(out, bits []int32) []int32 {
	for _, b := range bits {
		out = append(out, v.bits[b].requirement)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// differences finds how one side allows actions of a group that the other refuses.
func (c *comparer) differences(present []int32, profile int32, direction Direction) []difference {
	key := append(c.words.key[:0], 's', direction[0])
	key = appendInt(key, profile)
	for _, b := range present {
		key = appendInt(key, b)
	}
	c.words.key = key
	if found, ok := c.solved[string(key)]; ok {
		return found
	}
	name := string(key)
	var out []difference
	shown := map[entry]bool{}
	for i := range c.callers {
		if !c.budget.spend(4 + 2*len(present)) {
			for _, b := range present {
				c.doubt(c.words.bits[b].statements[0], doubtBound)
			}
			break
		}
		t := c.tally(present, &c.callers[i])
		if c.symmetric(&t) {
			continue
		}
		merged := t
		for at := range merged {
			m := &merged[at]
			for _, list := range [...]*[]int32{&m.denies, &m.identity, &m.boundary, &m.direct, &m.named, &m.delegating} {
				*list = c.words.merge(*list)
			}
		}
		if c.symmetric(&merged) {
			continue
		}
		out = c.search(out, direction, i, profile, &t, &merged, shown)
	}
	if c.solved == nil {
		c.solved = map[string][]difference{}
	}
	c.solved[name] = out
	return out
}

// entry is one thing that a statement lists and that a difference shows: a principal, or for -1 all that it names otherwise.
type entry struct {
	direction Direction
	bit       int32
	principal int
}

// entryOf is the entry by which a bit names a caller.
func (c *comparer) entryOf(direction Direction, bit int32, caller *Caller) entry {
	e := entry{direction, bit, -1}
	s := c.words.principals[c.words.bits[bit].principal]
	if s == nil || s.notPrincipal {
		return e
	}
	for i := range s.principals {
		if s.principals[i].names(caller) != reachNone {
			e.principal = i
			break
		}
	}
	return e
}

// search adds one difference for each bit that grants what the other side does not. merged are the bits with like ones united: fewer to refute. shown are the
// entries that have their difference.
func (c *comparer) search(out []difference, direction Direction, caller int, profile int32, t, merged *[2]tallied, shown map[entry]bool) []difference {
	allows, refuses := expectedSide, actualSide
	if direction == Excess {
		allows, refuses = actualSide, expectedSide
	}
	v := c.words
	facts := c.context(profile, caller)
	if facts.impossible || c.impossible {
		return out
	}
	var never [][]int32 // what must not match so that nothing denies
	for _, d := range merged[allows].denies {
		if len(v.bits[d].atoms) == 0 {
			return out
		}
		never = append(never, v.bits[d].atoms)
	}
	q := question{never, c.refusals(refuses, &merged[refuses]), merged[refuses].denies, facts}
	for _, g := range c.grants(allows, &t[allows]) {
		fresh := false
		for _, b := range g.credit {
			fresh = fresh || !shown[c.entryOf(direction, b, &c.callers[caller].caller)]
		}
		if !fresh {
			continue
		}
		var require []int32
		for _, b := range g.bits {
			require = append(require, v.bits[b].atoms...)
		}
		request, pins, answer := c.refute(require, &q)
		if answer == foundUnknown {
			for _, b := range g.credit {
				c.doubt(v.bits[b].statements[0], doubtBound)
			}
		}
		if answer != found && answer != foundVague {
			continue
		}
		for _, b := range g.credit {
			shown[c.entryOf(direction, b, &c.callers[caller].caller)] = true
		}
		out = append(out, difference{direction, caller, g.credit, request, answer == foundVague, require, &q, pins, ""})
	}
	return out
}

// maxListed bounds the resources of one statement that get a difference of their own.
const maxListed = 16

// otherResources finds a difference for each resource that a credited statement lists and that the first one does not show.
// The requirement to be on the list gives way to the one to be that resource.
func (c *comparer) otherResources(first *difference, shown string) []difference {
	v := c.words
	var out []difference
	for _, b := range first.credit {
		a, _ := v.listed(v.bits[b].atoms)
		if a < 0 {
			continue
		}
		languages := v.tests[v.atoms[a].test].languages
		if len(languages) < 2 {
			continue
		}
		seen := []string{shown}
		for _, n := range languages[:min(len(languages), maxListed)] {
			l := v.languages[n]
			if l.opaque || slices.ContainsFunc(seen, l.matches) {
				continue
			}
			v.numbers = append(v.numbers[:0], n)
			one, what := v.atom(v.textTest(resourceDimension, false), forAnyValue, false)
			if what != requires {
				continue
			}
			if request, pins, answer := c.refute(append(slices.DeleteFunc(slices.Clone(first.require), func(b int32) bool { return b == a }), one), first.question); answer == found {
				d := *first
				d.request, d.pins = request, pins
				out = append(out, d)
				seen = append(seen, d.resources()...)
			}
		}
	}
	return out
}

// resources are the resources of the request.
func (d *difference) resources() []string {
	if d.pins != nil && d.pins[resourceDimension].fixed {
		return d.pins[resourceDimension].values
	}
	for i := range d.request {
		if d.request[i].dimension == resourceDimension {
			return d.request[i].values
		}
	}
	return nil
}

// question is what a request must be like beside being granted.
type question struct {
	never    [][]int32 // of each, at least one atom must fail
	refusals [][]int32 // in one of these lists of bits, none may match
	denies   []int32   // or one of these bits must match
	facts    *factContext
}

// refute looks for a request that meets require and is what q asks: nothing denies it, and the other side refuses it.
// Resources at hand are looked at one class after the other, then all others.
func (c *comparer) refute(require []int32, q *question) (request []assigned, fixed []pin, answer finding) {
	v := c.words
	answer = foundNone
	attempt := func(require []int32, clauses [][]int32, pins []pin) bool {
		r, a := c.solve(require, clauses, pins)
		switch {
		case a == found, a == foundVague && answer != foundVague:
			request, fixed, answer = r, pins, a
		case a == foundUnknown && answer == foundNone:
			answer = foundUnknown
		}
		return a == found
	}
	within := func(require []int32, never, more [][]int32, pins []pin) bool {
		for _, bits := range q.refusals {
			clauses := make([][]int32, 0, len(never)+len(more)+len(bits))
			clauses = append(append(clauses, never...), more...)
			possible := true
			for _, b := range bits {
				if len(v.bits[b].atoms) == 0 {
					possible = false
					break
				}
				clauses = append(clauses, v.bits[b].atoms)
			}
			if possible && attempt(slices.Clone(require), clauses, pins) {
				return true
			}
		}
		for _, d := range q.denies {
			if attempt(slices.Concat(require, v.bits[d].atoms), slices.Concat(never, more), pins) {
				return true
			}
		}
		return false
	}
	if len(q.facts.require) > 0 {
		require = slices.Concat(require, q.facts.require)
	}
	if c.facts == nil {
		within(require, q.never, q.facts.clauses, c.pins)
		return request, fixed, answer
	}
	for _, class := range c.resourceClasses() {
		if pins, ok := joinPins(class.pins, c.pins); ok && within(require, q.never, c.refuse, pins) {
			return request, fixed, answer
		}
	}
	others := q.facts.clauses
	if a, ok := c.atHand(); ok {
		others = append(slices.Clip(others), []int32{a})
	}
	within(require, q.never, others, c.pins)
	return request, fixed, answer
}

// joinPins fixes what either fixes; ok is false when they fix a dimension differently.
func joinPins(a, b []pin) (out []pin, ok bool) {
	if b == nil {
		return a, true
	}
	out = slices.Clone(a)
	for d := range b {
		switch {
		case !b[d].fixed:
		case out[d].fixed && !slices.Equal(out[d].values, b[d].values):
			return nil, false
		default:
			out[d] = b[d]
		}
	}
	return out, true
}

// atHand is the atom that the resource is one of those at hand, as far as a statement or a fact names them.
func (c *comparer) atHand() (int32, bool) {
	if len(c.facts.resources) == 0 {
		return 0, false
	}
	v := c.words
	v.numbers = v.numbers[:0]
	for i, l := range v.languages {
		if l.single {
			if _, ok := c.facts.at[l.text]; ok {
				v.numbers = append(v.numbers, int32(i))
			}
		}
	}
	if len(v.numbers) == 0 {
		return 0, false
	}
	a, what := v.atom(v.textTest(resourceDimension, false), forAnyValue, false)
	return a, what == requires
}
