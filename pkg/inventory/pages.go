package inventory

import (
	"context"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// How many things a page has. Sources: Lambda API reference, ListFunctions ("returns a maximum of 50 items in each response"); Resource Groups
// Tagging API reference, GetResources (ResourcesPerPage, at most 100).
const (
	functionsAPage = 50
	tagsAPage      = 100
	pagesWorthFrom = 5 // functions: below, asking how many the account has costs more than it can save
)

// worthStreaming is how many calls a list of all functions may cost only to read each configuration with its group rather than before all of
// them: a fiftieth of what the units cost. In few units nothing is gained.
func (r *run) worthStreaming(units []*unit) int {
	const (
		streamFrom = 500
		aFiftieth  = 50
	)
	calls := 0
	for _, u := range units {
		if u.checked && u.arn != "" && !u.listed {
			calls += 2 + len(u.secrets) // configuration, policy, each secret's policy
		}
	}
	if len(units) < streamFrom {
		return 0
	}
	return calls / aFiftieth
}

// functionCount is how many functions the account has in the Region; 0 where it cannot be read.
func (r *run) functionCount(ctx context.Context) (int, error) {
	if r.count != 0 {
		return max(r.count, 0), nil
	}
	r.count = -1
	out, err := ask(ctx, r.home, "lambda:GetAccountSettings", r.home.clients.Functions.GetAccountSettings, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return 0, onlyStop(err)
	}
	if out.AccountUsage != nil && out.AccountUsage.FunctionCount > 0 {
		r.count = int(out.AccountUsage.FunctionCount)
	}
	return max(r.count, 0), nil
}

// listRoles takes the roles of functions from the list of all functions, where that takes fewer calls than may be spent on it. The list holds no
// states (Lambda API reference, ListFunctions), and of versions and aliases nothing: those are read one by one, as is what the list lacks.
// It answers with the pages that were read.
func (r *run) listRoles(ctx context.Context, units []*unit, spend int) (pages int, err error) {
	wanted := map[rotation.ARN]*unit{}
	for _, u := range units {
		arn := u.arn
		if _, qualifier := arn.SplitFunction(); u.live && !u.listed && qualifier == "" && isFunction(arn) && r.isHere(arn) {
			wanted[arn] = u
		}
	}
	if spend = min(spend, len(wanted)); spend < pagesWorthFrom {
		return 0, nil
	}
	count, err := r.functionCount(ctx)
	if err != nil || count == 0 || 1+(count+functionsAPage-1)/functionsAPage > spend {
		return 0, err
	}
	roles := map[rotation.ARN]rotation.ARN{}
	_, err = paged(func(marker *string) ([]struct{}, *string, bool, error) {
		pages++
		page, err := ask(ctx, r.home, "lambda:ListFunctions", r.home.clients.Functions.ListFunctions, &lambda.ListFunctionsInput{Marker: marker, MaxItems: aws.Int32(functionsAPage)})
		if err != nil {
			return nil, nil, false, err
		}
		for i := range page.Functions {
			if arn := rotation.ARN(aws.ToString(page.Functions[i].FunctionArn)); wanted[arn] != nil {
				roles[wanted[arn].arn] = rotation.ARN(copied(page.Functions[i].Role))
			}
		}
		return nil, page.NextMarker, page.NextMarker != nil, nil
	})
	if err != nil {
		return 0, onlyStop(err)
	}
	maps.DeleteFunc(roles, func(_, role rotation.ARN) bool { return role == "" })
	for arn, role := range roles {
		u := wanted[arn]
		u.role, u.listed = role, true
		r.reader.remember(arn, role)
	}
	r.early.listed(roles)
	return pages, nil
}

// isHere says whether an ARN is one of the account and Region whose secrets are read.
func (r *run) isHere(arn rotation.ARN) bool {
	p := arn.Parts()
	return p.Region == r.home.clients.Region && (p.Account == r.account || r.account == "")
}

// codeMoved is the code of a gap for a function that got another role between being listed and being read.
const codeMoved = "ChangedWhileRead"

// configureListed reads the configuration of a function whose role is known from a list. Where its role is another one by now, what it shares
// its role with has not been read: that is a gap, and the next sweep reads it.
func (r *run) configureListed(ctx context.Context, u *unit) error {
	f, settled, err := r.configured(ctx, u.arn)
	if err != nil {
		return err
	}
	if f.Presence == rotation.Present && f.Role != u.role {
		f.Presence, f.Gaps = rotation.Unreadable, append(f.Gaps, rotation.Gap{
			Call: "lambda:GetFunctionConfiguration", Resource: string(f.ARN), Code: codeMoved,
			Message: "its role was changed from " + string(u.role) + " to " + rotation.OneLine(string(f.Role)) + " while the account was read; the next sweep reads it",
		})
	}
	u.function, u.settled = &f, settled
	return nil
}

// bulkTags are the tags of functions that were read in pages.
type bulkTags struct {
	store *spill.Store
	at    map[rotation.ARN]spill.Ref
}

// readTags reads the tags of functions in pages where that takes fewer calls than one by one. Where it is refused or fails nothing is missing:
// they are then read one by one.
func (r *run) readTags(ctx context.Context, bundles [][]*unit) error {
	if r.reader.options.UseGetFunction {
		return nil // it answers with the tags too
	}
	wanted := map[rotation.ARN]rotation.ARN{} // each is its own value: the string that is kept
	for _, b := range bundles {
		for _, u := range b {
			if arn, _ := u.arn.SplitFunction(); u.open && u.checked && isFunction(arn) && r.isHere(arn) && (u.listed || u.function != nil && u.function.Presence == rotation.Present) {
				wanted[arn] = arn
			}
		}
	}
	pages, err := r.tagPages(ctx, len(wanted))
	if err != nil || pages == 0 {
		return err
	}
	tags := &bulkTags{store: &r.store, at: map[rotation.ARN]spill.Ref{}}
	var failed error
	_, err = paged(func(token *string) ([]struct{}, *string, bool, error) {
		page, err := ask(ctx, r.home, "tag:GetResources", r.home.clients.Tagged.GetResources, &resourcegroupstaggingapi.GetResourcesInput{
			PaginationToken: token, ResourcesPerPage: aws.Int32(tagsAPage), ResourceTypeFilters: []string{"lambda:function"},
		})
		if err != nil {
			return nil, nil, false, err
		}
		for _, m := range page.ResourceTagMappingList {
			arn := rotation.ARN(aws.ToString(m.ResourceARN))
			arn, ok := wanted[arn]
			if !ok {
				continue
			}
			of := make(map[string]string, len(m.Tags))
			for _, t := range m.Tags {
				of[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			if tags.at[arn], failed = r.store.Put(of); failed != nil {
				return nil, nil, false, failed
			}
		}
		return nil, page.PaginationToken, aws.ToString(page.PaginationToken) != "", nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return onlyStop(err)
	}
	r.tags = tags
	return nil
}

// tagPages is in how many pages the tags of functions are read at most, 0 where they are read one by one.
func (r *run) tagPages(ctx context.Context, functions int) (int, error) {
	if functions < pagesWorthFrom || r.reader.options.UseGetFunction {
		return 0, nil
	}
	count, err := r.functionCount(ctx)
	pages := (count + tagsAPage - 1) / tagsAPage
	if err != nil || count == 0 || 1+pages >= functions {
		return 0, err
	}
	return pages, nil
}

// of are the tags of a function, nil where they have to be asked for: GetResources leaves out what has no tags, and may not know yet what was
// made a moment ago.
func (t *bulkTags) of(function rotation.ARN, settled bool) map[string]string {
	if t == nil {
		return nil
	}
	arn, _ := function.SplitFunction()
	at, ok := t.at[arn]
	if !ok {
		if settled {
			return map[string]string{}
		}
		return nil
	}
	var tags map[string]string
	if t.store.Get(at, &tags) != nil {
		return nil
	}
	return tags
}

// isSettled says whether a function was last changed long ago. Source of the form: Lambda API reference, FunctionConfiguration, LastModified.
func isSettled(modified *string) bool {
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", aws.ToString(modified))
	return err == nil && time.Since(at) > settledAfter
}

// settledAfter is how long after a function's last change its tags are taken to stand in the index of all tagged resources too.
const settledAfter = time.Hour
