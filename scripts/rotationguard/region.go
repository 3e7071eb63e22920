package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// partitions are the forms that names of Regions have, by partition. Source: partitions.json of the AWS SDKs (botocore/data/partitions.json),
// regionRegex; the compass word is from the published lists of Regions.
var partitions = map[string]*regexp.Regexp{
	"aws":        regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-(north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]$`),
	"aws-cn":     regexp.MustCompile(`^cn-(north|northwest|south|east|west)-[1-9]$`),
	"aws-us-gov": regexp.MustCompile(`^us-gov-(east|west)-[1-9]$`),
	"aws-iso":    regexp.MustCompile(`^us-iso-(east|west)-[1-9]$`),
	"aws-iso-b":  regexp.MustCompile(`^us-isob-(east|west)-[1-9]$`),
	"aws-iso-e":  regexp.MustCompile(`^eu-isoe-(west|east|north|south|central)-[1-9]$`),
	"aws-iso-f":  regexp.MustCompile(`^us-isof-(east|west|south|north)-[1-9]$`),
	"aws-eusc":   regexp.MustCompile(`^eusc-[a-z]{2}-(north|south|east|west|central)-[1-9]$`),
}

// regions are those that the published list has, for suggesting the one that was meant. A Region that is newer is taken as it is.
// Source: AWS Regions and Availability Zones, "AWS Regions".
var regions = strings.Fields(`af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2
	ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2
	eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1
	us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2`)

// checkRegion refuses what no Region can be called, before anything is asked of it.
func checkRegion(region string) error {
	if region == "" {
		return fmt.Errorf("no Region: give --region, set AWS_REGION, or name one in your AWS profile")
	}
	for _, form := range partitions {
		if form.MatchString(region) {
			return nil
		}
	}
	hint := "such as eu-central-1"
	if near := nearest(region, regions); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fmt.Errorf("there is no Region %q: %s", region, hint)
}

// nearest is the word of a list that differs least, or nothing when all differ much.
func nearest(word string, list []string) string {
	best, least := "", min(4, len(word)/2+1)
	for _, candidate := range list {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = slices.Min([]int{row[j] + 1, next[j-1] + 1, row[j-1] + cost})
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
