package rotation

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// Answer is what the account, as it was read, gives to one required request.
type Answer struct {
	policy.Decision
	Set  policy.Set // the documents that decided
	Gaps []Gap      // Undecided: what could not be read and may decide otherwise
	// Stopped says why the request fails whatever the policies say: "the key is disabled". The Outcome is a denial then.
	Stopped string

	waitsForGrants bool
}

// Denied says whether the request is certainly denied.
func (a *Answer) Denied() bool {
	return a.Outcome == policy.ImplicitlyDenied || a.Outcome == policy.ExplicitlyDenied
}

// Decider answers the required requests of one setup. A document that could not be read may allow or deny: a request is denied only
// when it is denied whatever the unread documents say, and allowed only when all of them were read.
type Decider struct {
	setup    *Setup
	identity side
	boundary *policy.Document
	bounded  []Gap // why the boundary is not known
	compiled map[string]decided
}

// side is one side of a request: its documents and why it may be incomplete.
type side struct {
	documents []*policy.Document
	gaps      []Gap
}

// decided is a set that many requests share.
type decided struct {
	set      policy.Set
	compiled *policy.Compiled
	gaps     []Gap
}

// everything stands for a document that could not be read, in the reading that helps the request most.
var everything = &policy.Document{Name: "unread", Version: policy.Version2012, Statements: []policy.Statement{{
	Effect: policy.Allow, Principals: []policy.Principal{{Type: policy.PrincipalAny, ID: "*"}}, Actions: []string{"*"}, Resources: []string{"*"},
}}}

// everythingOf is everything for an identity document, which has no principal.
var everythingOf = &policy.Document{Name: "unread", Version: policy.Version2012, Statements: []policy.Statement{{
	Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{"*"},
}}}

// NewDecider reads the setup's policies once. The setup must not change while the Decider is used.
func NewDecider(s *Setup) *Decider {
	d := &Decider{setup: s, compiled: map[string]decided{}}
	d.identity = s.Role.identity()
	switch {
	case s.Role.Boundary == nil:
		if gap := s.Role.gap("iam:GetRole"); gap != nil {
			d.bounded = []Gap{*gap}
		}
	case s.Role.Boundary.Document != nil:
		d.boundary = s.Role.Boundary.Document
	default:
		d.boundary, d.bounded = everythingOf, []Gap{s.Role.Boundary.why("iam:GetPolicyVersion", string(s.Role.Boundary.ARN))}
	}
	return d
}

func (r *Role) gap(call string) *Gap {
	for i := range r.Gaps {
		if r.Gaps[i].Call == call {
			return &r.Gaps[i]
		}
	}
	return nil
}

// identity is the role's own side. A gap on the role's tags leaves it complete.
func (r *Role) identity() side {
	var s side
	for i := range r.Identity {
		p := &r.Identity[i]
		if p.Document != nil {
			s.documents = append(s.documents, p.Document)
		} else if p.Presence != Absent {
			s.gaps = append(s.gaps, p.why("iam:GetRolePolicy", string(r.ARN)))
		}
	}
	for _, g := range r.Gaps {
		if g.Call != "iam:ListRoleTags" && g.Call != "iam:GetRole" {
			s.gaps = append(s.gaps, g)
		}
	}
	if (r.Presence == Unreadable || r.Presence == NotRead) && len(s.gaps) == 0 {
		s.gaps = append(s.gaps, r.why())
	}
	if len(s.gaps) > 0 {
		s.documents = append(s.documents, everythingOf)
	}
	return s
}

func (r *Role) why() Gap {
	if len(r.Gaps) > 0 {
		return r.Gaps[0]
	}
	return Gap{Call: "iam:GetRole", Resource: string(r.ARN), Code: "NotRead", Permission: "iam:GetRole"}
}

// why is the gap of a policy that has no document.
func (p *Policy) why(call, resource string) Gap {
	if p.Gap != nil {
		return *p.Gap
	}
	return Gap{Call: call, Resource: resource, Code: "NotRead", Permission: call}
}

// resource is the resource side that one policy makes.
func (p *Policy) resource(call, on string) side {
	switch {
	case p.Document != nil:
		return side{documents: []*policy.Document{p.Document}}
	case p.Presence == Absent:
		return side{}
	default:
		return side{documents: []*policy.Document{everything}, gaps: []Gap{p.why(call, on)}}
	}
}

// Decide answers one required request.
func (d *Decider) Decide(r *Requirement) Answer {
	s := d.setup
	switch r.Target {
	case TargetFunction:
		if s.Function.Presence != Present {
			return d.unreadFunction()
		}
		return d.answer(r, "function", func() decided {
			return d.resourceOnly(s.Function.Policy.resource("lambda:GetPolicy", string(s.Function.ARN)))
		})
	case TargetTrust:
		return d.answer(r, "trust", func() decided {
			return d.resourceOnly(s.Role.Trust.resource("iam:GetRole", string(s.Role.ARN)))
		})
	case TargetSecret:
		secret := s.secret(r.Secret)
		return d.onSecret(r, secret)
	case TargetMaster:
		return d.onSecret(r, s.Master(s.secret(r.Secret)))
	case TargetKey, TargetMasterKey:
		return d.onKey(r)
	default:
		return d.answer(r, "account", func() decided { return d.with(policy.SameAccount, side{}) })
	}
}

func (s *Setup) secret(arn ARN) *Secret {
	i, ok := slices.BinarySearchFunc(s.Secrets, arn, func(x Secret, arn ARN) int { return strings.Compare(string(x.ARN), string(arn)) })
	if ok {
		return &s.Secrets[i]
	}
	for i := range s.Secrets {
		if s.Secrets[i].ARN == arn {
			return &s.Secrets[i]
		}
	}
	return &Secret{ARN: arn}
}

func (d *Decider) unreadFunction() Answer {
	gaps := d.setup.Function.Gaps
	if len(gaps) == 0 {
		gaps = []Gap{{Call: "lambda:GetFunctionConfiguration", Resource: string(d.setup.Function.ARN), Code: "NotRead", Permission: "lambda:GetFunctionConfiguration"}}
	}
	return Answer{Decision: policy.Decision{Outcome: policy.Undecided}, Gaps: gaps}
}

func (d *Decider) onSecret(r *Requirement, secret *Secret) Answer {
	relation := policy.SameAccount
	if secret.ARN.Parts().Account != d.setup.Role.ARN.Parts().Account {
		relation = policy.CrossAccount
	}
	if secret.Policy.Presence == Absent && relation == policy.SameAccount {
		return d.answer(r, "account", func() decided { return d.with(policy.SameAccount, side{}) })
	}
	return d.answer(r, "secret "+string(secret.ARN), func() decided {
		return d.with(relation, secret.Policy.resource("secretsmanager:GetResourcePolicy", string(secret.ARN)))
	})
}

func (d *Decider) resourceOnly(resource side) decided {
	set := policy.Set{Relation: policy.ResourceOnly, Resource: resource.documents}
	return decided{set: set, compiled: policy.Compile(set), gaps: resource.gaps}
}

func (d *Decider) with(relation policy.Relation, resource side) decided {
	set := policy.Set{Relation: relation, Identity: d.identity.documents, Boundary: d.boundary, Resource: resource.documents}
	return decided{set: set, compiled: policy.Compile(set), gaps: slices.Concat(d.identity.gaps, d.bounded, resource.gaps)}
}

// answer evaluates with the unread documents as if they allowed everything. What is denied even so is denied; what is allowed is
// allowed only when nothing was unread.
func (d *Decider) answer(r *Requirement, key string, gather func() decided) Answer {
	c, ok := d.compiled[key]
	if !ok {
		c = gather()
		d.compiled[key] = c
	}
	a := Answer{Decision: c.compiled.Evaluate(&r.Request), Set: c.set}
	switch {
	case a.Denied() && r.Assumed && a.Outcome == policy.ImplicitlyDenied && grantsSomewhere(&c.set, r.Request.Action):
		a.Outcome = policy.Undecided
	case a.Denied():
	case len(c.gaps) > 0:
		a.Outcome, a.Gaps = policy.Undecided, c.gaps
	}
	return a
}

// grantsSomewhere says whether an identity document allows the action on some resource: which one the request will name cannot be seen.
func grantsSomewhere(set *policy.Set, action string) bool {
	for _, document := range set.Identity {
		for i := range document.Statements {
			s := &document.Statements[i]
			if s.Effect == policy.Allow && slices.ContainsFunc(s.Actions, func(a string) bool {
				return GlobMatch(strings.ToLower(a), strings.ToLower(action))
			}) {
				return true
			}
		}
	}
	return false
}

// onKey: the key policy decides, and the role's policies where it delegates; then grants. A key of another account needs both sides.
func (d *Decider) onKey(r *Requirement) Answer {
	key, relation := d.key(r), policy.Delegated
	if key.Manager == "AWS" {
		return stopped("the AWS managed key aws/secretsmanager cannot be used from another account")
	}
	if why := key.stopped(); why != "" {
		return stopped(why)
	}
	if key.ARN == "" {
		return Answer{Decision: policy.Decision{Outcome: policy.Undecided}, Gaps: []Gap{key.why()}}
	}
	if key.ARN.Parts().Account != d.setup.Role.ARN.Parts().Account {
		relation = policy.CrossAccount
	}
	a := d.answer(r, "key "+string(key.ARN), func() decided { return d.withKey(&key, relation) })
	if a.Outcome == policy.ImplicitlyDenied && !key.GrantsRead && grantable(a.Set, &r.Request) {
		a.Outcome, a.waitsForGrants = policy.Undecided, true
		a.Gaps = []Gap{{Call: "kms:ListGrants", Resource: string(key.ARN), Code: "NotRead", Permission: "kms:ListGrants"}}
		for _, g := range key.Gaps {
			if g.Call == "kms:ListGrants" {
				a.Gaps = []Gap{g}
			}
		}
	}
	return a
}

// grantable says whether a grant on the key could allow the request: not where the other side, which must allow it too, does not.
func grantable(set policy.Set, r *policy.Request) bool {
	set.Resource = append(slices.Clone(set.Resource), everything)
	return policy.Evaluate(&set, r).Outcome != policy.ImplicitlyDenied
}

func (d *Decider) withKey(key *Key, relation policy.Relation) decided {
	resource := key.Policy.resource("kms:GetKeyPolicy", string(key.ARN))
	if len(resource.gaps) > 0 && len(key.Gaps) > 0 {
		resource.gaps = key.Gaps
	}
	if grants := key.grants(); grants != nil {
		resource.documents = append(slices.Clone(resource.documents), grants)
	}
	return d.with(relation, resource)
}

func (d *Decider) key(r *Requirement) Key {
	secret := d.setup.secret(r.Secret)
	if r.Target == TargetMasterKey {
		secret = d.setup.Master(secret)
	}
	key, _ := d.setup.CustomerKey(secret)
	return key
}

func stopped(why string) Answer {
	return Answer{Decision: policy.Decision{Outcome: policy.ImplicitlyDenied}, Stopped: why}
}

// stopped says why nobody can use the key for encryption. Source: KMS Developer Guide, "Key states of AWS KMS keys".
func (k *Key) stopped() string {
	if k.Presence == Absent {
		return "the key does not exist"
	}
	switch k.State {
	case "Disabled":
		return "the key is disabled"
	case "PendingDeletion", "PendingReplicaDeletion":
		return "the key is pending deletion"
	case "PendingImport":
		return "the key waits for its key material to be imported"
	case "Unavailable":
		return "the key is unavailable: its custom key store is disconnected"
	}
	return ""
}

func (k *Key) why() Gap {
	if len(k.Gaps) > 0 {
		return k.Gaps[0]
	}
	return Gap{Call: "kms:DescribeKey", Resource: k.ID, Code: "NotRead", Permission: "kms:DescribeKey"}
}

// grants are the key's grants as statements of a key policy. A grant whose context must be equal to what a rotation cannot show
// whole (Secrets Manager adds SecretVersionId) never applies; one whose grantee is a service neither.
// Source: KMS Developer Guide, "Grants in AWS KMS"; KMS API, GrantConstraints.
func (k *Key) grants() *policy.Document {
	var statements []policy.Statement
	for _, g := range k.Grants {
		if !strings.HasPrefix(g.Grantee, "arn:") {
			continue
		}
		s := policy.Statement{Effect: policy.Allow, Principals: []policy.Principal{{Type: policy.PrincipalAWS, ID: g.Grantee}}, Resources: []string{"*"}}
		for _, operation := range g.Operations {
			s.Actions = append(s.Actions, "kms:"+operation)
		}
		possible := len(s.Actions) > 0
		if len(g.ContextEquals) > 0 {
			_, version := g.ContextEquals["SecretVersionId"]
			possible = possible && version && len(g.ContextEquals) == 2
		}
		for _, context := range []map[string]string{g.ContextSubset, g.ContextEquals} {
			for name, value := range context {
				s.Conditions = append(s.Conditions, policy.Condition{Operator: "StringEquals", Key: "kms:EncryptionContext:" + name, Values: []string{value}})
			}
		}
		if possible {
			statements = append(statements, s)
		}
	}
	if statements == nil {
		return nil
	}
	return &policy.Document{Name: "key grants", Version: policy.Version2008, Statements: statements}
}

// GrantsDecide names the keys, as the secrets name them, whose grants decide: no policy allows a required use of theirs and none denies
// it, so that ListGrants must be read before saying that it is denied.
func GrantsDecide(s *Setup, c *Contract) []string {
	var ids []string
	d := NewDecider(s)
	for i := range c.Required {
		r := &c.Required[i]
		if r.Target != TargetKey && r.Target != TargetMasterKey || slices.Contains(ids, r.KeyID) {
			continue
		}
		a := d.Decide(r)
		if a.waitsForGrants {
			ids = append(ids, r.KeyID)
		}
	}
	slices.Sort(ids)
	return ids
}
