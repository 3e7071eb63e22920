package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

// fleetReport is as much of a fleet's JSON report as the tests look at.
type fleetReport struct {
	readReport
	Targets []report.Target
	Secrets []struct{ Account, Region, Name, Verdict string }
}

func parseFleet(t *testing.T, text string) fleetReport {
	t.Helper()
	parseReport(t, text) // holds it to the schema
	var r fleetReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantCounts holds the verdicts of one target.
func wantCounts(t *testing.T, target *report.Target, want map[account.Verdict]int) {
	t.Helper()
	got := map[account.Verdict]int{}
	for v, n := range target.Summary.ByVerdict {
		if n > 0 {
			got[account.Verdict(v)] = n
		}
	}
	if target.Status != report.TargetSwept || !maps.Equal(got, want) {
		t.Errorf("%s %s is %s (%s) with %v, want %v", target.Account, target.Region, target.Status, target.Cause, got, want)
	}
}

const fleetTargets = `role_name: ` + fleet.Member + `
external_id: ` + fleet.ExternalID + `
regions: [eu-central-1, eu-west-1]
concurrency: 3
targets:
`

// newFleetBench is a shell in an account from which a fleet of others in memory can be swept; n-th account, Region r is number 2n+r.
func newFleetBench(t *testing.T, accounts ...string) *bench {
	t.Helper()
	b := newBench(t)
	for i, id := range accounts {
		peer := b.account.Peer(id)
		if err := fleet.AddMember(t.Context(), peer.Config(), account.ID); err != nil {
			t.Fatal(err)
		}
		for r, region := range []string{"eu-central-1", "eu-west-1"} {
			if err := fleet.Seed(t.Context(), peer.In(region).Config(), id, 2*i+r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b
}

func TestTargetsAreSweptIntoOneReport(t *testing.T) {
	ids := []string{"200000000001", "200000000002", "200000000003", "200000000004"}
	b := newFleetBench(t, ids[:3]...) // the fourth has no member role: AssumeRole is denied
	text := fleetTargets
	for _, id := range ids {
		text += fmt.Sprintf("  - {account: %q, name: a%c}\n", id, id[11])
	}
	b.writes("targets.yaml", text)
	// The third cannot answer for its functions' policies in one Region, and the second's secrets cannot be listed in one.
	b.account.Peer(ids[2]).Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Region: "eu-west-1", Count: -1}, awstest.Fault{Code: "ServiceException", Status: http.StatusInternalServerError})
	b.account.Peer(ids[1]).Fail(awstest.Match{Service: "secretsmanager", Operation: "ListSecrets", Region: "eu-west-1", Count: -1}, awstest.Fault{Code: "AccessDeniedException", Status: http.StatusBadRequest})
	got := b.on("sweep", "--targets", "targets.yaml", "--output", "json").wants(t, 1, "rotationguard: 8/8 ")
	if n := strings.Count(got.stderr, "\n"); n != 8 {
		t.Errorf("%d lines of progress for 8 targets:\n%s", n, got.stderr)
	}
	r := parseFleet(t, got.stdout)
	if len(r.Targets) != 8 || r.Account != "" {
		t.Fatalf("%d targets of account %q", len(r.Targets), r.Account)
	}
	for i := range r.Targets {
		target := &r.Targets[i]
		n, region := int(target.Account[11]-'1'), 0
		if target.Region == "eu-west-1" {
			region = 1
		}
		switch {
		case target.Account == ids[3]:
			if target.Status != report.TargetFailed || !strings.Contains(target.Cause, "sts:AssumeRole") || !strings.Contains(target.Cause, "AccessDenied") {
				t.Errorf("the account without a role: %+v", target)
			}
		case target.Account == ids[2] && region == 1:
			if target.Status == report.TargetSwept || target.Verdict != nil && (*target.Verdict == drift.InSync || *target.Verdict == drift.Drifted) || target.Summary.ByVerdict[drift.InSync] > 0 {
				t.Errorf("the target without answers: %+v", target)
			}
		case target.Account == ids[1] && region == 1:
			if target.Status != report.TargetFailed || !strings.Contains(target.Cause, "ListSecrets") {
				t.Errorf("the target whose secrets cannot be listed: %+v", target)
			}
		default:
			wantCounts(t, target, fleet.Want(2*n+region))
		}
	}
	for _, s := range r.Secrets {
		if s.Account == "" || s.Region == "" {
			t.Errorf("%s says not whose it is", s.Name)
		}
	}
	for _, id := range ids[:3] {
		for _, c := range b.account.Peer(id).Calls() {
			if c.Service != "sts" && strings.Contains(c.Caller, "rotationguard-member") && len(c.SessionPolicy) != 1 {
				t.Fatalf("%s by %s without a session policy", c.Name(), c.Caller)
			}
		}
	}
}

func TestTargetsTellWhatIsNewOfEachOnce(t *testing.T) {
	b := newFleetBench(t, "200000000001", "200000000002") // a third has no member role
	b.writes("targets.yaml", strings.Replace(fleetTargets, ", eu-west-1", "", 1)+"  - {account: \"200000000001\"}\n  - {account: \"200000000002\"}\n")
	topic := b.account.AddTopic("rotationguard")
	text := b.on("sweep", "--targets", "targets.yaml", "--output", "json", "--alert-topic", topic)
	worse := 0
	for _, target := range parseFleet(t, text.stdout).Targets {
		if v := target.Verdict; v != nil && *v != drift.InSync {
			worse++
		}
	}
	told := func() (subjects []string) {
		for _, m := range b.account.Messages() {
			subjects = append(subjects, m.Subject)
		}
		return subjects
	}
	first := told()
	if worse == 0 || len(first) != worse {
		t.Fatalf("%d targets are worse than in sync, told is %q", worse, first)
	}
	b.on("sweep", "--targets", "targets.yaml", "--alert-topic", topic)
	if again := told(); len(again) != worse {
		t.Errorf("what stands was told again: %q", again[worse:])
	}
	b.writes("more.yaml", strings.Replace(fleetTargets, ", eu-west-1", "", 1)+"  - {account: \"200000000003\"}\n")
	b.on("sweep", "--targets", "more.yaml", "--alert-topic", topic).wants(t, 1, "200000000003")
	if again := told(); len(again) != worse+1 {
		t.Errorf("that a target could not be swept is told as %q", again[worse:])
	}
}

func TestTargetsThatAreAllInSync(t *testing.T) {
	b := newFleetBench(t, "200000000001")
	b.writes("targets.yaml", strings.Replace(fleetTargets, ", eu-west-1", "", 1)+"  - {account: \"200000000001\"}\n")
	got := b.on("sweep", "--targets", "targets.yaml").wants(t, 0, "1/1 200000000001 eu-central-1: 1 secret: 1 in-sync")
	if !strings.Contains(got.stdout, "1 target in 1 account") || !strings.Contains(got.stdout, "200000000001") {
		t.Errorf("text:\n%s", got.stdout)
	}
	page := b.on("sweep", "--targets", "targets.yaml", "--output", "html").wants(t, 0, "1/1 ").stdout
	if !strings.Contains(page, ">Targets<") {
		t.Error("the page has no targets")
	}
}

func TestTargetsAreRefusedBeforeAnythingIsRead(t *testing.T) {
	b := newFleetBench(t)
	b.writes("targets.yaml", fleetTargets+"  - {account: \"200000000001\"}\n")
	b.writes("other.yaml", "member: {role: other}\n")
	b.writes("repair.yaml", "mode: repair\n")
	b.writes("mistyped.yaml", "role_name: a\ntargets:\n  - {account: \"200000000001\", regions: [eu-west-1, eu-wset-1]}\n")
	b.writes("bad.yaml", "targets:\n  - {acount: \"200000000001\"}\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--targets", "none.yaml"}, "none.yaml: no such file"},
		{[]string{"--targets", "mistyped.yaml"}, "mistyped.yaml:3:52: targets[0].regions[1]: there is no Region \"eu-wset-1\": did you mean eu-west-1?"},
		{[]string{"--targets", "bad.yaml"}, "bad.yaml:2:6: targets[0].acount: unknown field"},
		{[]string{"--targets", "targets.yaml", "--config", "other.yaml"}, "targets.yaml:1:1: role_name: audit/rotationguard-member is not the configured member role other"},
		{[]string{"--targets", "targets.yaml", "--config", "repair.yaml"}, "member.writer_role"},
		{[]string{"--targets", "targets.yaml", "--snapshot", "x.json"}, "leave one of the two out"},
		{[]string{"--targets", "targets.yaml", "--ledger", "x.db"}, "--ledger names one file"},
		{[]string{"--concurrency", "3"}, "--concurrency is for --targets"},
	} {
		b.on(append([]string{"sweep"}, tt.args...)...).refused(t, tt.want)
	}
	if calls := b.account.Peer("200000000001").Calls(); len(calls) > 0 {
		t.Errorf("the target got %v", calls)
	}
}

// TestTargetsOnMoto sweeps accounts of an organization on an emulator that others wrote.
func TestTargetsOnMoto(t *testing.T) {
	s := emulator.For(t)(emulator.StartMoto(t.Context()))
	b := newBench(t)
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	client := organizations.NewFromConfig(cfg)
	created, err := client.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	if err != nil {
		t.Fatal(err)
	}
	roots, err := client.ListRoots(t.Context(), &organizations.ListRootsInput{})
	if err != nil {
		t.Fatal(err)
	}
	root := roots.Roots[0].Id
	units := map[string]*string{}
	for _, name := range []string{"prod", "sandbox"} {
		unit, err := client.CreateOrganizationalUnit(t.Context(), &organizations.CreateOrganizationalUnitInput{ParentId: root, Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		units[name] = unit.OrganizationalUnit.Id
	}
	var ids []string
	for i, unit := range []string{"prod", "prod", "sandbox"} {
		name := fmt.Sprintf("%s-%d", unit, i)
		made, err := client.CreateAccount(t.Context(), &organizations.CreateAccountInput{
			AccountName: &name, Email: aws.String(name + "@example.com"), Tags: []orgtypes.Tag{{Key: aws.String("stage"), Value: aws.String(unit)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		id := aws.ToString(made.CreateAccountStatus.AccountId)
		ids = append(ids, id)
		if _, err := client.MoveAccount(t.Context(), &organizations.MoveAccountInput{AccountId: &id, SourceParentId: root, DestinationParentId: units[unit]}); err != nil {
			t.Fatal(err)
		}
		theirs := cfg.Copy()
		theirs.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), "arn:aws:iam::"+id+":role/OrganizationAccountAccessRole"))
		if err := fleet.AddMember(t.Context(), theirs, account.ID); err != nil {
			t.Fatal(err)
		}
		for r, region := range []string{"eu-central-1", "eu-west-1"} {
			theirs.Region = region
			if err := fleet.Seed(t.Context(), theirs, id, 2*i+r); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.writes("targets.yaml", "role_name: "+fleet.Member+"\nexternal_id: "+fleet.ExternalID+"\nregions: [eu-central-1, eu-west-1]\norganization:\n  id: "+
		aws.ToString(created.Organization.Id)+"\n  ous: ["+aws.ToString(root)+"]\n  exclude_ous: ["+aws.ToString(units["sandbox"])+"]\n  exclude: [\""+account.ID+"\"]\n  tags: {stage: p*}\n")
	started := time.Now()
	got := b.types("sweep", "--targets", "targets.yaml", "--output", "json", "--endpoint-url", s.URL, "--region", "eu-central-1").wants(t, 2, "4/4 ")
	t.Logf("4 targets on moto in %v", time.Since(started))
	r := parseFleet(t, got.stdout)
	if len(r.Targets) != 4 {
		t.Fatalf("%d targets, want 4: %+v", len(r.Targets), r.Targets)
	}
	for i := range r.Targets {
		target := &r.Targets[i]
		for k, id := range ids[:2] {
			if target.Account == id {
				n := 2 * k
				if target.Region == "eu-west-1" {
					n++
				}
				wantCounts(t, target, fleet.Want(n))
				if target.Name != fmt.Sprintf("prod-%d", k) {
					t.Errorf("account %s is called %q", id, target.Name)
				}
			}
		}
	}

	// In mode repair each target is written to by itself, with its own ledger in the shared table: the one that is paused stays as it is.
	if _, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("ledger"), BillingMode: dynamodbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamodbtypes.AttributeDefinition{{AttributeName: aws.String(ledger.PartitionKey), AttributeType: "S"}, {AttributeName: aws.String(ledger.SortKey), AttributeType: "S"}},
		KeySchema:            []dynamodbtypes.KeySchemaElement{{AttributeName: aws.String(ledger.PartitionKey), KeyType: "HASH"}, {AttributeName: aws.String(ledger.SortKey), KeyType: "RANGE"}},
	}); err != nil {
		t.Fatal(err)
	}
	b.writes("repair.yaml", "mode: repair\nledger: {table: ledger}\nmember: {role: "+fleet.Member+", writer_role: audit/writer}\n"+
		"repair: {functions: [\"arn:aws:lambda:*:*:function:rotate-*\"], roles: [\"arn:aws:iam::*:role/rotate-*\"], settle: 0s}\n")
	paused := ids[1] + "/eu-west-1"
	on := []string{"--config", "repair.yaml", "--endpoint-url", s.URL, "--region", "eu-central-1"}
	for _, bad := range []struct{ target, config, want string }{
		{"1111/eu-west-1", "repair.yaml", "it is ACCOUNT/REGION"}, {ids[2] + "/eu-west-1", "none.yaml", "ledger.table of the configuration"},
	} {
		b.writes("none.yaml", "mode: report\n")
		b.types("pause", "--target", bad.target, "--config", bad.config, "--endpoint-url", s.URL, "--region", "eu-central-1").refused(t, bad.want)
	}
	b.types(append([]string{"pause", "--reason", "incident", "--target", paused}, on...)...).wants(t, 0)
	for _, step := range []struct{ verdict drift.Verdict }{{drift.Broken}, {drift.InSync}} {
		r = parseFleet(t, b.types(append([]string{"sweep", "--targets", "targets.yaml", "--output", "json"}, on...)...).wants(t, 2, "4/4 ").stdout)
		for i := range r.Secrets {
			s := &r.Secrets[i]
			want := string(drift.InSync)
			switch {
			case strings.HasSuffix(s.Name, "-gone"):
				want = string(drift.Orphaned)
			case s.Account+"/"+s.Region == paused && strings.HasSuffix(s.Name, "-uninvoke"):
				want = string(step.verdict)
			}
			if s.Verdict != want {
				t.Errorf("%s %s %s is %s, want %s", s.Account, s.Region, s.Name, s.Verdict, want)
			}
		}
		b.types(append([]string{"resume", "--target", paused}, on...)...).wants(t, 0)
	}
	if text := b.types(append([]string{"findings", "--all", "--target", paused}, on...)...).wants(t, 0).stdout; !strings.Contains(text, "rotate-db-2-uninvoke") {
		t.Errorf("the findings of %s:\n%s", paused, text)
	}
	written := regexp.MustCompile(`\d{8}T\d{6}Z-[0-9a-f]{8}`).FindString(b.types(append([]string{"findings", "--runs", "--target", paused}, on...)...).wants(t, 0).stdout)
	back := b.types(append([]string{"rollback", written, "--accept-broken", "--yes", "--target", paused}, on...)...).wants(t, 0).stdout
	if !strings.Contains(back, "account "+ids[1]+"  eu-west-1") || !strings.Contains(back, "rotate-db-2-uninvoke") {
		t.Errorf("rollback of %s says:\n%s", paused, back)
	}
}
