package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// weighing is the judging of one Allow statement that grants more than rotation needs.
type weighing struct {
	*excess
	place
	statement *policy.Statement
	settled   *policy.Statement // the statement as it reads for this role
	alone     *policy.Compiled  // the statement by itself
	witnesses []*policy.Request
	findings  []*Finding
}

// secretsManagerActions are all the actions of Secrets Manager, in lower case between spaces. Source: Service Authorization Reference, AWS
// Secrets Manager; API reference, ListResourcePolicies.
const secretsManagerActions = " batchgetsecretvalue cancelrotatesecret createsecret deleteresourcepolicy deletesecret describesecret getrandompassword getresourcepolicy " +
	"getsecretvalue listresourcepolicies listsecretversionids listsecrets putresourcepolicy putsecretvalue removeregionsfromreplication replicatesecrettoregions " +
	"restoresecret rotatesecret stopreplicationtoreplica tagresource untagresource updatesecret updatesecretversionstage validateresourcepolicy "

// statement makes the findings of one statement: what it exposes that counts most, and every other service that a witness names.
func (x *excess) statement(at place, settled *policy.Statement, witnesses []*policy.Request) []*Finding {
	s := &at.document.Statements[at.index]
	w := &weighing{excess: x, place: at, statement: s, settled: settled, witnesses: witnesses, alone: policy.Compile(policy.Set{Identity: []*policy.Document{{
		Name: at.document.Name, Version: at.document.Version, Statements: at.document.Statements[at.index : at.index+1],
	}}})}
	if w.admin() {
		return w.findings
	}
	services := map[string][]*policy.Request{}
	var order []string
	for _, r := range witnesses {
		service, name, _ := strings.Cut(strings.ToLower(r.Action), ":")
		if service == "secretsmanager" && !strings.Contains(secretsManagerActions, " "+name+" ") {
			continue // a pattern reaches names that are no action
		}
		if services[service] == nil {
			order = append(order, service)
		}
		services[service] = append(services[service], r)
	}
	slices.Sort(order)
	var others []*policy.Request
	for _, service := range order {
		switch service {
		case "secretsmanager":
			w.secrets(services[service])
		case "kms":
			w.keys(services[service])
		case "iam", "sts", "lambda", "organizations":
			w.escalation(service, services[service])
		default:
			others = append(others, services[service]...)
		}
	}
	w.others(others)
	return w.findings
}

// reaches is a request that the statement grants beyond the ceiling, or nil.
func (w *weighing) reaches(action, resource string) *policy.Request {
	r := w.request(w.settled, action, resource)
	if w.alone.Evaluate(&r).Outcome == policy.Allowed && w.beyond(&r) {
		return &r
	}
	return nil
}

// admin: a statement that allows whatever is asked, or all but what it lists.
func (w *weighing) admin() bool {
	r := w.reaches("iam:CreateUser", w.arn("iam", "user/anyone"))
	wide := w.reaches("s3:GetObject", "arn:"+w.first.setup.Partition+":s3:::bucket/key")
	if wide == nil || r == nil && len(w.statement.NotActions) == 0 {
		return false
	}
	if r == nil {
		r = wide
	}
	text := "the role may do anything"
	if len(w.statement.NotActions) > 0 {
		text = "the role may do everything but " + list(w.statement.NotActions) + " (NotAction)"
	}
	w.add(RuleAdmin, Critical, text, r)
	return true
}

// secretActions are the actions on a secret that count, by what they expose: values, then changes of them, then what lets others in
// or ends the secret, then metadata.
var secretActions = []string{
	"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage", "secretsmanager:PutResourcePolicy",
	"secretsmanager:RotateSecret", "secretsmanager:UpdateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DeleteResourcePolicy",
	"secretsmanager:CancelRotateSecret", "secretsmanager:RestoreSecret", "secretsmanager:ReplicateSecretToRegions", "secretsmanager:TagResource",
	"secretsmanager:UntagResource", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:ListSecretVersionIds",
}

// secrets judges what the statement allows on secrets: all of them, some by name or prefix, or more than rotation on the own ones.
func (w *weighing) secrets(witnesses []*policy.Request) {
	before := len(w.findings)
	if actions, r := w.collect(w.arn("secretsmanager", "secret:another/secret-AbCdEf")); len(actions) > 0 && !w.ownFunctionsOnly() {
		if where := w.narrowing(); where != "" {
			severity := Medium
			if allSecretsSeverity(actions) == Low {
				severity = Low
			}
			w.add(RuleOtherSecrets, severity, "on every secret for which "+where+" the role may call "+list(actions), r)
			return
		}
		severity, text := allSecretsSeverity(actions), "on every secret of the account the role may call "+list(actions)
		if len(actions) == len(secretActions) && w.reaches("secretsmanager:CreateSecret", w.arn("secretsmanager", "secret:another/secret-AbCdEf")) != nil {
			severity, text = Critical, "the role may call every action of Secrets Manager on every secret of the account"
		}
		w.add(RuleAllSecrets, severity, text, r)
		return
	}
	if !w.ownFunctionsOnly() {
		w.otherSecrets()
	}
	w.ownSecret()
	if len(w.findings) > before {
		return
	}
	w.otherWitness(witnesses)
}

// otherSecrets judges what each resource of the statement means besides the own secrets.
func (w *weighing) otherSecrets() {
	for _, resource := range w.statement.Resources {
		for _, target := range w.targets(resource) {
			if actions, r := w.collect(target); len(actions) > 0 {
				w.namedSecret(resource, actions, r)
				break
			}
		}
	}
}

// ownFunctionsOnly says whether the statement reaches only secrets that the setups' own functions rotate.
func (w *weighing) ownFunctionsOnly() bool {
	return slices.ContainsFunc(w.settled.Conditions, func(c policy.Condition) bool {
		return strings.EqualFold(c.Key, rotation.AllowRotationKey) && !negated(c.Operator) && len(c.Values) > 0 && !slices.ContainsFunc(c.Values, func(v string) bool {
			return !slices.ContainsFunc(w.judges, func(j *judge) bool { return string(j.setup.Function.ARN) == v })
		})
	})
}

// narrowing says which of all secrets the statement's conditions pick, or is empty when they pick none out.
func (w *weighing) narrowing() string {
	for _, c := range w.settled.Conditions {
		key := strings.ToLower(c.Key)
		if negated(c.Operator) || strings.EqualFold(c.Operator, "Null") || len(c.Values) == 0 || anything(c.Values) {
			continue
		}
		switch {
		case strings.HasPrefix(key, "aws:resourcetag/"), strings.HasPrefix(key, "secretsmanager:resourcetag/"), key == "secretsmanager:secretid", key == "secretsmanager:resource/type":
		case strings.EqualFold(c.Key, rotation.AllowRotationKey):
			if slices.ContainsFunc(c.Values, func(v string) bool {
				name, _ := strings.CutPrefix(rotation.ARN(v).Parts().Resource, "function:")
				return strings.Trim(name, "*:") == ""
			}) {
				continue
			}
		default:
			continue
		}
		return rotation.OneLine(c.Key) + " is " + list(c.Values)
	}
	return ""
}

// otherWitness is for what the probes do not see: the comparison's own witness says it.
func (w *weighing) otherWitness(witnesses []*policy.Request) {
	r := worst(witnesses)
	severity, rule := Low, RuleOtherSecrets
	switch {
	case r.Resource == "*" || readOnly(r.Action):
		severity = Low
	case slices.Contains(secretActions, r.Action):
		severity = Medium
	}
	if r.Action == "secretsmanager:GetSecretValue" {
		severity = Medium
	}
	w.add(rule, severity, "the role may also call "+actionsText(witnesses)+on(r), r)
}

func on(r *policy.Request) string {
	if r.Resource == "*" {
		return ""
	}
	return ", for example on " + rotation.OneLine(r.Resource)
}

// actionsText lists the actions of witnesses.
func actionsText(witnesses []*policy.Request) string {
	var actions []string
	for _, r := range witnesses {
		if !slices.Contains(actions, r.Action) {
			actions = append(actions, r.Action)
		}
	}
	slices.Sort(actions)
	// An action that stands for all that a wildcard means, and that AWS has no name for, is said only where no other is.
	if named := slices.DeleteFunc(slices.Clone(actions), func(a string) bool { return strings.HasSuffix(a, ":Example") }); len(named) > 0 {
		actions = named
	}
	return list(actions)
}

// worst is the witness that exposes most: values, then changes, then what only reads.
func worst(witnesses []*policy.Request) *policy.Request {
	rank := func(r *policy.Request) int {
		if i := slices.Index(secretActions, r.Action); i >= 0 {
			return i
		}
		if readOnly(r.Action) {
			return 200
		}
		return 100
	}
	return slices.MinFunc(witnesses, func(a, b *policy.Request) int { return rank(a) - rank(b) })
}

func (w *weighing) collect(resource string) (actions []string, witness *policy.Request) {
	for _, action := range secretActions {
		if r := w.reaches(action, resource); r != nil {
			actions = append(actions, action)
			if witness == nil {
				witness = r
			}
		}
	}
	return actions, witness
}

// allSecretsSeverity: metadata of every secret is a small matter, the rest is not.
func allSecretsSeverity(actions []string) Severity {
	if !slices.ContainsFunc(actions, func(a string) bool { return !readOnly(a) || a == "secretsmanager:GetSecretValue" }) {
		return Low
	}
	for _, a := range actions {
		switch a {
		case "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage", "secretsmanager:PutResourcePolicy",
			"secretsmanager:RotateSecret", "secretsmanager:UpdateSecret", "secretsmanager:DeleteSecret":
			return High
		}
	}
	return Medium
}

// targets are secrets that a resource of the statement means: those at hand that match and are not the setups' own, then a made-up one.
func (w *weighing) targets(resource string) []string {
	var out []string
	if w.listed != nil {
		for _, arn := range w.listed.Secrets {
			if matchGlob(resource, string(arn)) && !w.owns(arn) {
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
		if !namesNoSecret(resource) && !w.owns(rotation.ARN(resource)) {
			out = append(out, resource)
		}
		return out
	}
	fill := func(field, with string) string {
		if strings.ContainsAny(field, "*?") {
			return with
		}
		return field
	}
	head := "arn:" + fill(p.Partition, w.first.setup.Partition) + ":secretsmanager:" + fill(p.Region, w.first.setup.Region) + ":" + fill(p.Account, w.first.setup.Account) + ":"
	name := strings.TrimSuffix(p.Resource, "-??????")
	made := strings.NewReplacer("*", "other", "?", "a").Replace(name)
	return append(out, head+made+"-AbCdEf", head+strings.NewReplacer("*", "AbCdEf", "?", "a").Replace(p.Resource))
}

func (x *excess) owns(arn rotation.ARN) bool {
	return slices.ContainsFunc(x.judges, func(j *judge) bool {
		return slices.ContainsFunc(j.setup.Secrets, func(s rotation.Secret) bool { return s.ARN == arn })
	})
}

// namedSecret is what a statement allows on another secret: a possible master when it only reads one literal secret and no
// master is declared.
func (w *weighing) namedSecret(resource string, actions []string, r *policy.Request) {
	if w.possibleMaster(actions, resource) {
		w.master(resource, r)
		return
	}
	severity := Medium
	if !slices.ContainsFunc(actions, func(a string) bool { return !readOnly(a) || a == "secretsmanager:GetSecretValue" }) {
		severity = Low
	}
	which := "the secret "
	if strings.ContainsAny(strings.TrimSuffix(resource, "-??????"), "*?") {
		which = "other secrets too, those that match "
	}
	w.add(RuleOtherSecrets, severity, "on "+which+rotation.OneLine(resource)+" the role may call "+list(actions), r)
}

func (w *weighing) master(resource string, r *policy.Request) {
	f := w.add(RulePossibleMaster, Info,
		"the role may read the secret "+rotation.OneLine(resource)+": a possible master secret; declare it by the tag "+rotation.TagMaster+" or in the configuration", r)
	f.Fix = nil
}

// possibleMaster: one literal secret, which the statement lets the role read, where no master is declared.
func (w *weighing) possibleMaster(actions []string, resource string) bool {
	literal := strings.TrimSuffix(strings.TrimSuffix(resource, "-??????"), "-*")
	if strings.ContainsAny(literal, "*?$") || !slices.Contains(actions, "secretsmanager:GetSecretValue") {
		return false
	}
	for _, a := range actions {
		if a != "secretsmanager:GetSecretValue" && a != "secretsmanager:DescribeSecret" {
			return false
		}
	}
	for _, j := range w.judges {
		for _, s := range j.setup.Checked() {
			if s.Kind == rotation.KindLambda && s.Declaration.Master == "" && (s.Declaration.Strategy != rotation.SingleUser || !s.Declaration.Declared()) {
				return true
			}
		}
	}
	return false
}

// ownSecret is what a statement allows on the rotated secrets beyond the four actions.
func (w *weighing) ownSecret() {
	for _, j := range w.judges {
		for _, secret := range j.setup.Checked() {
			actions, r := w.collect(string(secret.ARN))
			if len(actions) == 0 {
				continue
			}
			severity := Low
			for _, a := range actions {
				switch a {
				case "secretsmanager:UpdateSecret", "secretsmanager:PutResourcePolicy", "secretsmanager:DeleteSecret", "secretsmanager:DeleteResourcePolicy":
					severity = Medium
				}
			}
			w.add(RuleOwnSecret, severity, "on the secrets that it rotates the role may also call "+list(actions), r)
			return
		}
	}
}

// keys judges uses of keys that are not the setups' own, and what is more than a use of those.
func (w *weighing) keys(witnesses []*policy.Request) {
	every := w.arn("kms", "key/99999999-8888-7777-6666-555555555555")
	for _, action := range []string{"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CreateGrant"} {
		if r := w.reaches(action, every); r != nil {
			w.add(RuleOtherKeys, High, "the role may change every KMS key of the account whose key policy lets it ("+action+")", r)
			return
		}
	}
	if r := w.reaches("kms:Decrypt", every); r != nil {
		w.add(RuleOtherKeys, Medium, "the role may use every KMS key of the account whose key policy lets it", r)
		return
	}
	r := worst(witnesses)
	severity := Medium
	if !slices.ContainsFunc(witnesses, func(r *policy.Request) bool { return !metadata(r.Action) }) {
		severity = Low
	}
	w.add(RuleOtherKeys, severity, "beyond the secrets' keys the role may call "+actionsText(witnesses)+on(r), r)
}

// metadata says whether an action tells about things and nothing of their content.
func metadata(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return strings.HasPrefix(name, "Describe") || strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Get") && !strings.Contains(name, "Value")
}

// readOnly says whether an action changes nothing, by the verb of its name.
func readOnly(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	return slices.ContainsFunc([]string{
		"Get", "List", "Describe", "BatchGet", "Head", "Query", "Scan", "Search", "Lookup", "View", "Check", "Filter", "Preview", "Simulate", "Estimate", "Select", "Read", "Discover",
	}, func(verb string) bool { return strings.HasPrefix(name, verb) })
}

// escalation judges what leads to other rights: roles, policies, functions.
func (w *weighing) escalation(service string, witnesses []*policy.Request) {
	r := worst(witnesses)
	severity := Low
	if slices.ContainsFunc(witnesses, func(r *policy.Request) bool {
		return !readOnly(r.Action) && r.Action != "lambda:InvokeFunction" && r.Action != "sts:GetCallerIdentity"
	}) {
		severity = Medium
		if !w.scoped() {
			severity = High
		}
	}
	w.add(RuleEscalation, severity, "the role may call "+actionsText(witnesses)+" of "+serviceText(service)+on(r), r)
}

func serviceText(service string) string {
	switch service {
	case "iam":
		return "IAM"
	case "sts":
		return "STS"
	case "lambda":
		return "Lambda"
	default:
		return service
	}
}

// scoped says whether the statement names resources rather than all of them.
func (w *weighing) scoped() bool {
	if len(w.statement.Resources) == 0 {
		return false
	}
	return !slices.ContainsFunc(w.statement.Resources, func(r string) bool {
		return strings.Trim(r, "*") == "" || strings.Trim(rotation.ARN(r).Parts().Resource, "*/:") == "" || strings.HasPrefix(r, "arn:*:*")
	})
}

// others is what the statement grants on services that have no part in rotation.
func (w *weighing) others(witnesses []*policy.Request) {
	if len(witnesses) == 0 {
		return
	}
	r := worst(witnesses)
	writes := slices.ContainsFunc(witnesses, func(r *policy.Request) bool { return !readOnly(r.Action) })
	severity := Low
	if writes && !w.scoped() {
		severity = Medium
	}
	text := "beyond rotation the role may call " + actionsText(witnesses) + on(r)
	switch {
	case w.custom && (!writes || w.scoped()):
		severity = Info
		text += "; declare it under allow: if this custom rotation needs it"
	case w.guessed:
		text += "; if the function needs it, declare the rotation custom and allow it"
	}
	f := w.add(RuleOtherServices, severity, text, r)
	if severity == Info {
		f.Fix = &Fix{By: ByPerson, Summary: "Declare the statement under allow: of the rotation, or remove it", Where: f.Fix.Where}
	}
}

// add makes a finding of the statement.
func (w *weighing) add(rule string, severity Severity, text string, r *policy.Request) *Finding {
	d := w.document
	ref := policy.StatementRef{Document: d.Name, Index: w.index, Sid: w.statement.Sid}
	f := &Finding{
		Rule: rule, Kind: KindRole, Direction: policy.Excess, Severity: severity, Subject: w.first.setup.Role.ARN, Statement: &ref, Request: r, Witness: newWitness(r, &w.set),
		Explanation: upperFirst(text) + fmt.Sprintf(", by %s", refText(ref)),
	}
	f.Fix = w.fix()
	w.findings = append(w.findings, f)
	return f.identify(w.first.setup.Account, d.Name, w.statement.String())
}
