package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// witnesses turns differences into requests.
type witnesses struct {
	*comparer
	groups  *actionGroups
	pending []pendingWitness // of the present run
	seen    map[string]bool
	lists   [2][]Witness // missing, excess
	more    bool
	home    *home
	state   map[item]itemState
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

// pendingWitness is a difference of one group of actions.
type pendingWitness struct {
	group int
	difference
	cells []int32 // the actions to show
	shown int
}

func (p *pendingWitness) list() int {
	if p.direction == Missing {
		return 0
	}
	return 1
}

func (w *witnesses) itemOf(p *pendingWitness) item {
	return item{p.direction, p.group, w.words.bits[p.credit[0]].statements[0]}
}

func newWitnesses(c *comparer, g *actionGroups) *witnesses {
	return &witnesses{comparer: c, groups: g}
}

// look finds the differences of a group.
func (w *witnesses) look(group int) {
	g := &w.groups.groups[group]
	present := w.present(g)
	if len(present) == 0 {
		return
	}
	for _, d := range w.differences(present, g.profile) {
		w.pending = append(w.pending, pendingWitness{group: group, difference: d})
	}
}

// write makes the requests of a run: first one for every difference, then the other actions that a statement lists by
// name. A difference without a request stays open.
func (w *witnesses) write() {
	if len(w.pending) == 0 {
		return
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
		w.state = map[item]itemState{}
		h := homeOf(w.statement)
		w.home = &h
	}
	for i := range w.pending {
		p := &w.pending[i]
		at := w.itemOf(p)
		if p.vague {
			if w.state[at] == 0 {
				w.state[at] = itemOpen
			}
			continue
		}
		p.cells = w.cells(p)
		w.next(p)
	}
	for i := range w.pending {
		p := &w.pending[i]
		for p.shown < len(p.cells) {
			if len(w.lists[p.list()]) >= MaxWitnesses {
				w.more = true
				break
			}
			w.next(p)
		}
	}
	w.pending = w.pending[:0]
}

// open says whether something may be a difference and has no witness.
func (w *witnesses) open() bool {
	for _, s := range w.state {
		if s == itemOpen {
			return true
		}
	}
	return false
}

// settle looks at the cases of the policy variables for what is open: first at those with known values, which show a witness
// or none, then at the rest. What the rest cannot exclude either stays in doubt.
func (w *witnesses) settle(keys []variableCase) {
	if len(keys) == 0 {
		for _, at := range w.openItems() {
			w.doubt(at.statement, doubtText(keys))
		}
		return
	}
	concrete, rest := w.variableCases(keys)
	for _, one := range concrete {
		if !w.open() || w.budget.spent() {
			break
		}
		w.lookAgain(one)
		w.write()
	}
	possible := map[item]bool{}
	for _, one := range rest {
		if !w.open() {
			return
		}
		w.lookAgain(one)
		for i := range w.pending {
			possible[w.itemOf(&w.pending[i])] = true
		}
		w.write()
	}
	for _, at := range w.openItems() {
		if possible[at] || w.budget.spent() {
			w.doubt(at.statement, doubtText(keys))
		}
	}
}

// doubtText says why a difference could not be settled.
func doubtText(keys []variableCase) string {
	if len(keys) == 0 {
		return "no request could be shown that this statement decides differently"
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = "${" + k.key + "}"
	}
	return "it could not be settled whether some value of " + strings.Join(names, ", ") + " makes a difference"
}

// openItems are what is open, in the order of statements.
func (w *witnesses) openItems() []item {
	var out []item
	for at, s := range w.state {
		if s == itemOpen {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.statement, b.statement), cmp.Compare(a.group, b.group), strings.Compare(string(a.direction), string(b.direction)))
	})
	return out
}

// lookAgain begins the run of a case and looks at the groups in which something is open.
func (w *witnesses) lookAgain(variables []variableCase) {
	w.begin(variables)
	last := -1
	groups := make([]int, 0, len(w.state))
	for _, at := range w.openItems() {
		groups = append(groups, at.group)
	}
	slices.Sort(groups)
	for _, g := range groups {
		if g != last {
			w.look(g)
		}
		last = g
	}
	w.pending = slices.DeleteFunc(w.pending, func(p pendingWitness) bool { return w.state[w.itemOf(&p)] == itemShown })
}

// result puts the witnesses and doubts in order.
func (w *witnesses) result() Result {
	for i := range w.lists {
		slices.SortFunc(w.lists[i], compareWitnesses)
	}
	slices.SortStableFunc(w.reasons, func(a, b Reason) int {
		return cmp.Or(strings.Compare(a.Statement.Document, b.Statement.Document), cmp.Compare(a.Statement.Index, b.Statement.Index), strings.Compare(a.Text, b.Text))
	})
	return Result{Missing: w.lists[0], Excess: w.lists[1], Indeterminate: w.reasons, Truncated: w.more}
}

// cells chooses the actions to show for a difference: each that a granting statement lists by name, and one for its wildcards.
func (w *witnesses) cells(p *pendingWitness) []int32 {
	g := &w.groups.groups[p.group]
	var names []int32
	wild := int32(-1)
	for c := g.first; c >= 0; c = w.groups.cells[c].next {
		entry := w.groups.cells[c].entry
		if entry >= 0 && w.namedBy(p, entry) {
			names = append(names, c)
		} else if wild < 0 {
			wild = c
		}
	}
	if wild >= 0 {
		if c, ok := w.telling(p.group); ok && !slices.Contains(names, c) {
			wild = c
		}
		names = append(names, wild)
	}
	return names
}

// namedBy says whether a credited statement lists the action by name.
func (w *witnesses) namedBy(p *pendingWitness, entry int32) bool {
	for _, b := range p.credit {
		for _, s := range w.words.bits[b].statements {
			if hasBit(w.index.sets[int(entry)*w.index.words:], int(s)) && len(w.statement[s].written.NotActions) == 0 {
				return true
			}
		}
	}
	return false
}

// telling is the cell of the group with the action that exposes most.
func (w *witnesses) telling(group int) (int32, bool) {
	g := &w.groups.groups[group]
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

// next makes the request for the next action of p.
func (w *witnesses) next(p *pendingWitness) {
	if p.shown >= len(p.cells) {
		return
	}
	cell := p.cells[p.shown]
	first := p.shown == 0
	p.shown++
	at := w.itemOf(p)
	if len(w.lists[p.list()]) >= MaxWitnesses {
		w.more = true
		w.state[at] = itemShown
		return
	}
	action, ok := w.groups.spell(cell, p.group)
	if ok {
		var witness Witness
		if witness, ok = w.make(p, action); ok {
			w.state[at] = itemShown
			if key := witness.Request.identity(); !w.seen[key] {
				w.seen[key] = true
				w.lists[p.list()] = append(w.lists[p.list()], witness)
			}
			return
		}
	}
	if first && w.state[at] == 0 {
		w.state[at] = itemOpen
	}
}

// make builds the request, checks it with the evaluator and takes away what does not matter.
func (w *witnesses) make(p *pendingWitness, action string) (Witness, bool) {
	r := Request{Caller: w.callers[p.caller].caller, Action: action}
	resource := ""
	for _, a := range p.request {
		switch {
		case a.dimension == resourceDimension:
			if len(a.values) > 0 {
				resource = a.values[0]
			}
		case !a.absent:
			if r.Context == nil {
				r.Context = map[string][]string{}
			}
			r.Context[w.words.dimensions[a.dimension].key] = a.values
		}
	}
	var witness Witness
	ok := false
	for _, candidate := range w.candidates(action, resource) {
		r.Resource = candidate
		if witness, ok = w.check(p, &r); ok {
			break
		}
	}
	if !ok {
		r.Resource = resource
		if witness, ok = w.check(p, &r); !ok {
			return witness, false
		}
		for _, candidate := range w.home.tidy(resource) {
			r.Resource = candidate
			if tidy, ok := w.check(p, &r); ok {
				witness = tidy
				break
			}
		}
		r.Resource = witness.Request.Resource
	}
	for _, key := range slices.Sorted(maps.Keys(r.Context)) {
		fewer := maps.Clone(r.Context)
		delete(fewer, key)
		less := r
		less.Context = fewer
		if smaller, ok := w.evaluate(p, &less); ok {
			r.Context = fewer
			witness = smaller
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Context)) {
		for i := 0; len(r.Context[key]) > 1 && i < len(r.Context[key]); {
			fewer := maps.Clone(r.Context)
			fewer[key] = slices.Delete(slices.Clone(r.Context[key]), i, i+1)
			less := r
			less.Context = fewer
			if smaller, ok := w.evaluate(p, &less); ok {
				r.Context, witness = fewer, smaller
			} else {
				i++
			}
		}
	}
	if len(r.Context) == 0 {
		witness.Request.Context = nil
	}
	return witness, true
}

// candidates are the resources to try before the one that was found: none when that one is at hand.
func (w *witnesses) candidates(action, resource string) []string {
	if w.facts != nil {
		if _, ok := w.facts.at[resource]; ok {
			return nil
		}
	}
	return w.home.resources(action)
}

// check evaluates the request on both sides. It passes when the sides differ in the direction looked for, and by a statement
// that is credited with it.
func (w *witnesses) check(p *pendingWitness, r *Request) (Witness, bool) {
	if !w.permits(&p.difference, w.groups.groups[p.group].profile, r) {
		return Witness{}, false
	}
	return w.evaluate(p, r)
}

// evaluate is check without the facts.
func (w *witnesses) evaluate(p *pendingWitness, r *Request) (Witness, bool) {
	out := Witness{Direction: p.direction, Request: *r}
	w.budget.spend(20)
	out.Expected = w.compiled[expectedSide].Evaluate(r)
	out.Actual = w.compiled[actualSide].Evaluate(r)
	allows, refuses := &out.Expected, &out.Actual
	if p.direction == Excess {
		allows, refuses = refuses, allows
	}
	if allows.Outcome != Allowed || refuses.Outcome == Allowed || refuses.Outcome == Undecided {
		return out, false
	}
	for _, b := range p.credit {
		credited := slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool {
			return slices.Contains(allows.By, w.statement[s].ref[0])
		})
		if !credited {
			return out, false
		}
	}
	return out, true
}

// identity is a text that is the same for equal requests only.
func (r *Request) identity() string {
	var b strings.Builder
	for _, s := range [...]string{r.Action, r.Resource, string(r.Caller.Kind), r.Caller.ARN, r.Caller.Session, r.Caller.Service} {
		b.WriteString(s)
		b.WriteByte(0)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Context)) {
		b.WriteString(key)
		for _, v := range r.Context[key] {
			b.WriteByte(1)
			b.WriteString(v)
		}
		b.WriteByte(0)
	}
	return b.String()
}

func compareWitnesses(a, b Witness) int {
	return cmp.Or(strings.Compare(a.Request.Action, b.Request.Action), strings.Compare(a.Request.Resource, b.Request.Resource),
		strings.Compare(a.Request.identity(), b.Request.identity()))
}
