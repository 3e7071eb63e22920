package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// evalFlags are one request and the policies that decide it.
type evalFlags struct {
	outputFlags
	policies, resourcePolicies, context, unknown    []string
	boundary, action, resource, principal, relation string
}

func newEvalCommand() *cobra.Command {
	f := &evalFlags{}
	cmd := &cobra.Command{
		Use:   "eval --policy FILE... --action ACTION --resource ARN",
		Short: "Decide one request exactly as IAM does",
		Long: `Decides one request over all the policies given, and says which statements decide; where none allows it, which one almost does.

A document whose statements have a Principal is the policy of a resource or a role's trust policy; one without is attached to the caller.
--resource-policy says it where it must be so. The request carries the condition keys that --context gives and no other, whoever makes it: a key
that is absent is absent, and that is a state of its own. Where the policies of the caller and of the resource meet, they combine as --relation
says; left out, it follows from the account of the caller and of the resource.

Sentences count statements from 1; JSON and messages about bad input from 0.

Exit codes: 0 allowed; 2 denied; 3 undecided, because a key given with --unknown decides; 1 bad input.`,
		Example: `  rotationguard policy eval --policy role.json --action secretsmanager:GetSecretValue \
    --resource arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf
  rotationguard policy eval --policy function.json --principal secretsmanager.amazonaws.com --action lambda:InvokeFunction \
    --resource arn:aws:lambda:eu-west-1:111122223333:function:rotate --context aws:SourceAccount=111122223333
  rotationguard policy eval --policy A.json --policy B.json --boundary limit.json --action s3:GetObject --resource arn:aws:s3:::b/k \
    --unknown aws:SourceIp --output json`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.eval(cmd, args) },
	}
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.policies, "policy", nil, "a `FILE` with a policy, - for standard input; may be repeated, and more files may follow as arguments")
	flags.StringArrayVar(&f.resourcePolicies, "resource-policy", nil, "a `FILE` with a policy that must be a resource's; may be repeated")
	flags.StringVar(&f.boundary, "boundary", "", "a `FILE` with the caller's permissions boundary")
	flags.StringVar(&f.action, "action", "", "the request's action, `SERVICE:ACTION`")
	flags.StringVar(&f.resource, "resource", "", "the request's resource: an `ARN`, or * for an action without one")
	flags.StringVar(&f.principal, "principal", "", "who makes the request: an `ARN`, an account, a service, or * for anybody")
	flags.StringArrayVar(&f.context, "context", nil, "a condition key of the request, `KEY=VALUE`; may be repeated, also for one key with several values")
	flags.StringArrayVar(&f.unknown, "unknown", nil, "a condition `KEY` of which nobody knows whether it is there and with what value; aws:PrincipalTag/* is a family; may be repeated")
	flags.StringVar(&f.relation, "relation", "", "the `RELATION`: how policies of caller and resource combine: "+strings.Join(relationNames(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("relation", cobra.FixedCompletions(relationNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

const sameAccount = "same-account"

func relationNames() []string {
	return []string{sameAccount, string(policy.CrossAccount), string(policy.Delegated), string(policy.ResourceOnly)}
}

func (f *evalFlags) eval(cmd *cobra.Command, more []string) error {
	if err := refuseEmpty(cmd); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	f.policies = append(f.policies, more...)
	set, request, err := f.parse(cmd)
	if err != nil {
		return err
	}
	for _, key := range alwaysSent(&set, &request) {
		fmt.Fprintf(cmd.ErrOrStderr(), "rotationguard: every request of this caller carries %s: give it with --context, or with --unknown\n", key)
	}
	decision := policy.Evaluate(&set, &request)
	err = f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return report.WriteValue(w, evalJSON(&set, &request, decision))
		}
		return writeLines(w, decisionLines(&set, &request, decision)...)
	})
	if err != nil {
		return err
	}
	switch decision.Outcome {
	case policy.Allowed:
		return exitWith(exitSettled)
	case policy.Undecided:
		return exitWith(exitUndecided)
	case policy.ImplicitlyDenied, policy.ExplicitlyDenied:
	}
	return exitWith(exitDiffers)
}

// parse reads the flags: first those that need no file.
func (f *evalFlags) parse(cmd *cobra.Command) (set policy.Set, request policy.Request, err error) {
	var missing []string
	if len(f.policies)+len(f.resourcePolicies) == 0 {
		missing = append(missing, "policy")
	}
	if f.action == "" {
		missing = append(missing, "action")
	}
	if f.resource == "" {
		missing = append(missing, "resource")
	}
	if len(missing) > 0 {
		return set, request, errRequired(cmd, missing...)
	}
	if f.relation != "" {
		if err := oneOf("relation", f.relation, relationNames()...); err != nil {
			return set, request, err
		}
	}
	if request, err = f.request(); err != nil {
		return set, request, err
	}
	set, err = f.set(cmd)
	if err != nil {
		return set, request, err
	}
	if f.principal == "" && len(set.Resource) > 0 {
		return set, request, fmt.Errorf("--principal is missing: %s says who may; * is anybody", set.Resource[0].Name)
	}
	set.Relation = f.relationOf(&set, &request)
	return set, request, nil
}

func (f *evalFlags) request() (policy.Request, error) {
	r := policy.Request{Action: f.action, Resource: f.resource}
	if !isAction(f.action) {
		return r, fmt.Errorf("--action %q is not one action, such as secretsmanager:GetSecretValue", f.action)
	}
	if _, err := rotation.ARN(f.resource).Parse(); err != nil && f.resource != "*" {
		return r, fmt.Errorf("--resource %q is neither an ARN nor *", f.resource)
	}
	var err error
	if r.Context, err = parseContext(f.context); err != nil {
		return r, err
	}
	for _, key := range f.unknown {
		if key == "" || key == "*" || strings.Contains(strings.TrimSuffix(key, "/*"), "*") {
			return r, fmt.Errorf("--unknown %q is neither a condition key nor a family of them, such as aws:PrincipalTag/*", key)
		}
		for given := range r.Context {
			if strings.EqualFold(given, key) {
				return r, fmt.Errorf("%s is given with --context and with --unknown: one of the two is wrong", key)
			}
		}
	}
	r.Unknown = f.unknown
	if f.principal == "" {
		r.Caller = policy.Caller{Kind: policy.CallerRole} // whoever the policies are attached to
		return r, nil
	}
	if r.Caller, err = policy.ParseCaller(f.principal); err != nil {
		return r, fmt.Errorf("--principal: %w", err)
	}
	return r, nil
}

func (f *evalFlags) set(cmd *cobra.Command) (set policy.Set, err error) {
	in := &inputs{cmd: cmd}
	documents, err := in.documents("policy", f.policies)
	if err != nil {
		return set, err
	}
	for _, d := range documents {
		kind := kindOf(d)
		if err := d.CheckKind(kind); err != nil {
			return set, err
		}
		if kind == policy.KindIdentity {
			set.Identity = append(set.Identity, d)
		} else {
			set.Resource = append(set.Resource, d)
		}
	}
	documents, err = in.documents("resource-policy", f.resourcePolicies)
	if err != nil {
		return set, err
	}
	if err := checkKind(policy.KindResource, documents, "a policy that is attached to the caller is given with --policy"); err != nil {
		return set, err
	}
	set.Resource = append(set.Resource, documents...)
	set.Boundary, err = in.boundary(f.boundary)
	return set, err
}

// relationOf is --relation, or what follows from the accounts. Without a policy of the caller, one of a resource in another account is asked
// alone: what the caller's own account allows was not given.
// Source: IAM User Guide, "Cross-account policy evaluation logic"; AWS KMS Developer Guide, "Key policies in AWS KMS".
func (f *evalFlags) relationOf(set *policy.Set, r *policy.Request) policy.Relation {
	switch f.relation {
	case sameAccount:
		return policy.SameAccount
	case "":
	default:
		return policy.Relation(f.relation)
	}
	resource := rotation.ARN(r.Resource).Parts()
	caller := rotation.ARN(r.Caller.ARN + r.Caller.Session).Parts()
	switch {
	case len(set.Resource) == 0:
		return policy.SameAccount
	case caller.Account != "" && resource.Account != "" && caller.Account != resource.Account && len(set.Identity) > 0:
		return policy.CrossAccount
	case caller.Account != "" && resource.Account != "" && caller.Account != resource.Account:
		return policy.ResourceOnly
	case resource.Service == "kms":
		return policy.Delegated
	}
	return policy.SameAccount
}

// parseContext reads KEY=VALUE pairs; a key that is given more than once, in whatever case, has several values.
func parseContext(pairs []string) (map[string][]string, error) {
	context := map[string][]string{}
	spelled := map[string]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil, fmt.Errorf("--context %q: write KEY=VALUE, such as aws:RequestedRegion=eu-west-1", pair)
		}
		folded := strings.ToLower(key)
		if first, seen := spelled[folded]; seen {
			key = first
		}
		spelled[folded] = key
		context[key] = append(context[key], value)
	}
	return context, nil
}

// isAction says whether the text is one action: a service, a colon and a name, without wildcards.
func isAction(s string) bool {
	service, name, ok := strings.Cut(s, ":")
	plain := func(s, more string) bool {
		return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"+more) == ""
	}
	return ok && plain(service, "-.") && plain(name, "-_")
}

// alwaysSent are the condition keys that the policies test, that AWS puts into every request of such a caller, and that the request lacks.
func alwaysSent(set *policy.Set, r *policy.Request) []string {
	if callerText(&r.Caller) == "" {
		return nil
	}
	given := func(key string) bool {
		for other := range r.Context {
			if strings.EqualFold(other, key) {
				return true
			}
		}
		for _, other := range r.Unknown {
			if strings.EqualFold(other, key) {
				return true
			}
		}
		return false
	}
	var keys []string
	for _, fact := range policy.BuiltinFacts().Keys {
		for _, kind := range fact.PresentFor {
			if kind == r.Caller.Kind && tests(set, fact.Key) && !given(fact.Key) {
				keys = append(keys, fact.Key)
			}
		}
	}
	return keys
}

// tests says whether some condition of the policies is on the key.
func tests(set *policy.Set, key string) bool {
	documents := append(append([]*policy.Document{}, set.Identity...), set.Resource...)
	if set.Boundary != nil {
		documents = append(documents, set.Boundary)
	}
	for _, d := range documents {
		for i := range d.Statements {
			for _, c := range d.Statements[i].Conditions {
				if strings.EqualFold(c.Key, key) {
					return true
				}
			}
		}
	}
	return false
}

// decisionLines say a decision in sentences.
func decisionLines(set *policy.Set, r *policy.Request, d policy.Decision) []string {
	request := requestText(r)
	switch d.Outcome {
	case policy.Allowed:
		lines := []string{"allowed: " + request, "  " + refsText(d.By) + verb(len(d.By), " allows it", " allow it")}
		if set.Relation == policy.ResourceOnly && len(set.Identity) == 0 && rotation.ARN(r.Caller.ARN+r.Caller.Session).Parts().Account != "" {
			lines = append(lines, "  only the policy of the resource was asked; the caller's own account must allow it too where it is another")
		}
		return lines
	case policy.ExplicitlyDenied:
		return []string{"denied, explicitly: " + request, "  " + refsText(d.By) + verb(len(d.By), " denies it", " deny it")}
	case policy.Undecided:
		lines := []string{"undecided: " + request, "  it depends on " + listText(d.Keys, "and") + ", of which nothing is known"}
		if len(d.By) > 0 {
			lines = append(lines, "  "+refsText(d.By)+verb(len(d.By), " tests it", " test it"))
		}
		return lines
	case policy.ImplicitlyDenied:
	}
	lines := []string{"denied: " + request, "  no statement allows it"}
	if d.ByBoundary {
		lines[1] = "  the policies allow it, and the permissions boundary does not"
	}
	if near := nearestText(set, r); near != "" {
		lines = append(lines, "  "+near)
	}
	return lines
}

type decisionJSON struct {
	Decision   policy.Outcome        `json:"decision"`
	Statements []policy.StatementRef `json:"statements"`  // those that decide
	ByBoundary bool                  `json:"by_boundary"` // all but the boundary allows it
	Keys       []string              `json:"keys"`        // unknown keys that decide
	Nearest    *nearestJSON          `json:"nearest"`     // of a denial that no statement makes
}

type nearestJSON struct {
	Statement policy.StatementRef `json:"statement"`
	Fails     []failureJSON       `json:"fails"`
}

type failureJSON struct {
	Element  policy.Element `json:"element"`
	Operator string         `json:"operator,omitempty"`
	Key      string         `json:"key,omitempty"`
	Want     []string       `json:"want"`
	Have     []string       `json:"have"` // empty: the request has no such key
	Unknown  bool           `json:"unknown"`
}

func evalJSON(set *policy.Set, r *policy.Request, d policy.Decision) decisionJSON {
	j := decisionJSON{Decision: d.Outcome, Statements: d.By, ByBoundary: d.ByBoundary, Keys: d.Keys}
	if j.Statements == nil {
		j.Statements = []policy.StatementRef{}
	}
	if j.Keys == nil {
		j.Keys = []string{}
	}
	if d.Outcome != policy.ImplicitlyDenied {
		return j
	}
	if near, ok := policy.Nearest(set, r); ok {
		j.Nearest = &nearestJSON{Statement: near.Ref, Fails: []failureJSON{}}
		for _, f := range near.Fails {
			out := failureJSON{f.Element, f.Operator, f.Key, f.Want, f.Have, f.Unknown}
			if out.Have == nil {
				out.Have = []string{}
			}
			if out.Want == nil {
				out.Want = []string{}
			}
			j.Nearest.Fails = append(j.Nearest.Fails, out)
		}
	}
	return j
}
