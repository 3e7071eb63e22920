package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// CallPlan is what one sweep of the whole account costs.
type CallPlan struct {
	Share  float64       `json:"quota_share"` // of each quota
	Calls  []PlannedCall `json:"calls"`
	Total  int           `json:"total"`
	Quotas []PlannedPool `json:"quotas"`        // the scarcest first
	Floor  float64       `json:"floor_seconds"` // what the scarcest takes
	Chosen []string      `json:"chosen"`        // where there are two ways to read the same, which one is taken and what the other costs
}

// PlannedCall is how often an API is called; AtMost says that it may be less, because functions may share what it reads.
type PlannedCall struct {
	Call   string `json:"call"`
	Count  int    `json:"count"`
	AtMost bool   `json:"at_most,omitempty"`
	Quota  string `json:"quota,omitempty"` // the name of the quota that it draws on, "" where none is published or reached
}

// PlannedPool is what the calls of one quota take.
type PlannedPool struct {
	Quota     string  `json:"quota"`
	Calls     int     `json:"calls"`
	PerSecond float64 `json:"per_second"` // the part of the quota that a sweep uses
	Seconds   float64 `json:"seconds"`
}

// Duration is the least time that the calls take.
func (p *CallPlan) Duration() time.Duration {
	return time.Duration(p.Floor * float64(time.Second)).Round(time.Second)
}

// PlanCalls says what a sweep of the whole account costs, from what its lists say; it calls nothing but these.
func (r *Reader) PlanCalls(ctx context.Context) (CallPlan, error) {
	x := newRun(r)
	defer x.close()
	return x.plan(ctx)
}

// planner counts calls.
type planner struct {
	calls  map[string]int
	atMost map[string]bool
	chosen []string
}

func (p *planner) atLeast(call string, n int) { p.calls[call] += n }

func (p *planner) most(call string, n int) {
	p.calls[call] += n
	p.atMost[call] = p.atMost[call] || n > 0
}

func (p *planner) choose(format string, args ...any) {
	p.chosen = append(p.chosen, fmt.Sprintf(format, args...))
}

func (r *run) plan(ctx context.Context) (CallPlan, error) {
	p := &planner{calls: map[string]int{}, atMost: map[string]bool{}}
	if err := r.home.begin(ctx); err != nil {
		return CallPlan{}, err
	}
	r.keyIDs = map[string]bool{}
	secrets, err := r.list(ctx, rotation.Scope{})
	if err != nil {
		return CallPlan{}, err
	}
	units, _ := r.split(secrets)
	if err := r.planFunctions(ctx, p, units); err != nil {
		return CallPlan{}, err
	}
	if err := r.planRoles(ctx, p, units); err != nil {
		return CallPlan{}, err
	}
	p.atLeast("secretsmanager:ListSecrets", r.reader.Calls()["secretsmanager:ListSecrets"])
	for i := range secrets {
		if s := &secrets[i]; s.checked && s.owner != "" {
			p.atLeast("secretsmanager:GetResourcePolicy", 1)
		}
	}
	p.most("kms:DescribeKey", len(r.keyIDs))
	p.most("kms:GetKeyPolicy", len(r.keyIDs))
	return r.priced(p), nil
}

// planFunctions counts what reading the functions takes.
func (r *run) planFunctions(ctx context.Context, p *planner, units []*unit) error {
	configuration := "lambda:GetFunctionConfiguration"
	if r.reader.options.UseGetFunction {
		configuration = "lambda:GetFunction"
	}
	open := 0
	for _, u := range units {
		if u.arn == "" || !u.live || !isFunction(u.arn) {
			continue
		}
		p.atLeast(configuration, 1)
		if u.checked {
			p.atLeast("lambda:GetPolicy", 1)
			if u.open {
				open++
			}
		}
	}
	pages, err := r.listRoles(ctx, units, r.worthStreaming(units))
	if err != nil {
		return err
	}
	if pages > 0 {
		p.atLeast("lambda:ListFunctions", pages)
		p.choose("%d pages of lambda:ListFunctions tell which functions share a role, so that each configuration is read with its group; "+
			"the list has no states, which decide, so %s stays", pages, configuration)
	} else {
		p.choose("the functions' roles are read one by one: a list of all functions would not save enough")
	}
	switch pages, err := r.tagPages(ctx, open); {
	case err != nil:
		return err
	case r.reader.options.UseGetFunction:
		p.choose("functions' tags come with lambda:GetFunction")
	case pages > 0:
		p.most("tag:GetResources", pages)
		p.choose("at most %d pages of tag:GetResources for the functions' tags, not %d lambda:ListTags", pages, open)
	default:
		p.atLeast("lambda:ListTags", open)
		p.choose("functions' tags are read one by one: %d lambda:ListTags", open)
	}
	if r.count != 0 {
		p.atLeast("lambda:GetAccountSettings", 1)
	}
	return nil
}

// planRoles counts what reading the roles takes.
func (r *run) planRoles(ctx context.Context, p *planner, units []*unit) error {
	roles, unknown := map[rotation.ARN]bool{}, 0
	for _, u := range units {
		switch {
		case !u.checked:
		case u.role != "":
			roles[u.role] = true
		default:
			unknown++ // each may have a role of its own
		}
	}
	n := len(roles) + unknown
	pages, err := r.rolePages(ctx, n)
	if err != nil {
		return err
	}
	if n >= bulkWorthFrom {
		p.atLeast("iam:GetAccountSummary", 1)
	}
	if pages > 0 {
		p.most("iam:GetAccountAuthorizationDetails", pages)
		p.choose("at most %d pages of iam:GetAccountAuthorizationDetails for %s, not about %d calls one by one", pages, roleText(n, unknown > 0), n*callsPerRole)
		return nil
	}
	for _, call := range []string{"iam:GetRole", "iam:ListRolePolicies", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies"} {
		if unknown > 0 {
			p.most(call, n)
		} else {
			p.atLeast(call, n)
		}
	}
	p.choose("%s one by one, about %d calls", roleText(n, unknown > 0), n*callsPerRole)
	return nil
}

func roleText(n int, atMost bool) string {
	text := fmt.Sprintf("%d roles", n)
	if atMost {
		text = "at most " + text
	}
	return text
}

// priced sets the calls against the quotas.
func (r *run) priced(p *planner) CallPlan {
	plan := CallPlan{Share: cmp.Or(r.reader.options.QuotaShare, defaultShare), Chosen: p.chosen}
	pooled := map[pool]int{}
	buckets := newBuckets(r.reader.options.QuotaShare, r.reader.options.Rates, false) // AWS's, whatever endpoint is read
	for _, call := range slices.Sorted(maps.Keys(p.calls)) {
		if n := p.calls[call]; n > 0 {
			row := PlannedCall{Call: call, Count: n, AtMost: p.atMost[call]}
			if at := poolOf(call); buckets[at].limited() {
				row.Quota, pooled[at] = string(at), pooled[at]+n
			}
			plan.Calls, plan.Total = append(plan.Calls, row), plan.Total+n
		}
	}
	for at, n := range pooled {
		perSecond := float64(buckets[at].own)
		plan.Quotas = append(plan.Quotas, PlannedPool{string(at), n, perSecond, float64(n) / perSecond})
		plan.Floor = max(plan.Floor, float64(n)/perSecond)
	}
	slices.SortFunc(plan.Quotas, func(a, b PlannedPool) int {
		return cmp.Or(-cmp.Compare(a.Seconds, b.Seconds), strings.Compare(a.Quota, b.Quota))
	})
	return plan
}
