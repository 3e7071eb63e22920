package awstest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func iamOperation(name string, write bool, resource func(*exchange) string, run func(*exchange) (any, error)) *operation {
	return &operation{service: "iam", name: name, write: write, resource: resource, run: run}
}

func roleOperations() []*operation {
	read := func(name string, run func(*exchange) (any, error)) *operation {
		return iamOperation(name, false, roleResource, run)
	}
	write := func(name string, run func(*exchange) (any, error)) *operation {
		return iamOperation(name, true, roleResource, run)
	}
	list := read("ListRoles", listRoles)
	summary := read("GetAccountSummary", accountSummary)
	details := read("GetAccountAuthorizationDetails", accountDetails)
	list.resource, details.resource, summary.resource = nil, nil, nil
	return []*operation{
		list,
		details,
		summary,
		read("GetRole", getRole),
		read("ListRolePolicies", listRolePolicies),
		read("GetRolePolicy", getRolePolicy),
		read("ListAttachedRolePolicies", listAttachedRolePolicies),
		read("ListRoleTags", listRoleTags),
		write("CreateRole", createRole),
		write("DeleteRole", deleteRole),
		write("PutRolePolicy", putRolePolicy),
		write("DeleteRolePolicy", deleteRolePolicy),
		write("AttachRolePolicy", attachRolePolicy),
		write("DetachRolePolicy", detachRolePolicy),
		write("UpdateAssumeRolePolicy", updateTrust),
		write("PutRolePermissionsBoundary", putBoundary),
		write("DeleteRolePermissionsBoundary", deleteBoundary),
		write("TagRole", tagRole),
	}
}

// IAM's quotas for documents, in characters without white space, and for attachments ("IAM and AWS STS quotas").
const (
	maxRoleInline    = 10_240
	maxManagedPolicy = 6_144
	maxTrust         = 2_048
	maxAttached      = 10
)

func roleResource(x *exchange) string {
	name := x.form.Get("RoleName")
	if v := x.acct.iam.roles.current(entityKey(name)); v != nil {
		return v.ARN
	}
	return x.acct.arn("iam", "", "role"+cmp.Or(x.form.Get("Path"), "/")+name)
}

func noSuchEntity(format string, args ...any) *callFailure {
	return failure(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func malformed(err error) *callFailure { return bad("MalformedPolicyDocument", "%v", err) }

func limitExceeded(format string, args ...any) *callFailure {
	return failure(http.StatusConflict, "LimitExceeded", format, args...)
}

var (
	iamName     = regexp.MustCompile(`^[\w+=,.@-]+$`)
	iamPath     = regexp.MustCompile(`^(/|/[\x21-\x7e]+/)$`)
	iamDocument = regexp.MustCompile(`^[\x{9}\x{A}\x{D}\x{20}-\x{FF}]+$`)
)

// want reads a required parameter and holds it to a pattern and a length.
func want(x *exchange, name string, pattern *regexp.Regexp, longest int) (string, error) {
	v := x.form.Get(name)
	label := strings.ToLower(name[:1]) + name[1:]
	if v == "" {
		return "", bad("ValidationError", "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", label)
	}
	if len(v) > longest {
		return "", bad("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", label, longest)
	}
	if !pattern.MatchString(v) {
		return "", bad("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", label)
	}
	return v, nil
}

// wantDocument reads a policy document and checks it. IAM refuses characters above U+00FF.
func wantDocument(x *exchange, name string, kind documentKind) (string, error) {
	doc, err := want(x, name, iamDocument, 131_072)
	if err != nil {
		return "", err
	}
	if err := checkDocument(doc, kind); err != nil {
		return "", malformed(err)
	}
	return doc, nil
}

// readRole gives the role as a reader sees it.
func readRole(x *exchange) (*Role, error) {
	name, err := want(x, "RoleName", iamName, 64)
	if err != nil {
		return nil, err
	}
	v := x.acct.iam.roles.read(entityKey(name), x.now)
	if v == nil {
		return nil, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return v, nil
}

// changeRole changes the role that the request names. A service-linked role is AWS's own.
func changeRole(x *exchange, change func(*Role) error) error {
	name, err := want(x, "RoleName", iamName, 64)
	if err != nil {
		return err
	}
	c := x.acct.iam.roles.cells[entityKey(name)]
	if c == nil || c.now == nil {
		return noSuchEntity("The role with name %s cannot be found.", name)
	}
	if strings.HasPrefix(c.now.Path, "/aws-service-role/") {
		return bad("UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", name)
	}
	v := c.now.clone()
	if err := change(v); err != nil {
		return err
	}
	c.set(v, x.now, x.acct.weather.lag.IAM)
	return nil
}

// quote encodes a document as IAM does, after RFC 3986.
func quote(doc string) string { return strings.ReplaceAll(url.QueryEscape(doc), "+", "%20") }

type boundaryShape struct {
	PermissionsBoundaryType string
	PermissionsBoundaryArn  string
}

func boundaryOf(arn string) *boundaryShape {
	if arn == "" {
		return nil
	}
	return &boundaryShape{"PermissionsBoundaryPolicy", arn}
}

type lastUsedShape struct {
	LastUsedDate *string `xml:",omitempty"`
	Region       string  `xml:",omitempty"`
}

type roleShape struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               *string
	AssumeRolePolicyDocument string
	Description              string         `xml:",omitempty"`
	MaxSessionDuration       int            `xml:",omitempty"`
	PermissionsBoundary      *boundaryShape `xml:",omitempty"`
	Tags                     *members[Tag]  `xml:",omitempty"`
	RoleLastUsed             *lastUsedShape `xml:",omitempty"`
}

// shape writes a role out. Lists leave out boundary, last use and tags (API reference, ListRoles).
func (r *Role) shape(listed bool) roleShape {
	out := roleShape{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, Arn: r.ARN, CreateDate: stamp(r.Created),
		AssumeRolePolicyDocument: quote(r.Trust), Description: r.Description, MaxSessionDuration: 3600,
	}
	if !listed {
		out.PermissionsBoundary = boundaryOf(r.Boundary)
		out.RoleLastUsed = &lastUsedShape{stamp(r.LastUsed), r.LastUsedRegion}
		if len(r.Tags) > 0 {
			out.Tags = &members[Tag]{r.Tags}
		}
	}
	return out
}

func getRole(x *exchange) (any, error) {
	v, err := readRole(x)
	if err != nil {
		return nil, err
	}
	return struct{ Role roleShape }{v.shape(false)}, nil
}

// iamPage cuts a list by MaxItems (100 unless given, at most 1000) and Marker, and says how to go on.
func iamPage[T any](x *exchange, all []T) ([]T, more, error) {
	size, at := 100, 0
	if text := x.form.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, more{}, bad("ValidationError", "1 validation error detected: Value '%s' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", text)
		}
		size = n
	}
	if text := x.form.Get("Marker"); text != "" {
		hex, ok := strings.CutPrefix(text, "AAAA")
		n, err := strconv.ParseInt(hex, 36, 32)
		if !ok || err != nil || n < 1 {
			return nil, more{}, bad("ValidationError", "Invalid Marker.")
		}
		at = min(int(n), len(all))
	}
	end := min(at+size, len(all))
	if end < len(all) {
		return all[at:end], more{IsTruncated: true, Marker: "AAAA" + strconv.FormatInt(int64(end), 36)}, nil
	}
	return all[at:end], more{}, nil
}

// more ends every list of IAM.
type more struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

func listRoles(x *exchange) (any, error) {
	var all []*Role
	for _, key := range x.acct.iam.roles.sorted() {
		v := x.acct.iam.roles.read(key, x.now)
		if v != nil && strings.HasPrefix(v.Path, cmp.Or(x.form.Get("PathPrefix"), "/")) {
			all = append(all, v)
		}
	}
	some, rest, err := iamPage(x, all)
	if err != nil {
		return nil, err
	}
	out := struct {
		Roles members[roleShape]
		more
	}{more: rest}
	for _, v := range some {
		out.Roles.Member = append(out.Roles.Member, v.shape(true))
	}
	return out, nil
}

// namesOut is the answer of the lists of inline policies.
type namesOut struct {
	PolicyNames members[string]
	more
}

func listNames(x *exchange, inline map[string]string) (any, error) {
	var names []string
	for name := range sorted(inline) {
		names = append(names, name)
	}
	some, rest, err := iamPage(x, names)
	return namesOut{members[string]{some}, rest}, err
}

func listRolePolicies(x *exchange) (any, error) {
	v, err := readRole(x)
	if err != nil {
		return nil, err
	}
	return listNames(x, v.Inline)
}

func getRolePolicy(x *exchange) (any, error) {
	v, err := readRole(x)
	if err != nil {
		return nil, err
	}
	name := x.form.Get("PolicyName")
	doc, ok := v.Inline[name]
	if !ok {
		return nil, noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{v.Name, name, quote(doc)}, nil
}

type attachment struct {
	PolicyName string
	PolicyArn  string
}

func attachments(arns []string) []attachment {
	out := []attachment{}
	for _, arn := range arns {
		out = append(out, attachment{arn[strings.LastIndexByte(arn, '/')+1:], arn})
	}
	return out
}

type attachedOut struct {
	AttachedPolicies members[attachment]
	more
}

func listAttached(x *exchange, arns []string) (any, error) {
	some, rest, err := iamPage(x, attachments(arns))
	return attachedOut{members[attachment]{some}, rest}, err
}

func listAttachedRolePolicies(x *exchange) (any, error) {
	v, err := readRole(x)
	if err != nil {
		return nil, err
	}
	return listAttached(x, v.Attached)
}

func listRoleTags(x *exchange) (any, error) {
	v, err := readRole(x)
	if err != nil {
		return nil, err
	}
	some, rest, err := iamPage(x, v.Tags)
	return struct {
		Tags members[Tag]
		more
	}{members[Tag]{some}, rest}, err
}

// formTags reads Tags.member.N.Key and .Value.
func formTags(x *exchange) []Tag {
	var out []Tag
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("Tags.member.%d.", i)
		if !x.form.Has(prefix + "Key") {
			return out
		}
		out = append(out, Tag{x.form.Get(prefix + "Key"), x.form.Get(prefix + "Value")})
	}
}

func createRole(x *exchange) (any, error) {
	name, err := want(x, "RoleName", iamName, 64)
	if err != nil {
		return nil, err
	}
	doc, err := wantDocument(x, "AssumeRolePolicyDocument", trustDocument)
	if err != nil {
		return nil, err
	}
	if size(doc) > maxTrust {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	path := cmp.Or(x.form.Get("Path"), "/")
	if !iamPath.MatchString(path) {
		return nil, bad("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	c := x.acct.iam.roles.cell(entityKey(name))
	if c.now != nil {
		return nil, failure(http.StatusConflict, "EntityAlreadyExists", "Role with name %s already exists.", name)
	}
	v := (&Role{
		Name: name, Path: path, ARN: x.acct.arn("iam", "", "role"+path+name), ID: x.srv.id("AROA", 17), Trust: doc,
		Description: x.form.Get("Description"), Boundary: x.form.Get("PermissionsBoundary"), Tags: formTags(x), Created: x.now,
	}).clone()
	c.set(v, x.now, x.acct.weather.lag.IAM)
	return struct{ Role roleShape }{v.shape(false)}, nil
}

func deleteRole(x *exchange) (any, error) {
	err := changeRole(x, func(r *Role) error {
		switch {
		case len(r.Inline) > 0:
			return failure(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must delete policies first.")
		case len(r.Attached) > 0:
			return failure(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
		}
		return nil
	})
	if err == nil {
		x.acct.iam.roles.cell(entityKey(x.form.Get("RoleName"))).set(nil, x.now, x.acct.weather.lag.IAM)
	}
	return nil, err
}

func putRolePolicy(x *exchange) (any, error) {
	name, err := want(x, "PolicyName", iamName, 128)
	if err != nil {
		return nil, err
	}
	doc, err := wantDocument(x, "PolicyDocument", identityDocument)
	if err != nil {
		return nil, err
	}
	return nil, changeRole(x, func(r *Role) error {
		r.Inline[name] = doc
		total := 0
		for _, doc := range r.Inline {
			total += size(doc)
		}
		if total > maxRoleInline {
			return limitExceeded("Maximum policy size of %d bytes exceeded for role %s", maxRoleInline, r.Name)
		}
		return nil
	})
}

func deleteRolePolicy(x *exchange) (any, error) {
	name, err := want(x, "PolicyName", iamName, 128)
	if err != nil {
		return nil, err
	}
	return nil, changeRole(x, func(r *Role) error {
		if _, ok := r.Inline[name]; !ok {
			return noSuchEntity("The role policy with name %s cannot be found.", name)
		}
		delete(r.Inline, name)
		return nil
	})
}

func attachRolePolicy(x *exchange) (any, error) {
	arn := x.form.Get("PolicyArn")
	if x.acct.iam.policies.current(arn) == nil {
		return nil, noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	}
	return nil, changeRole(x, func(r *Role) error {
		if slices.Contains(r.Attached, arn) {
			return nil
		}
		if len(r.Attached) >= maxAttached {
			return limitExceeded("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
		}
		r.Attached = append(r.Attached, arn)
		return nil
	})
}

func detachRolePolicy(x *exchange) (any, error) {
	arn := x.form.Get("PolicyArn")
	return nil, changeRole(x, func(r *Role) error {
		i := slices.Index(r.Attached, arn)
		if i < 0 {
			return noSuchEntity("Policy %s was not found.", arn)
		}
		r.Attached = slices.Delete(r.Attached, i, i+1)
		return nil
	})
}

func updateTrust(x *exchange) (any, error) {
	doc, err := wantDocument(x, "PolicyDocument", trustDocument)
	if err != nil {
		return nil, err
	}
	if size(doc) > maxTrust {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	return nil, changeRole(x, func(r *Role) error {
		r.Trust = doc
		return nil
	})
}

func putBoundary(x *exchange) (any, error) {
	arn := x.form.Get("PermissionsBoundary")
	if x.acct.iam.policies.current(arn) == nil {
		return nil, noSuchEntity("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return nil, changeRole(x, func(r *Role) error {
		r.Boundary = arn
		return nil
	})
}

func deleteBoundary(x *exchange) (any, error) {
	return nil, changeRole(x, func(r *Role) error {
		if r.Boundary == "" {
			return noSuchEntity("The role with name %s does not have a permissions boundary.", r.Name)
		}
		r.Boundary = ""
		return nil
	})
}

func tagRole(x *exchange) (any, error) {
	return nil, changeRole(x, func(r *Role) error {
		for _, t := range formTags(x) {
			r.Tags = slices.DeleteFunc(r.Tags, func(have Tag) bool { return strings.EqualFold(have.Key, t.Key) })
			r.Tags = append(r.Tags, t)
		}
		return nil
	})
}
