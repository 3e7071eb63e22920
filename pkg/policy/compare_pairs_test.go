package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// judged is what a comparison and the oracle say of one pair.
type judged struct {
	result policy.Result
	found  finding
}

func judge(seed uint64, expected, actual policy.Set, limit int) judged {
	w := newWorld(seed)
	return judged{policy.Compare(expected, actual, nil), newOracle(w, expected, actual, limit).decide()}
}

// fault is one thing that is wrong with a comparison.
type fault struct{ kind, text string }

// The kinds of faults.
const (
	faultUnseen    = "a difference is not seen"
	faultWitness   = "a witness does not hold"
	faultStatement = "a statement that differs has no witness"
	faultBallast   = "a witness carries what does not matter"
	faultUnreal    = "a witness does not look real"
	faultOrder     = "the witnesses are not in a fixed order"
)

// faults lists what is wrong with a comparison.
func (j *judged) faults(expected, actual policy.Set) []fault {
	var out []fault
	add := func(kind, format string, args ...any) { out = append(out, fault{kind, fmt.Sprintf(format, args...)}) }
	for _, side := range []struct {
		name      string
		found     map[string]policy.Request
		witnesses []policy.Witness
		allows    *policy.Compiled
		refuses   *policy.Compiled
	}{
		{"missing", j.found.missing, j.result.Missing, policy.Compile(expected), policy.Compile(actual)},
		{"excess", j.found.excess, j.result.Excess, policy.Compile(actual), policy.Compile(expected)},
	} {
		holds := func(r *policy.Request) bool { return side.allows.Allows(r) && !side.refuses.Allows(r) }
		shown := map[string]bool{}
		for _, w := range side.witnesses {
			r := w.Request
			if string(w.Direction) != side.name || !holds(&r) {
				add(faultWitness, "%s is not %s", show(r), side.name)
				continue
			}
			for _, ref := range side.allows.Evaluate(&r).By {
				shown[fmt.Sprint(ref)] = true
			}
			for key := range r.Context {
				// A decision does not name the boundary's statements, so a key that one of them asks for may stand; and a
				// request that shows the value of a variable may do so where its absence would do.
				if expected.Boundary != nil || actual.Boundary != nil || strings.Contains(describe(expected)+describe(actual), "${") {
					break
				}
				less := r
				less.Context = map[string][]string{}
				for other, values := range r.Context {
					if other != key {
						less.Context[other] = values
					}
				}
				if holds(&less) && slices.Equal(side.allows.Evaluate(&less).By, side.allows.Evaluate(&r).By) && slices.Equal(side.refuses.Evaluate(&less).By, side.refuses.Evaluate(&r).By) {
					add(faultBallast, "%s does not need %s", show(r), key)
				}
			}
			if what := unreal(r); what != "" {
				add(faultUnreal, "%s: %s", show(r), what)
			}
		}
		if len(j.result.Indeterminate) > 0 || j.result.Truncated {
			continue
		}
		for _, r := range side.found {
			if len(side.witnesses) == 0 {
				add(faultUnseen, "%s is %s", show(r), side.name)
				break
			}
			if !slices.ContainsFunc(side.allows.Evaluate(&r).By, func(ref policy.StatementRef) bool { return shown[fmt.Sprint(ref)] }) {
				add(faultStatement, "%s is %s by %v", show(r), side.name, side.allows.Evaluate(&r).By)
				break
			}
		}
	}
	return out
}

// unreal says what makes a request unlike a real one.
func unreal(r policy.Request) string {
	text := r.Action + r.Resource
	for key, values := range r.Context {
		text += key + strings.Join(values, "")
		if len(values) == 0 {
			return "a key has no value"
		}
	}
	for _, c := range text {
		if c < ' ' || c == '\u007f' || c == '\ufffd' || c > 0x24f {
			return fmt.Sprintf("%q occurs", c)
		}
	}
	if !isResource(r.Resource) {
		return "the resource is neither an ARN nor *"
	}
	return ""
}

func show(r policy.Request) string {
	return fmt.Sprintf("%s on %q by %s %s%s%s with %q", r.Action, r.Resource, r.Caller.Kind, r.Caller.ARN, r.Caller.Session, r.Caller.Service, r.Context)
}

// readable says whether Parse takes every document of the set: a pair that no one can write is not compared.
func readable(s policy.Set) bool {
	documents := slices.Concat(s.Identity, s.Resource)
	if s.Boundary != nil {
		documents = append(documents, s.Boundary)
	}
	for _, d := range documents {
		if _, err := policy.Parse(d.Name, []byte(d.String())); err != nil {
			return false
		}
	}
	return true
}

// holdPairs compares the pairs of some seeds and holds every comparison against the oracle.
func holdPairs(t *testing.T, from, to uint64, limit int) {
	t.Helper()
	counts := map[string]int{}
	for seed := from; seed < to; seed++ {
		w := newWorld(seed)
		expected, actual := w.pair()
		if !readable(expected) || !readable(actual) {
			counts["refused by Parse"]++
			continue
		}
		j := judge(seed, expected, actual, limit)
		if faults := j.faults(expected, actual); len(faults) > 0 {
			kind := faults[0].kind
			e, a := shrink(expected, actual, func(e, a policy.Set) bool {
				j := judge(seed, e, a, limit)
				return slices.ContainsFunc(j.faults(e, a), func(f fault) bool { return f.kind == kind })
			})
			j := judge(seed, e, a, limit)
			t.Errorf("seed %d: %s: %v\nexpected %sactual %s", seed, kind, j.faults(e, a), describe(e), describe(a))
			if counts["wrong"]++; counts["wrong"] > 4 {
				t.Fatal("and perhaps more")
			}
		}
		counts[string(j.result.Verdict())]++
		if len(j.result.Indeterminate) > 0 {
			counts["in doubt"]++
			if !w.variables {
				counts["in doubt without variables"]++
			}
		}
		if j.found.exhaustive {
			counts["tried in full"]++
		}
	}
	n := int(to - from)
	t.Logf("%d pairs: %v", n, counts)
	if counts["equivalent"] < n/5 || n-counts["equivalent"] < n/5 || counts["tried in full"] < n/5 {
		t.Errorf("%v of %d pairs says little", counts, n)
	}
	if counts["in doubt"] > n/8 || counts["in doubt without variables"] > n/20 {
		t.Errorf("%d of %d pairs are in doubt, %d of them without variables", counts["in doubt"], n, counts["in doubt without variables"])
	}
}

// TestPairsAgainstTheOracle: no difference is overlooked, and every witness is one.
func TestPairsAgainstTheOracle(t *testing.T) { holdPairs(t, 0, 150, 3000) }
