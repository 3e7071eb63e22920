package policy

import "slices"

// noDenial says that a difference is not there to show a Deny.
const noDenial int32 = -1

// refuses is the side that refuses what differs in that direction.
func (d Direction) refuses() int { return 1 - d.allows() }

// showDenials marks the statements that deny a request which is shown.
func (w *witnesses) showDenials(p *pendingWitness, witness *Witness) {
	decision := witness.refusing()
	if decision.Outcome != ExplicitlyDenied {
		return
	}
	eachBit(w.groups.groups[p.group].statements, func(i int) {
		if s := &w.statement[i]; s.role.deny && sideOf(s.role) == p.direction.refuses() && slices.Contains(decision.By, s.name()) {
			setBit(w.shown, i)
		}
	})
}

// visitDenials shows the Deny statements that have no witness yet: each takes away what its own side would allow and the other side
// does allow. A difference is found by what grants it, so that of several statements which deny it only one need be seen by then.
// The verdict stands already; what it takes to show more is bounded.
func (w *witnesses) visitDenials() {
	open := false
	for i := range w.statement {
		open = open || w.showable(i)
	}
	if !open || w.budget.spent() || w.full(Missing) && w.full(Excess) {
		return
	}
	w.budget.left = min(w.budget.left, denialSteps)
	if len(w.variableKeys) > 0 {
		w.begin(w.readableCase())
	}
	for _, n := range w.sequence() {
		g := &w.groups.groups[n]
		if w.paired(g) {
			continue
		}
		for _, d := range directions {
			w.lookDenials(int(n), d)
		}
	}
}

// showable says whether there is more to show of a statement that denies: the statement, or the resources that it lists.
func (w *witnesses) showable(i int) bool {
	s := &w.statement[i]
	return s.role.deny && (!hasBit(w.shown, i) || len(s.written.Resources) > 1)
}

// denialSteps bounds what showing further Deny statements takes.
const denialSteps = totalSteps / 8

// lookDenials is visitDenials for one group and direction.
func (w *witnesses) lookDenials(group int, direction Direction) {
	g := &w.groups.groups[group]
	var open []int32
	eachBit(g.statements, func(i int) {
		if !w.showable(i) || sideOf(w.statement[i].role) != direction.refuses() {
			return
		}
		if b := w.bit(i); b >= 0 && !slices.Contains(open, b) {
			open = append(open, b)
		}
	})
	if len(open) == 0 {
		return
	}
	present := w.present(g)
	for _, b := range open {
		if w.full(direction) || w.budget.spent() {
			w.more = w.more || w.full(direction)
			return
		}
		d, ok := w.denied(present, g.profile, direction, b)
		if !ok {
			continue
		}
		p := pendingWitness{group: group, difference: d, insist: true, extra: true}
		w.cells(&p)
		if slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool { return !hasBit(w.shown, int(s)) && hasBit(g.statements, int(s)) }) {
			for p.next < len(p.cells) && !w.full(direction) {
				w.one(&p)
			}
		}
		for _, d := range w.otherResources(&p.difference, w.deniedResources(direction, b)) {
			w.one(&pendingWitness{group: group, difference: d, cells: p.cells[:1], insist: true, extra: true})
		}
	}
}

// deniedResources are the resources of the witnesses that show a statement which denies.
func (w *witnesses) deniedResources(direction Direction, denial int32) []string {
	var out []string
	for i := range w.lists[direction.allows()] {
		witness := &w.lists[direction.allows()][i]
		if refusing := witness.refusing(); refusing.Outcome == ExplicitlyDenied && w.names(refusing.By, denial) {
			out = append(out, witness.Request.Resource)
		}
	}
	return out
}

// names says whether a statement of the bit is among those.
func (w *witnesses) names(by []StatementRef, b int32) bool {
	return slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool { return slices.Contains(by, w.statement[s].name()) })
}

// refusing is the decision of the side that refuses the request.
func (w *Witness) refusing() *Decision {
	if w.Direction == Missing {
		return &w.Actual
	}
	return &w.Expected
}

// denied finds how a statement denies actions of a group that its own side allows without it, and the other side does. It is more
// than the verdict needs, so no doubt is left when nothing is found.
func (c *comparer) denied(present []int32, profile int32, direction Direction, denial int32) (difference, bool) {
	v := c.words
	for i := range c.callers {
		if !c.budget.spend(4 + 2*len(present)) {
			return difference{}, false
		}
		t := c.tally(present, &c.callers[i])
		facts := c.context(profile, i)
		if c.symmetric(&t) || facts.impossible || c.impossible || !slices.Contains(t[direction.refuses()].denies, denial) {
			continue
		}
		q := question{denies: []int32{denial}, facts: facts}
		allowed := true
		for _, d := range t[direction.allows()].denies {
			allowed = allowed && len(v.bits[d].atoms) > 0
			q.never = append(q.never, v.bits[d].atoms)
		}
		if !allowed {
			continue
		}
		theirs := slices.Clone(c.grants(direction.allows(), &t[direction.allows()]))
		for _, own := range c.grants(direction.refuses(), &t[direction.refuses()]) {
			for _, g := range theirs {
				var require []int32
				for _, b := range slices.Concat(g.bits, own.bits) {
					require = append(require, v.bits[b].atoms...)
				}
				request, pins, answer := c.refute(require, &q)
				if answer == found {
					require = append(require, v.bits[denial].atoms...)
					return difference{direction: direction, caller: i, credit: g.credit, denial: denial, request: request, require: require, question: &q, pins: pins}, true
				}
				if c.budget.spent() {
					return difference{}, false
				}
			}
		}
	}
	return difference{}, false
}
