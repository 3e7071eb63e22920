package awstest

import "slices"

// userOperations are the reads that finding an operator's permissions takes.
func userOperations() []*operation {
	user := func(name string, run func(*exchange, *User) (any, error)) *operation {
		return iamOperation(name, false, userResource, func(x *exchange) (any, error) {
			v, err := readUser(x)
			if err != nil {
				return nil, err
			}
			return run(x, v)
		})
	}
	group := func(name string, run func(*exchange, *Group) (any, error)) *operation {
		return iamOperation(name, false, groupResource, func(x *exchange) (any, error) {
			v, err := readGroup(x)
			if err != nil {
				return nil, err
			}
			return run(x, v)
		})
	}
	return []*operation{
		user("GetUser", func(_ *exchange, u *User) (any, error) { return struct{ User userShape }{u.shape()}, nil }),
		user("ListUserPolicies", func(x *exchange, u *User) (any, error) { return listNames(x, u.Inline) }),
		user("GetUserPolicy", getUserPolicy),
		user("ListAttachedUserPolicies", func(x *exchange, u *User) (any, error) { return listAttached(x, u.Attached) }),
		user("ListGroupsForUser", listGroupsForUser),
		group("GetGroup", getGroup),
		group("ListGroupPolicies", func(x *exchange, g *Group) (any, error) { return listNames(x, g.Inline) }),
		group("GetGroupPolicy", getGroupPolicy),
		group("ListAttachedGroupPolicies", func(x *exchange, g *Group) (any, error) { return listAttached(x, g.Attached) }),
	}
}

func userResource(x *exchange) string {
	name := x.form.Get("UserName")
	if v := x.acct.iam.users.current(entityKey(name)); v != nil {
		return v.ARN
	}
	return x.acct.arn("iam", "", "user/"+name)
}

func groupResource(x *exchange) string {
	name := x.form.Get("GroupName")
	if v := x.acct.iam.groups.current(entityKey(name)); v != nil {
		return v.ARN
	}
	return x.acct.arn("iam", "", "group/"+name)
}

func readUser(x *exchange) (*User, error) {
	name, err := want(x, "UserName", iamName, 64)
	if err != nil {
		return nil, err
	}
	v := x.acct.iam.users.read(entityKey(name), x.now)
	if v == nil {
		return nil, noSuchEntity("The user with name %s cannot be found.", name)
	}
	return v, nil
}

func readGroup(x *exchange) (*Group, error) {
	name, err := want(x, "GroupName", iamName, 128)
	if err != nil {
		return nil, err
	}
	v := x.acct.iam.groups.read(entityKey(name), x.now)
	if v == nil {
		return nil, noSuchEntity("The group with name %s cannot be found.", name)
	}
	return v, nil
}

type userShape struct {
	Path                string
	UserName            string
	UserID              string `xml:"UserId"`
	Arn                 string
	CreateDate          *string
	PermissionsBoundary *boundaryShape `xml:",omitempty"`
	Tags                *members[Tag]  `xml:",omitempty"`
}

func (u *User) shape() userShape {
	out := userShape{
		Path: u.Path, UserName: u.Name, UserID: u.ID, Arn: u.ARN, CreateDate: stamp(u.Created),
		PermissionsBoundary: boundaryOf(u.Boundary),
	}
	if len(u.Tags) > 0 {
		out.Tags = &members[Tag]{u.Tags}
	}
	return out
}

type groupShape struct {
	Path       string
	GroupName  string
	GroupID    string `xml:"GroupId"`
	Arn        string
	CreateDate *string
}

func (g *Group) shape() groupShape {
	return groupShape{Path: g.Path, GroupName: g.Name, GroupID: g.ID, Arn: g.ARN, CreateDate: stamp(g.Created)}
}

func getUserPolicy(x *exchange, u *User) (any, error) {
	name := x.form.Get("PolicyName")
	doc, ok := u.Inline[name]
	if !ok {
		return nil, noSuchEntity("The user policy with name %s cannot be found.", name)
	}
	return struct{ UserName, PolicyName, PolicyDocument string }{u.Name, name, quote(doc)}, nil
}

func getGroupPolicy(x *exchange, g *Group) (any, error) {
	name := x.form.Get("PolicyName")
	doc, ok := g.Inline[name]
	if !ok {
		return nil, noSuchEntity("The group policy with name %s cannot be found.", name)
	}
	return struct{ GroupName, PolicyName, PolicyDocument string }{g.Name, name, quote(doc)}, nil
}

func listGroupsForUser(x *exchange, u *User) (any, error) {
	var all []groupShape
	for _, name := range u.Groups {
		if g := x.acct.iam.groups.read(entityKey(name), x.now); g != nil {
			all = append(all, g.shape())
		}
	}
	some, rest, err := iamPage(x, all)
	return struct {
		Groups members[groupShape]
		more
	}{members[groupShape]{some}, rest}, err
}

func getGroup(x *exchange, g *Group) (any, error) {
	var all []userShape
	for _, key := range x.acct.iam.users.sorted() {
		u := x.acct.iam.users.read(key, x.now)
		if u != nil && slices.ContainsFunc(u.Groups, func(name string) bool { return entityKey(name) == entityKey(g.Name) }) {
			all = append(all, u.shape())
		}
	}
	some, rest, err := iamPage(x, all)
	return struct {
		Group groupShape
		Users members[userShape]
		more
	}{g.shape(), members[userShape]{some}, rest}, err
}
