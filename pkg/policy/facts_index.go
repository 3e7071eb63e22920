package policy

import (
	"maps"
	"slices"
	"strings"
)

// factIndex is Facts made ready.
type factIndex struct {
	facts     []ActionFact
	complete  []string
	literal   map[string][]int32 // lower-case action to the facts that name it
	services  map[string][]int32 // service to the facts of all its actions
	globs     []factGlob         // any other pattern
	actions   []string           // the literal actions as written
	keys      []KeyFact
	resources []*ResourceFact // sorted by ARN
	at        map[string]int  // ARN to its place in resources
	universe  []UniverseFact
}

type factGlob struct {
	language *language
	fact     int32
}

// index makes the facts ready, once.
func (f *Facts) index() *factIndex {
	if x := f.ready.Load(); x != nil {
		return x
	}
	x := &factIndex{}
	if f.base != nil {
		*x = *f.base.index()
		x.facts, x.keys, x.universe = slices.Clip(x.facts), slices.Clip(x.keys), slices.Clip(x.universe)
		x.complete, x.globs, x.actions = slices.Clip(x.complete), slices.Clip(x.globs), slices.Clip(x.actions)
	}
	if len(f.Actions) > 0 {
		x.literal, x.services = maps.Clone(x.literal), maps.Clone(x.services)
	}
	if x.literal == nil {
		x.literal, x.services = map[string][]int32{}, map[string][]int32{}
	}
	x.add(f)
	f.ready.Store(x)
	return x
}

func (x *factIndex) add(f *Facts) {
	x.complete = append(x.complete, f.Complete...)
	for i := range f.Actions {
		n := int32(len(x.facts))
		x.facts = append(x.facts, f.Actions[i])
		for _, text := range f.Actions[i].Actions {
			lower := lowerASCII(text)
			service, name, _ := strings.Cut(lower, ":")
			switch {
			case !strings.ContainsAny(lower, "*?"):
				if _, known := x.literal[lower]; !known {
					x.actions = append(x.actions, text)
				}
				x.literal[lower] = append(slices.Clip(x.literal[lower]), n)
			case name == "*" && !strings.ContainsAny(service, "*?"):
				x.services[service] = append(slices.Clip(x.services[service]), n)
			default:
				p := newPattern(lower, ruleText, true, false, false)
				x.globs = append(x.globs, factGlob{patternLanguage(&p, nil), n})
			}
		}
	}
	x.keys = append(x.keys, f.Keys...)
	x.universe = append(x.universe, f.Universe...)
	if len(f.Resources) == 0 {
		return
	}
	resources := make([]*ResourceFact, 0, len(x.resources)+len(f.Resources))
	for i := range f.Resources {
		resources = append(resources, &f.Resources[i])
	}
	// What is added last counts where a resource is at hand twice.
	resources = append(resources, x.resources...)
	slices.SortStableFunc(resources, func(a, b *ResourceFact) int { return strings.Compare(a.ARN, b.ARN) })
	x.resources = slices.CompactFunc(resources, func(a, b *ResourceFact) bool { return a.ARN == b.ARN })
	x.at = make(map[string]int, len(x.resources))
	for i, r := range x.resources {
		x.at[r.ARN] = i
	}
}

// inFamily says whether a lower-case key is the one that is named, or one of the named family.
func inFamily(lower, named string) bool {
	if family, ok := strings.CutSuffix(named, "*"); ok {
		return hasPrefix(lower, family, true)
	}
	return equalFold(lower, named)
}

// factView is the facts as one comparison sees them.
type factView struct {
	*factIndex
	profiles map[string]int32 // the facts of an action, as text, to their number
	sets     [][]int32        // by number
	classes  []resourceClass
	classed  bool
	contexts map[[2]int32]*factContext
}

func newFactView(f *Facts) *factView {
	if f == nil {
		return nil
	}
	v := &factView{factIndex: f.index(), profiles: map[string]int32{"": 0}, sets: [][]int32{nil}, contexts: map[[2]int32]*factContext{}}
	return v
}

// reset forgets what belongs to one run.
func (v *factView) reset() {
	v.classes, v.classed = nil, false
	v.contexts = map[[2]int32]*factContext{}
}

// profile is the number of the set of facts that speak of an action, given in lower case.
func (v *factView) profile(action string) int32 {
	service, _, _ := strings.Cut(action, ":")
	var room [8]int32
	set := append(room[:0], v.literal[action]...)
	set = append(set, v.services[service]...)
	for _, g := range v.globs {
		if g.language.matches(action) {
			set = append(set, g.fact)
		}
	}
	slices.Sort(set)
	set = slices.Compact(set)
	key := make([]byte, 0, 32)
	for _, n := range set {
		key = appendInt(key, n)
	}
	if p, ok := v.profiles[string(key)]; ok {
		return p
	}
	p := int32(len(v.sets))
	v.profiles[string(key)] = p
	v.sets = append(v.sets, slices.Clone(set))
	return p
}

// general says whether some facts speak of patterns of actions that are not all of a service.
func (v *factView) general() bool { return len(v.globs) > 0 }

// applyKeys lets what is known of keys decide how their values are told apart.
func (v *factView) applyKeys(keys *dictionary) {
	for i := range keys.dimensions[1:] {
		d := &keys.dimensions[i+1]
		for _, k := range v.keys {
			if !inFamily(d.lower, k.Key) {
				continue
			}
			switch k.Values {
			case SingleValued:
				d.several = false
			case MultiValued:
				d.several = true
			}
			switch f, _ := familyOfType(k.Type); {
			case f == familyNone:
			case d.family == familyNone, f == familyARN && d.family == familyText, f == familyBoolean && (d.family == familyText || d.family == familyMixed):
				d.family = f
			}
		}
	}
}

// factContext is what the facts ask of every request for an action by a caller: all atoms of require hold, and of each
// clause at least one atom does not.
type factContext struct {
	require    []int32
	clauses    [][]int32
	impossible bool // no request is like that
}

// context compiles what the facts say of the actions of a profile and the callers of a class.
func (c *comparer) context(profile int32, caller int) *factContext {
	if c.facts == nil {
		return &factContext{require: c.require, clauses: c.refuse}
	}
	key := [2]int32{profile, int32(caller)}
	if have, ok := c.facts.contexts[key]; ok {
		return have
	}
	x := &factContext{require: slices.Clone(c.require), clauses: slices.Clone(c.refuse)}
	c.facts.contexts[key] = x
	v := c.words
	need := func(a int32, what requirement) {
		switch what {
		case requires:
			x.require = append(x.require, a)
		case neverHolds:
			x.impossible = true
		default:
		}
	}
	for _, n := range c.facts.sets[profile] {
		f := &c.facts.facts[n]
		switch {
		case f.NoResource:
			v.numbers = append(v.numbers[:0], v.literal("*"))
			need(v.atom(v.textTest(resourceDimension, false), forAnyValue, false))
		case len(f.Resources) > 0:
			need(v.atom(v.resourceTest(f.Resources), forAnyValue, false))
		}
		for d := 1; d < len(v.dimensions); d++ {
			lower := v.dimensions[d].lower
			if slices.ContainsFunc(f.Absent, func(k string) bool { return inFamily(lower, k) }) {
				need(v.atom(v.presence(int32(d), false), forAnyValue, true))
			}
			if slices.ContainsFunc(f.Present, func(k string) bool { return inFamily(lower, k) }) {
				need(v.atom(v.presence(int32(d), true), forAnyValue, false))
			}
		}
	}
	// The caller of identity documents is a role or a user; only what holds for both is known of it.
	kinds := []CallerKind{c.callers[caller].caller.Kind}
	if kinds[0] == "" {
		kinds = []CallerKind{CallerRole, CallerUser}
	}
	all := func(named []CallerKind) bool {
		return !slices.ContainsFunc(kinds, func(k CallerKind) bool { return !slices.Contains(named, k) })
	}
	for i := range c.facts.keys {
		k := &c.facts.keys[i]
		for d := 1; d < len(v.dimensions); d++ {
			if !inFamily(v.dimensions[d].lower, k.Key) {
				continue
			}
			if all(k.AbsentFor) {
				need(v.atom(v.presence(int32(d), false), forAnyValue, true))
			}
			if all(k.PresentFor) {
				need(v.atom(v.presence(int32(d), true), forAnyValue, false))
			}
		}
	}
	for i := range c.facts.universe {
		u := &c.facts.universe[i]
		inside, what := v.atom(v.resourceTest(u.Resources), forAnyValue, false)
		if what != requires {
			continue
		}
		if u.Closed {
			x.clauses = append(x.clauses, []int32{inside})
			continue
		}
		for d := 1; d < len(v.dimensions); d++ {
			for key, values := range u.Without {
				if !equalFold(key, v.dimensions[d].lower) || len(values) == 0 {
					continue
				}
				v.numbers = v.numbers[:0]
				for _, text := range values {
					v.numbers = append(v.numbers, v.literal(text))
				}
				if a, what := v.atom(v.textTest(int32(d), false), forAnyValue, false); what == requires {
					x.clauses = append(x.clauses, []int32{inside, a})
				}
			}
		}
	}
	return x
}

// literal numbers the language of one text.
func (v *vocabulary) literal(text string) int32 {
	p := newPattern(text, ruleText, false, false, false)
	return v.language(&p)
}

// resourceTest numbers the test for a match of any of the patterns.
func (v *vocabulary) resourceTest(patterns []string) int32 {
	v.numbers = v.numbers[:0]
	for _, text := range patterns {
		p := newPattern(text, ruleResource, true, false, false)
		v.numbers = append(v.numbers, v.language(&p))
	}
	return v.textTest(resourceDimension, false)
}

// resourceClass is a resource at hand that stands for all at hand which no statement tells apart from it.
type resourceClass struct {
	fact *ResourceFact
	pins []pin // by dimension
}

// pin is what a resource at hand fixes of a dimension.
type pin struct {
	fixed  bool
	values []string // none: absent
}

// resourceClasses sorts the resources at hand into classes.
func (c *comparer) resourceClasses() []resourceClass {
	if c.facts == nil || len(c.facts.resources) == 0 {
		return nil
	}
	if c.facts.classed {
		return c.facts.classes
	}
	c.facts.classed = true
	v := c.words
	// What the facts ask is part of what tells resources apart.
	for profile := range c.facts.sets {
		for caller := range c.callers {
			c.context(int32(profile), caller)
		}
	}
	seen := map[string]bool{}
	key := make([]byte, 0, len(v.atoms)+8)
	pins := make([]pin, len(v.dimensions))
	for _, r := range c.facts.resources {
		c.budget.spend(len(v.atoms))
		c.pinsOf(r, pins)
		key = key[:0]
		for _, p := range pins[1:] {
			key = append(key, '0'+byte(truthOf(p.fixed)))
		}
		for i := range v.atoms {
			key = append(key, '0'+byte(c.pinned(int32(i), pins)))
		}
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		c.facts.classes = append(c.facts.classes, resourceClass{r, slices.Clone(pins)})
	}
	return c.facts.classes
}

// pinsOf puts into pins what r fixes.
func (c *comparer) pinsOf(r *ResourceFact, pins []pin) {
	clear(pins)
	pins[resourceDimension] = pin{true, []string{r.ARN}}
	for d := 1; d < len(pins); d++ {
		lower := c.words.dimensions[d].lower
		for _, only := range r.Only {
			if inFamily(lower, only) {
				pins[d] = pin{fixed: true}
			}
		}
		if values, ok := r.Keys[c.words.dimensions[d].key]; ok {
			pins[d] = pin{true, values}
			continue
		}
		for name, values := range r.Keys {
			if equalFold(name, lower) {
				pins[d] = pin{true, values}
				break
			}
		}
	}
}

// pinned says whether an atom holds, maybe when its dimension is not fixed.
func (c *comparer) pinned(a int32, pins []pin) truth {
	x := &c.words.atoms[a]
	if int(x.dimension) >= len(pins) || !pins[x.dimension].fixed {
		return maybe
	}
	return truthOf(c.atomHolds(x, pins[x.dimension].values))
}

// atomHolds says whether an atom holds for the values of its dimension; none means absent.
func (c *comparer) atomHolds(x *atom, values []string) bool {
	if len(values) == 0 {
		return x.absent
	}
	t := &c.words.tests[x.test]
	switch x.quantifier {
	case forAllValues:
		return !slices.ContainsFunc(values, func(s string) bool { return !t.holds(s) })
	case single:
		return len(values) == 1 && t.holds(values[0])
	default:
		return slices.ContainsFunc(values, t.holds)
	}
}

// permits says whether the facts allow for a request, of which the dimensions in mentioned matter.
func (c *comparer) permits(p *difference, profile int32, r *Request, mentioned []bool) bool {
	if c.facts == nil {
		return true
	}
	values := func(d int32) []string {
		if d == resourceDimension {
			return []string{r.Resource}
		}
		have, _ := r.lookup(c.words.dimensions[d].key, c.words.dimensions[d].lower)
		return have
	}
	holds := func(a int32) bool {
		x := &c.words.atoms[a]
		return c.atomHolds(x, values(x.dimension))
	}
	x := c.context(profile, p.caller)
	for _, a := range x.require {
		if !holds(a) {
			return false
		}
	}
	if i, ok := c.facts.at[r.Resource]; ok {
		pins := make([]pin, len(c.words.dimensions))
		c.pinsOf(c.facts.resources[i], pins)
		for d := 1; d < len(pins); d++ {
			if pins[d].fixed && mentioned[d] && !slices.Equal(pins[d].values, values(int32(d))) {
				return false
			}
		}
		return true
	}
	for _, clause := range x.clauses {
		if !slices.ContainsFunc(clause, func(a int32) bool { return !holds(a) }) {
			return false
		}
	}
	return true
}
