package policy

import "strings"

// reach says how a Principal element names the caller, weakest first.
type reach uint8

const (
	reachNone    reach = iota
	reachAccount       // by the account: an Allow delegates to it
	reachRole          // by the role's ARN: an Allow stays inside the permissions boundary
	reachDirect        // by the user, the session, the service or "*": a boundary does not limit an Allow
)

// principalForm is what a principal's id is.
type principalForm uint8

const (
	principalEverybody principalForm = iota
	principalAccount                 // a 12-digit account id, alone or in a root ARN
	principalRole                    // a role ARN
	principalARN                     // a user, a role session or a federated user session
	principalService
	principalFederated
	principalCanonical
	principalDeleted // a unique id (AROA…): what IAM leaves behind of a deleted user or role
)

// principalTest is one principal, compiled.
type principalTest struct {
	form    principalForm
	id      string // what is compared: an account id, an ARN, a service or provider name
	session string // of a role ARN: what the ARN of its sessions begins with
}

// newPrincipal compiles p. The message says what is wrong with it, "" when nothing is.
// Source: IAM User Guide, "AWS JSON policy elements: Principal".
func newPrincipal(p Principal) (t principalTest, message string) {
	switch p.Type {
	case PrincipalAny:
		if p.ID != "*" {
			return t, `must be "*" or an object`
		}
		return principalTest{form: principalEverybody}, ""
	case PrincipalAWS:
		return newAWSPrincipal(p.ID)
	case PrincipalService:
		if strings.ContainsAny(p.ID, "*? \t\r\n/:") || !strings.Contains(p.ID, ".") {
			return t, "is not a service principal"
		}
		return principalTest{form: principalService, id: p.ID}, ""
	case PrincipalFederated:
		if !isProvider(p.ID) {
			return t, "is neither the ARN nor the name of an identity provider"
		}
		return principalTest{form: principalFederated, id: p.ID}, ""
	case PrincipalCanonicalUser:
		if p.ID == "" || strings.Trim(p.ID, "0123456789abcdefABCDEF") != "" {
			return t, "is not a canonical user id"
		}
		return principalTest{form: principalCanonical, id: p.ID}, ""
	}
	return t, "unknown principal type"
}

func newAWSPrincipal(id string) (t principalTest, message string) {
	switch {
	case id == "*":
		return principalTest{form: principalEverybody}, ""
	case isAccountID(id):
		return principalTest{form: principalAccount, id: id}, ""
	case isUniqueID(id):
		return principalTest{form: principalDeleted, id: id}, ""
	case strings.ContainsAny(id, "*?"):
		return t, "cannot hold a wildcard"
	}
	a, ok := splitARN(id)
	if !ok || a.partition == "" || a.region != "" {
		return t, "is neither an account id nor the ARN of a principal"
	}
	kind, name, _ := strings.Cut(a.resource, "/")
	named := name != "" && !strings.HasSuffix(name, "/")
	switch {
	case a.service == "iam" && isAccountID(a.account):
		switch {
		case a.resource == "root":
			return principalTest{form: principalAccount, id: a.account}, ""
		case kind == "role" && named:
			role := name[strings.LastIndexByte(name, '/')+1:]
			session := "arn:" + a.partition + ":sts::" + a.account + ":assumed-role/" + role + "/"
			return principalTest{form: principalRole, id: id, session: session}, ""
		case kind == "user" && named:
			return principalTest{form: principalARN, id: id}, ""
		}
	case a.service == "iam" && a.account == "cloudfront" && kind == "user" && named:
		// An origin access identity. Source: CloudFront Developer Guide, "Restrict access to an Amazon S3 origin".
		return principalTest{form: principalARN, id: id}, ""
	case a.service == "sts" && isAccountID(a.account):
		switch role, session, _ := strings.Cut(name, "/"); {
		case kind == "assumed-role" && role != "" && session != "":
			return principalTest{form: principalARN, id: id}, ""
		case kind == "federated-user" && named:
			return principalTest{form: principalARN, id: id}, ""
		}
	}
	return t, "is neither an account id nor the ARN of a principal"
}

// isUniqueID says whether id is what IAM shows in place of a principal that no longer exists.
// Source: IAM User Guide, "IAM identifiers", section "Unique identifiers".
func isUniqueID(id string) bool {
	if len(id) < 16 || len(id) > 128 {
		return false
	}
	switch id[:4] {
	case "AROA", "AIDA", "AGPA", "AIPA":
	default:
		return false
	}
	for i := 4; i < len(id); i++ {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// isProvider says whether id is the ARN of a SAML or OpenID Connect provider or the name of a web identity provider.
func isProvider(id string) bool {
	if id == "" || strings.ContainsAny(id, "*? \t\r\n") {
		return false
	}
	if !strings.HasPrefix(id, "arn:") {
		return true
	}
	a, ok := splitARN(id)
	return ok && a.service == "iam" && isAccountID(a.account) &&
		(strings.HasPrefix(a.resource, "saml-provider/") || strings.HasPrefix(a.resource, "oidc-provider/"))
}

// names says how the principal names the caller.
//
// "*" and {"AWS":"*"} reach everybody, services and anonymous callers included. An account reaches every principal of it.
// A role's ARN reaches its sessions. A role whose session is not known is in none of the sessions that a policy names. A
// deleted principal reaches nobody.
func (t *principalTest) names(caller *Caller) reach {
	switch t.form {
	case principalEverybody:
		return reachDirect
	case principalAccount:
		switch {
		case caller.Kind == CallerService, caller.Kind == CallerAnonymous, caller.account() != t.id:
		case caller.Kind == CallerAccount:
			return reachDirect
		default:
			return reachAccount
		}
	case principalRole:
		if caller.Kind != CallerRole {
			break
		}
		if caller.ARN == t.id || caller.ARN == "" && strings.HasPrefix(caller.Session, t.session) {
			return reachRole
		}
	case principalARN:
		switch caller.Kind {
		case CallerService, CallerAnonymous:
			return reachNone
		case CallerRole:
			if caller.Session == t.id {
				return reachDirect
			}
		default:
			if caller.ARN == t.id {
				return reachDirect
			}
		}
	case principalService:
		if caller.Kind == CallerService && caller.Service == t.id {
			return reachDirect
		}
	case principalFederated:
		if caller.Kind == CallerFederated && caller.ARN == t.id {
			return reachDirect
		}
	case principalCanonical:
		if caller.Kind == CallerAccount && caller.ARN == t.id {
			return reachDirect
		}
	case principalDeleted:
	}
	return reachNone
}

// account is the account that the caller belongs to, "" when it belongs to none.
func (c *Caller) account() string {
	if c.ARN != "" {
		return accountOf(c.ARN)
	}
	return accountOf(c.Session)
}
