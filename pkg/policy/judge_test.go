package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var judgeRequestsFile = flag.String("judge-requests", "", "write the judge's requests to this file instead of checking its recorded answers")

const (
	judgeAnswersFile = "testdata/judge/answers.txt"
	judgePage        = "../../docs/judge.md"
)

// TestJudge compares every answer of the evaluator with the recorded one of an independent simulator. They differ by the
// deviations alone, each of which docs/judge.md explains, as often as it says there.
func TestJudge(t *testing.T) {
	all := judgeRequests()
	var lines strings.Builder
	for i := range all {
		lines.WriteString(all[i].line() + "\n")
	}
	if *judgeRequestsFile != "" {
		if err := os.WriteFile(*judgeRequestsFile, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	answers := recordedAnswers(t, len(all), lines.String())
	seen := map[string]int{}
	for i := range all {
		j := &all[i]
		got := Evaluate(&j.set, &j.request).Outcome
		if got == answers[i] {
			continue
		}
		name, explained := explainedBy(j, answers[i])
		if !explained {
			t.Errorf("%s: %s, the judge says %s: %s", j.theme, got, answers[i], j.line())
			continue
		}
		seen[name]++
	}
	if diff := cmp.Diff(explainedDisagreements(t), seen); diff != "" {
		t.Errorf("disagreements differ from %s (-explained +seen):\n%s", judgePage, diff)
	}
}

// explainedBy finds the fewest deviations under which the second evaluator gives the judge's answer.
func explainedBy(j *judged, answer Outcome) (string, bool) {
	if slowWith(deviations...).evaluate(&j.set, &j.request) != answer {
		return "", false
	}
	for _, d := range deviations {
		if slowWith(d).evaluate(&j.set, &j.request) == answer {
			return string(d), true
		}
	}
	return "several", true
}

// TestSlowEvaluator holds the two evaluators and the judge together: without deviations the slow one answers as the fast
// one, with all of them it answers as the judge, request by request.
func TestSlowEvaluator(t *testing.T) {
	all := judgeRequests()
	answers := recordedAnswers(t, len(all), "")
	plain, deviating := slowWith(), slowWith(deviations...)
	failures := 0
	for i := range all {
		j := &all[i]
		fast := Evaluate(&j.set, &j.request).Outcome
		if got := plain.evaluate(&j.set, &j.request); got != fast {
			t.Errorf("%s: %s, the slow evaluator says %s: %s", j.theme, fast, got, j.line())
			failures++
		}
		if got := deviating.evaluate(&j.set, &j.request); got != answers[i] {
			t.Errorf("%s: the judge says %s, the slow evaluator with its deviations %s: %s", j.theme, answers[i], got, j.line())
			failures++
		}
		if failures > 20 {
			t.Fatal("and more")
		}
	}
}

// TestJudgeRequestsAreVaried: every theme gets several outcomes, so that agreement says something.
func TestJudgeRequestsAreVaried(t *testing.T) {
	outcomes := map[string]map[Outcome]int{}
	for _, j := range judgeRequests() {
		if outcomes[j.theme] == nil {
			outcomes[j.theme] = map[Outcome]int{}
		}
		outcomes[j.theme][Evaluate(&j.set, &j.request).Outcome]++
	}
	for theme, counts := range outcomes {
		for _, outcome := range []Outcome{Allowed, ImplicitlyDenied, ExplicitlyDenied} {
			if counts[outcome] < judgeEach/25 {
				t.Errorf("%s: only %d of %d are %s", theme, counts[outcome], judgeEach, outcome)
			}
		}
	}
}

// recordedAnswers reads the answers; lines, when given, are the requests that they must answer.
func recordedAnswers(t *testing.T, count int, lines string) []Outcome {
	t.Helper()
	data, err := os.ReadFile(judgeAnswersFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(rows) < 3 {
		t.Fatalf("%s holds no answers", judgeAnswersFile)
	}
	if lines != "" {
		sum := sha256.Sum256([]byte(lines))
		if want := fmt.Sprintf("requests %d sha256 %s", count, hex.EncodeToString(sum[:])); rows[1] != want {
			t.Fatalf("%s answers %q, the requests are %q: record them again with scripts/judge/record.sh", judgeAnswersFile, rows[1], want)
		}
	}
	letters := map[rune]Outcome{'A': Allowed, 'I': ImplicitlyDenied, 'E': ExplicitlyDenied}
	var answers []Outcome
	for _, c := range strings.Join(rows[2:], "") {
		answers = append(answers, letters[c])
	}
	if len(answers) != count {
		t.Fatalf("%s holds %d answers to %d requests", judgeAnswersFile, len(answers), count)
	}
	return answers
}

// explainedDisagreements reads the table of docs/judge.md: rows "| `name` | count | …".
func explainedDisagreements(t *testing.T) map[string]int {
	t.Helper()
	page, err := os.ReadFile(judgePage)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]int{}
	for _, row := range strings.Split(string(page), "\n") {
		var name string
		var count int
		if n, _ := fmt.Sscanf(row, "| `%s | %d |", &name, &count); n == 2 {
			explained[strings.TrimSuffix(name, "`")] = count
		}
	}
	for _, name := range slices.Sorted(maps.Keys(explained)) {
		if name != "several" && !strings.Contains(string(page), "\n### "+name+"\n") {
			t.Errorf("%s does not explain %s", judgePage, name)
		}
	}
	return explained
}
