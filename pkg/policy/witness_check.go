package policy

import (
	"slices"
	"strings"
)

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
