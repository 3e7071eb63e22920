package awstest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Role is an IAM role. AddRole fills what is left empty and AWS never leaves empty.
type Role struct {
	Name           string
	Path           string // "/" when empty
	ARN            string
	ID             string // AROA…
	Trust          string // AssumeRolePolicyDocument; one that trusts Lambda when empty
	Description    string
	Inline         map[string]string // policy document by name
	Attached       []string          // managed policy ARNs
	Boundary       string            // a managed policy's ARN
	Tags           []Tag
	Created        time.Time
	LastUsed       time.Time // zero: never
	LastUsedRegion string
}

// User is an IAM user.
type User struct {
	Name     string
	Path     string
	ARN      string
	ID       string
	Inline   map[string]string
	Attached []string
	Groups   []string // names
	Boundary string
	Tags     []Tag
	Created  time.Time
}

// Group is an IAM group.
type Group struct {
	Name     string
	Path     string
	ARN      string
	ID       string
	Inline   map[string]string
	Attached []string
	Created  time.Time
}

// Policy is a managed policy with its versions.
type Policy struct {
	Name        string
	Path        string
	ARN         string
	ID          string
	Description string
	Document    string            // of the default version
	Default     string            // its id; v1 when empty
	Versions    map[string]string // other versions' documents by id
	Tags        []Tag
	Created     time.Time
	Updated     time.Time
}

func (r *Role) clone() *Role {
	c := *r
	c.Inline, c.Attached, c.Tags = maps.Clone(r.Inline), slices.Clone(r.Attached), slices.Clone(r.Tags)
	if c.Inline == nil {
		c.Inline = map[string]string{}
	}
	return &c
}

func (u *User) clone() *User {
	c := *u
	c.Inline, c.Attached, c.Tags = maps.Clone(u.Inline), slices.Clone(u.Attached), slices.Clone(u.Tags)
	c.Groups = slices.Clone(u.Groups)
	return &c
}

func (g *Group) clone() *Group {
	c := *g
	c.Inline, c.Attached = maps.Clone(g.Inline), slices.Clone(g.Attached)
	return &c
}

func (p *Policy) clone() *Policy {
	c := *p
	c.Versions, c.Tags = maps.Clone(p.Versions), slices.Clone(p.Tags)
	if c.Versions == nil {
		c.Versions = map[string]string{}
	}
	return &c
}

// document gives a version's document.
func (p *Policy) document(version string) (string, bool) {
	if version == p.Default {
		return p.Document, true
	}
	doc, ok := p.Versions[version]
	return doc, ok
}

// iamState is an account's IAM, the same in all Regions. Names are unique whatever their case; policies go by ARN.
type iamState struct {
	roles    entities[Role]
	users    entities[User]
	groups   entities[Group]
	policies entities[Policy]
}

// entities are lagged values by key, with the keys sorted.
type entities[T any] struct {
	cells map[string]*lagged[T]
	keys  []string
	dirty bool
}

func (e *entities[T]) cell(key string) *lagged[T] {
	c, ok := e.cells[key]
	if !ok {
		if e.cells == nil {
			e.cells = map[string]*lagged[T]{}
		}
		c = &lagged[T]{}
		e.cells[key] = c
		e.keys, e.dirty = append(e.keys, key), true
	}
	return c
}

// current is the value as it stands, nil if there is none.
func (e *entities[T]) current(key string) *T {
	if c, ok := e.cells[key]; ok {
		return c.now
	}
	return nil
}

// read is the value as a reader sees it.
func (e *entities[T]) read(key string, at time.Time) *T {
	if c, ok := e.cells[key]; ok {
		return c.read(at)
	}
	return nil
}

func (e *entities[T]) sorted() []string {
	if e.dirty {
		slices.Sort(e.keys)
		e.dirty = false
	}
	return e.keys
}

func newIAM(a *account) *iamState {
	s := &iamState{}
	for _, p := range managedPolicies(a.partition) {
		s.policies.cell(p.ARN).now = p
	}
	return s
}

// entityKey is what a role, user or group is kept under.
func entityKey(name string) string { return strings.ToLower(name) }

// complete fills the ARN and path of an entity from each other.
func (a *account) complete(kind string, arn, path *string, name string) {
	if *path == "" {
		*path = "/"
		if _, rest, ok := strings.Cut(*arn, ":"+kind+"/"); ok {
			*path += rest[:strings.LastIndexByte(rest, '/')+1]
		}
	}
	if *arn == "" {
		*arn = a.arn("iam", "", kind+*path+name)
	}
}

// trustsLambda is the trust policy of a role that a function runs with.
const trustsLambda = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// AddRole puts a role into the account and gives its ARN. Documents are taken as they are, unchecked.
func (a *Account) AddRole(r Role) string {
	_, unlock := a.lock()
	defer unlock()
	v := r.clone()
	a.state.complete("role", &v.ARN, &v.Path, v.Name)
	v.ID = cmp.Or(v.ID, a.srv.id("AROA", 17))
	v.Trust = cmp.Or(v.Trust, trustsLambda)
	if v.Created.IsZero() {
		v.Created = a.srv.now()
	}
	a.state.iam.roles.cell(entityKey(v.Name)).set(v, a.srv.now(), a.state.weather.lag.IAM)
	return v.ARN
}

// AddUser puts a user into the account and gives its ARN.
func (a *Account) AddUser(u User) string {
	_, unlock := a.lock()
	defer unlock()
	v := u.clone()
	a.state.complete("user", &v.ARN, &v.Path, v.Name)
	v.ID = cmp.Or(v.ID, a.srv.id("AIDA", 17))
	if v.Created.IsZero() {
		v.Created = a.srv.now()
	}
	a.state.iam.users.cell(entityKey(v.Name)).set(v, a.srv.now(), a.state.weather.lag.IAM)
	return v.ARN
}

// AddGroup puts a group into the account and gives its ARN.
func (a *Account) AddGroup(g Group) string {
	_, unlock := a.lock()
	defer unlock()
	v := g.clone()
	a.state.complete("group", &v.ARN, &v.Path, v.Name)
	v.ID = cmp.Or(v.ID, a.srv.id("AGPA", 17))
	if v.Created.IsZero() {
		v.Created = a.srv.now()
	}
	a.state.iam.groups.cell(entityKey(v.Name)).set(v, a.srv.now(), a.state.weather.lag.IAM)
	return v.ARN
}

// AddPolicy puts a managed policy into the account and gives its ARN. One with an ARN of the account "aws" is AWS's own.
func (a *Account) AddPolicy(p Policy) string {
	_, unlock := a.lock()
	defer unlock()
	v := p.clone()
	if v.Name == "" {
		v.Name = v.ARN[strings.LastIndexByte(v.ARN, '/')+1:]
	}
	a.state.complete("policy", &v.ARN, &v.Path, v.Name)
	v.ID = cmp.Or(v.ID, a.srv.id("ANPA", 17))
	v.Default = cmp.Or(v.Default, "v1")
	if v.Created.IsZero() {
		v.Created = a.srv.now()
	}
	if v.Updated.IsZero() {
		v.Updated = v.Created
	}
	a.state.iam.policies.cell(v.ARN).set(v, a.srv.now(), a.state.weather.lag.IAM)
	return v.ARN
}

// Role gives a role as it stands, whatever the lag.
func (a *Account) Role(name string) (Role, bool) {
	_, unlock := a.lock()
	defer unlock()
	v := a.state.iam.roles.current(entityKey(name))
	if v == nil {
		return Role{}, false
	}
	return *v.clone(), true
}

// Roles gives all roles, sorted by name.
func (a *Account) Roles() []Role {
	_, unlock := a.lock()
	defer unlock()
	var out []Role
	for _, key := range a.state.iam.roles.sorted() {
		if v := a.state.iam.roles.current(key); v != nil {
			out = append(out, *v.clone())
		}
	}
	return out
}

// UpdateRole changes a role in place and says whether there is one. Reads trail behind as after any write.
func (a *Account) UpdateRole(name string, change func(*Role)) bool {
	_, unlock := a.lock()
	defer unlock()
	v := a.state.iam.roles.current(entityKey(name))
	if v == nil {
		return false
	}
	v = v.clone()
	change(v)
	a.state.iam.roles.cell(entityKey(name)).set(v, a.srv.now(), a.state.weather.lag.IAM)
	return true
}

// RemoveRole deletes a role with all that hangs on it, and says whether there was one.
func (a *Account) RemoveRole(name string) bool {
	_, unlock := a.lock()
	defer unlock()
	if a.state.iam.roles.current(entityKey(name)) == nil {
		return false
	}
	a.state.iam.roles.cell(entityKey(name)).set(nil, a.srv.now(), a.state.weather.lag.IAM)
	return true
}

// User gives a user as it stands, whatever the lag.
func (a *Account) User(name string) (User, bool) {
	_, unlock := a.lock()
	defer unlock()
	v := a.state.iam.users.current(entityKey(name))
	if v == nil {
		return User{}, false
	}
	return *v.clone(), true
}

// Group gives a group as it stands, whatever the lag.
func (a *Account) Group(name string) (Group, bool) {
	_, unlock := a.lock()
	defer unlock()
	v := a.state.iam.groups.current(entityKey(name))
	if v == nil {
		return Group{}, false
	}
	return *v.clone(), true
}

// Policies gives the account's own managed policies, sorted by ARN.
func (a *Account) Policies() []Policy {
	_, unlock := a.lock()
	defer unlock()
	var out []Policy
	for _, arn := range a.state.iam.policies.sorted() {
		if v := a.state.iam.policies.current(arn); v != nil && !v.awsOwned() {
			out = append(out, *v.clone())
		}
	}
	return out
}

// Policy gives a managed policy as it stands, whatever the lag.
func (a *Account) Policy(arn string) (Policy, bool) {
	_, unlock := a.lock()
	defer unlock()
	v := a.state.iam.policies.current(arn)
	if v == nil {
		return Policy{}, false
	}
	return *v.clone(), true
}

// UpdatePolicy changes a managed policy in place and says whether there is one.
func (a *Account) UpdatePolicy(arn string, change func(*Policy)) bool {
	_, unlock := a.lock()
	defer unlock()
	v := a.state.iam.policies.current(arn)
	if v == nil {
		return false
	}
	v = v.clone()
	change(v)
	a.state.iam.policies.cell(arn).set(v, a.srv.now(), a.state.weather.lag.IAM)
	return true
}
