package policy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

var smtPairsFile = flag.String("smt-pairs", "", "write the solver's pairs to this file instead of checking its recorded answers")

const (
	smtAnswersFile = "testdata/smt/answers.txt"
	smtSample      = 200 // pairs with a recorded answer
	smtAll         = 300 // pairs that the long test asks the solver for
)

// smtPair is a pair that the solver has decided.
type smtPair struct {
	seed             uint64
	expected, actual policy.Set
}

// smtPairs are pairs of what the solver's script covers: no variables, no principals, and each key of one type.
func smtPairs(count int) []smtPair {
	var out []smtPair
	for seed := uint64(500_000); len(out) < count; seed++ {
		w := newWorld(seed)
		w.variables, w.principal = false, false
		expected, actual := w.pair()
		if !readable(expected) || !readable(actual) {
			continue
		}
		pure := true
		for _, k := range newOracle(w, expected, actual, 1).keys {
			texts := 0
			for _, name := range []string{"string", "arn"} {
				if k.types[name] {
					texts++
				}
			}
			pure = pure && (len(k.types) < 2 || texts == len(k.types))
		}
		if pure {
			out = append(out, smtPair{seed, expected, actual})
		}
	}
	return out
}

func (p *smtPair) line() string {
	side := func(s policy.Set) string {
		var identity []string
		for _, d := range s.Identity {
			identity = append(identity, d.String())
		}
		boundary := "null"
		if s.Boundary != nil {
			boundary = s.Boundary.String()
		}
		return `{"identity":[` + strings.Join(identity, ",") + `],"boundary":` + boundary + `}`
	}
	return `{"expected":` + side(p.expected) + `,"actual":` + side(p.actual) + `}`
}

func smtLines(pairs []smtPair) string {
	var lines strings.Builder
	for i := range pairs {
		lines.WriteString(pairs[i].line() + "\n")
	}
	return lines.String()
}

// TestPairsAgainstTheSolver compares verdicts with the recorded ones of an SMT solver. docs/judge.md says what it covers.
func TestPairsAgainstTheSolver(t *testing.T) {
	pairs := smtPairs(smtSample)
	lines := smtLines(pairs)
	if *smtPairsFile != "" {
		if err := os.WriteFile(*smtPairsFile, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(smtAnswersFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(data)), "\n")
	sum := sha256.Sum256([]byte(lines))
	if want := fmt.Sprintf("pairs %d sha256 %s", len(pairs), hex.EncodeToString(sum[:])); len(rows) < 3 || rows[1] != want {
		t.Fatalf("%s does not answer %q: record it again with scripts/judge/smt/record.sh", smtAnswersFile, want)
	}
	holdAnswers(t, pairs, strings.Join(rows[2:], ""))
}

// holdAnswers compares the verdict on every pair with the solver's letter.
func holdAnswers(t *testing.T, pairs []smtPair, letters string) {
	t.Helper()
	if len(letters) != len(pairs) {
		t.Fatalf("there are %d answers to %d pairs", len(letters), len(pairs))
	}
	verdicts := map[byte]policy.Verdict{'E': policy.Equivalent, 'M': policy.OnlyMissing, 'X': policy.OnlyExcess, 'B': policy.MissingAndExcess}
	counts := map[string]int{}
	for i := range pairs {
		p := &pairs[i]
		want, known := verdicts[letters[i]]
		result := policy.Compare(p.expected, p.actual, nil)
		got := result.Verdict()
		switch {
		case !known:
			counts["the solver does not say"]++
		case len(result.Indeterminate) > 0:
			counts["in doubt"]++
		case got != want:
			t.Errorf("seed %d: Compare says %s, the solver %s\nexpected %sactual %s", p.seed, got, want, describe(p.expected), describe(p.actual))
		default:
			counts[string(got)]++
		}
	}
	t.Logf("%d pairs: %v", len(pairs), counts)
	if counts["the solver does not say"] > len(pairs)/5 || counts["in doubt"] > len(pairs)/20 {
		t.Errorf("%v of %d pairs: too few are decided", counts, len(pairs))
	}
	for _, v := range verdicts {
		if counts[string(v)] < len(pairs)/50 {
			t.Errorf("only %d pairs are %s", counts[string(v)], v)
		}
	}
}
