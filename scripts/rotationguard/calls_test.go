package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/inventory"
)

func TestPlanCallsPrintsWhatASweepCosts(t *testing.T) {
	b := newBench(t)
	text := b.on("sweep", "--plan-calls").wants(t, 0).stdout
	for _, want := range []string{"secretsmanager:ListSecrets", "lambda:GetPolicy", "lambda_get_policy", "the sweep takes at least", "with 50% of each quota"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	r := b.on("sweep", "--plan-calls", "--output", "json")
	var plan inventory.CallPlan
	if err := json.Unmarshal([]byte(r.stdout), &plan); err != nil || plan.Total == 0 || plan.Floor <= 0 || plan.Share != 0.5 || len(plan.Calls) < 5 {
		t.Errorf("plan = %+v, %v", plan, err)
	}
	for _, c := range b.account.Calls() {
		if c.Operation == "GetPolicy" || c.Write {
			t.Errorf("planning calls %s", c.Name())
		}
	}
	b.on("sweep", "--plan-calls", "--secret", "payments-db").wants(t, 1, "leave out --secret and --tag")
	b.on("sweep", "--plan-calls", "--snapshot", "account.json").wants(t, 1, "leave out --snapshot")
	b.on("sweep", "--plan-calls", "--output", "html").wants(t, 1, "text or json, not html")
}
