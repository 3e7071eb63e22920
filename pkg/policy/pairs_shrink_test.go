package policy_test

import (
	"slices"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// shrink takes away from both sets what the fault does not need.
func shrink(expected, actual policy.Set, faulty func(expected, actual policy.Set) bool) (policy.Set, policy.Set) {
	for again := true; again; {
		again = false
		for side := range 2 {
			sets := [2]policy.Set{expected, actual}
			for _, smaller := range smallerSets(sets[side]) {
				tried := sets
				tried[side] = smaller
				if faulty(tried[0], tried[1]) {
					expected, actual = tried[0], tried[1]
					again = true
					break
				}
			}
		}
	}
	return expected, actual
}

// smallerSets are the sets with one thing less.
func smallerSets(s policy.Set) []policy.Set {
	var out []policy.Set
	if s.Boundary != nil {
		less := s
		less.Boundary = nil
		out = append(out, less)
	}
	for _, list := range []func(*policy.Set) *[]*policy.Document{
		func(s *policy.Set) *[]*policy.Document { return &s.Identity },
		func(s *policy.Set) *[]*policy.Document { return &s.Resource },
	} {
		for i := range *list(&s) {
			less := s
			*list(&less) = slices.Delete(slices.Clone(*list(&s)), i, i+1)
			out = append(out, less)
			for _, d := range smallerDocuments((*list(&s))[i]) {
				less := s
				*list(&less) = slices.Clone(*list(&s))
				(*list(&less))[i] = d
				out = append(out, less)
			}
		}
	}
	if s.Boundary != nil {
		for _, d := range smallerDocuments(s.Boundary) {
			less := s
			less.Boundary = d
			out = append(out, less)
		}
	}
	return out
}

func smallerDocuments(d *policy.Document) []*policy.Document {
	var out []*policy.Document
	for i := range d.Statements {
		if len(d.Statements) > 1 {
			less := cloneDocument(d)
			less.Statements = slices.Delete(less.Statements, i, i+1)
			out = append(out, less)
		}
		for _, field := range []func(*policy.Statement) *[]string{
			func(s *policy.Statement) *[]string { return &s.Actions }, func(s *policy.Statement) *[]string { return &s.NotActions },
			func(s *policy.Statement) *[]string { return &s.Resources }, func(s *policy.Statement) *[]string { return &s.NotResources },
		} {
			list := *field(&d.Statements[i])
			for j := range list {
				if len(list) > 1 {
					less := cloneDocument(d)
					*field(&less.Statements[i]) = slices.Delete(slices.Clone(list), j, j+1)
					out = append(out, less)
				}
			}
			if len(list) == 1 && list[0] != "*" {
				less := cloneDocument(d)
				*field(&less.Statements[i]) = []string{"*"}
				out = append(out, less)
			}
		}
		for j, c := range d.Statements[i].Conditions {
			less := cloneDocument(d)
			less.Statements[i].Conditions = slices.Delete(less.Statements[i].Conditions, j, j+1)
			out = append(out, less)
			for k := range c.Values {
				if len(c.Values) > 1 {
					less := cloneDocument(d)
					less.Statements[i].Conditions[j].Values = slices.Delete(less.Statements[i].Conditions[j].Values, k, k+1)
					out = append(out, less)
				}
			}
		}
	}
	return out
}
