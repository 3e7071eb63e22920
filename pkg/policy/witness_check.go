package policy

import (
	"cmp"
	"slices"
	"strings"
)

// check evaluates the request on both sides. It passes when the facts allow for it and the sides differ in the direction looked
// for, by a statement that is credited with it.
func (w *witnesses) check(p *pendingWitness, r *Request) (Witness, bool) {
	if w.facts != nil && !w.permits(&p.difference, w.groups.groups[p.group].profile, r, w.group(p.group).mentioned) {
		return Witness{}, false
	}
	return w.evaluate(p, r)
}

// evaluate is check without the facts: what differs by itself may be what they rule out.
func (w *witnesses) evaluate(p *pendingWitness, r *Request) (Witness, bool) {
	out := Witness{Direction: p.direction, Request: *r}
	g := w.group(p.group)
	sides := &g.sides
	if g.spent || !w.checks.spend(sides[0].cost(r)+sides[1].cost(r)) {
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
		if !w.names(allows.By, b) {
			return out, false
		}
	}
	if p.denial == noDenial {
		return out, true
	}
	return out, refuses.Outcome == ExplicitlyDenied && w.names(refuses.By, p.denial)
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
		s := c.statements[i]
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

// group makes ready what checking requests of a group takes.
func (w *witnesses) group(n int) *checkedGroup {
	if n := len(w.groups.groups); len(w.checked) < n {
		w.checked = append(w.checked, make([]checkedGroup, n)...)
	}
	g := &w.checked[n]
	if g.made {
		return g
	}
	g.made = true
	var counts [2]int
	statements := w.groups.groups[n].statements
	eachBit(statements, func(i int) { counts[sideOf(w.statement[i].role)]++ })
	for at := range g.sides {
		g.sides[at] = Compiled{relation: w.relations[at], bounded: w.limited[at], statements: w.sides.take(counts[at])[:0]}
	}
	g.mentioned = w.flags.take(len(w.keys.dimensions))
	eachBit(statements, func(i int) {
		if w.budget.memory < 0 {
			g.spent = true
			return
		}
		at := sideOf(w.statement[i].role)
		s := w.compile(i)
		g.sides[at].statements = append(g.sides[at].statements, s.statement)
		w.mentions(s, g.mentioned)
	})
	return g
}

// compare puts requests in order, by action, then resource, caller and condition keys; 0 says that they are equal.
func (r *Request) compare(s *Request) int {
	if c := cmp.Or(strings.Compare(r.Action, s.Action), strings.Compare(r.Resource, s.Resource),
		strings.Compare(string(r.Caller.Kind), string(s.Caller.Kind)), strings.Compare(r.Caller.ARN, s.Caller.ARN),
		strings.Compare(r.Caller.Session, s.Caller.Session), strings.Compare(r.Caller.Service, s.Caller.Service)); c != 0 {
		return c
	}
	if len(r.Context) == 0 || len(s.Context) == 0 {
		return cmp.Compare(len(r.Context), len(s.Context))
	}
	var rooms [2][8]string
	keys := [2][]string{rooms[0][:0], rooms[1][:0]}
	for i, context := range [...]map[string][]string{r.Context, s.Context} {
		for key := range context {
			keys[i] = append(keys[i], key)
		}
		slices.Sort(keys[i])
	}
	for i := range min(len(keys[0]), len(keys[1])) {
		if c := cmp.Or(strings.Compare(keys[0][i], keys[1][i]), slices.Compare(r.Context[keys[0][i]], s.Context[keys[1][i]])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(keys[0]), len(keys[1]))
}
