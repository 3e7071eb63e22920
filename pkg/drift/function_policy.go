package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const (
	secretsManager = "secretsmanager.amazonaws.com"
	lambdaService  = "lambda.amazonaws.com"
	// foreignAccount stands in a witness for any account that is not one of the setup's. Source: the account ids that AWS
	// documentation uses as examples.
	foreignAccount = "999999999999"
)

// functionPolicy finds who besides Secrets Manager may invoke the function, at the qualifier that the secrets name and, where asked,
// at the others.
func (j *judge) functionPolicy() []*Finding {
	if j.setup.Function.ARN == "" {
		return nil
	}
	findings := j.invokeGrants(&j.setup.Function.Policy, j.setup.Function.ARN, false)
	if j.opts.AllQualifiers {
		bare, _ := j.setup.Function.ARN.SplitFunction()
		for i := range j.setup.Function.OtherPolicies {
			p := &j.setup.Function.OtherPolicies[i]
			at := bare
			if p.Name != "" {
				at += rotation.ARN(":" + p.Name)
			}
			findings = append(findings, j.invokeGrants(p, at, true)...)
		}
	}
	return findings
}

// unreadQualifiers are what keeps the policies at other qualifiers from being known, where they are asked for.
func (j *judge) unreadQualifiers() []string {
	if !j.opts.AllQualifiers {
		return nil
	}
	var unread []string
	for _, g := range j.setup.Function.Gaps {
		if g.Call == "lambda:ListAliases" || g.Call == "lambda:ListVersionsByFunction" {
			unread = append(unread, gapText(g))
		}
	}
	for i := range j.setup.Function.OtherPolicies {
		if p := &j.setup.Function.OtherPolicies[i]; p.Document == nil && p.Gap != nil {
			unread = append(unread, gapText(*p.Gap))
		}
	}
	return unread
}

// exposure is one kind of caller that a statement lets in.
type exposure struct {
	rule     string
	severity Severity
	text     string
	caller   policy.Caller
	context  map[string][]string // beside what the statement's own conditions want
}

// invokeGrants judges every statement of one function policy. unused: the policy hangs at a qualifier that rotation does not use,
// where only public and foreign grants are told.
func (j *judge) invokeGrants(p *rotation.Policy, at rotation.ARN, unused bool) []*Finding {
	if p.Document == nil {
		return nil
	}
	set := policy.Set{Relation: policy.ResourceOnly, Resource: []*policy.Document{p.Document}}
	var findings []*Finding
	for i := range p.Document.Statements {
		s := &p.Document.Statements[i]
		if s.Effect != policy.Allow {
			continue
		}
		action := invokeAction(s)
		for _, e := range j.exposures(s) {
			if unused && e.severity != Critical && e.rule != RuleForeignInvoke && e.rule != RuleFunctionURL {
				continue
			}
			if f := j.invokeFinding(&set, p, i, at, action, e); f != nil {
				findings = append(findings, f)
			}
		}
	}
	return findings
}

// invokeAction is the action that a witness uses: InvokeFunction where the statement allows it, else the first that it lists.
func invokeAction(s *policy.Statement) string {
	if len(s.NotActions) > 0 || coversAction(s, "lambda:InvokeFunction") {
		return "lambda:InvokeFunction"
	}
	for _, a := range s.Actions {
		if !strings.ContainsAny(a, "*?") {
			return a
		}
	}
	for _, a := range []string{"lambda:InvokeFunctionUrl", "lambda:UpdateFunctionCode", "lambda:GetFunction", "lambda:InvokeAsync"} {
		if coversAction(s, a) {
			return a
		}
	}
	return "lambda:InvokeFunction"
}

// coversAction says whether the Action or NotAction of a statement takes an action in.
func coversAction(s *policy.Statement, action string) bool {
	in := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matchGlob(strings.ToLower(p), strings.ToLower(action)) })
	}
	if len(s.NotActions) > 0 {
		return !in(s.NotActions)
	}
	return in(s.Actions)
}

// home are the accounts that may be named: the function's and the secrets'.
func (j *judge) home() []string {
	accounts := []string{j.setup.Account}
	for _, a := range []string{j.setup.Function.ARN.Parts().Account, j.setup.Role.ARN.Parts().Account} {
		if a != "" && !slices.Contains(accounts, a) {
			accounts = append(accounts, a)
		}
	}
	return accounts
}

// exposures lists who a statement of the function policy lets in beyond rotation.
func (j *judge) exposures(s *policy.Statement) []exposure {
	if len(s.NotPrincipals) > 0 {
		return []exposure{j.publicExposure(s, "everybody but "+list(principalText(s.NotPrincipals)))}
	}
	var out []exposure
	for _, p := range s.Principals {
		out = append(out, j.exposureOf(s, p)...)
	}
	return out
}

func principalText(principals []policy.Principal) []string {
	out := make([]string, len(principals))
	for i, p := range principals {
		out[i] = p.ID
	}
	return out
}

func (j *judge) exposureOf(s *policy.Statement, p policy.Principal) []exposure {
	switch {
	case p.Type == policy.PrincipalAny || p.Type == policy.PrincipalAWS && p.ID == "*":
		return []exposure{j.publicExposure(s, `the principal "*" is everybody, services and other accounts included`)}
	case p.Type == policy.PrincipalService && p.ID == secretsManager:
		sources := j.secretsManagerSources(s)
		if !strings.HasPrefix(invokeAction(s), "lambda:Invoke") || coversAction(s, "lambda:UpdateFunctionCode") || coversAction(s, "lambda:GetFunction") {
			sources = append(sources, exposure{
				rule: RuleServiceInvoke, severity: Low, text: "Secrets Manager may call more of the function than InvokeFunction",
				caller: policy.Caller{Kind: policy.CallerService, Service: secretsManager}, context: map[string][]string{"aws:SourceAccount": {j.setup.Account}},
			})
		}
		return sources
	case p.Type == policy.PrincipalService:
		return []exposure{{
			rule: RuleServiceInvoke, severity: Low, text: "the service " + rotation.OneLine(p.ID) + " may invoke the rotation function",
			caller: policy.Caller{Kind: policy.CallerService, Service: p.ID}, context: map[string][]string{"aws:PrincipalIsAWSService": {"true"}, "aws:PrincipalServiceName": {p.ID}},
		}}
	case p.Type == policy.PrincipalAWS:
		return []exposure{j.accountExposure(p.ID)}
	default:
		return []exposure{{
			rule: RuleForeignInvoke, severity: Medium, text: "the principal " + rotation.OneLine(p.ID) + " may invoke the rotation function",
			caller: policy.Caller{Kind: policy.CallerFederated, ARN: p.ID},
		}}
	}
}

// publicExposure is a grant to everybody, weighed by the conditions that narrow it.
func (j *judge) publicExposure(s *policy.Statement, who string) exposure {
	e := exposure{rule: RulePublicInvoke, severity: Critical, text: "anybody may invoke the rotation function: " + who, caller: callerFor(foreignAccount, foreignAccount)}
	for _, c := range s.Conditions {
		switch key := strings.ToLower(c.Key); key {
		case "lambda:functionurlauthtype", "lambda:invokedviafunctionurl":
			e.rule, e.text = RuleFunctionURL, "the rotation function may be invoked through its function URL: "+who
			if slices.Contains(c.Values, "AWS_IAM") {
				e.severity = Medium
			}
		case "aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid",
			"aws:sourceorgpaths", "aws:sourcevpc", "aws:sourcevpce", "aws:userid", "lambda:eventsourcetoken", "aws:principalservicename":
			if negated(c.Operator) || anything(c.Values) {
				continue
			}
			e.rule, e.severity = RuleForeignInvoke, Medium
			e.text = fmt.Sprintf("everybody for whom %s is %s may invoke the rotation function", rotation.OneLine(c.Key), list(c.Values))
			j.narrow(&e, key, c.Values)
			return e
		}
	}
	return e
}

// narrow weighs a condition that lets only the own account's callers in, or services that call for it.
func (j *judge) narrow(e *exposure, key string, values []string) {
	own := !slices.ContainsFunc(values, func(v string) bool {
		account := v
		if p := rotation.ARN(v).Parts(); p.Account != "" {
			account = p.Account
		}
		return !slices.Contains(j.home(), account)
	})
	switch key {
	case "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths", "aws:principalservicename":
		e.caller = policy.Caller{Kind: policy.CallerService, Service: "events.amazonaws.com"}
		if own || key == "aws:principalservicename" {
			e.rule, e.severity = RuleServiceInvoke, Low
		}
	case "aws:principalaccount", "aws:principalarn":
		if own {
			e.rule, e.severity = RuleAccountInvoke, Info
		}
	}
}

func negated(operator string) bool { return strings.Contains(strings.ToLower(operator), "not") }

func anything(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return strings.Trim(v, "*") == "" })
}

// accountExposure is a grant to an account or one of its principals.
func (j *judge) accountExposure(id string) exposure {
	account := id
	if p := rotation.ARN(id).Parts(); p.Account != "" {
		account = p.Account
	}
	e := exposure{caller: callerFor(id, account)}
	switch {
	case slices.Contains(j.home(), account):
		e.rule, e.severity, e.text = RuleAccountInvoke, Info, "the function policy also names "+rotation.OneLine(id)+" of the own account"
	case len(account) == 12 && strings.Trim(account, "0123456789") == "":
		e.rule, e.severity, e.text = RuleForeignInvoke, Medium, "another account may invoke the rotation function: "+rotation.OneLine(id)
	default:
		e.rule, e.severity, e.text = RuleAccountInvoke, Info, "the function policy names "+rotation.OneLine(id)+", an id that is left when the principal has been deleted"
		e.caller = policy.Caller{Kind: policy.CallerRole, ARN: id, Session: id}
	}
	return e
}

// callerFor is a caller that a Principal element of the type AWS names.
func callerFor(id, account string) policy.Caller {
	p := rotation.ARN(id).Parts()
	switch {
	case strings.HasPrefix(p.Resource, "user/"):
		return policy.Caller{Kind: policy.CallerUser, ARN: id}
	case strings.HasPrefix(p.Resource, "role/"):
		return policy.Caller{Kind: policy.CallerRole, ARN: id, Session: "arn:" + p.Partition + ":sts::" + account + ":assumed-role/" + rotation.ARN(id).RoleName() + "/session"}
	case p.Service == "sts" && strings.HasPrefix(p.Resource, "assumed-role/"):
		name, _, _ := strings.Cut(strings.TrimPrefix(p.Resource, "assumed-role/"), "/")
		return policy.Caller{Kind: policy.CallerRole, ARN: "arn:" + p.Partition + ":iam::" + account + ":role/" + name, Session: id}
	default:
		partition := p.Partition
		if partition == "" {
			partition = "aws"
		}
		return policy.Caller{
			Kind: policy.CallerRole, ARN: "arn:" + partition + ":iam::" + account + ":role/anyone", Session: "arn:" + partition + ":sts::" + account + ":assumed-role/anyone/session",
		}
	}
}

// secretsManagerSources judges for whose secrets Secrets Manager may invoke the function: a foreign account that is named, or
// everybody's where no account is.
func (j *judge) secretsManagerSources(s *policy.Statement) []exposure {
	caller := policy.Caller{Kind: policy.CallerService, Service: secretsManager}
	pinned := false
	var out []exposure
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		if key != "aws:sourceaccount" && key != "aws:sourcearn" && key != "aws:sourceorgid" && key != "aws:sourceorgpaths" || negated(c.Operator) {
			continue
		}
		for _, v := range c.Values {
			account := v
			if key == "aws:sourcearn" {
				account = rotation.ARN(v).Parts().Account
			}
			if strings.HasPrefix(key, "aws:sourceorg") {
				pinned = true
				continue
			}
			if strings.ContainsAny(account, "*?") || account == "" {
				continue
			}
			pinned = true
			if !slices.Contains(j.home(), account) && key == "aws:sourceaccount" {
				out = append(out, exposure{
					rule: RuleForeignSource, severity: Medium, text: "Secrets Manager may invoke the function for secrets of the account " + rotation.OneLine(account),
					caller: caller, context: map[string][]string{"aws:SourceAccount": {account}},
				})
			}
		}
	}
	if !pinned {
		out = append(out, exposure{
			rule: RuleNoSourceAccount, severity: Info, caller: caller, context: map[string][]string{"aws:SourceAccount": {foreignAccount}},
			text: "no aws:SourceAccount limits for whose secrets Secrets Manager may invoke the function; AWS recommends it, and the CDK leaves it out",
		})
	}
	return out
}

// invokeFinding makes the finding of an exposure, if a concrete request really gets through the whole policy.
func (j *judge) invokeFinding(set *policy.Set, p *rotation.Policy, index int, at rotation.ARN, action string, e exposure) *Finding {
	s := &p.Document.Statements[index]
	caller := narrowed(s, e.caller, e.caller.ARN != "" && rotation.ARN(e.caller.ARN).Parts().Account == foreignAccount)
	r := &policy.Request{Caller: caller, Action: action, Resource: string(at), Context: satisfying(s, caller, j.setup.Account, e.context)}
	if at.Parts().Region != "" {
		r.Context["aws:RequestedRegion"] = []string{at.Parts().Region}
	}
	decision := policy.Evaluate(set, r)
	if decision.Outcome != policy.Allowed {
		return nil
	}
	ref := policy.StatementRef{Document: p.Document.Name, Index: index, Sid: s.Sid}
	f := &Finding{
		Rule: e.rule, Kind: KindFunctionPolicy, Direction: policy.Excess, Severity: e.severity, Subject: at, Function: j.setup.Function.ARN, Statement: &ref,
		Request: r, Witness: newWitness(r, set), Explanation: upperFirst(e.text) + ", by " + refText(ref),
	}
	f.Fix = j.fixInvokeGrant(s, at, e)
	return f.identify(j.setup.Account, s.String(), e.text)
}

// fixInvokeGrant removes the statement, or says what to put into it.
func (j *judge) fixInvokeGrant(s *policy.Statement, at rotation.ARN, e exposure) *Fix {
	function, qualifier := at.SplitFunction()
	fix := &Fix{By: ByPerson, Where: "function policy of " + rotation.OneLine(string(at))}
	if e.rule == RuleNoSourceAccount {
		statement := *s
		statement.Conditions = append(slices.Clone(s.Conditions), policy.Condition{Operator: "StringEquals", Key: "aws:SourceAccount", Values: []string{j.setup.Account}})
		fix.Summary, fix.Statement = "Add aws:SourceAccount to the statement", statement.String()
		return fix
	}
	if e.rule == RuleForeignSource {
		fix.Summary = "Remove the account from aws:SourceAccount, if its secrets are not meant to be rotated by this function"
		return fix
	}
	fix.Summary = "Remove the statement"
	if s.Sid == "" {
		fix.Summary = "Remove the statement; it has no Sid, so the whole policy must be put without it"
		return fix
	}
	words := []string{"aws", "lambda", "remove-permission", "--region", at.Parts().Region, "--function-name", string(function), "--statement-id", s.Sid}
	if qualifier != "" {
		words = append(words, "--qualifier", qualifier)
	}
	fix.Command = command(words...)
	switch {
	case e.rule == RulePublicInvoke && len(s.Conditions) == 0:
		fix.By = ByRepair
	case e.rule == RuleForeignInvoke || e.rule == RuleServiceInvoke || e.rule == RulePublicInvoke:
		fix.By = ByEnforce
	}
	return fix
}

// satisfying is a context in which a statement's conditions hold, as far as its positive conditions say what they want; the evaluator
// has the last word. more wins over what the conditions say.
func satisfying(s *policy.Statement, caller policy.Caller, account string, more map[string][]string) map[string][]string {
	context := map[string][]string{"aws:SecureTransport": {"true"}, "aws:ViaAWSService": {"false"}}
	fixed := []string{"aws:PrincipalIsAWSService"}
	if caller.Kind == policy.CallerService {
		context["aws:PrincipalIsAWSService"] = []string{"true"}
		context["aws:SourceAccount"] = []string{account}
	} else {
		context["aws:PrincipalIsAWSService"] = []string{"false"}
		if caller.ARN != "" {
			context["aws:PrincipalArn"] = []string{caller.ARN}
			context["aws:PrincipalAccount"] = []string{rotation.ARN(caller.ARN).Parts().Account}
			fixed = append(fixed, "aws:PrincipalArn", "aws:PrincipalAccount")
		}
	}
	for key, values := range more {
		context[key] = values
		fixed = append(fixed, key)
	}
	isFixed := func(key string) bool {
		return slices.ContainsFunc(fixed, func(f string) bool { return strings.EqualFold(f, key) })
	}
	for _, c := range s.Conditions {
		// A key without a service prefix is on no request (the statement is void).
		if negated(c.Operator) || strings.EqualFold(c.Operator, "Null") || len(c.Values) == 0 || isFixed(c.Key) || !strings.Contains(c.Key, ":") {
			continue
		}
		deleteFold(context, c.Key)
		context[c.Key] = []string{concrete(c.Values[0])}
	}
	return context
}

// narrowed is the caller that a statement's condition on aws:PrincipalArn or aws:PrincipalAccount asks for, where the principal that it
// names is a whole account or everybody.
func narrowed(s *policy.Statement, caller policy.Caller, anyAccount bool) policy.Caller {
	if !strings.HasSuffix(caller.ARN, ":role/anyone") {
		return caller
	}
	for _, c := range s.Conditions {
		if negated(c.Operator) || len(c.Values) == 0 {
			continue
		}
		value := concrete(c.Values[0])
		switch p := rotation.ARN(value).Parts(); {
		case strings.EqualFold(c.Key, "aws:PrincipalArn") && p.Account != "" && (anyAccount || p.Account == rotation.ARN(caller.ARN).Parts().Account):
			return callerFor(value, p.Account)
		case strings.EqualFold(c.Key, "aws:PrincipalAccount") && anyAccount:
			return callerFor(value, value)
		}
	}
	return caller
}

func deleteFold(m map[string][]string, key string) {
	for k := range m {
		if strings.EqualFold(k, key) {
			delete(m, k)
		}
	}
}

// concrete is a value that a pattern matches: its wildcards written out.
func concrete(pattern string) string {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern
	}
	return strings.NewReplacer("*", "x", "?", "x").Replace(pattern)
}
