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
	class    []int32 // by resource at hand: its class; nil before they are sorted
	pins     [][]pin // by resource at hand
	told     int     // how many atoms have told them apart
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
	v.classes, v.class, v.pins, v.told = nil, nil, nil, 0
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
