package report_test

import (
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// A target that was not swept names no ARN: its Region tells in which partition Security Hub takes the finding.
func TestSecurityFindingOfATargetIsOfThePartitionOfItsRegion(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"} {
		f := ledger.FindingRecord{Finding: drift.Finding{ID: "1", Kind: report.KindTarget}}
		got := report.SecurityFinding(&f, ledger.Standing, report.Secret{Account: "123456789012", Region: region}, time.Unix(0, 0))
		if arn := "arn:" + want + ":securityhub:" + region + ":123456789012:product/123456789012/default"; *got.ProductArn != arn {
			t.Errorf("ProductArn = %s, want %s", *got.ProductArn, arn)
		}
	}
}
