package policy_test

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// rewrite says the same in another way, or nearly the same: a statement is divided by a condition and its opposite, a list is
// divided over statements, a wildcard becomes a union, a range its halves. Whether it is still the same is for the judges.
func (w *world) rewrite(d *policy.Document) {
	if len(d.Statements) == 0 {
		return
	}
	i := w.IntN(len(d.Statements))
	s := d.Statements[i]
	switch w.IntN(9) {
	case 0: // by a condition and its opposite
		c := w.condition()
		opposite, ok := w.opposite(c)
		if !ok {
			return
		}
		with, without := s, s
		if w.addCondition(&with, c) && w.addCondition(&without, opposite) {
			d.Statements = append(slices.Delete(d.Statements, i, i+1), with, without)
		}
	case 1: // by resources
		if list := s.Resources; len(list) > 1 {
			s.Resources = list[:1]
			other := s
			other.Resources = list[1:]
			d.Statements[i] = s
			d.Statements = append(d.Statements, other)
		}
	case 2: // by actions
		if list := s.Actions; len(list) > 1 {
			s.Actions = list[:1]
			other := s
			other.Actions = list[1:]
			d.Statements[i] = s
			d.Statements = append(d.Statements, other)
		}
	case 3: // by the values of a positive condition
		if len(s.Conditions) == 0 {
			return
		}
		j := w.IntN(len(s.Conditions))
		c := s.Conditions[j]
		if len(c.Values) < 2 {
			return
		}
		with, without := s, s
		with.Conditions, without.Conditions = slices.Clone(s.Conditions), slices.Clone(s.Conditions)
		with.Conditions[j].Values, without.Conditions[j].Values = c.Values[:1], c.Values[1:]
		d.Statements[i] = with
		d.Statements = append(d.Statements, without)
	case 4: // a wildcard of a value as a union
		if len(s.Conditions) == 0 {
			return
		}
		c := &d.Statements[i].Conditions[w.IntN(len(s.Conditions))]
		c.Values = w.union(c.Values, strings.Contains(strings.ToLower(c.Operator), "like"))
	case 5: // a wildcard of a resource as a union
		d.Statements[i].Resources = w.union(s.Resources, true)
		d.Statements[i].NotResources = w.union(s.NotResources, true)
	case 6: // a statement that another covers
		narrow := s
		if w.addCondition(&narrow, w.condition()) {
			d.Statements = append(d.Statements, narrow)
		}
	case 7: // another spelling
		for j := range d.Statements[i].Conditions {
			c := &d.Statements[i].Conditions[j]
			for k, v := range c.Values {
				c.Values[k] = w.respell(v)
			}
		}
	case 8: // a variable whose value a condition fixes
		for j := range s.Conditions {
			c := s.Conditions[j]
			if !strings.EqualFold(c.Operator, "StringEquals") || len(c.Values) != 1 || strings.Contains(c.Values[0], "$") || len(s.Resources) == 0 {
				continue
			}
			list := slices.Clone(s.Resources)
			for k, r := range list {
				list[k] = strings.Replace(r, "${"+c.Key+"}", c.Values[0], 1)
				if list[k] == r && c.Values[0] != "" {
					list[k] = strings.Replace(r, ":::"+c.Values[0], ":::${"+c.Key+"}", 1)
				}
			}
			d.Statements[i].Resources = list
		}
	}
}

// opposite is the condition that holds where c does not, as far as one condition can say so.
func (w *world) opposite(c policy.Condition) (policy.Condition, bool) {
	name, ifExists := c.Operator, false
	if n := len(name) - len("IfExists"); n > 0 && strings.EqualFold(name[n:], "IfExists") {
		name, ifExists = name[:n], true
	}
	quantifier := ""
	if at := strings.IndexByte(name, ':'); at >= 0 {
		quantifier, name = name[:at+1], name[at+1:]
	}
	switch {
	case strings.EqualFold(quantifier, "ForAllValues:"):
		quantifier = "ForAnyValue:"
	case quantifier != "":
		quantifier = "ForAllValues:"
	}
	lower := strings.ToLower(name)
	if lower == "null" {
		if len(c.Values) != 1 {
			return c, false
		}
		c.Values = []string{map[string]string{"true": "false", "false": "true"}[c.Values[0]]}
		return c, true
	}
	pairs := [][2]string{
		{"StringEquals", "StringNotEquals"}, {"StringLike", "StringNotLike"}, {"StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"}, {"NumericEquals", "NumericNotEquals"},
		{"NumericLessThan", "NumericGreaterThanEquals"}, {"NumericGreaterThan", "NumericLessThanEquals"}, {"DateEquals", "DateNotEquals"}, {"DateLessThan", "DateGreaterThanEquals"},
		{"DateGreaterThan", "DateLessThanEquals"}, {"IpAddress", "NotIpAddress"}, {"ArnEquals", "ArnNotEquals"}, {"ArnLike", "ArnNotLike"},
	}
	for _, p := range pairs {
		for side := range p {
			if lower != strings.ToLower(p[side]) {
				continue
			}
			other := p[1-side]
			ordering := strings.Contains(lower, "than")
			// The negated operators hold on the absent key; of two orderings one has to be told to.
			if ordering && quantifier == "" && !ifExists && !w.chance(5) {
				other += "IfExists"
			}
			if ordering && len(c.Values) > 1 {
				c.Values = c.Values[:1]
			}
			c.Operator = quantifier + other
			return c, true
		}
	}
	if lower == "bool" && len(c.Values) == 1 && !strings.Contains(c.Values[0], "$") {
		c.Values = []string{map[bool]string{true: "false", false: "true"}[strings.EqualFold(c.Values[0], "true")]}
		if !ifExists && !w.chance(5) {
			c.Operator += "IfExists"
		}
		return c, true
	}
	return c, false
}

// union replaces one value by values that may cover the same together.
func (w *world) union(values []string, wildcards bool) []string {
	if len(values) == 0 {
		return values
	}
	out := slices.Clone(values)
	i := w.IntN(len(out))
	v := out[i]
	switch {
	case wildcards && strings.Contains(v, "*") && !strings.Contains(v, "${*}"):
		at := strings.IndexByte(v, '*')
		out[i] = v[:at] + v[at+1:]
		if w.chance(3) {
			out = append(out, v[:at]+"?"+v[at+1:], v[:at]+"??*"+v[at+1:])
		} else {
			out = append(out, v[:at]+"?*"+v[at+1:])
		}
	case v == "0.0.0.0/0":
		out = append(slices.Delete(out, i, i+1), "0.0.0.0/1", "128.0.0.0/1")
	case v == "10.0.0.0/8":
		out = append(slices.Delete(out, i, i+1), "10.0.0.0/9", "10.128.0.0/9")
	case v == "10.1.2.2/31":
		out = append(slices.Delete(out, i, i+1), "10.1.2.2", "10.1.2.3/32")
	}
	return out
}

// respell writes a typed value in another way.
func (w *world) respell(v string) string {
	for _, same := range [][]string{
		{"1", "1.0", "1e0", "10e-1"}, {"10", "1e1", "10.00"}, {"0", "-0", "0.0"}, {"9007199254740993", "9007199254740993.0"},
		{"2024-01-01T00:00:00Z", "1704067200", "2024-01-01", "2024-01-01T01:00:00+01:00"}, {"2024-06-01T12:00Z", "1717243200"},
		{"10.1.2.3", "10.1.2.3/32"}, {"2001:db8::1", "2001:DB8:0:0::1/128"}, {"true", "TRUE"}, {"false", "False"},
	} {
		if slices.Contains(same, v) {
			return same[w.IntN(len(same))]
		}
	}
	return v
}

// disturb changes one thing.
func (w *world) disturb(d *policy.Document) {
	if len(d.Statements) == 0 {
		return
	}
	i := w.IntN(len(d.Statements))
	s := &d.Statements[i]
	switch w.IntN(9) {
	case 0:
		if len(d.Statements) > 1 {
			d.Statements = slices.Delete(d.Statements, i, i+1)
		}
	case 1:
		if len(s.Conditions) > 0 {
			j := w.IntN(len(s.Conditions))
			s.Conditions = slices.Delete(s.Conditions, j, j+1)
		}
	case 2:
		if len(s.Conditions) > 0 {
			c := &s.Conditions[w.IntN(len(s.Conditions))]
			if len(c.Values) > 1 {
				c.Values = c.Values[1:]
			}
		}
	case 3:
		if len(s.Resources) > 0 {
			s.Resources = append(slices.Clone(s.Resources[1:]), w.resource())
		}
	case 4:
		if len(s.Actions) > 0 {
			s.Actions = append(slices.Clone(s.Actions[1:]), w.action())
		}
	case 5:
		if d.Version == policy.Version2012 && w.chance(3) {
			d.Version = policy.Version2008
		}
	case 6:
		if len(s.Conditions) > 0 {
			c := &s.Conditions[w.IntN(len(s.Conditions))]
			if _, bare := strings.CutSuffix(c.Operator, "IfExists"); !bare && !strings.EqualFold(c.Operator, "Null") {
				was := c.Operator
				c.Operator += "IfExists"
				if slices.ContainsFunc(s.Conditions, func(o policy.Condition) bool {
					return &o != c && o.Operator == c.Operator && strings.EqualFold(o.Key, c.Key)
				}) && countCondition(s, c.Operator, c.Key) > 1 {
					c.Operator = was
				}
			}
		}
	case 7:
		w.addCondition(s, w.condition())
	case 8:
		if s.Effect == policy.Allow && w.chance(2) {
			extra := w.statement()
			extra.Principals, extra.NotPrincipals = s.Principals, s.NotPrincipals
			d.Statements = append(d.Statements, extra)
		}
	}
}

func countCondition(s *policy.Statement, operator, key string) int {
	n := 0
	for _, c := range s.Conditions {
		if strings.EqualFold(c.Operator, operator) && strings.EqualFold(c.Key, key) {
			n++
		}
	}
	return n
}
