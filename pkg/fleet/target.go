package fleet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Target is one account and Region, as the items of a fleet's map state hold it.
type Target struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	RoleARN string `json:"role_arn"`
	Name    string `json:"name,omitempty"` // for people
}

// String is "ACCOUNT NAME REGION".
func (t Target) String() string {
	if t.Name == "" {
		return t.Account + " " + t.Region
	}
	return t.Account + " " + t.Name + " " + t.Region
}

// Place is "ACCOUNT/REGION", as the command's --target names it.
func (t Target) Place() string { return t.Account + "/" + t.Region }

// Fleet is the role that may be assumed in targets, and nothing else.
type Fleet struct {
	Role       string // its name, path included
	ExternalID string
	Writer     string // the name of the role that changes are written with in each account; empty: nothing is written
}

// New is the fleet of a targets file and a config, which may both name the member role and the external id, but not differently.
func New(t *config.Targets, member config.Member) (Fleet, error) {
	m, err := t.Member(member)
	return Fleet{Role: m.Role, ExternalID: m.ExternalID, Writer: m.WriterRole}, err
}

// Target is an account and Region with its role.
func (f Fleet) Target(partition, account, name, region string) Target {
	return Target{Account: account, Name: name, Region: region, RoleARN: inventory.RoleIn(partition, account, f.Role)}
}

// WriterIn is the ARN of the writer role in a target's account; empty where the fleet has none.
func (f Fleet) WriterIn(t Target) string {
	if f.Writer == "" {
		return ""
	}
	return inventory.RoleIn(inventory.PartitionOf(t.RoleARN), t.Account, f.Writer)
}

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
)

// ErrRefused says that a target names a role that is not to be assumed, or is no target.
var ErrRefused = errors.New("target refused")

// Check refuses a target whose role is not the member role of just that account and partition.
func (f Fleet) Check(t Target, partition string) error {
	switch want := inventory.RoleIn(partition, t.Account, f.Role); {
	case !accountForm.MatchString(t.Account):
		return fmt.Errorf("%w: account %q is not 12 digits", ErrRefused, t.Account)
	case !regionForm.MatchString(t.Region):
		return fmt.Errorf("%w: region %q is no Region's name", ErrRefused, t.Region)
	case f.Role == "":
		return fmt.Errorf("%w: no member role is configured (member.role)", ErrRefused)
	case t.RoleARN != want:
		return fmt.Errorf("%w: role_arn %q is not the configured member role %s", ErrRefused, t.RoleARN, want)
	}
	return nil
}

// OperatorsIn are those of the declared operators that are the target's own: those of other accounts are judged there.
func OperatorsIn(t Target, all []rotation.Operator) []rotation.Operator {
	var theirs []rotation.Operator
	for _, o := range all {
		if o.Principal.Parts().Account == t.Account {
			theirs = append(theirs, o)
		}
	}
	return theirs
}

// Listed are the targets of a file that lists them.
func (f Fleet) Listed(t *config.Targets, partition string) []Target {
	var targets []Target
	for _, account := range t.Targets {
		regions := account.Regions
		if len(regions) == 0 {
			regions = t.Regions
		}
		for _, region := range regions {
			targets = append(targets, f.Target(partition, account.Account, account.Name, region))
		}
	}
	sortTargets(targets)
	return targets
}

// sortTargets puts neighbours into different accounts: IAM's quotas are an account's, and those that are swept at the same time should not
// share them.
func sortTargets(targets []Target) {
	slices.SortFunc(targets, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Account, b.Account))
	})
}

// ParseTarget reads a target as an item of the map state holds it. Unknown fields are errors: an item that would be half understood could
// sweep something else than was meant.
func ParseTarget(data []byte) (Target, error) {
	var t Target
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return Target{}, fmt.Errorf("%w: it is an object with account, region and role_arn: %w", ErrRefused, err)
	}
	return t, nil
}
