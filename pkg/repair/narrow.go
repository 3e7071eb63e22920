package repair

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// within is what of an Allow statement lies inside the ceiling: statements that together allow exactly the requests that both do.
// ok is false when that cannot be written as statements: patterns that overlap without one covering the other, or two
// conditions on one key that no single one expresses.
func within(s *policy.Statement, ceiling []*policy.Document) (pieces []policy.Statement, ok bool) {
	// A variable means something in one version of the language and is text in the other.
	if slices.ContainsFunc(slices.Concat(s.Resources, s.NotResources), func(r string) bool { return strings.Contains(r, "${") }) {
		return nil, false
	}
	for _, d := range ceiling {
		for i := range d.Statements {
			piece, some, ok := meet(s, &d.Statements[i])
			if !ok {
				return nil, false
			}
			if some {
				pieces = append(pieces, piece)
			}
		}
	}
	return pieces, true
}

// meet is the statement that allows what both allow; some is false when that is nothing.
func meet(s, c *policy.Statement) (piece policy.Statement, some, ok bool) {
	piece = policy.Statement{Effect: policy.Allow}
	if len(c.NotActions)+len(c.NotResources) > 0 || c.Effect != policy.Allow || s.Effect != policy.Allow {
		return piece, false, false
	}
	if piece.Actions, ok = meetPatterns(s.Actions, s.NotActions, c.Actions, true); !ok {
		return piece, false, false
	}
	if len(piece.Actions) == 0 {
		return piece, false, true
	}
	if piece.Resources, ok = meetPatterns(s.Resources, s.NotResources, c.Resources, false); !ok {
		return piece, false, false
	}
	if len(piece.Resources) == 0 {
		return piece, false, true
	}
	piece.Conditions = slices.Clone(s.Conditions)
	for _, condition := range c.Conditions {
		i := slices.IndexFunc(piece.Conditions, func(x policy.Condition) bool {
			return strings.EqualFold(x.Operator, condition.Operator) && strings.EqualFold(x.Key, condition.Key)
		})
		if i < 0 {
			piece.Conditions = append(piece.Conditions, condition)
			continue
		}
		if !strings.EqualFold(condition.Operator, "StringEquals") {
			return piece, false, false
		}
		both := slices.DeleteFunc(slices.Clone(condition.Values), func(v string) bool { return !slices.Contains(piece.Conditions[i].Values, v) })
		if len(both) == 0 {
			return piece, false, true
		}
		piece.Conditions[i].Values = both
	}
	return piece, true, true
}

// meetPatterns is the patterns that match what the one list (or everything but the other) and the wanted both match.
func meetPatterns(list, not, wanted []string, fold bool) (out []string, ok bool) {
	if fold {
		list, not = lower(list), lower(not)
	}
	add := func(p string) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, w := range wanted {
		compared := w
		if fold {
			compared = strings.ToLower(w)
		}
		if len(not) > 0 {
			hidden := false
			for _, n := range not {
				switch {
				case rotation.GlobCovers(n, compared):
					hidden = true
				case !disjoint(n, compared):
					return nil, false
				}
			}
			if !hidden {
				add(w)
			}
			continue
		}
		for _, l := range list {
			switch {
			case rotation.GlobCovers(l, compared):
				add(w)
			case rotation.GlobCovers(compared, l):
				add(l)
			case !disjoint(l, compared):
				return nil, false
			}
		}
	}
	return out, true
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// disjoint says whether two patterns certainly match nothing in common: what stands before their first wildcards, or after their
// last, differs. Text with policy variables is never certain.
func disjoint(a, b string) bool {
	if strings.Contains(a+b, "${") {
		return false
	}
	heads := func(s string) string {
		if i := strings.IndexAny(s, "*?"); i >= 0 {
			return s[:i]
		}
		return s + "\x00"
	}
	tails := func(s string) string {
		if i := strings.LastIndexAny(s, "*?"); i >= 0 {
			return s[i+1:]
		}
		return "\x00" + s
	}
	ha, hb, ta, tb := heads(a), heads(b), tails(a), tails(b)
	return !strings.HasPrefix(ha, hb) && !strings.HasPrefix(hb, ha) || !strings.HasSuffix(ta, tb) && !strings.HasSuffix(tb, ta)
}

// written is a statement as JSON.
func written(s *policy.Statement) (json.RawMessage, error) {
	out := jsonStatement{Sid: s.Sid, Effect: s.Effect, Action: s.Actions, Resource: s.Resources}
	for _, c := range s.Conditions {
		if out.Condition == nil {
			out.Condition = map[string]map[string][]string{}
		}
		if out.Condition[c.Operator] == nil {
			out.Condition[c.Operator] = map[string][]string{}
		}
		out.Condition[c.Operator][c.Key] = c.Values
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("writing a statement: %w", err)
	}
	return data, nil
}
