package policy

import (
	"slices"
	"strings"
)

// callerClass is a caller that stands for all whom the Principal elements name in the same way.
type callerClass struct {
	caller  Caller
	reaches []reach // for each distinct Principal element
}

// callerClasses finds one caller for every way in which the Principal elements can name one. Where there is no such element,
// the one caller is left empty: a statement of an identity document speaks of whom it is attached to.
func (c *comparer) callerClasses() []callerClass {
	v := c.words
	if len(v.principals) == 1 {
		c.rooms.reaches[0] = reachDirect
		c.rooms.caller[0] = callerClass{reaches: c.rooms.reaches[:]}
		return c.rooms.caller[:]
	}
	c.naming = make([]principalIndex, len(v.principals))
	for i, s := range v.principals[1:] {
		c.naming[i+1] = newPrincipalIndex(s)
	}
	// A session is one of the role of its name, wherever that is in the account: names are unique there.
	named := map[string]string{}
	for _, s := range v.principals[1:] {
		for i := range s.principals {
			if p := &s.principals[i]; p.form == principalRole {
				named[p.session] = p.id
			}
		}
	}
	used := map[string]bool{}
	tried := map[Caller]bool{}
	var callers []Caller
	for _, s := range v.principals[1:] {
		for i := range s.principals {
			p := &s.principals[i]
			used[p.id], used[accountOf(p.id)] = true, true
			for _, caller := range p.callers() {
				if role, ok := named[roleOf(caller.Session)]; ok {
					caller.ARN = role
				}
				callers = append(callers, caller)
			}
		}
	}
	callers = append(callers, otherCallers(used)...)
	var out []callerClass
	seen := map[string]bool{}
	key := make([]byte, len(v.principals))
	for _, caller := range callers {
		if tried[caller] {
			continue
		}
		tried[caller] = true
		if !c.budget.spend(4 * len(v.principals)) {
			for _, s := range v.principals[1:] {
				c.doubt(c.statementOf(s), doubtBound)
			}
			break
		}
		reaches := c.reaches(&caller)
		for i, r := range reaches {
			key[i] = byte(r)
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			out = append(out, callerClass{caller, reaches})
		}
	}
	return out
}

// roleOf is what the ARNs of all sessions of a session's role begin with.
func roleOf(session string) string { return session[:strings.LastIndexByte(session, '/')+1] }

// statementOf finds a statement by what it was compiled to.
func (c *comparer) statementOf(s *statement) int32 {
	return int32(slices.IndexFunc(c.statement, func(x compared) bool { return x.statement == s }))
}

// reaches says how each Principal element names a caller.
func (c *comparer) reaches(caller *Caller) []reach {
	out := make([]reach, len(c.words.principals))
	out[0] = reachDirect
	for i := range out[1:] {
		out[i+1] = c.naming[i+1].names(caller)
	}
	return out
}

// principalIndex finds the principals of an element that can name a caller, however many it lists.
type principalIndex struct {
	statement *statement
	byID      map[string][]*principalTest // nil when the element lists few
}

func newPrincipalIndex(s *statement) principalIndex {
	x := principalIndex{statement: s}
	if len(s.principals) <= 8 {
		return x
	}
	x.byID = make(map[string][]*principalTest, len(s.principals))
	for i := range s.principals {
		p := &s.principals[i]
		x.byID[p.id] = append(x.byID[p.id], p)
	}
	return x
}

// names says how the element names a caller who has no boundary.
func (x *principalIndex) names(caller *Caller) reach {
	if x.byID == nil {
		return x.statement.testPrincipal(&Request{Caller: *caller}, false)
	}
	named := reachNone
	for _, id := range [...]string{"", caller.ARN, caller.Session, caller.Service, caller.account()} {
		for _, p := range x.byID[id] {
			named = max(named, p.names(caller))
		}
	}
	if !x.statement.notPrincipal {
		return named
	}
	if named == reachNone {
		return reachDirect
	}
	return reachNone
}

// callers are the callers that a principal names, in each way that it can name one.
func (t *principalTest) callers() []Caller {
	switch t.form {
	case principalAccount:
		return []Caller{
			{Kind: CallerRole, ARN: "arn:aws:iam::" + t.id + ":role/example"},
			{Kind: CallerUser, ARN: "arn:aws:iam::" + t.id + ":user/example"},
			{Kind: CallerAccount, ARN: "arn:aws:iam::" + t.id + ":root"},
		}
	case principalRole:
		return []Caller{{Kind: CallerRole, ARN: t.id}}
	case principalARN:
		a, ok := splitARN(t.id)
		if !ok {
			return nil
		}
		kind, name, _ := strings.Cut(a.resource, "/")
		switch kind {
		case "user":
			return []Caller{{Kind: CallerUser, ARN: t.id}}
		case "assumed-role":
			role, _, _ := strings.Cut(name, "/")
			return []Caller{{Kind: CallerRole, ARN: "arn:" + a.partition + ":iam::" + a.account + ":role/" + role, Session: t.id}}
		default:
			return []Caller{{Kind: CallerFederated, ARN: t.id}}
		}
	case principalService:
		return []Caller{{Kind: CallerService, Service: t.id}}
	case principalFederated:
		return []Caller{{Kind: CallerFederated, ARN: t.id}}
	case principalCanonical:
		return []Caller{{Kind: CallerAccount, ARN: t.id}}
	case principalEverybody, principalDeleted:
	}
	return nil
}

// otherCallers are callers of every kind that no principal names.
func otherCallers(used map[string]bool) []Caller {
	first := func(candidates ...string) string {
		i := slices.IndexFunc(candidates, func(s string) bool { return !used[s] })
		return candidates[max(i, 0)]
	}
	account := first("111122223333", "444455556666", "777788889999", "123456789012", "210987654321", "999999999999")
	return []Caller{
		{Kind: CallerRole, ARN: "arn:aws:iam::" + account + ":role/example"},
		{Kind: CallerUser, ARN: "arn:aws:iam::" + account + ":user/example"},
		{Kind: CallerService, Service: first("ec2.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com", "ecs.amazonaws.com")},
		{Kind: CallerFederated, ARN: first("accounts.google.com", "www.amazon.com", "graph.facebook.com", "cognito-identity.amazonaws.com")},
		{Kind: CallerAccount, ARN: "arn:aws:iam::" + account + ":root"},
		{Kind: CallerAnonymous},
	}
}
