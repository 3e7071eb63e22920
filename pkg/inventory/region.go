package inventory

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// regionForm is what a Region may look like at all: it becomes part of a host name.
var regionForm = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)

// knownRegions are the Regions that there were in November 2026 (the SDK's partitions). A Region that is missing here may be new: the
// list only helps to say why something failed.
var knownRegions = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
	"ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1",
	"cn-north-1", "cn-northwest-1", "eu-central-1", "eu-central-2", "eu-isoe-west-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1",
	"eu-west-2", "eu-west-3", "eusc-de-east-1", "il-central-1", "me-central-1", "me-south-1", "me-west-1", "mx-central-1", "sa-east-1",
	"sa-west-1", "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1",
	"us-isob-west-1", "us-isof-east-1", "us-isof-south-1", "us-west-1", "us-west-2",
}

// checkRegion refuses a Region that no endpoint can be made of.
func (c Clients) checkRegion() error {
	switch {
	case c.Region == "":
		return &AccountError{Trouble: TroubleRegion, Line: "no Region: give --region, set AWS_REGION or a profile that names one"}
	case !regionForm.MatchString(c.Region):
		return &AccountError{Trouble: TroubleRegion, Line: quoted(c.Region) + " is not the name of a Region, such as eu-central-1: check its spelling"}
	}
	return nil
}

// mistyped says whether the Region is one that nobody has heard of.
func (c Clients) mistyped() bool { return !slices.Contains(knownRegions, c.Region) }

func quoted(s string) string { return fmt.Sprintf("%q", rotation.OneLine(s)) }
