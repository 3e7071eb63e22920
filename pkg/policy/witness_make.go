package policy

import "slices"

// make builds the request, checks it with the evaluator and takes away what does not matter.
func (w *witnesses) make(p *pendingWitness, action string) (Witness, bool) {
	r := Request{Caller: w.callers[p.caller].caller, Action: action}
	if p.as != nil {
		r.Caller = *p.as
	}
	resource := ""
	mentioned := w.group(p.group).mentioned
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
			if smaller, fine := w.check(p, &r); fine {
				// What another key was there for may have gone with this one.
				witness, changed = smaller, len(r.Context) > 0
				continue
			}
			r.Context[key] = values
			for i := 0; len(values) > 1 && i < len(values); {
				fewer := slices.Delete(slices.Clone(values), i, i+1)
				r.Context[key] = fewer
				if smaller, fine := w.check(p, &r); fine {
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

// mentions marks the dimensions that a statement names, as a condition key or as a policy variable.
func (w *witnesses) mentions(s *compared, out []bool) {
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
				a.values, a.later = w.value(text), false
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
	a.values, a.later = w.value(d.value(0)), false
	return true
}

// value is a list of one value. Requests keep it.
func (w *witnesses) value(text string) []string {
	list := w.values.take(1)
	list[0] = text
	return list
}

// needed says that the statements that grant cannot do without the key: they ask for a value of it, or all that some element
// lists has a policy variable of it.
func (w *witnesses) needed(p *pendingWitness, d int32) bool {
	return slices.ContainsFunc(p.credit, func(b int32) bool { return w.needs(b)[d] })
}

// needs lists the dimensions that a bit cannot do without.
func (w *witnesses) needs(b int32) []bool {
	if w.needingIn != w.words {
		w.needing, w.needingIn = make([][]bool, len(w.words.bits)), w.words
	}
	for int(b) >= len(w.needing) {
		w.needing = append(w.needing, nil)
	}
	if w.needing[b] != nil {
		return w.needing[b]
	}
	out := w.flags.take(len(w.keys.dimensions))
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
			if t.kind != tokenVariable || t.fallback != nil {
				continue
			}
			all := true
			for i := 1; i < n; i++ {
				all = all && slices.ContainsFunc(pattern(i).tokens, func(u token) bool {
					return u.kind == tokenVariable && u.fallback == nil && equalFold(u.text, t.text)
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
	w.needing[b] = out
	return out
}

// resourceLists are what the granting statements ask of the resource.
func (w *witnesses) resourceLists(p *pendingWitness) []*element {
	out := w.asked.take(2)[:0]
	for _, n := range p.require {
		if x := &w.words.atoms[n]; x.dimension == resourceDimension {
			out = append(out, w.words.tests[x.test].element)
		}
	}
	return out
}
