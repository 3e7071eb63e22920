package policy

import (
	"fmt"
	"testing"
)

// TestSlowEvaluatorAgreesOnSets holds both evaluators to each other on every set operator over no value, one, several and one twice.
func TestSlowEvaluatorAgreesOnSets(t *testing.T) {
	contexts := [][]string{nil, {}, {"a"}, {"b"}, {"a", "b"}, {"a", "c"}, {"c", "d"}, {"a", "a"}, {""}}
	for _, quantifier := range []string{"", "ForAllValues:", "ForAnyValue:"} {
		for _, operator := range []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"} {
			for _, ifExists := range []string{"", "IfExists"} {
				for _, values := range []string{`"a"`, `["a","b"]`, `"*"`, `[]`} {
					condition := fmt.Sprintf(`{%q:{"aws:TagKeys":%s}}`, quantifier+operator+ifExists, values)
					set := identitySet(t, doc(`{"Effect":"Allow","Action":"ec2:CreateTags","Resource":"*","Condition":`+condition+`}`))
					for _, present := range contexts {
						r := Request{Action: "ec2:CreateTags", Resource: "*", Context: map[string][]string{}}
						if present != nil {
							r.Context["aws:TagKeys"] = present
						}
						if got, want := Evaluate(&set, &r).Outcome, slowWith().evaluate(&set, &r); got != want {
							t.Errorf("%s on %q: Evaluate = %s, the slow evaluator %s", condition, present, got, want)
						}
					}
				}
			}
		}
	}
}
