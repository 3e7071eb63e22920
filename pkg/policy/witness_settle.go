package policy

import (
	"cmp"
	"slices"
	"strings"
)

// leave says that a difference may be one.
func (w *witnesses) leave(p *pendingWitness) {
	if w.state == nil {
		w.state = map[item]itemState{}
	}
	if at := w.itemOf(p); w.state[at] == 0 {
		w.state[at] = itemOpen
	}
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
	var queue []pendingWitness
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
				queue = append(queue, p)
			}
		}
	}
	w.insist(queue)
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
