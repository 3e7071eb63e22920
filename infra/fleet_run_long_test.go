//go:build long

package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// TestLongFleetRuns runs the synthesized state machine over 22 accounts in two Regions each, with drift in most. One account lets nobody in, one
// throttles its functions' policies for good, one never answers; the digest is exact about these and all others.
func TestLongFleetRuns(t *testing.T) {
	const accounts, denying, throttling, silent = 22, 4, 9, 15
	regions := []string{"eu-central-1", "eu-west-1"}
	r := runFleet(t, accounts, regions, 100)
	cfg := r.hub.Peer(fleetAccount(denying)).Config()
	cfg.BaseEndpoint = &r.accounts
	if _, err := iam.NewFromConfig(cfg).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("rotationguard-member")}); err != nil {
		t.Fatal(err)
	}
	r.hub.Peer(fleetAccount(throttling)).Fail(awstest.Match{Service: "lambda", Operation: "GetPolicy", Count: -1}, awstest.Fault{Code: "TooManyRequestsException", Status: http.StatusTooManyRequests})
	r.hub.Peer(fleetAccount(silent)).Fail(awstest.Match{Service: "secretsmanager", Operation: "ListSecrets", Count: -1}, awstest.Fault{Hang: true})
	started := time.Now()
	if out := r.run(t, "all"); out.Status != sfntypes.ExecutionStatusSucceeded {
		t.Fatalf("the execution is %s: %s %s", out.Status, aws.ToString(out.Error), aws.ToString(out.Cause))
	}
	calls := 0
	for _, n := range r.hub.CallCounts() {
		calls += n
	}
	t.Logf("%d targets in %v, %d calls of the accounts' APIs", accounts*len(regions), time.Since(started), calls)
	o := r.report(t, "all")
	wantExactly(t, &o, accounts, regions, map[string]expected{
		fleetAccount(denying):    {report.TargetFailed, "sts:AssumeRole"},
		fleetAccount(throttling): {report.TargetIncomplete, ""},
		fleetAccount(silent):     {report.TargetFailed, "listing secrets: "},
	})
	if messages := r.told(t); len(messages) != 1 {
		t.Errorf("%d messages, want one", len(messages))
	}
}
