package drift_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/drift/setups"
)

const rulesPage = "../../docs/rules.md"

func TestRulesPageIsCurrent(t *testing.T) {
	got := rulesText(loadSetups(t))
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(rulesPage, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(rulesPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, got) {
		t.Error("docs/rules.md is not what the rules and setups say: run go test ./pkg/drift -update")
	}
}

func TestEveryRuleHasSetups(t *testing.T) {
	shown := map[string]int{}
	for _, c := range loadSetups(t) {
		for _, id := range c.Shows {
			if !slices.ContainsFunc(drift.ContractRules(), func(r drift.ContractRule) bool { return r.ID == id }) {
				t.Errorf("%s names the rule %s, which does not exist", c.Name, id)
			}
			shown[id]++
		}
	}
	for _, r := range drift.ContractRules() {
		if shown[r.ID] == 0 {
			t.Errorf("no setup shows rule %s, %s", r.ID, r.Title)
		}
	}
}

func TestEveryFindingBelongsToARule(t *testing.T) {
	known := map[string]bool{}
	for _, r := range drift.ContractRules() {
		for _, name := range r.Findings {
			known[name] = true
		}
	}
	for _, c := range loadSetups(t) {
		for _, j := range drift.Judge(c.Group, c.Options) {
			for _, s := range j.Secrets {
				for _, f := range s.Findings {
					if !known[f.Rule] {
						t.Errorf("%s: the finding %s belongs to no rule", c.Name, f.Rule)
					}
				}
			}
		}
	}
}

// rulesText writes docs/rules.md.
func rulesText(cases []*setups.Case) []byte {
	var b bytes.Buffer
	b.WriteString("# Rules\n\nHow rotationguard judges a rotation. This page is written from the rules in `pkg/drift` and the library of setups in `testdata/setups`; " +
		"a test fails when it is out of date (`go test ./pkg/drift -update` writes it anew). Every setup is a whole account in one file: secret, function, role, policies, and the verdict that must come out.\n\n" +
		"| rule | says | findings | setups |\n|---|---|---|---|\n")
	bySetup := map[string][]string{}
	for _, c := range cases {
		for _, id := range c.Shows {
			bySetup[id] = append(bySetup[id], c.Name)
		}
	}
	for _, r := range drift.ContractRules() {
		fmt.Fprintf(&b, "| [%s](#rule-%s) | %s | %s | %d |\n", r.ID, r.ID, r.Title, code(r.Findings), len(bySetup[r.ID]))
	}
	for _, r := range drift.ContractRules() {
		fmt.Fprintf(&b, "\n## Rule %s\n\n**%s.** %s\n\n", r.ID, r.Title, r.Says)
		fmt.Fprintf(&b, "Source: %s.\n", strings.Join(r.Sources, "; "))
		if r.Assumes != "" {
			fmt.Fprintf(&b, "\nAssumed, not documented by AWS: %s\n", r.Assumes)
		}
		if len(bySetup[r.ID]) == 0 {
			continue
		}
		b.WriteString("\n")
		for _, c := range cases {
			if slices.Contains(c.Shows, r.ID) {
				fmt.Fprintf(&b, "- [%s](../testdata/setups/%s.txtar): %s %s\n", c.Name, c.Name, c.Title, verdictText(c))
			}
		}
	}
	return b.Bytes()
}

func code(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, "`"+n+"`")
	}
	return strings.Join(out, " ")
}

func verdictText(c *setups.Case) string {
	if v, ok := c.Expect["operator"]; ok {
		return "→ " + v
	}
	if v, ok := c.Expect["verdict "]; ok {
		return "→ " + v
	}
	var out []string
	for word, v := range c.Expect {
		if name, found := strings.CutPrefix(word, "verdict "); found {
			out = append(out, v+" ("+name+")")
		}
	}
	slices.Sort(out)
	return "→ " + strings.Join(out, ", ")
}
