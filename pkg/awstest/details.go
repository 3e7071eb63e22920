package awstest

import (
	"fmt"
	"slices"
)

type inlineShape struct {
	PolicyName     string
	PolicyDocument string
}

func inlineShapes(inline map[string]string) members[inlineShape] {
	var out members[inlineShape]
	for name, doc := range sorted(inline) {
		out.Member = append(out.Member, inlineShape{name, quote(doc)})
	}
	return out
}

type userDetail struct {
	Path                    string
	UserName                string
	UserID                  string `xml:"UserId"`
	Arn                     string
	CreateDate              *string
	UserPolicyList          members[inlineShape]
	GroupList               members[string]
	AttachedManagedPolicies members[attachment]
	PermissionsBoundary     *boundaryShape `xml:",omitempty"`
	Tags                    members[Tag]
}

type groupDetail struct {
	Path                    string
	GroupName               string
	GroupID                 string `xml:"GroupId"`
	Arn                     string
	CreateDate              *string
	GroupPolicyList         members[inlineShape]
	AttachedManagedPolicies members[attachment]
}

type roleDetail struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               *string
	AssumeRolePolicyDocument string
	InstanceProfileList      members[string]
	RolePolicyList           members[inlineShape]
	AttachedManagedPolicies  members[attachment]
	PermissionsBoundary      *boundaryShape `xml:",omitempty"`
	Tags                     members[Tag]
	RoleLastUsed             lastUsedShape
}

type detailsOut struct {
	UserDetailList  members[userDetail]
	GroupDetailList members[groupDetail]
	RoleDetailList  members[roleDetail]
	Policies        members[managedShape]
	more
}

// detailKinds are the values of Filter, in the order in which the account is paged through.
var detailKinds = []string{"User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"}

// accountDetails is GetAccountAuthorizationDetails: all entities as one list, cut into pages. Of AWS's managed policies it
// gives those in use.
func accountDetails(x *exchange) (any, error) {
	kinds := detailKinds
	if x.form.Has("Filter.member.1") {
		kinds = nil
		for i := 1; x.form.Has(fmt.Sprintf("Filter.member.%d", i)); i++ {
			kind := x.form.Get(fmt.Sprintf("Filter.member.%d", i))
			if !slices.Contains(detailKinds, kind) {
				return nil, bad("ValidationError", "1 validation error detected: Value '[%s]' at 'filter' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [Role, AWSManagedPolicy, User, LocalManagedPolicy, Group]]", kind)
			}
			kinds = append(kinds, kind)
		}
	}
	type entry struct{ kind, key string }
	var all []entry
	use := x.usage()
	for _, kind := range detailKinds {
		if !slices.Contains(kinds, kind) {
			continue
		}
		for _, key := range x.detailKeys(kind, use) {
			all = append(all, entry{kind, key})
		}
	}
	some, rest, err := iamPage(x, all)
	if err != nil {
		return nil, err
	}
	out := detailsOut{more: rest}
	for _, e := range some {
		out.add(x, e.kind, e.key, use)
	}
	return out, nil
}

// detailKeys are the keys of one kind; they stay in place while a listing goes on, what is deleted is left out on its page.
func (x *exchange) detailKeys(kind string, use usage) []string {
	switch kind {
	case "User":
		return x.acct.iam.users.sorted()
	case "Group":
		return x.acct.iam.groups.sorted()
	case "Role":
		return x.acct.iam.roles.sorted()
	}
	var keys []string
	for _, arn := range x.acct.iam.policies.sorted() {
		v := x.acct.iam.policies.current(arn)
		local := v == nil || !v.awsOwned()
		if local == (kind == "LocalManagedPolicy") && (local || use.attached[arn]+use.boundary[arn] > 0) {
			keys = append(keys, arn)
		}
	}
	return keys
}

func (out *detailsOut) add(x *exchange, kind, key string, use usage) {
	switch kind {
	case "User":
		if u := x.acct.iam.users.read(key, x.now); u != nil {
			out.UserDetailList.Member = append(out.UserDetailList.Member, userDetail{
				Path: u.Path, UserName: u.Name, UserID: u.ID, Arn: u.ARN, CreateDate: stamp(u.Created),
				UserPolicyList: inlineShapes(u.Inline), GroupList: members[string]{u.Groups},
				AttachedManagedPolicies: members[attachment]{attachments(u.Attached)},
				PermissionsBoundary:     boundaryOf(u.Boundary), Tags: members[Tag]{u.Tags},
			})
		}
	case "Group":
		if g := x.acct.iam.groups.read(key, x.now); g != nil {
			out.GroupDetailList.Member = append(out.GroupDetailList.Member, groupDetail{
				Path: g.Path, GroupName: g.Name, GroupID: g.ID, Arn: g.ARN, CreateDate: stamp(g.Created),
				GroupPolicyList: inlineShapes(g.Inline), AttachedManagedPolicies: members[attachment]{attachments(g.Attached)},
			})
		}
	case "Role":
		if r := x.acct.iam.roles.read(key, x.now); r != nil {
			out.RoleDetailList.Member = append(out.RoleDetailList.Member, roleDetail{
				Path: r.Path, RoleName: r.Name, RoleID: r.ID, Arn: r.ARN, CreateDate: stamp(r.Created),
				AssumeRolePolicyDocument: quote(r.Trust), RolePolicyList: inlineShapes(r.Inline),
				AttachedManagedPolicies: members[attachment]{attachments(r.Attached)},
				PermissionsBoundary:     boundaryOf(r.Boundary), Tags: members[Tag]{r.Tags},
				RoleLastUsed: lastUsedShape{stamp(r.LastUsed), r.LastUsedRegion},
			})
		}
	default:
		if p := x.acct.iam.policies.read(key, x.now); p != nil {
			shape := p.shape(use)
			shape.Tags, shape.PolicyVersionList = nil, &members[policyVersionShape]{p.versions(true)}
			out.Policies.Member = append(out.Policies.Member, shape)
		}
	}
}

type summaryEntry struct {
	Key   string `xml:"key"`
	Value int    `xml:"value"`
}

// accountSummary is GetAccountSummary, of which only the counts of entities are given.
func accountSummary(x *exchange) (any, error) {
	policies := 0
	for _, arn := range x.acct.iam.policies.sorted() {
		if v := x.acct.iam.policies.read(arn, x.now); v != nil && !v.awsOwned() {
			policies++
		}
	}
	var out struct {
		SummaryMap struct {
			Entry []summaryEntry `xml:"entry"`
		}
	}
	out.SummaryMap.Entry = []summaryEntry{
		{"Users", len(x.acct.iam.users.sorted())}, {"Groups", len(x.acct.iam.groups.sorted())}, {"Roles", len(x.acct.iam.roles.sorted())}, {"Policies", policies},
	}
	return out, nil
}
