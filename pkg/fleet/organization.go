package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// organizationAPI is what listing an organization's accounts takes.
type organizationAPI interface {
	ListAccounts(context.Context, *organizations.ListAccountsInput, ...func(*organizations.Options)) (*organizations.ListAccountsOutput, error)
	ListAccountsForParent(context.Context, *organizations.ListAccountsForParentInput, ...func(*organizations.Options)) (*organizations.ListAccountsForParentOutput, error)
	ListOrganizationalUnitsForParent(context.Context, *organizations.ListOrganizationalUnitsForParentInput, ...func(*organizations.Options)) (*organizations.ListOrganizationalUnitsForParentOutput, error)
	ListRoots(context.Context, *organizations.ListRootsInput, ...func(*organizations.Options)) (*organizations.ListRootsOutput, error)
	ListTagsForResource(context.Context, *organizations.ListTagsForResourceInput, ...func(*organizations.Options)) (*organizations.ListTagsForResourceOutput, error)
}

// regionsAPI is what finding the Regions takes that an account has opted in to.
type regionsAPI interface {
	ListRegions(context.Context, *account.ListRegionsInput, ...func(*account.Options)) (*account.ListRegionsOutput, error)
}

// Directory asks AWS for an organization's accounts and their Regions.
type Directory struct {
	Organization organizationAPI
	Regions      regionsAPI
	Caller       string // the ARN of who asks
}

// NewDirectory makes a directory of a configuration; caller is the ARN of its credentials.
func NewDirectory(cfg aws.Config, caller string) Directory {
	cfg = inventory.Bounded(cfg)
	return Directory{Organization: organizations.NewFromConfig(cfg), Regions: account.NewFromConfig(cfg), Caller: caller}
}

// List is what a fleet sweep has to read.
type List struct {
	Targets []Target  `json:"targets,omitempty"`
	Failed  []Failure `json:"failed"` // accounts of which not even the Regions are known
	Notes   []string  `json:"notes"`
}

// The names of what a run's folder holds besides reports: the targets, as a JSON array that a map state reads its items from, and a List of
// what is not among them.
const (
	ListName     = "targets.json"
	UnlistedName = "unlisted.json"
)

// Failure is an account, or a target, that could not be swept, and why. Region is empty where the account as a whole is meant.
type Failure struct {
	Account string `json:"account"`
	Name    string `json:"name,omitempty"`
	Region  string `json:"region,omitempty"`
	Cause   Cause  `json:"cause"`
}

// List lists the targets of a file: its own, or the organization's. An account whose tags or Regions cannot be read is in Failed; an
// organization that cannot be read is an error.
func (f Fleet) List(ctx context.Context, d Directory, t *config.Targets) (List, error) {
	partition := inventory.PartitionOf(d.Caller)
	if t.Listed() {
		return List{Targets: f.Listed(t, partition)}, nil
	}
	accounts, notes, err := d.accounts(ctx, t.Organization)
	if err != nil {
		return List{}, fmt.Errorf("listing the accounts of organization %s: %w", t.Organization.ID, err)
	}
	list := List{Notes: notes}
	regions, closed := make([][]string, len(accounts)), make([][]string, len(accounts))
	failed := make([]*Failure, len(accounts))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(directoryConcurrency)
	for i, a := range accounts {
		group.Go(func() error {
			var cause *Cause
			regions[i], closed[i], cause = d.regionsOf(within, t, a)
			if cause != nil {
				failed[i] = &Failure{Account: a.id, Name: a.name, Cause: *cause}
			}
			return within.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return List{}, err
	}
	for i, a := range accounts {
		if failed[i] != nil {
			list.Failed = append(list.Failed, *failed[i])
		}
		for _, region := range regions[i] {
			list.Targets = append(list.Targets, f.Target(partition, a.id, a.name, region))
		}
	}
	sortTargets(list.Targets)
	list.Notes = append(list.Notes, notOptedIn(closed)...)
	return list, nil
}

// notOptedIn says of each Region in how many accounts it is not opted in to.
func notOptedIn(closed [][]string) (notes []string) {
	accounts := map[string]int{}
	for _, regions := range closed {
		for _, region := range regions {
			accounts[region]++
		}
	}
	for _, region := range slices.Sorted(maps.Keys(accounts)) {
		notes = append(notes, fmt.Sprintf("Not opted in to %s, and not swept there: %d of the organization's accounts.", region, accounts[region]))
	}
	return notes
}

// directoryConcurrency bounds the calls at the same time: Organizations throttles reads at a few a second (Organizations User Guide,
// "Quotas and service limits"), and more would only wait in retries.
const directoryConcurrency = 4

type member struct{ id, name string }

// accounts are the active ones that the file picks, by id.
func (d Directory) accounts(ctx context.Context, o config.Organization) (picked []member, notes []string, err error) {
	all, err := d.under(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	inactive := 0
	for _, a := range all {
		id := aws.ToString(a.Id)
		// The credentials decide which organization is listed. Its id is in the account's ARN (Organizations API reference, Account).
		if parts := strings.Split(aws.ToString(a.Arn), "/"); len(parts) == 3 && o.ID != "" && parts[1] != o.ID {
			return nil, nil, fmt.Errorf("the credentials are of organization %s", parts[1])
		}
		switch {
		case slices.Contains(o.Exclude, id):
		case !active(a):
			inactive++
		default:
			picked = append(picked, member{id, aws.ToString(a.Name)})
		}
	}
	if inactive > 0 {
		notes = append(notes, fmt.Sprintf("Not active (suspended, closed, or not yet), and not swept: %d of the organization's accounts.", inactive))
	}
	slices.SortFunc(picked, func(a, b member) int { return strings.Compare(a.id, b.id) })
	// An account that moves to another unit between two calls is found in both.
	return slices.CompactFunc(picked, func(a, b member) bool { return a.id == b.id }), notes, nil
}

// active says whether an account can be used. Answers of before September 2025 have Status, those since State as well (Organizations API
// reference, Account).
func active(a types.Account) bool {
	if a.State != "" {
		return a.State == types.AccountStateActive
	}
	return a.Status == types.AccountStatusActive
}

// under lists the accounts below the units that are picked, each once.
func (d Directory) under(ctx context.Context, o config.Organization) ([]types.Account, error) {
	if len(o.OUs) == 0 && len(o.ExcludeOUs) == 0 {
		var all []types.Account
		pages := organizations.NewListAccountsPaginator(d.Organization, &organizations.ListAccountsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, explain("organizations:ListAccounts", "", err)
			}
			all = append(all, page.Accounts...)
		}
		return all, nil
	}
	start := o.OUs
	if len(start) == 0 {
		pages := organizations.NewListRootsPaginator(d.Organization, &organizations.ListRootsInput{})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, explain("organizations:ListRoots", "", err)
			}
			for _, root := range page.Roots {
				start = append(start, aws.ToString(root.Id))
			}
		}
	}
	w := walk{directory: d, seen: map[string]bool{}}
	for _, id := range o.ExcludeOUs {
		// A unit that is picked may lie below one that is left out, which wins.
		if err := w.below(ctx, id, false); err != nil {
			return nil, err
		}
	}
	for _, id := range start {
		if err := w.below(ctx, id, true); err != nil {
			return nil, err
		}
	}
	return w.found, nil
}

// walk goes through a tree of organizational units, each once, and past what was seen before.
type walk struct {
	directory Directory
	seen      map[string]bool
	found     []types.Account
}

// below finds the accounts of a unit and of all below it; without take they are passed by, now and later.
func (w *walk) below(ctx context.Context, id string, take bool) error {
	if w.seen[id] {
		return nil
	}
	w.seen[id] = true
	if take {
		accounts := organizations.NewListAccountsForParentPaginator(w.directory.Organization, &organizations.ListAccountsForParentInput{ParentId: &id})
		for accounts.HasMorePages() {
			page, err := accounts.NextPage(ctx)
			if err != nil {
				return explain("organizations:ListAccountsForParent", id, err)
			}
			w.found = append(w.found, page.Accounts...)
		}
	}
	units := organizations.NewListOrganizationalUnitsForParentPaginator(w.directory.Organization, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &id})
	for units.HasMorePages() {
		page, err := units.NextPage(ctx)
		if err != nil {
			return explain("organizations:ListOrganizationalUnitsForParent", id, err)
		}
		for _, unit := range page.OrganizationalUnits {
			if err := w.below(ctx, aws.ToString(unit.Id), take); err != nil {
				return err
			}
		}
	}
	return nil
}

// alwaysOn are the Regions that every account has and cannot leave. Source: AWS Account Management Reference Guide, "Enable or disable AWS Regions in your account": those
// introduced before 20 March 2019 are on by default. GovCloud's and China's are too.
var alwaysOn = strings.Fields(`us-east-1 us-east-2 us-west-1 us-west-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2 ca-central-1
	eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-gov-east-1 us-gov-west-1 cn-north-1 cn-northwest-1`)

// regionsOf are the Regions to sweep of an account, none when its tags do not pick it, and those that the file names and the account has not opted in to, where no call can succeed.
func (d Directory) regionsOf(ctx context.Context, t *config.Targets, a member) (regions, closed []string, cause *Cause) {
	if len(t.Organization.Tags) > 0 {
		tagged, err := d.tagged(ctx, a.id, t.Organization.Tags)
		if err != nil {
			return nil, nil, causeOf("organizations:ListTagsForResource", a.id, err)
		}
		if !tagged {
			return nil, nil, nil
		}
	}
	if len(t.Regions) > 0 && !slices.ContainsFunc(t.Regions, func(r string) bool { return !slices.Contains(alwaysOn, r) }) {
		return t.Regions, nil, nil
	}
	open, err := d.optedIn(ctx, a)
	switch {
	case len(t.Regions) == 0 && err != nil:
		return nil, nil, causeOf("account:ListRegions", a.id, err)
	case len(t.Regions) == 0:
		return open, nil, nil
	case err != nil:
		return t.Regions, nil, nil // whoever cannot be asked is swept, and its own answers count
	}
	for _, region := range t.Regions {
		if slices.Contains(open, region) {
			regions = append(regions, region)
		} else {
			closed = append(closed, region)
		}
	}
	return regions, closed, nil
}

// optedIn are the Regions that an account can use.
func (d Directory) optedIn(ctx context.Context, a member) ([]string, error) {
	in := &account.ListRegionsInput{RegionOptStatusContains: []accounttypes.RegionOptStatus{
		accounttypes.RegionOptStatusEnabled, accounttypes.RegionOptStatusEnabledByDefault,
	}}
	// Account Management API reference, ListRegions: AccountId is not to be given for the caller's own account.
	if rotation.ARN(d.Caller).Parts().Account != a.id {
		in.AccountId = &a.id
	}
	var regions []string
	pages := account.NewListRegionsPaginator(d.Regions, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Regions {
			regions = append(regions, aws.ToString(r.RegionName))
		}
	}
	return regions, nil
}

// tagged says whether an account has all tags; the values wanted are globs.
func (d Directory) tagged(ctx context.Context, id string, want map[string]string) (bool, error) {
	have := map[string]string{}
	pages := organizations.NewListTagsForResourcePaginator(d.Organization, &organizations.ListTagsForResourceInput{ResourceId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, tag := range page.Tags {
			have[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
	}
	for key, value := range want {
		if got, ok := have[key]; !ok || !rotation.GlobMatch(value, got) {
			return false, nil
		}
	}
	return true, nil
}

func explain(call, resource string, err error) error {
	if resource == "" {
		return fmt.Errorf("%s: %w", call, err)
	}
	return fmt.Errorf("%s of %s: %w", call, resource, err)
}
