package drift

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// excess is the measuring of one role: what its policies allow beyond the ceiling.
type excess struct {
	judges  []*judge
	first   *judge
	listed  *rotation.Listing
	set     policy.Set // what the role's own policies allow
	actual  *policy.Compiled
	ceiling *policy.Compiled
	custom  bool // a custom rotation whose extras nobody declared
}

// roleExcess finds what the role may do beyond the union of the contracts of the setups that share it, one finding for each statement
// and kind of exposure.
func roleExcess(judges []*judge, listed *rotation.Listing) ([]*Finding, []string) {
	x := &excess{judges: judges, listed: listed}
	var ceiling policy.Set
	for _, j := range judges {
		if j.setup.Role.ARN == "" || len(j.setup.Checked()) == 0 {
			continue
		}
		if x.first == nil {
			x.first = j
		}
		ceiling.Identity = append(ceiling.Identity, j.contract.Ceiling...)
		for _, s := range j.setup.Checked() {
			x.custom = x.custom || s.Declaration.Strategy == rotation.Custom && len(s.Declaration.Allow) == 0
		}
	}
	if x.first == nil || x.first.setup.Role.Presence == rotation.Absent {
		return nil, nil
	}
	x.set = policy.Set{Identity: x.first.identityDocuments(), Boundary: x.first.boundaryDocument()}
	x.actual, x.ceiling = policy.Compile(x.set), policy.Compile(ceiling)
	var findings []*Finding
	for _, d := range x.set.Identity {
		for i := range d.Statements {
			if d.Statements[i].Effect == policy.Allow {
				findings = append(findings, x.statement(d, i)...)
			}
		}
	}
	return findings, nil
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

// breadth is how far a statement reaches.
type breadth int

const (
	own   breadth = iota // the setups' own secrets
	named                // other secrets by name or prefix
	all                  // every secret, key or resource
)

// reach is one request that a statement allows beyond the ceiling.
type reach struct {
	breadth breadth
	request policy.Request
}

// statement judges one Allow statement by what it reaches.
func (x *excess) statement(d *policy.Document, index int) []*Finding {
	s := &d.Statements[index]
	alone := policy.Compile(policy.Set{Identity: []*policy.Document{{Name: d.Name, Version: d.Version, Statements: d.Statements[index : index+1]}}})
	reaches := func(action, resource string, context map[string][]string) *policy.Request {
		r := x.request(s, action, resource, context)
		if alone.Evaluate(&r).Outcome == policy.Allowed && x.actual.Evaluate(&r).Outcome == policy.Allowed && x.ceiling.Evaluate(&r).Outcome != policy.Allowed {
			return &r
		}
		return nil
	}
	var findings []*Finding
	add := func(rule string, severity Severity, text string, r *policy.Request) {
		findings = append(findings, x.finding(d, index, rule, severity, text, r))
	}
	if r := reaches("iam:CreateUser", x.arn("iam", "user/anyone"), nil); r != nil && reaches("s3:GetObject", "arn:"+x.first.setup.Partition+":s3:::bucket/key", nil) != nil {
		text := "the role may do anything"
		if len(s.NotActions) > 0 {
			text = "the role may do everything but " + list(s.NotActions) + " (NotAction)"
		}
		add(RuleAdmin, Critical, text, r)
		return findings
	}
	findings = append(findings, x.secretReach(d, index, reaches)...)
	if r := reaches("kms:Decrypt", x.arn("kms", "key/99999999-8888-7777-6666-555555555555"), nil); r != nil {
		add(RuleOtherKeys, Medium, "the role may use every KMS key of the account whose key policy lets it", r)
	}
	return findings
}

func (x *excess) arn(service, resource string) string {
	s := x.first.setup
	region := s.Region
	if service == "iam" {
		region = ""
	}
	return "arn:" + s.Partition + ":" + service + ":" + region + ":" + s.Role.ARN.Parts().Account + ":" + resource
}

// request is a call of the role in whose context the statement's conditions hold, as far as a function's own call can make them.
func (x *excess) request(s *policy.Statement, action, resource string, context map[string][]string) policy.Request {
	r := rotation.RoleRequest(x.first.setup, action, resource)
	for k, v := range context {
		r.Context[k] = v
	}
	for _, c := range s.Conditions {
		if negated(c.Operator) || strings.EqualFold(c.Operator, "Null") || len(c.Values) == 0 || neverCarried(c.Key) {
			continue
		}
		if _, given := r.Context[c.Key]; given || keyGiven(r.Context, c.Key) {
			continue
		}
		r.Unknown = slices.DeleteFunc(slices.Clone(r.Unknown), func(k string) bool { return strings.EqualFold(k, c.Key) || family(k, c.Key) })
		r.Context[c.Key] = []string{concrete(c.Values[0])}
	}
	return r
}

func keyGiven(context map[string][]string, key string) bool {
	for k := range context {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

func family(unknown, key string) bool {
	prefix, ok := strings.CutSuffix(unknown, "*")
	return ok && len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
}

// secretActions are the actions on a secret that count, by what they expose: values, then changes of them, then what lets others in
// or ends the secret, then metadata.
var secretActions = []string{
	"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage", "secretsmanager:PutResourcePolicy",
	"secretsmanager:RotateSecret", "secretsmanager:UpdateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DeleteResourcePolicy",
	"secretsmanager:CancelRotateSecret", "secretsmanager:ReplicateSecretToRegions", "secretsmanager:TagResource", "secretsmanager:DescribeSecret",
}

// secretReach judges what a statement allows on secrets.
func (x *excess) secretReach(d *policy.Document, index int, reaches func(action, resource string, context map[string][]string) *policy.Request) []*Finding {
	s := &d.Statements[index]
	var findings []*Finding
	if everySecret := x.arn("secretsmanager", "secret:another/secret-AbCdEf"); true {
		actions, witness := x.collect(reaches, everySecret)
		if len(actions) > 0 {
			rule, severity := RuleAllSecrets, allSecretsSeverity(actions)
			text := "on every secret of the account the role may call " + list(actions)
			if len(actions) == len(secretActions) && coversAction(s, "secretsmanager:BatchGetSecretValue") && coversAction(s, "secretsmanager:CreateSecret") {
				severity, text = Critical, "the role may call every action of Secrets Manager on every secret of the account"
			}
			return append(findings, x.finding(d, index, rule, severity, text, witness))
		}
	}
	for _, resource := range s.Resources {
		for _, target := range x.targets(resource) {
			actions, witness := x.collect(reaches, target)
			if len(actions) == 0 {
				continue
			}
			findings = append(findings, x.namedFinding(d, index, resource, target, actions, witness))
			break
		}
	}
	for _, j := range x.judges {
		for _, secret := range j.setup.Checked() {
			actions, witness := x.collect(reaches, string(secret.ARN))
			if len(actions) > 0 {
				severity := Low
				if slices.ContainsFunc(actions, changes) {
					severity = Medium
				}
				return append(findings, x.finding(d, index, RuleOwnSecret, severity, "on the secrets that it rotates the role may also call "+list(actions), witness))
			}
		}
	}
	return findings
}

func (x *excess) collect(reaches func(action, resource string, context map[string][]string) *policy.Request, resource string) (actions []string, witness *policy.Request) {
	for _, action := range secretActions {
		if r := reaches(action, resource, nil); r != nil {
			actions = append(actions, action)
			if witness == nil {
				witness = r
			}
		}
	}
	return actions, witness
}

func changes(action string) bool {
	switch action {
	case "secretsmanager:UpdateSecret", "secretsmanager:PutResourcePolicy", "secretsmanager:DeleteSecret", "secretsmanager:DeleteResourcePolicy":
		return true
	}
	return false
}

// allSecretsSeverity: metadata of every secret is a small matter, the rest is not.
func allSecretsSeverity(actions []string) Severity {
	if len(actions) == 1 && actions[0] == "secretsmanager:DescribeSecret" {
		return Low
	}
	return High
}

// targets are secrets that a resource of a statement means: those at hand that match and are not the setups' own, then a made-up one.
func (x *excess) targets(resource string) []string {
	var out []string
	if x.listed != nil {
		for _, arn := range x.listed.Secrets {
			if matchGlob(resource, string(arn)) && !x.owns(arn) {
				out = append(out, string(arn))
				break
			}
		}
	}
	p := rotation.ARN(resource).Parts()
	if p.Service != "secretsmanager" {
		return out
	}
	if !strings.ContainsAny(resource, "*?") {
		if _, _, complete := rotation.ARN(resource).SecretName(); complete {
			out = append(out, resource)
		}
		return out
	}
	p.Resource = strings.TrimSuffix(p.Resource, "-??????")
	made := strings.NewReplacer("*", "other", "?", "a").Replace("arn:" + p.Partition + ":" + p.Service + ":" + p.Region + ":" + p.Account + ":" + p.Resource)
	return append(out, made+"-AbCdEf", strings.NewReplacer("*", "AbCdEf", "?", "a").Replace(resource))
}

func (x *excess) owns(arn rotation.ARN) bool {
	return slices.ContainsFunc(x.judges, func(j *judge) bool {
		return slices.ContainsFunc(j.setup.Secrets, func(s rotation.Secret) bool { return s.ARN == arn })
	})
}

// namedFinding is what a statement allows on another secret: a possible master when it only reads one literal secret and no
// master is declared.
func (x *excess) namedFinding(d *policy.Document, index int, resource, target string, actions []string, witness *policy.Request) *Finding {
	if x.possibleMaster(resource, actions) {
		f := x.finding(d, index, RulePossibleMaster, Info,
			"the role may read the secret "+rotation.OneLine(resource)+": a possible master secret; declare it by the tag "+rotation.TagMaster+" or in the configuration", witness)
		f.Fix = nil
		return f
	}
	severity := Medium
	if len(actions) == 1 && actions[0] == "secretsmanager:DescribeSecret" {
		severity = Low
	}
	which := "the secret "
	if strings.ContainsAny(resource, "*?") {
		which = "other secrets too, those that match "
	}
	return x.finding(d, index, RuleOtherSecrets, severity, "on "+which+rotation.OneLine(resource)+" the role may call "+list(actions), witness)
}

// possibleMaster: one literal secret, which the statement lets the role read, where no master is declared.
func (x *excess) possibleMaster(resource string, actions []string) bool {
	literal := strings.TrimSuffix(resource, "-??????")
	if strings.ContainsAny(literal, "*?$") || !slices.Contains(actions, "secretsmanager:GetSecretValue") {
		return false
	}
	for _, a := range actions {
		if a != "secretsmanager:GetSecretValue" && a != "secretsmanager:DescribeSecret" {
			return false
		}
	}
	for _, j := range x.judges {
		for _, s := range j.setup.Checked() {
			if s.Declaration.Master == "" && s.Declaration.StrategySource != rotation.SourceConfig {
				return true
			}
		}
	}
	return false
}

// finding makes the finding of one statement and exposure.
func (x *excess) finding(d *policy.Document, index int, rule string, severity Severity, text string, r *policy.Request) *Finding {
	s := &d.Statements[index]
	ref := policy.StatementRef{Document: d.Name, Index: index, Sid: s.Sid}
	f := &Finding{
		Rule: rule, Kind: KindRole, Direction: policy.Excess, Severity: severity, Subject: x.first.setup.Role.ARN, Statement: &ref, Request: r, Witness: newWitness(r, &x.set),
		Explanation: upperFirst(text) + ", by " + refText(ref),
		Fix: &Fix{By: ByEnforce, Summary: "Narrow the statement to what rotation needs", Where: rotation.OneLine(d.Name) + " of " + string(x.first.setup.Role.ARN)},
	}
	return f.identify(x.first.setup.Account, d.Name, s.String())
}
