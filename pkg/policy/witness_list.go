package policy

import (
	"cmp"
	"slices"
	"strings"
)

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
	w.showDenials(p, &witness)
	if p.resource == "" {
		p.resource = witness.Request.Resource
	}
	at := p.direction.allows()
	w.words.key = append(w.words.key[:0], witness.Request.Action...)
	if _, known := w.actionsShown.number(w.words.key, 0); known {
		for _, list := range w.lists {
			for i := range list {
				if list[i].Request.Action == witness.Request.Action && list[i].Request.compare(&witness.Request) == 0 {
					return
				}
			}
		}
	}
	w.lists[at] = append(w.lists[at], witness)
}

// by are the statements that grant the request.
func (w *Witness) by() []StatementRef {
	if w.Direction == Missing {
		return w.Expected.By
	}
	return w.Actual.By
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
	list := w.lists[at]
	if len(list) == 0 {
		return nil
	}
	order := w.numbers.take(len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return list[a].Request.compare(&list[b].Request) })
	out := make([]Witness, len(list))
	for i, n := range order {
		out[i] = list[n]
	}
	return out
}

// cells chooses the actions to show for a difference: each that a statement lists by name, and one for what only wildcards reach.
func (w *witnesses) cells(p *pendingWitness) {
	g := &w.groups.groups[p.group]
	n := 1
	for c := g.first; c >= 0 && n <= MaxWitnesses; c = w.groups.cells[c].next {
		n++
	}
	p.cells = w.numbers.take(n)[:0]
	wild := int32(-1)
	for c := g.first; c >= 0; c = w.groups.cells[c].next {
		entry := w.groups.cells[c].entry
		switch {
		case entry >= 0 && w.index.named(int(entry)):
			if p.cells = append(p.cells, c); len(p.cells) > MaxWitnesses {
				return
			}
		case wild < 0:
			wild = c
		}
	}
	if wild < 0 {
		return
	}
	if c, ok := w.telling(p.group); ok && !slices.Contains(p.cells, c) {
		wild = c
	}
	p.cells = append(p.cells, wild)
}

// covers says whether a witness shows no more than others do: its action has one in the same direction that a statement
// grants which grants this request, too.
func (w *witnesses) covers(p *pendingWitness, witness *Witness) bool {
	by := witness.by()
	if len(by) < 2 {
		return false
	}
	list := w.lists[p.direction.allows()]
	return slices.ContainsFunc(by, func(ref StatementRef) bool {
		return slices.ContainsFunc(list, func(have Witness) bool {
			return have.Request.Action == witness.Request.Action && slices.Contains(have.by(), ref)
		}) && !slices.ContainsFunc(p.credit, func(b int32) bool {
			return slices.ContainsFunc(w.words.bits[b].statements, func(s int32) bool { return w.statement[s].name() == ref })
		})
	})
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
