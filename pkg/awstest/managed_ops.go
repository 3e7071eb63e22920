package awstest

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
)

func managedPolicyOperations() []*operation {
	return []*operation{
		iamOperation("GetPolicy", false, policyResource, getManagedPolicy),
		iamOperation("GetPolicyVersion", false, policyResource, getPolicyVersion),
		iamOperation("ListPolicyVersions", false, policyResource, listPolicyVersions),
		iamOperation("ListPolicies", false, nil, listPolicies),
		iamOperation("CreatePolicy", true, policyResource, createPolicy),
		iamOperation("CreatePolicyVersion", true, policyResource, createPolicyVersion),
	}
}

func policyResource(x *exchange) string {
	if arn := x.form.Get("PolicyArn"); arn != "" {
		return arn
	}
	return x.acct.arn("iam", "", "policy"+cmp.Or(x.form.Get("Path"), "/")+x.form.Get("PolicyName"))
}

type policyVersionShape struct {
	Document         string `xml:",omitempty"`
	VersionID        string `xml:"VersionId"`
	IsDefaultVersion bool
	CreateDate       *string
}

type managedShape struct {
	PolicyName                    string
	PolicyID                      string `xml:"PolicyId"`
	Arn                           string
	Path                          string
	DefaultVersionID              string `xml:"DefaultVersionId"`
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string `xml:",omitempty"`
	CreateDate                    *string
	UpdateDate                    *string
	Tags                          *members[Tag]                `xml:",omitempty"`
	PolicyVersionList             *members[policyVersionShape] `xml:",omitempty"`
}

func (p *Policy) shape(use usage) managedShape {
	out := managedShape{
		PolicyName: p.Name, PolicyID: p.ID, Arn: p.ARN, Path: p.Path, DefaultVersionID: p.Default, IsAttachable: true,
		AttachmentCount: use.attached[p.ARN], PermissionsBoundaryUsageCount: use.boundary[p.ARN],
		Description: p.Description, CreateDate: stamp(p.Created), UpdateDate: stamp(p.Updated),
	}
	if len(p.Tags) > 0 {
		out.Tags = &members[Tag]{p.Tags}
	}
	return out
}

// versions are a policy's versions, the newest first.
func (p *Policy) versions(documents bool) []policyVersionShape {
	var out []policyVersionShape
	add := func(id, doc string) {
		v := policyVersionShape{VersionID: id, IsDefaultVersion: id == p.Default, CreateDate: stamp(p.Updated)}
		if documents {
			v.Document = quote(doc)
		}
		out = append(out, v)
	}
	add(p.Default, p.Document)
	for id, doc := range sorted(p.Versions) {
		add(id, doc)
	}
	return out
}

// usage counts where managed policies are attached and used as boundaries.
type usage struct{ attached, boundary map[string]int }

func (x *exchange) usage() usage {
	u := usage{map[string]int{}, map[string]int{}}
	count := func(attached []string, boundary string) {
		for _, arn := range attached {
			u.attached[arn]++
		}
		if boundary != "" {
			u.boundary[boundary]++
		}
	}
	for _, c := range x.acct.iam.roles.cells {
		if c.now != nil {
			count(c.now.Attached, c.now.Boundary)
		}
	}
	for _, c := range x.acct.iam.users.cells {
		if c.now != nil {
			count(c.now.Attached, c.now.Boundary)
		}
	}
	for _, c := range x.acct.iam.groups.cells {
		if c.now != nil {
			count(c.now.Attached, "")
		}
	}
	return u
}

// readPolicy gives the managed policy as a reader sees it.
func readPolicy(x *exchange) (*Policy, error) {
	arn := x.form.Get("PolicyArn")
	if !strings.HasPrefix(arn, "arn:") {
		return nil, bad("ValidationError", "Invalid ARN:  Could not be parsed!")
	}
	v := x.acct.iam.policies.read(arn, x.now)
	if v == nil {
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	return v, nil
}

func getManagedPolicy(x *exchange) (any, error) {
	v, err := readPolicy(x)
	if err != nil {
		return nil, err
	}
	return struct{ Policy managedShape }{v.shape(x.usage())}, nil
}

func getPolicyVersion(x *exchange) (any, error) {
	v, err := readPolicy(x)
	if err != nil {
		return nil, err
	}
	id := x.form.Get("VersionId")
	doc, ok := v.document(id)
	if !ok {
		return nil, noSuchEntity("Policy %s version %s does not exist or is not attachable.", v.ARN, id)
	}
	return struct{ PolicyVersion policyVersionShape }{policyVersionShape{
		Document: quote(doc), VersionID: id, IsDefaultVersion: id == v.Default, CreateDate: stamp(v.Updated),
	}}, nil
}

func listPolicyVersions(x *exchange) (any, error) {
	v, err := readPolicy(x)
	if err != nil {
		return nil, err
	}
	some, rest, err := iamPage(x, v.versions(false))
	return struct {
		Versions members[policyVersionShape]
		more
	}{members[policyVersionShape]{some}, rest}, err
}

func listPolicies(x *exchange) (any, error) {
	scope, use := cmp.Or(x.form.Get("Scope"), "All"), x.usage()
	var all []managedShape
	for _, arn := range x.acct.iam.policies.sorted() {
		v := x.acct.iam.policies.read(arn, x.now)
		if v == nil || scope == "AWS" && !v.awsOwned() || scope == "Local" && v.awsOwned() {
			continue
		}
		shape := v.shape(use)
		shape.Tags, shape.Description = nil, ""
		if x.form.Get("OnlyAttached") != "true" || shape.AttachmentCount > 0 {
			all = append(all, shape)
		}
	}
	some, rest, err := iamPage(x, all)
	return struct {
		Policies members[managedShape]
		more
	}{members[managedShape]{some}, rest}, err
}

// awsOwned says whether the policy is one of AWS's.
func (p *Policy) awsOwned() bool { return strings.Contains(p.ARN, ":iam::aws:policy/") }

func createPolicy(x *exchange) (any, error) {
	name, err := want(x, "PolicyName", iamName, 128)
	if err != nil {
		return nil, err
	}
	doc, err := wantDocument(x, "PolicyDocument", identityDocument)
	if err != nil {
		return nil, err
	}
	if size(doc) > maxManagedPolicy {
		return nil, limitExceeded("Cannot exceed quota for PolicySize: %d", maxManagedPolicy)
	}
	path := cmp.Or(x.form.Get("Path"), "/")
	c := x.acct.iam.policies.cell(x.acct.arn("iam", "", "policy"+path+name))
	if c.now != nil {
		return nil, failure(http.StatusConflict, "EntityAlreadyExists", "A policy called %s already exists. Duplicate names are not allowed.", name)
	}
	v := &Policy{
		Name: name, Path: path, ARN: x.acct.arn("iam", "", "policy"+path+name), ID: x.srv.id("ANPA", 17), Document: doc,
		Default: "v1", Versions: map[string]string{}, Description: x.form.Get("Description"), Tags: formTags(x),
		Created: x.now, Updated: x.now,
	}
	c.set(v, x.now, x.acct.weather.lag.IAM)
	return struct{ Policy managedShape }{v.shape(x.usage())}, nil
}

// maxPolicyVersions is how many versions a managed policy has at most ("IAM and AWS STS quotas").
const maxPolicyVersions = 5

func createPolicyVersion(x *exchange) (any, error) {
	doc, err := wantDocument(x, "PolicyDocument", identityDocument)
	if err != nil {
		return nil, err
	}
	if size(doc) > maxManagedPolicy {
		return nil, limitExceeded("Cannot exceed quota for PolicySize: %d", maxManagedPolicy)
	}
	arn := x.form.Get("PolicyArn")
	v := x.acct.iam.policies.current(arn)
	if v == nil {
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	if len(v.Versions)+1 >= maxPolicyVersions {
		return nil, limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxPolicyVersions)
	}
	newest, _ := strconv.Atoi(strings.TrimPrefix(v.Default, "v"))
	for id := range v.Versions {
		if n, err := strconv.Atoi(strings.TrimPrefix(id, "v")); err == nil {
			newest = max(newest, n)
		}
	}
	v = v.clone()
	id := "v" + strconv.Itoa(newest+1)
	if x.form.Get("SetAsDefault") == "true" {
		v.Versions[v.Default] = v.Document
		v.Default, v.Document = id, doc
	} else {
		v.Versions[id] = doc
	}
	v.Updated = x.now
	x.acct.iam.policies.cell(arn).set(v, x.now, x.acct.weather.lag.IAM)
	return struct{ PolicyVersion policyVersionShape }{policyVersionShape{
		VersionID: id, IsDefaultVersion: id == v.Default, CreateDate: stamp(x.now),
	}}, nil
}
