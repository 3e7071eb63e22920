package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// OperatorJudgement is the answer for one declared principal.
type OperatorJudgement struct {
	Operator rotation.Operator
	Verdict  Verdict // in-sync, drifted, unknown, or orphaned when the principal does not exist
	Reason   string
	Findings []*Finding
}

// JudgeOperator compares a declared principal with its permission set: what the set needs and it lacks, and what it may do beyond
// the set. Nothing of it is ever repaired.
func JudgeOperator(o rotation.Operator, on rotation.Operated, templates rotation.Templates) OperatorJudgement {
	j := &operatorJudge{o: &o, on: &on, account: o.Principal.Parts().Account}
	out := OperatorJudgement{Operator: o}
	if o.Presence == rotation.Absent {
		out.Verdict, out.Reason = Orphaned, "the declared principal does not exist"
		return out
	}
	var unknown []string
	for _, g := range o.Gaps {
		unknown = append(unknown, gapText(g))
	}
	for i := range o.Identity {
		if p := &o.Identity[i]; p.Document != nil {
			j.set.Identity = append(j.set.Identity, p.Document)
		} else if p.Gap != nil {
			unknown = append(unknown, gapText(*p.Gap))
		}
	}
	if o.Presence != rotation.Present && len(unknown) == 0 {
		unknown = append(unknown, "the principal was not read")
	}
	if o.Boundary != nil {
		if o.Boundary.Document == nil {
			unknown = append(unknown, "the permissions boundary was not read")
		}
		j.set.Boundary = o.Boundary.Document
	}
	j.actual = policy.Compile(j.set)
	if len(unknown) == 0 {
		j.missing()
		unknown = append(unknown, j.unknown...)
		j.reconfigure()
	}
	unknown = append(unknown, j.excess(templates)...)
	out.Findings = j.findings
	sortFindings(out.Findings)
	out.Verdict, out.Reason = InSync, "it may do what the set "+string(o.May)+" needs, and no more"
	if len(out.Findings) > 0 {
		out.Reason = "it may do what the set " + string(o.May) + " needs; what else there is to say is no drift"
	}
	if len(unknown) > 0 {
		out.Verdict, out.Reason = Unknown, countText(unknown)
	} else if i := slices.IndexFunc(out.Findings, func(f *Finding) bool { return f.Severity != Info }); i >= 0 {
		out.Verdict, out.Reason = Drifted, out.Findings[i].Explanation
	}
	return out
}

type operatorJudge struct {
	o        *rotation.Operator
	on       *rotation.Operated
	account  string
	set      policy.Set
	actual   *policy.Compiled
	findings []*Finding
	unknown  []string
}

// evaluate answers a request of the operator, with the policy of the secret that it is made on, which may let the operator in or keep it out.
func (j *operatorJudge) evaluate(r *policy.Request, on *rotation.Secret) policy.Decision {
	account := rotation.ARN(r.Resource).Parts().Account
	var own *policy.Document
	if on != nil {
		own = on.Policy.Document
	}
	if own == nil && (account == "" || account == j.account) {
		return j.actual.Evaluate(r)
	}
	set := j.set
	if own != nil {
		set.Resource = []*policy.Document{own}
	}
	if account != "" && account != j.account {
		set.Relation = policy.CrossAccount
	}
	return policy.Evaluate(&set, r)
}

func (j *operatorJudge) add(rule string, direction policy.Direction, severity Severity, text string, r *policy.Request, ref *policy.StatementRef, fix *Fix, detail string) {
	f := &Finding{
		Rule: rule, Kind: KindOperator, Direction: direction, Severity: severity, Subject: j.o.Principal, Statement: ref, Request: r, Witness: newWitness(r, &j.set),
		Explanation: text, Fix: fix,
	}
	j.findings = append(j.findings, f.identify(j.account, string(j.o.May), detail))
}

// missing: an action is missing when it is denied on everything at hand that it could be made on.
func (j *operatorJudge) missing() {
	type tally struct {
		first   *policy.Request
		allowed int
		denied  int
		advice  bool
	}
	byAction := map[string]*tally{}
	var order []string
	for required := range rotation.OperatorRequired(j.o, *j.on) {
		r := &required.Request
		t := byAction[r.Action]
		if t == nil {
			t = &tally{advice: required.Advice}
			byAction[r.Action] = t
			order = append(order, r.Action)
		}
		d := j.evaluate(r, required.Secret)
		switch d.Outcome {
		case policy.Allowed:
			t.allowed++
		case policy.Undecided:
			t.allowed++
			if len(d.By) > 0 {
				j.unknown = append(j.unknown, fmt.Sprintf("%s depends on %s, which %s tests", r.Action, strings.Join(d.Keys, ", "), refText(d.By[0])))
			}
		default:
			t.denied++
			if t.first == nil {
				t.first = r
			}
		}
	}
	for _, action := range order {
		t := byAction[action]
		if t.denied == 0 {
			continue
		}
		severity, where := Medium, "on everything that rotates here"
		if t.allowed > 0 {
			severity, where = Info, fmt.Sprintf("on %d of %d, for example %s", t.denied, t.denied+t.allowed, rotation.OneLine(t.first.Resource))
		}
		if t.advice {
			severity = Info
		}
		statement := policy.Statement{Effect: policy.Allow, Actions: []string{action}, Resources: []string{t.first.Resource}}
		j.add(RuleOperatorMissing, policy.Missing, severity, fmt.Sprintf("%s may %s rotation, but %s is denied to it %s", j.o.Principal.RoleName(), j.o.May, action, where),
			t.first, nil, &Fix{By: ByPerson, Summary: "Allow " + action + " to the principal", Where: rotation.OneLine(string(j.o.Principal)), Statement: statement.String()}, action)
	}
}

// reconfigure: RotateSecret with another function in the request makes that function the secret's.
func (j *operatorJudge) reconfigure() {
	if j.o.May != rotation.Trigger {
		return
	}
	for s := range j.on.Secrets {
		r := j.o.Reconfigures(s)
		d := j.evaluate(&r, s)
		if d.Outcome != policy.Allowed {
			continue
		}
		statement := policy.Statement{
			Effect: policy.Allow, Actions: []string{"secretsmanager:RotateSecret"}, Resources: []string{string(s.ARN)},
			Conditions: []policy.Condition{{Operator: "Null", Key: "secretsmanager:RotationLambdaARN", Values: []string{"true"}}},
		}
		j.add(RuleOperatorRepoint, policy.Excess, Info, "Who may trigger may also reconfigure: RotateSecret with another function's ARN is allowed, by "+refText(d.By[0]), &r, &d.By[0],
			&Fix{By: ByPerson, Summary: "Allow RotateSecret only without a function in the request", Where: rotation.OneLine(d.By[0].Document) + " of " + rotation.OneLine(string(j.o.Principal)), Statement: statement.String()}, "reconfigure")
		return
	}
}

// lookingActions are what somebody who triggers may look at without a word above info.
var lookingActions = []string{
	"secretsmanager:DescribeSecret", "secretsmanager:ListSecrets", "secretsmanager:ListSecretVersionIds", "secretsmanager:GetResourcePolicy",
}

// excess compares the principal with the documents of its set, one finding for each statement.
func (j *operatorJudge) excess(templates rotation.Templates) []string {
	ceiling, err := j.ceiling(templates)
	if err != nil {
		return []string{err.Error()}
	}
	var looking []policy.Statement
	if j.o.May == rotation.Trigger {
		// RotateSecret without the condition is told by reconfigure.
		ceiling.Identity = append(ceiling.Identity, allowing("rotating", "secretsmanager:RotateSecret"))
		looking = append(looking, allowing("looking", lookingActions...).Statements...)
	}
	wide := ceiling
	if len(looking) > 0 {
		wide.Identity = append(slices.Clone(ceiling.Identity), &policy.Document{Name: "looking", Version: policy.Version2012, Statements: looking})
	}
	told, unsure := j.beyond(wide, nil, "")
	if len(looking) > 0 && len(unsure) == 0 {
		_, unsure = j.beyond(ceiling, told, Info)
	}
	return unsure
}

func allowing(name string, actions ...string) *policy.Document {
	return &policy.Document{Name: name, Version: policy.Version2012, Statements: []policy.Statement{{Effect: policy.Allow, Actions: actions, Resources: []string{"*"}}}}
}

// beyond tells what the operator may do outside the ceiling, by every statement that is not among those told already. severity is that of
// the findings; empty: by what they let it do.
func (j *operatorJudge) beyond(ceiling policy.Set, told map[policy.StatementRef]bool, severity Severity) (map[policy.StatementRef]bool, []string) {
	result := policy.Compare(ceiling, j.set, serviceFacts())
	seen := map[policy.StatementRef][]*policy.Request{}
	var order []policy.StatementRef
	for i := range result.Excess {
		w := &result.Excess[i]
		for _, ref := range w.Actual.By {
			if told[ref] {
				continue
			}
			if seen[ref] == nil {
				order = append(order, ref)
			}
			r := j.athome(w.Request, ceiling)
			r.Caller = policy.Caller{Kind: policy.CallerRole, ARN: string(j.o.Principal)}
			if !strings.Contains(string(j.o.Principal), ":role/") {
				r.Caller.Kind = policy.CallerUser
			}
			seen[ref] = append(seen[ref], &r)
		}
	}
	told = map[policy.StatementRef]bool{}
	for _, ref := range order {
		told[ref] = true
		r, s := worst(seen[ref]), statementAt(&j.set, ref)
		detail := ref.Document
		if s != nil {
			detail += s.String()
		}
		is := severity
		if is == "" {
			is = j.severity(r, s)
		}
		j.add(RuleOperatorExcess, policy.Excess, is, fmt.Sprintf("Beyond the set %s it may call %s%s, by %s", j.o.May, actionsText(seen[ref]), on(r), refText(ref)), r, &ref,
			&Fix{By: ByPerson, Summary: "Narrow the statement, or declare the principal otherwise", Where: rotation.OneLine(ref.Document) + " of " + rotation.OneLine(string(j.o.Principal))}, detail)
	}
	var unsure []string
	for _, r := range result.Indeterminate {
		unsure = append(unsure, refText(r.Statement)+": "+r.Text)
	}
	return told, unsure
}

// athome puts the account and a Region of the operator's into a witness whose resource the comparison has made up, where the witness still
// holds there.
func (j *operatorJudge) athome(r policy.Request, ceiling policy.Set) policy.Request {
	region := "us-east-1"
	for s := range j.on.Secrets {
		region = s.ARN.Parts().Region
		break
	}
	made := r
	made.Resource = strings.NewReplacer(":us-east-1:111122223333:", ":"+region+":"+j.account+":", "::111122223333:", "::"+j.account+":").Replace(r.Resource)
	if made.Resource != r.Resource && j.actual.Evaluate(&made).Outcome == policy.Allowed && policy.Evaluate(&ceiling, &made).Outcome != policy.Allowed {
		return made
	}
	return r
}

// severity ranks what is beyond the set as it is ranked for a role: everything, or everything with secrets, is critical; values and
// who may read them are high.
func (j *operatorJudge) severity(worst *policy.Request, s *policy.Statement) Severity {
	if s != nil && slices.Contains(s.Resources, "*") && len(s.Conditions) == 0 {
		whole := slices.Contains(s.Actions, "*") || len(s.NotActions) > 0
		if whole || j.o.May == rotation.Trigger && slices.ContainsFunc(s.Actions, func(a string) bool { return strings.EqualFold(a, "secretsmanager:*") }) {
			return Critical
		}
	}
	switch {
	case worst.Action == "secretsmanager:GetSecretValue" || worst.Action == "secretsmanager:PutSecretValue" || worst.Action == "secretsmanager:PutResourcePolicy":
		return High
	case !readOnly(worst.Action):
		return Medium
	}
	return Low
}

// ceiling is the set's documents: for trigger RotateSecret and InvokeFunction, for configure what the AWS managed policies for it give.
func (j *operatorJudge) ceiling(templates rotation.Templates) (policy.Set, error) {
	name, p := rotation.TemplateTrigger, j.o.Principal.Parts()
	v := rotation.Values{Account: p.Account, Partition: p.Partition, Region: "us-east-1"}
	if j.o.May == rotation.Configure {
		name = rotation.TemplateConfigure
	} else {
		v.Function = rotation.ARN("arn:" + p.Partition + ":lambda:*:" + p.Account + ":function:*")
		v.Secrets = []rotation.ARN{rotation.ARN("arn:" + p.Partition + ":secretsmanager:*:" + p.Account + ":secret:*")}
	}
	text, err := templates.Render(name, v)
	if err != nil {
		return policy.Set{}, err
	}
	document, err := policy.Parse("set "+string(j.o.May), text)
	return policy.Set{Identity: []*policy.Document{document}}, err
}
