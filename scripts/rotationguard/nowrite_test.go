package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// valueOf are values for every flag of the commands that only read. A flag without one fails the test: whoever adds it says what it does here.
var valueOf = map[string][]string{
	"all-qualifiers": {"true"},
	"concurrency":    {"2"},
	"config":         {"writing.yaml"},
	"ledger":         {"other.db"},
	"mode":           {"report"},
	"no-color":       {"true"},
	"out":            {"result"},
	"plan-calls":     {"true"},
	"output":         {"text", "json", "html", "csv", "junit", "sarif", "ocsf", "asff"},
	"alert-topic":    {""}, // it publishes
	"profile":        {""}, // there is none in the test's folder
	"secret":         {"payments-db"},
	"snapshot":       {"account.json"},
	"tag":            {"team=pay"},
	"target":         {account.ID + "/" + account.Region},
	"targets":        {"targets.yaml"},
	"watch":          {""}, // it does not end: TestWatchPrintsALineForEachChangeAndWritesNothing
	"interval":       {"1m"},
	"help":           {"true"},
	"region":         {""}, // every command is given it
	"endpoint-url":   {""},
}

// TestReportWritesNothingUnderAnyFlag types sweep in mode report with every flag that it has, each alone and all together, and plan, which
// writes in no mode, with those of its own.
func TestReportWritesNothingUnderAnyFlag(t *testing.T) {
	b := newBench(t)
	b.writes("writing.yaml", "mode: report\n"+lifted)
	b.writes("targets.yaml", "role_name: member\ntargets: [{account: \""+account.ID+"\", regions: ["+account.Region+"]}]\n")
	b.account.AddRole(awstest.Role{Name: "member", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account.ID + `:root"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`})
	b.on("snapshot", "save", "account.json")
	b.on("plan", "--out", "plan.json", "--config", "writing.yaml").wants(t, 2, "written to")
	try := func(args ...string) {
		t.Helper()
		b.on(args...)
		for _, c := range b.account.Writes() {
			t.Errorf("%s: %s on %s", strings.Join(args, " "), c.Name(), c.Resource)
		}
		b.account.ResetCalls()
	}
	for _, name := range []string{"sweep", "plan"} {
		all := []string{name}
		cmd, _, err := newRoot().Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		cmd.InitDefaultHelpFlag()
		flags := 0
		for _, line := range regexp.MustCompile(`(?m)^ *(?:-\w, )? *--([a-z-]+)`).FindAllStringSubmatch(cmd.Flags().FlagUsages(), -1) {
			flag := line[1]
			values, ok := valueOf[flag]
			if !ok {
				t.Errorf("%s --%s: say in valueOf with which value it is tried", name, flag)
			}
			if flag == "mode" && name == "plan" {
				values = []string{"repair", "enforce"}
			}
			for _, v := range values {
				if v != "" {
					flags++
					try(name, "--"+flag+"="+v)
					all = append(all, "--"+flag+"="+v)
				}
			}
		}
		if flags < 8 {
			t.Errorf("%s was tried with %d flags only", name, flags)
		}
		try(slices.DeleteFunc(all, func(a string) bool {
			name, _, _ := strings.Cut(a, "=")
			return slices.Contains([]string{"--help", "--snapshot", "--targets", "--target", "--concurrency", "--interval"}, name)
		})...)
		try(name, "--targets=targets.yaml", "--target="+account.ID+"/"+account.Region)
	}
	// What of the other commands does not say that it writes, does not.
	for _, args := range [][]string{
		{"findings"}, {"findings", "--all"}, {"findings", "--runs"}, {"exempt", "list"}, {"pause"}, {"resume"}, {"snapshot", "save", "again.json"}, {"explain", "nothing"},
		{"rollback", "20260301T020304Z-1a2b3c4d"},
	} {
		try(args...)
	}
	// A rollback without --yes only shows.
	b.on("apply", "plan.json", "--config", "writing.yaml").wants(t, 0)
	run := strings.Fields(b.on("findings", "--runs").wants(t, 0).stdout)
	i := slices.IndexFunc(run, func(s string) bool { return strings.Contains(s, "Z-") })
	if i < 0 {
		t.Fatalf("no run is listed: %v", run)
	}
	b.account.ResetCalls()
	for _, more := range [][]string{nil, {"--accept-broken"}, {"--change", "change-0"}} {
		try(append([]string{"rollback", run[i]}, more...)...)
	}
}
