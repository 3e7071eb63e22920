package policy

import "slices"

const (
	bitNever  int32 = -1 // no request meets the statement
	bitUnmade int32 = -2
)

// bit is one thing that statements can say of a request: a role together with requirements. Statements with the same
// requirements in the same role share a bit, whatever actions they name.
type bit struct {
	role        role
	atoms       []int32 // sorted
	principal   int32
	requirement int32 // the number of principal and atoms together
	statements  []int32
}

// principal numbers the Principal element of a statement.
func (v *vocabulary) principal(s *compared) int32 {
	if !s.hasPrincipal && s.side != resourceSide {
		return 0
	}
	v.texts = v.texts[:0]
	for _, p := range s.principals {
		v.texts = append(v.texts, string('a'+rune(p.form))+p.id)
	}
	slices.Sort(v.texts)
	v.texts = slices.Compact(v.texts)
	v.key = append(v.key[:0], 'w')
	if s.notPrincipal {
		v.key[0] = 'W'
	}
	for _, t := range v.texts {
		v.key = append(append(v.key, t...), 0)
	}
	n, known := v.intern(len(v.principals))
	if !known {
		v.principals = append(v.principals, s.statement)
	}
	return n
}

// bit numbers the requirements of a statement in its role, bitNever when no request meets them.
func (v *vocabulary) bit(s *compared, number int32) int32 {
	var room [8]int32
	atoms := room[:0]
	a, what := v.resource(s)
	for j := 0; ; j++ {
		switch what {
		case neverHolds:
			return bitNever
		case requires:
			atoms = append(atoms, a)
		default:
		}
		if j == len(s.conditions) {
			break
		}
		a, what = v.condition(s, j)
	}
	slices.Sort(atoms)
	atoms = v.withoutPresence(slices.Compact(atoms))
	b := v.newBit(s.role, v.principal(s), atoms)
	if list := v.bits[b].statements; list == nil {
		v.bits[b].statements = append(v.small.take(1)[:0], number)
	} else {
		v.bits[b].statements = append(list, number)
	}
	return b
}

// withoutPresence drops the requirement that a key is there where another one asks more of it.
func (v *vocabulary) withoutPresence(atoms []int32) []int32 {
	return slices.DeleteFunc(atoms, func(a int32) bool {
		x := &v.atoms[a]
		if x.absent || v.tests[x.test].constant != yes || x.quantifier != forAnyValue {
			return false
		}
		return slices.ContainsFunc(atoms, func(b int32) bool {
			return b != a && v.atoms[b].dimension == x.dimension && !v.atoms[b].absent && v.tests[v.atoms[b].test].constant == maybe
		})
	})
}

// newBit numbers a role with requirements.
func (v *vocabulary) newBit(r role, principal int32, atoms []int32) int32 {
	flags := byte(r.side) << 2
	if r.actual {
		flags |= 1
	}
	if r.deny {
		flags |= 2
	}
	v.key = appendInt(append(v.key[:0], 'b', flags), principal)
	for _, a := range atoms {
		v.key = appendInt(v.key, a)
	}
	b, known := v.intern(len(v.bits))
	if known {
		return b
	}
	v.key = appendInt(append(v.key[:0], 'q'), principal)
	for _, a := range atoms {
		v.key = appendInt(v.key, a)
	}
	requirement, known := v.intern(v.requirementCount)
	if !known {
		v.requirementCount++
	}
	v.bits = append(v.bits, bit{role: r, atoms: v.keep(atoms), principal: principal, requirement: requirement})
	return b
}

// merge unites bits of one role that differ in nothing but what resources they list, and drops those that another one
// includes. What remains together says what the bits say.
func (v *vocabulary) merge(bits []int32) []int32 {
	if len(bits) < 2 {
		return bits
	}
	var out []int32
	done := make([]bool, len(bits))
	for i, b := range bits {
		if done[i] {
			continue
		}
		x := &v.bits[b]
		listed, rest := v.listed(x.atoms)
		if listed < 0 {
			out = append(out, b)
			continue
		}
		like := []int32{listed}
		everywhere := false
		for j := i + 1; j < len(bits); j++ {
			y := &v.bits[bits[j]]
			if done[j] || y.principal != x.principal || y.role != x.role {
				continue
			}
			other, others := v.listed(y.atoms)
			if other >= 0 && slices.Equal(rest, others) {
				like = append(like, other)
				done[j] = true
			}
		}
		for _, y := range bits {
			everywhere = everywhere || v.bits[y].principal == x.principal && v.bits[y].role == x.role && slices.Equal(v.bits[y].atoms, rest)
		}
		switch {
		case everywhere: // another one asks the same of every resource
		case len(like) == 1:
			out = append(out, b)
		default:
			v.numbers = v.numbers[:0]
			for _, a := range like {
				v.numbers = append(v.numbers, v.tests[v.atoms[a].test].languages...)
			}
			role, principal := x.role, x.principal
			a, what := v.atom(v.textTest(resourceDimension, false), forAnyValue, false)
			atoms := rest
			if what == requires {
				atoms = append(slices.Clone(rest), a)
				slices.Sort(atoms)
			}
			out = append(out, v.newBit(role, principal, atoms))
		}
	}
	return out
}

// listed finds the atom that the resource is one of some that are listed; rest are the others. It is -1 when there is none.
func (v *vocabulary) listed(atoms []int32) (a int32, rest []int32) {
	for i, a := range atoms {
		if x := &v.atoms[a]; x.dimension == resourceDimension && !v.tests[x.test].element.negated {
			return a, slices.Concat(atoms[:i], atoms[i+1:])
		}
	}
	return -1, atoms
}
