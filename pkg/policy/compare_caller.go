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
		return []callerClass{{reaches: []reach{reachDirect}}}
	}
	var out []callerClass
	seen := map[string]bool{}
	var callers []Caller
	used := map[string]bool{}
	for _, s := range v.principals[1:] {
		for _, p := range s.principals {
			used[p.id] = true
			if a := accountOf(p.id); a != "" {
				used[a] = true
			}
			callers = append(callers, p.callers()...)
		}
	}
	callers = append(callers, otherCallers(used)...)
	for _, caller := range callers {
		class := callerClass{caller: caller, reaches: make([]reach, len(v.principals))}
		key := make([]byte, len(v.principals))
		for i, s := range v.principals {
			if i == 0 {
				class.reaches[i] = reachDirect
			} else {
				class.reaches[i] = s.testPrincipal(&Request{Caller: caller}, false)
			}
			key[i] = byte(class.reaches[i])
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			out = append(out, class)
		}
	}
	return out
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
