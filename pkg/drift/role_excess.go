package drift

import (
	"slices"
	"strings"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// excess is the measuring of one role: what its policies allow beyond the ceiling.
type excess struct {
	judges  []*judge // of the setups that are checked
	first   *judge
	listed  *rotation.Listing
	set     policy.Set // what the role's own policies allow
	actual  *policy.Compiled
	ceiling *policy.Compiled
	custom  bool // a custom rotation whose extras nobody declared
	guessed bool // a strategy that nobody declared
}

// serviceFacts is what services do, read once.
var serviceFacts = sync.OnceValue(policy.BuiltinFacts)

// roleExcess finds what the role may do beyond the union of the contracts of the setups that share it: every request is covered by
// the comparison of the role's policies with the ceiling, and there is one finding for each statement and kind of exposure. The
// second result says what could not be settled.
func roleExcess(judges []*judge, listed *rotation.Listing) ([]*Finding, []string) {
	x := &excess{judges: judges, first: judges[0], listed: listed}
	var ceiling policy.Set
	for _, j := range judges {
		ceiling.Identity = append(ceiling.Identity, j.contract.Ceiling...)
		for _, s := range j.setup.Checked() {
			x.custom = x.custom || s.Declaration.Strategy == rotation.Custom && len(s.Declaration.Allow) == 0
			x.guessed = x.guessed || s.Kind == rotation.KindLambda && !s.Declaration.Declared()
		}
	}
	x.set = policy.Set{Identity: x.first.identityDocuments(), Boundary: x.first.boundaryDocument()}
	if len(x.set.Identity) == 0 {
		return nil, nil
	}
	return x.compare(ceiling)
}

func (j *judge) identityDocuments() []*policy.Document {
	var documents []*policy.Document
	for i := range j.setup.Role.Identity {
		if d := j.setup.Role.Identity[i].Document; d != nil {
			documents = append(documents, d)
		}
	}
	return documents
}

func (j *judge) boundaryDocument() *policy.Document {
	if b := j.setup.Role.Boundary; b != nil {
		return b.Document
	}
	return nil
}

// place is one statement of the role's policies.
type place struct {
	document *policy.Document
	index    int
}

// compare covers all requests and sorts the witnesses to the statements that grant them.
func (x *excess) compare(ceiling policy.Set) ([]*Finding, []string) {
	own := specialize(x.first.setup, x.set.Identity)
	actual := policy.Set{Identity: own.documents}
	if x.set.Boundary != nil {
		actual.Boundary = specialize(x.first.setup, []*policy.Document{x.set.Boundary}).documents[0]
	}
	facts, proofs := x.facts(), x.first.opts.Proofs
	name, named := proofs.name(ceiling, actual, facts)
	if named && proofs.holds(name) {
		return nil, nil
	}
	result := policy.Compare(ceiling, actual, serviceFacts().With(facts))
	if len(result.Excess) == 0 && len(result.Indeterminate) == 0 {
		if named {
			proofs.found(name)
		}
		return nil, nil
	}
	x.actual, x.ceiling = policy.Compile(x.set), policy.Compile(ceiling)
	witnesses := map[place][]*policy.Request{}
	settled := map[place]*policy.Statement{}
	var order []place
	for i := range result.Excess {
		w := &result.Excess[i]
		for _, ref := range w.Actual.By {
			at, ok := x.place(ref, own)
			if !ok {
				continue
			}
			settled[at] = own.statement(ref)
			if witnesses[at] == nil {
				order = append(order, at)
			}
			witnesses[at] = append(witnesses[at], x.asRole(&w.Request))
		}
	}
	slices.SortFunc(order, func(a, b place) int {
		if c := slices.Index(x.set.Identity, a.document) - slices.Index(x.set.Identity, b.document); c != 0 {
			return c
		}
		return a.index - b.index
	})
	var findings []*Finding
	for _, at := range order {
		findings = append(findings, x.statement(at, settled[at], witnesses[at])...)
	}
	var unsure []string
	for _, r := range result.Indeterminate {
		if at, ok := x.place(r.Statement, own); ok {
			r.Statement.Index, r.Statement.Document = at.index, at.document.Name
		}
		unsure = append(unsure, refText(r.Statement)+": "+r.Text)
	}
	return findings, unsure
}

// place finds the statement in the account that a statement of the specialized policies comes from.
func (x *excess) place(ref policy.StatementRef, own specialized) (place, bool) {
	for _, d := range x.set.Identity {
		if at := own.at[d.Name]; d.Name == ref.Document && ref.Index < len(at) && at[ref.Index] < len(d.Statements) && d.Statements[at[ref.Index]].Sid == ref.Sid {
			return place{d, at[ref.Index]}, true
		}
	}
	return place{}, false
}

// facts are the resources at hand: the secrets and masters of the setups, with what every request on them carries.
func (x *excess) facts() *policy.Facts {
	var resources []policy.ResourceFact
	seen := map[rotation.ARN]bool{}
	add := func(s *rotation.Secret) {
		if seen[s.ARN] || !s.Described() {
			return
		}
		seen[s.ARN] = true
		if _, _, complete := s.ARN.SecretName(); !complete || strings.ContainsAny(string(s.ARN), "*?") {
			return
		}
		fact := policy.ResourceFact{ARN: string(s.ARN), Keys: map[string][]string{rotation.AllowRotationKey: nil, "secretsmanager:resource/Type": nil},
			Only: []string{"aws:ResourceTag/*", "secretsmanager:ResourceTag/*"}}
		if s.FunctionARN != "" {
			fact.Keys[rotation.AllowRotationKey] = []string{string(s.FunctionARN)}
		}
		if s.Type != "" {
			fact.Keys["secretsmanager:resource/Type"] = []string{s.Type}
		}
		folded := map[string]bool{}
		for key, value := range s.Tags {
			if lower := strings.ToLower(key); !folded[lower] && !strings.ContainsAny(key, "*?") {
				folded[lower] = true
				fact.Keys["aws:ResourceTag/"+key], fact.Keys["secretsmanager:ResourceTag/"+key] = []string{value}, []string{value}
			}
		}
		resources = append(resources, fact)
	}
	for _, j := range x.judges {
		for _, s := range j.setup.Checked() {
			add(s)
			if s.Declaration.Master != "" && s.Declaration.Problem == "" {
				add(j.setup.Master(s))
			}
		}
	}
	return &policy.Facts{Resources: resources}
}

// asRole is a witness of the comparison as a call of this role.
func (x *excess) asRole(w *policy.Request) *policy.Request {
	r := rotation.RoleRequest(x.first.setup, w.Action, w.Resource)
	for key, values := range w.Context {
		deleteFold(r.Context, key)
		r.Context[key] = values
		r.Unknown = slices.DeleteFunc(slices.Clone(r.Unknown), func(k string) bool { return strings.EqualFold(k, key) || family(k, key) })
	}
	// The comparison may put any resource to an action of which it knows no resource type; one of the action's own service reads better.
	for _, resource := range x.fitting(w) {
		fit := r
		fit.Resource = resource
		if x.beyond(&fit) {
			return &fit
		}
	}
	bare := *w
	bare.Caller = r.Caller
	return &bare
}

// fitting are resources for a witness, the best first: its own when it is of the action's service.
func (x *excess) fitting(w *policy.Request) []string {
	service, name, _ := strings.Cut(strings.ToLower(w.Action), ":")
	if w.Resource == "*" || rotation.ARN(w.Resource).Parts().Service == service {
		return []string{w.Resource}
	}
	partition := x.first.setup.Partition
	made := x.arn(service, "example")
	switch {
	case service == "s3" && strings.Contains(name, "object"):
		made = "arn:" + partition + ":s3:::example/key"
	case service == "s3":
		made = "arn:" + partition + ":s3:::example"
	case service == "iam" && strings.Contains(name, "user"):
		made = x.arn("iam", "user/example")
	case service == "iam" && strings.Contains(name, "policy") && !strings.Contains(name, "role"):
		made = x.arn("iam", "policy/example")
	case service == "iam" || service == "sts":
		made = x.arn("iam", "role/example")
	case service == "lambda":
		made = x.arn("lambda", "function:example")
	case service == "dynamodb":
		made = x.arn("dynamodb", "table/example")
	}
	return []string{made, "*", w.Resource}
}

// beyond says whether the role may make a request and the ceiling does not hold it.
func (x *excess) beyond(r *policy.Request) bool {
	return x.actual.Evaluate(r).Outcome == policy.Allowed && x.ceiling.Evaluate(r).Outcome != policy.Allowed
}

func family(unknown, key string) bool {
	prefix, ok := strings.CutSuffix(unknown, "*")
	return ok && len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
}

func (x *excess) arn(service, resource string) string {
	s := x.first.setup
	region := s.Region
	if service == "iam" {
		region = ""
	}
	return "arn:" + s.Partition + ":" + service + ":" + region + ":" + s.Role.ARN.Parts().Account + ":" + resource
}

// request is a call of the role in whose context the statement's positive conditions hold, as far as a role's own call can make them.
func (x *excess) request(s *policy.Statement, action, resource string) policy.Request {
	r := rotation.RoleRequest(x.first.setup, action, resource)
	given := make([]string, 0, len(r.Context))
	for key := range r.Context {
		given = append(given, key)
	}
	for _, c := range s.Conditions {
		if negated(c.Operator) || strings.EqualFold(c.Operator, "Null") || len(c.Values) == 0 || neverCarried(c.Key) || !strings.Contains(c.Key, ":") ||
			slices.ContainsFunc(given, func(g string) bool { return strings.EqualFold(g, c.Key) }) {
			continue
		}
		r.Unknown = slices.DeleteFunc(slices.Clone(r.Unknown), func(k string) bool { return strings.EqualFold(k, c.Key) || family(k, c.Key) })
		r.Context[c.Key] = []string{concrete(c.Values[0])}
	}
	return r
}
