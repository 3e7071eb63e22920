package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

// newRepairingFleet is a shell with two accounts whose drift a sweep of targets.yaml by repair.yaml mends.
func newRepairingFleet(t *testing.T) (b *bench, ids []string) {
	t.Helper()
	ids = []string{"200000000001", "200000000002"}
	b = newFleetBench(t, ids...)
	text := fleetTargets
	for _, id := range ids {
		text += "  - {account: \"" + id + "\"}\n"
		b.account.Peer(id).AddRole(awstest.Role{Name: "writer", Path: "/audit/", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + id + `:role/` +
			fleet.Member + `"},"Action":"sts:AssumeRole"}]}`})
	}
	b.writes("targets.yaml", text)
	b.writes("repair.yaml", "mode: repair\nmember: {role: "+fleet.Member+", external_id: "+fleet.ExternalID+", writer_role: audit/writer}\n"+
		"repair: {functions: [\"arn:aws:lambda:*:*:function:rotate-*\"], roles: [\"arn:aws:iam::*:role/rotate-*\"], settle: 0s}\n")
	return b, ids
}

func TestOneTargetIsWorkedOnAsTheFleetDoes(t *testing.T) {
	b, ids := newRepairingFleet(t)
	in := []string{"--targets", "targets.yaml", "--target", ids[0] + "/eu-west-1"} // which has a function without a policy
	on := func(args ...string) typed { return b.on(append(args, in...)...) }
	verdicts := func() map[string]string {
		all := map[string]string{}
		r := parseFleet(t, b.on("sweep", "--targets", "targets.yaml", "--mode", "report", "--output", "json").stdout)
		for _, s := range r.Secrets {
			all[s.Account+"/"+s.Region+" "+s.Name] = s.Verdict
		}
		return all
	}
	const broken = "200000000001/eu-west-1 db-1-uninvoke"
	if v := verdicts()[broken]; v != string(drift.Broken) {
		t.Fatalf("%s is %q before", broken, v)
	}

	// A plan of it is looked at, needs no writer, and is applied.
	on("plan", "--out", "plan.json").wants(t, 2, "written to plan.json")
	if text := on("pause", "--reason", "incident").wants(t, 0).stdout; !strings.Contains(text, "the ledger of 200000000001/eu-west-1 (") || !strings.Contains(text, "200000000001-eu-west-1.db)") {
		t.Errorf("pause says %s", text)
	}
	if text := on("apply", "plan.json", "--config", "repair.yaml").wants(t, 2, "").stdout; !strings.Contains(text, "incident") {
		t.Errorf("apply while it is paused:\n%s", text)
	}
	on("resume").wants(t, 0)
	on("apply", "plan.json").refused(t, "member.writer_role")
	on("apply", "plan.json", "--config", "repair.yaml").wants(t, 0)
	if v := verdicts()[broken]; v != string(drift.InSync) {
		t.Errorf("%s is %s after apply", broken, v)
	}
	run := regexp.MustCompile(`\d{8}T\d{6}Z-[0-9a-f]{8}`).FindString(on("findings", "--runs").wants(t, 0).stdout)
	if run == "" {
		t.Fatal("the target's ledger has no run")
	}
	b.on("rollback", run, "--targets", "targets.yaml", "--target", ids[1]+"/eu-west-1").refused(t, "no run "+run)
	on("rollback", run, "--accept-broken").wants(t, 0)
	on("rollback", run, "--accept-broken", "--yes", "--config", "repair.yaml").wants(t, 0)
	if v := verdicts()[broken]; v != string(drift.Broken) {
		t.Errorf("%s is %s after rollback", broken, v)
	}

	// What the fleet's sweep wrote there is taken back by what its report says.
	report := b.on("sweep", "--targets", "targets.yaml", "--config", "repair.yaml").wants(t, 2, "4/4 ").stdout
	told := regexp.MustCompile("200000000002\\s+eu-west-1:\\s+Run\\s+\\S+\\s+wrote\\s+1\\s+changes;\\s+`([^`]*)`").FindStringSubmatch(report)
	if told == nil {
		t.Fatalf("the report names no command:\n%s", report)
	}
	command := strings.Fields(told[1])[1:]
	if text := b.on(append(command, "--config", "repair.yaml", "--accept-broken", "--yes")...).wants(t, 0).stdout; !strings.Contains(text, "account 200000000002  eu-west-1") {
		t.Errorf("rollback says:\n%s", text)
	}
	if v := verdicts()["200000000002/eu-west-1 db-2-uninvoke"]; v != string(drift.Broken) {
		t.Errorf("it is %s after rollback", v)
	}
	for _, c := range b.account.Peer(ids[0]).Calls() {
		if strings.Contains(c.Caller, "rotationguard-member") && len(c.SessionPolicy) != 1 {
			t.Fatalf("%s by %s without a session policy", c.Name(), c.Caller)
		}
	}

	on("sweep").wants(t, 2)
	on("explain", strings.Fields(on("findings").wants(t, 0).stdout)[4]).wants(t, 0)
	on("snapshot", "save", "one.json").wants(t, 0, "2 secrets written to one.json")
	b.on("sweep", "--snapshot", "one.json").wants(t, 2)
	on("exempt", "list").wants(t, 0)
	on("report").wants(t, 0)
}

func TestAllTargetsArePausedAtOnce(t *testing.T) {
	b, ids := newRepairingFleet(t)
	b.on("sweep", "--targets", "targets.yaml").wants(t, 2, "4/4 ") // each leaves a ledger
	b.writes("more.yaml", fleetTargets+"  - {account: \""+ids[0]+"\"}\n  - {account: \"200000000009\", regions: [eu-west-1]}\n")
	if text := b.on("pause", "--reason", "incident", "--targets", "targets.yaml").wants(t, 0).stdout; strings.Count(text, "paused since ") != 4 {
		t.Errorf("paused are:\n%s", text)
	}
	text := b.on("sweep", "--targets", "targets.yaml", "--config", "repair.yaml").wants(t, 2, "4/4 ").stdout
	if !strings.Contains(text, "incident") || strings.Contains(text, "  done ") {
		t.Errorf("a fleet that is paused:\n%s", text)
	}
	// A target without a ledger is told of, and holds up no other.
	if got := b.on("resume", "--targets", "more.yaml").wants(t, 1, "200000000009/eu-west-1: there is no ledger of 200000000009/eu-west-1"); strings.Count(got.stdout, "repair may write again") != 2 {
		t.Errorf("resumed are:\n%s", got.stdout)
	}
	b.on("resume", "--targets", "targets.yaml").wants(t, 0)
	if text := b.on("sweep", "--targets", "targets.yaml", "--config", "repair.yaml").wants(t, 2, "4/4 ").stdout; !strings.Contains(text, "  done ") {
		t.Errorf("a fleet that goes on:\n%s", text)
	}
}

func TestOnlyATargetOfTheFleetIsWorkedOn(t *testing.T) {
	b, ids := newRepairingFleet(t)
	b.writes("organization.yaml", "role_name: "+fleet.Member+"\nregions: [eu-central-1]\norganization: {id: o-a1b2c3d4e5, exclude: [\""+ids[0]+"\"]}\n")
	for _, command := range [][]string{{"plan"}, {"rollback", "run"}, {"explain", "id"}, {"findings"}, {"pause"}, {"snapshot", "save", "x.json"}, {"exempt", "list"}, {"report"}, {"sweep"}} {
		for _, tt := range []struct{ flags, want string }{
			{"--targets targets.yaml --target 1111/eu-west-1", "it is ACCOUNT/REGION"},
			{"--targets targets.yaml --target 200000000001", "it is ACCOUNT/REGION"},
			{"--targets targets.yaml --target 200000000001/eu-west-11", "--target \"200000000001/eu-west-11\""},
			{"--targets targets.yaml --target 200000000009/eu-west-1", "targets.yaml does not list account 200000000009"},
			{"--targets targets.yaml --target 200000000001/us-east-1", "has account 200000000001 in eu-central-1, eu-west-1"},
			{"--targets organization.yaml --target 200000000001/eu-central-1", "organization.yaml excludes account 200000000001"},
			{"--targets organization.yaml --target 200000000002/eu-west-1", "in eu-central-1"},
			{"--targets none.yaml --target 200000000001/eu-west-1", "none.yaml"},
		} {
			b.on(append(command, strings.Fields(tt.flags)...)...).refused(t, tt.want)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{"plan --targets targets.yaml", "say with --target"},
		{"findings --targets targets.yaml", "say with --target"},
		{"plan --target 200000000001/eu-west-1", "member.role of the configuration"},
		{"plan --targets targets.yaml --target 200000000001/eu-west-1 --ledger x.db", "leave one of the two out"},
		{"pause --target 200000000001/eu-west-1 --ledger x.db", "leave one of the two out"},
		{"sweep --targets targets.yaml --target 200000000001/eu-west-1 --snapshot x.json", "leave one of the two out"},
		{"sweep --targets targets.yaml --target 200000000001/eu-west-1 --concurrency 2", "leave one of the two out"},
		{"rollback run --yes --targets targets.yaml --target 200000000001/eu-west-1", "member.writer_role"},
	} {
		b.on(strings.Fields(tt.args)...).refused(t, tt.want)
	}
	for _, id := range ids {
		for _, c := range b.account.Peer(id).Calls() {
			if c.Service == "secretsmanager" && strings.Contains(c.Caller, "member") {
				t.Fatalf("%s was asked %s", id, c.Name())
			}
		}
	}
	b.account.Peer(ids[1]).AddRole(awstest.Role{Name: "other"}) // the fleet's member role is one, whoever is asked for
	b.writes("other.yaml", "member: {role: other}\n")
	b.on("plan", "--targets", "targets.yaml", "--target", ids[1]+"/eu-west-1", "--config", "other.yaml").refused(t, "is not the configured member role other")
}
