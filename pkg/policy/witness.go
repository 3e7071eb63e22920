package policy

import (
	"math/bits"
	"slices"
)

// witnesses turns differences into requests.
type witnesses struct {
	*comparer
	shown  []uint64 // the statements that have a witness: they grant it, or deny it
	state  map[item]itemState
	checks budget // for the evaluator's answers

	needing   [][]bool    // for each bit the dimensions that it cannot do without
	needingIn *vocabulary // whose bits they are
	more      bool

	home   home
	values slab[string]
	other  pendingWitness
}

// checkedGroup is what is needed to check the requests of a group of actions.
type checkedGroup struct {
	made      bool
	spent     bool        // the memory ended
	sides     [2]Compiled // both sides without the statements that name no action of the group
	mentioned []bool      // the dimensions that its statements name
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

	covered bool // another statement grants the last request as well, and shows it
	insist  bool // it is shown all the same
	extra   bool // its statements are settled without it
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
	w.visitDenials()
}

// visit looks at every group, as far as its statements have no witness yet, and with all at those too of which the statements
// have one.
func (w *witnesses) visit(all bool) {
	type visit struct {
		group     int
		direction Direction
	}
	var later []visit
	for _, n := range w.sequence() {
		i := int(n)
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
	w.queue = w.laterQueue[:0]
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
	w.insist(queue)
	w.queue, w.laterQueue = emptied(queue), emptied(w.queue)
}

// insist shows what another statement grants as well, where a statement has nothing else to show.
func (w *witnesses) insist(queue []pendingWitness) {
	for i := range queue {
		if p := &queue[i]; p.covered && w.fresh(p.group, p.credit) {
			p.insist, p.next = true, 0
			w.one(p)
		}
	}
}

// sequence is the order in which groups are looked at: first those with the actions that expose most.
func (w *witnesses) sequence() []int32 {
	out := make([]int32, 0, len(w.groups.groups))
	for _, action := range tellingActions {
		if entry, ok := w.index.lookup(action); ok && !slices.Contains(out, w.groups.of[entry]) {
			out = append(out, w.groups.of[entry])
		}
	}
	early := len(out)
	for i := range w.groups.groups {
		if !slices.Contains(out[:early], int32(i)) {
			out = append(out, int32(i))
		}
	}
	return out
}

// fresh says whether a credited statement has no witness yet.
func (w *witnesses) fresh(group int, credit []int32) bool {
	g := &w.groups.groups[group]
	return slices.ContainsFunc(credit, func(b int32) bool {
		return slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool { return !hasBit(w.shown, int(s)) && hasBit(g.statements, int(s)) })
	})
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
	list := w.differences(present, g.profile, direction)
	if len(list) > 1 {
		// What asks for least comes first: the others may have nothing to show beside it.
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b difference) int { return len(a.require) - len(b.require) })
	}
	news := slices.ContainsFunc(list, func(d difference) bool { return w.fresh(group, d.credit) })
	for i := range list {
		w.queue = append(w.queue, pendingWitness{group: group, difference: list[i]})
		p := &w.queue[len(w.queue)-1]
		fresh := w.fresh(group, p.credit)
		switch {
		case !fresh && !all, w.state[w.itemOf(p)] == itemShown:
			w.queue = w.queue[:len(w.queue)-1]
		case p.vague:
			w.leave(p)
			w.queue = w.queue[:len(w.queue)-1]
		case news:
			w.write(p)
		}
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
		w.other = *p
		w.other.cells, w.other.next, w.other.as, w.other.extra = p.cells[:1], 0, &caller, true
		w.one(&w.other)
	}
	for _, d := range w.otherResources(&p.difference, []string{p.resource}) {
		if w.full(p.direction) {
			w.more = true
			return
		}
		w.other = pendingWitness{group: p.group, difference: d, cells: p.cells[:1], extra: true}
		w.one(&w.other)
	}
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
			if p.covered = !p.insist && w.covers(p, &witness); !p.covered {
				w.keep(p, witness)
			} else if w.state != nil {
				w.state[w.itemOf(p)] = itemShown
			}
			return
		}
	}
	if first && !p.extra {
		w.leave(p)
	}
}
