package policy

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// witnesses turns differences into requests.
type witnesses struct {
	*comparer
	groups  *actionGroups
	queue   []pendingWitness
	seen    map[string]bool
	lists   [2][]Witness // missing, excess
	order   [2][]string  // what the witnesses are sorted by
	shown   []uint64     // the statements that have a witness
	state   map[item]itemState
	checked map[int]*[2]Compiled // for each group what says to a request of it
	checks  budget               // for the evaluator's answers

	mentioned map[int][]bool   // for each group the dimensions that its statements name
	needing   map[int32][]bool // for each bit the dimensions that it cannot do without
	needingIn *vocabulary      // whose bits they are
	more      bool
	home      *home
}

// item is a difference whatever the case of the policy variables: a statement that grants actions of a group which the other
// side refuses.
type item struct {
	direction Direction
	group     int
	statement int32
}

type itemState int8

const (
	itemOpen  itemState = iota + 1 // it may be a difference
	itemShown                      // it has a witness
)

// pendingWitness is a difference of one group of actions with the actions to show.
type pendingWitness struct {
	group int
	difference
	cells []int32
	next  int
	as    *Caller // instead of the one that was found
}

var directions = [...]Direction{Missing, Excess}

// allows is the side that allows what differs in that direction, which is also its place in the lists.
func (d Direction) allows() int {
	if d == Missing {
		return expectedSide
	}
	return actualSide
}

func (w *witnesses) itemOf(p *pendingWitness) item {
	return item{p.direction, p.group, w.words.bits[p.credit[0]].statements[0]}
}

func (w *witnesses) full(d Direction) bool { return len(w.lists[d.allows()]) >= MaxWitnesses }

// explore finds the differences and writes their witnesses: first one for every statement, then one for every group of
// actions, and last the other actions and resources that a statement lists by name. Where there are policy variables,
// it first gives them values that read well; what shows no difference then is looked at with the variables open.
func (w *witnesses) explore() {
	if !slices.ContainsFunc(w.groups.groups, func(g actionGroup) bool { return !w.paired(&g) }) {
		return
	}
	w.shown = make([]uint64, w.index.words)
	w.scan()
	w.begin(w.readableCase())
	w.visit(true)
	if len(w.variableKeys) > 0 {
		w.begin(w.variableKeys)
		w.visit(false)
		w.begin(w.emptyCase())
		w.visit(false)
	}
	if w.open() {
		w.settle()
	}
}

// visit looks at every group, as far as its statements have no witness yet, and with all at those too of which the statements
// have one.
func (w *witnesses) visit(all bool) {
	type visit struct {
		group     int
		direction Direction
	}
	var later []visit
	for i := range w.groups.groups {
		g := &w.groups.groups[i]
		if w.paired(g) {
			continue
		}
		for _, d := range directions {
			news, old := false, false
			for k, word := range g.statements {
				word &= w.allowing[d.allows()][k]
				news = news || word&^w.shown[k] != 0
				old = old || word&w.shown[k] != 0
			}
			switch {
			case news && !w.full(d):
				w.look(i, d, all)
			case news || old && all:
				later = append(later, visit{i, d})
			}
		}
	}
	queue := w.queue
	w.queue = nil
	for i := range queue {
		w.write(&queue[i])
	}
	for _, v := range later {
		if w.full(v.direction) {
			w.more = true
			continue
		}
		w.look(v.group, v.direction, all)
		for i := range w.queue {
			w.write(&w.queue[i])
		}
		queue = append(queue, w.queue...)
		w.queue = w.queue[:0]
	}
	for i := range queue {
		w.writeRest(&queue[i])
	}
}

// paired says that every statement of a group has its twin on the other side: then both sides say the same, and nothing needs
// to be compiled to know it.
func (w *witnesses) paired(g *actionGroup) bool {
	if w.relations[0] != w.relations[1] || w.limited != [2]bool{w.limited[1], w.limited[0]} {
		return false
	}
	var sides [2][8]int32
	var n [2]int
	for k, word := range g.statements {
		for ; word != 0; word &= word - 1 {
			i := k*64 + bits.TrailingZeros64(word)
			at := sideOf(w.statement[i].role)
			if n[at] == len(sides[at]) {
				return false
			}
			sides[at][n[at]] = int32(i)
			n[at]++
		}
	}
	for at := range sides {
		for _, i := range sides[at][:n[at]] {
			twin := false
			for _, j := range sides[1-at][:n[1-at]] {
				twin = twin || w.statement[i].same(&w.statement[j])
			}
			if !twin {
				return false
			}
		}
	}
	return true
}

// look finds the differences of a group in one direction. The first witness of a statement is written at once; with all, the
// rest waits for its turn.
func (w *witnesses) look(group int, direction Direction, all bool) {
	g := &w.groups.groups[group]
	present := w.present(g)
	if w.budget.spent() {
		eachBit(g.statements, func(s int) {
			if hasBit(w.allowing[direction.allows()], s) {
				w.doubt(int32(s), doubtBound)
			}
		})
		return
	}
	for _, d := range w.differences(present, g.profile, direction) {
		p := pendingWitness{group: group, difference: d}
		fresh := slices.ContainsFunc(d.credit, func(b int32) bool {
			return slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool { return !hasBit(w.shown, int(s)) && hasBit(g.statements, int(s)) })
		})
		switch {
		case !fresh && !all, w.state[w.itemOf(&p)] == itemShown:
			continue
		case d.vague:
			w.leave(&p)
			continue
		case fresh:
			w.write(&p)
		}
		w.queue = append(w.queue, p)
	}
}

// leave says that a difference may be one.
func (w *witnesses) leave(p *pendingWitness) {
	if w.state == nil {
		w.state = map[item]itemState{}
	}
	if at := w.itemOf(p); w.state[at] == 0 {
		w.state[at] = itemOpen
	}
}

// write makes the first request of a difference unless it has been made.
func (w *witnesses) write(p *pendingWitness) {
	if p.next == 0 {
		w.cells(p)
		w.one(p)
	}
}

// writeRest makes the other requests: for the actions that a statement lists by name, then for the resources.
func (w *witnesses) writeRest(p *pendingWitness) {
	for p.next < len(p.cells) {
		if w.full(p.direction) {
			w.more = true
			return
		}
		w.one(p)
	}
	if len(p.cells) == 0 || p.resource == "" {
		return
	}
	for _, caller := range w.otherCallers(p) {
		if w.full(p.direction) {
			w.more = true
			return
		}
		other := *p
		other.cells, other.next, other.as = p.cells[:1], 0, &caller
		w.one(&other)
	}
	for _, d := range w.otherResources(&p.difference, p.resource) {
		if w.full(p.direction) {
			w.more = true
			return
		}
		other := pendingWitness{group: p.group, difference: d, cells: p.cells[:1]}
		w.one(&other)
	}
}

// otherCallers are the callers whom a credited statement lists beside the one that is shown, and who are named just like it.
func (w *witnesses) otherCallers(p *pendingWitness) []Caller {
	class := &w.callers[p.caller]
	var out []Caller
	for _, b := range p.credit {
		s := w.words.principals[w.words.bits[b].principal]
		if s == nil || s.notPrincipal || len(s.principals) < 2 {
			continue
		}
		for i := range s.principals[:min(len(s.principals), maxListed)] {
			if list := s.principals[i].callers(); len(list) > 0 && list[0] != class.caller && slices.Equal(w.reaches(&list[0]), class.reaches) {
				out = append(out, list[0])
			}
		}
	}
	return out
}

// one makes the request for the next action of p. A difference without a request stays open.
func (w *witnesses) one(p *pendingWitness) {
	if p.next >= len(p.cells) {
		return
	}
	first := p.next == 0
	cell := p.cells[p.next]
	p.next++
	if w.full(p.direction) {
		w.more = true
		return
	}
	action, ok := w.groups.spell(cell, p.group)
	if ok {
		var witness Witness
		if witness, ok = w.make(p, action); ok {
			w.keep(p, witness)
			return
		}
	}
	if first {
		w.leave(p)
	}
}

// keep adds a witness to its list.
func (w *witnesses) keep(p *pendingWitness, witness Witness) {
	if w.state != nil {
		w.state[w.itemOf(p)] = itemShown
	}
	for _, b := range p.credit {
		for _, s := range w.words.bits[b].statements {
			if hasBit(w.groups.groups[p.group].statements, int(s)) {
				setBit(w.shown, int(s))
			}
		}
	}
	if p.resource == "" {
		p.resource = witness.Request.Resource
	}
	key := witness.Request.identity()
	if w.seen[key] {
		return
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[key] = true
	at := p.direction.allows()
	if w.lists[at] == nil {
		w.lists[at], w.order[at] = make([]Witness, 0, 8), make([]string, 0, 8)
	}
	w.lists[at] = append(w.lists[at], witness)
	w.order[at] = append(w.order[at], key)
}

// open says whether something may be a difference and has no witness, in a direction that has room for one.
func (w *witnesses) open() bool {
	for at, s := range w.state {
		if s == itemOpen && !w.full(at.direction) {
			return true
		}
	}
	return false
}

// settle looks at the cases of the policy variables for what is open: first at those with known values, which show a witness
// or none, then at the rest. What the rest cannot exclude either stays in doubt.
func (w *witnesses) settle() {
	if len(w.variableKeys) == 0 {
		for _, at := range w.openItems() {
			w.doubt(at.statement, w.doubtText())
		}
		return
	}
	concrete, rest := w.variableCases()
	possible := map[item]bool{}
	for _, one := range concrete {
		if !w.open() || w.budget.spent() {
			break
		}
		w.lookAgain(one, possible)
	}
	for _, one := range rest {
		if !w.open() {
			return
		}
		w.lookAgain(one, possible)
	}
	for _, at := range w.openItems() {
		if possible[at] || w.budget.spent() {
			w.doubt(at.statement, w.doubtText())
		}
	}
}

// lookAgain begins the run of a case and looks at the groups in which something is open. What it finds it adds to found.
func (w *witnesses) lookAgain(variables []variableCase, found map[item]bool) {
	w.begin(variables)
	type place struct {
		group     int
		direction Direction
	}
	done := map[place]bool{}
	for _, at := range w.openItems() {
		here := place{at.group, at.direction}
		if done[here] {
			continue
		}
		done[here] = true
		g := &w.groups.groups[at.group]
		for _, d := range w.differences(w.present(g), g.profile, at.direction) {
			p := pendingWitness{group: at.group, difference: d}
			if found != nil {
				found[w.itemOf(&p)] = true
			}
			if !d.vague && w.state[w.itemOf(&p)] != itemShown {
				w.write(&p)
				w.writeRest(&p)
			}
		}
	}
}

// doubtText says why a difference could not be settled.
func (c *comparer) doubtText() string {
	if len(c.variableKeys) == 0 {
		return "no request could be shown that this statement decides differently"
	}
	names := make([]string, len(c.variableKeys))
	for i, k := range c.variableKeys {
		names[i] = "${" + k.key + "}"
	}
	return "it could not be settled whether some value of " + strings.Join(names, ", ") + " makes a difference"
}

// openItems are what is open, in the order of statements.
func (w *witnesses) openItems() []item {
	var out []item
	for at, s := range w.state {
		if s == itemOpen && !w.full(at.direction) {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.statement, b.statement), cmp.Compare(a.group, b.group), strings.Compare(string(a.direction), string(b.direction)))
	})
	return out
}

// result puts the witnesses and doubts in order.
func (w *witnesses) result() Result {
	slices.SortStableFunc(w.reasons, func(a, b Reason) int {
		return cmp.Or(strings.Compare(a.Statement.Document, b.Statement.Document), cmp.Compare(a.Statement.Index, b.Statement.Index), strings.Compare(a.Text, b.Text))
	})
	w.reasons = slices.Compact(w.reasons)
	return Result{Missing: w.sorted(0), Excess: w.sorted(1), Indeterminate: w.reasons, Truncated: w.more}
}

// sorted is one list of witnesses by action, resource and the rest.
func (w *witnesses) sorted(at int) []Witness {
	list, keys := w.lists[at], w.order[at]
	if len(list) < 2 {
		return list
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(keys[i], keys[j]) })
	out := make([]Witness, len(list))
	for i, from := range order {
		out[i] = list[from]
	}
	return out
}

// cells chooses the actions to show for a difference: each that a granting statement lists by name, and one for its wildcards.
func (w *witnesses) cells(p *pendingWitness) {
	g := &w.groups.groups[p.group]
	named := make([]uint64, w.index.words)
	for _, b := range p.credit {
		for _, s := range w.words.bits[b].statements {
			if len(w.statement[s].written.NotActions) == 0 {
				setBit(named, int(s))
			}
		}
	}
	wild := int32(-1)
	for c := g.first; c >= 0; c = w.groups.cells[c].next {
		entry := w.groups.cells[c].entry
		switch {
		case entry >= 0 && w.index.lists(int(entry), named):
			if p.cells = append(p.cells, c); len(p.cells) > MaxWitnesses {
				return
			}
		case wild < 0:
			wild = c
		}
	}
	if wild >= 0 {
		if c, ok := w.telling(p.group); ok && !slices.Contains(p.cells, c) {
			wild = c
		}
		p.cells = append(p.cells, wild)
	}
}

// telling is the cell of the group with the action that exposes most.
func (w *witnesses) telling(group int) (int32, bool) {
	g := &w.groups.groups[group]
	if w.groups.cells[g.first].next < 0 {
		return g.first, true
	}
	for _, action := range tellingActions {
		entry, ok := w.index.lookup(action)
		if !ok {
			continue
		}
		for c := g.first; c >= 0; c = w.groups.cells[c].next {
			if w.groups.cells[c].entry == int32(entry) {
				return c, true
			}
		}
	}
	return 0, false
}

// make builds the request, checks it with the evaluator and takes away what does not matter.
func (w *witnesses) make(p *pendingWitness, action string) (Witness, bool) {
	r := Request{Caller: w.callers[p.caller].caller, Action: action}
	if p.as != nil {
		r.Caller = *p.as
	}
	resource := ""
	mentioned := w.mentions(p.group)
	var spare []string // keys that may not matter
	carry := func(d int32, values []string) {
		if r.Context == nil {
			r.Context = make(map[string][]string, len(p.request))
		}
		key := w.keys.dimensions[d].key
		r.Context[key] = values
		if len(values) > 1 || !w.needed(p, d) {
			spare = append(spare, key)
		}
	}
	for i := range p.request {
		a := &p.request[i]
		if !w.choose(a) {
			return Witness{}, false
		}
		switch {
		case a.dimension == resourceDimension:
			resource = a.values[0]
		case !a.absent && mentioned[a.dimension]:
			carry(a.dimension, a.values)
		}
	}
	for d := range p.pins {
		switch x := &p.pins[d]; {
		case !x.fixed || len(x.values) == 0:
		case int32(d) == resourceDimension:
			resource = x.values[0]
		case mentioned[d]:
			carry(int32(d), x.values)
		}
	}
	witness, ok := w.place(p, &r, resource)
	if !ok {
		return witness, false
	}
	r.Resource = witness.Request.Resource
	slices.Sort(spare)
	for changed := true; changed; {
		changed = false
		for _, key := range spare {
			values, there := r.Context[key]
			if !there {
				continue
			}
			delete(r.Context, key)
			if smaller, fine := w.evaluate(p, &r); fine {
				// What another key was there for may have gone with this one.
				witness, changed = smaller, len(r.Context) > 0
				continue
			}
			r.Context[key] = values
			for i := 0; len(values) > 1 && i < len(values); {
				fewer := slices.Delete(slices.Clone(values), i, i+1)
				r.Context[key] = fewer
				if smaller, fine := w.evaluate(p, &r); fine {
					witness, values, changed = smaller, fewer, true
				} else {
					r.Context[key] = values
					i++
				}
			}
		}
	}
	if len(r.Context) == 0 {
		witness.Request.Context = nil
	}
	return witness, true
}

// mentions says which dimensions the statements of a group name, as a condition key or as a policy variable.
func (w *witnesses) mentions(group int) []bool {
	if have, ok := w.mentioned[group]; ok {
		return have
	}
	out := make([]bool, len(w.keys.dimensions))
	add := func(p *pattern) {
		if !p.variable {
			return
		}
		for i := range p.tokens {
			if p.tokens[i].kind == tokenVariable {
				out[w.keys.dimension(p.tokens[i].text)] = true
			}
		}
	}
	eachBit(w.groups.groups[group].statements, func(i int) {
		s := w.compile(i)
		for j := range s.resources {
			add(&s.resources[j])
		}
		for j := range s.conditions {
			k := &s.conditions[j]
			out[w.keys.dimension(k.key)] = true
			for n := range k.operands {
				add(&k.operands[n].pattern)
			}
		}
	})
	if w.mentioned == nil {
		w.mentioned = map[int][]bool{}
	}
	w.mentioned[group] = out
	return out
}

// choose finds the value of a dimension of which only the one requirement is known yet.
func (w *witnesses) choose(a *assigned) bool {
	if !a.later {
		return true
	}
	if e := w.words.tests[a.test].element; e != nil && !e.negated && w.keys.dimensions[a.dimension].family != familyARN {
		// A member of what is listed will do, if it is an ARN where that is asked.
		for _, l := range e.languages[:min(len(e.languages), 4)] {
			text := l.member(0)
			if _, ok := splitARN(text); !l.empty && (ok || text == "*" || a.dimension != resourceDimension) && l.matches(text) {
				a.values, a.later = []string{text}, false
				return true
			}
		}
	}
	d := w.domain(a.dimension, []int32{a.test}, nil)
	if d.size() == 0 {
		w.finish(d)
	}
	if d.size() == 0 || d.isVague(0) {
		return false
	}
	a.values, a.later = []string{d.value(0)}, false
	return true
}

// needed says that the statements that grant cannot do without the key: they ask for a value of it, or all that some element
// lists has a policy variable of it.
func (w *witnesses) needed(p *pendingWitness, d int32) bool {
	return slices.ContainsFunc(p.credit, func(b int32) bool { return w.needs(b)[d] })
}

// needs lists the dimensions that a bit cannot do without.
func (w *witnesses) needs(b int32) []bool {
	if have, ok := w.needing[b]; ok && w.needingIn == w.words {
		return have
	}
	out := make([]bool, len(w.keys.dimensions))
	for _, n := range w.words.bits[b].atoms {
		if x := &w.words.atoms[n]; !x.absent {
			out[x.dimension] = true
		}
	}
	s := w.compile(int(w.words.bits[b].statements[0]))
	variables := func(n int, pattern func(i int) *pattern) {
		if n == 0 || !pattern(0).variable {
			return
		}
		for _, t := range pattern(0).tokens {
			if t.kind != tokenVariable || t.defaulted {
				continue
			}
			all := true
			for i := 1; i < n; i++ {
				all = all && slices.ContainsFunc(pattern(i).tokens, func(u token) bool {
					return u.kind == tokenVariable && !u.defaulted && equalFold(u.text, t.text)
				})
			}
			if all {
				out[w.keys.dimension(t.text)] = true
			}
		}
	}
	if !s.notResource {
		variables(len(s.resources), func(i int) *pattern { return &s.resources[i] })
	}
	for j := range s.conditions {
		if k := &s.conditions[j]; !k.negated && !k.ifExists && k.quantifier != forAllValues && k.comparison.takesVariables() {
			variables(len(k.operands), func(i int) *pattern { return &k.operands[i].pattern })
		}
	}
	if w.needing == nil || w.needingIn != w.words {
		w.needing, w.needingIn = map[int32][]bool{}, w.words
	}
	w.needing[b] = out
	return out
}

// place chooses the resource: the one that was found when the statement lists it or it is at hand, else one that suits the
// action, as long as the request still shows the difference.
func (w *witnesses) place(p *pendingWitness, r *Request, resource string) (Witness, bool) {
	try := func(candidate string) (Witness, bool) {
		r.Resource = candidate
		return w.check(p, r)
	}
	if w.home == nil {
		h := homeOf(w.statement)
		w.home = &h
	}
	if resource == "" {
		for form := 0; ; form++ {
			candidate := w.home.resource(r.Action, form)
			if candidate == "" {
				return Witness{}, false
			}
			if witness, ok := try(candidate); ok {
				return witness, true
			}
		}
	}
	lists := w.resourceLists(p)
	fixed := slices.ContainsFunc(lists, func(e *element) bool {
		return anyLanguage(e.languages, func(l *language) bool { return l.single && l.text == resource })
	})
	if w.facts != nil && !fixed {
		_, fixed = w.facts.at[resource]
	}
	if !fixed {
		suits := func(candidate string) bool {
			return candidate != resource && !slices.ContainsFunc(lists, func(e *element) bool { return !e.holds(candidate) })
		}
		if candidate := w.home.resource(r.Action, 0); suits(candidate) {
			if witness, ok := try(candidate); ok {
				return witness, true
			}
		}
		var witness Witness
		ok := false
		w.home.tidy(resource, func(candidate string) bool {
			if suits(candidate) {
				witness, ok = try(candidate)
			}
			return ok
		})
		if ok {
			return witness, true
		}
	}
	return try(resource)
}

// resourceLists are what the granting statements ask of the resource.
func (w *witnesses) resourceLists(p *pendingWitness) []*element {
	var out []*element
	for _, n := range p.require {
		if x := &w.words.atoms[n]; x.dimension == resourceDimension {
			out = append(out, w.words.tests[x.test].element)
		}
	}
	return out
}

// check evaluates the request on both sides. It passes when the facts allow for it and the sides differ in the direction looked
// for, by a statement that is credited with it.
func (w *witnesses) check(p *pendingWitness, r *Request) (Witness, bool) {
	if w.facts != nil && !w.permits(&p.difference, w.groups.groups[p.group].profile, r, w.mentions(p.group)) {
		return Witness{}, false
	}
	return w.evaluate(p, r)
}

// evaluate is check without the facts.
func (w *witnesses) evaluate(p *pendingWitness, r *Request) (Witness, bool) {
	out := Witness{Direction: p.direction, Request: *r}
	sides := w.sides(p.group)
	if sides == nil || !w.checks.spend(sides[0].cost(r)+sides[1].cost(r)) {
		return out, false
	}
	out.Expected = sides[expectedSide].Evaluate(r)
	out.Actual = sides[actualSide].Evaluate(r)
	allows, refuses := &out.Expected, &out.Actual
	if p.direction == Excess {
		allows, refuses = refuses, allows
	}
	if allows.Outcome != Allowed || refuses.Outcome == Allowed || refuses.Outcome == Undecided {
		return out, false
	}
	for _, b := range p.credit {
		credited := slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool {
			return slices.Contains(allows.By, w.statement[s].name())
		})
		if !credited {
			return out, false
		}
	}
	return out, true
}

// cost is about how many steps the evaluator takes for a request.
func (c *Compiled) cost(r *Request) int {
	n := 10
	pattern := func(p *pattern, text int) {
		n += 2 + len(p.tokens)/4
		if p.shape == shapeGeneral && text > 64 {
			longest := 0
			for i := range p.tokens {
				longest = max(longest, len(p.tokens[i].text))
			}
			n += text * (1 + longest/16)
		}
	}
	for i := range c.statements {
		s := &c.statements[i]
		n += 10 + len(s.principals)
		for j := range s.resources {
			pattern(&s.resources[j], len(r.Resource))
		}
		for j := range s.conditions {
			k := &s.conditions[j]
			text := 0
			for _, v := range r.Context[k.key] {
				text += len(v)
			}
			n += 4 + len(k.operands)
			if text > 64 {
				for m := range k.operands {
					pattern(&k.operands[m].pattern, text)
				}
			}
		}
	}
	return n
}

// sides are both sets without the statements that name no action of the group.
func (w *witnesses) sides(group int) *[2]Compiled {
	if have, ok := w.checked[group]; ok {
		return have
	}
	out := &[2]Compiled{}
	for at := range out {
		out[at] = Compiled{relation: w.relations[at], bounded: w.limited[at]}
	}
	eachBit(w.groups.groups[group].statements, func(i int) {
		if w.budget.memory < 0 {
			out = nil
		}
		if out != nil {
			at := sideOf(w.statement[i].role)
			out[at].statements = append(out[at].statements, *w.compile(i).statement)
		}
	})
	if w.checked == nil {
		w.checked = map[int]*[2]Compiled{}
	}
	w.checked[group] = out
	return out
}

// identity is a text that is the same for equal requests only; sorted, requests stand by action, then resource.
func (r *Request) identity() string {
	n := len(r.Action) + len(r.Resource) + len(r.Caller.ARN) + len(r.Caller.Session) + len(r.Caller.Service) + 16
	for key, values := range r.Context {
		n += len(key) + 2
		for _, v := range values {
			n += len(v) + 2
		}
	}
	var b strings.Builder
	b.Grow(n)
	for _, s := range [...]string{r.Action, r.Resource, string(r.Caller.Kind), r.Caller.ARN, r.Caller.Session, r.Caller.Service} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	if len(r.Context) == 0 {
		return b.String()
	}
	var room [16]string
	names := room[:0]
	for key := range r.Context {
		names = append(names, key)
	}
	slices.Sort(names)
	for _, key := range names {
		b.WriteString(key)
		for _, v := range r.Context[key] {
			b.WriteByte(1)
			b.WriteString(v)
		}
		b.WriteByte(0)
	}
	return b.String()
}
