package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// evalFlags are one request and the policies that decide it.
type evalFlags struct {
	outputFlags
	policies, context, unknown            []string
	boundary, action, resource, principal string
	relation                              string
}

func newEvalCommand() *cobra.Command {
	f := &evalFlags{}
	cmd := &cobra.Command{
		Use:   "eval",
		Short: "Decide one request exactly as IAM does",
		Long: `Decides one request over identity policies (without Principal) and resource policies (with Principal). The request carries the condition keys that
--context gives and no other: an absent key is a state of its own.

Exit codes: 0 allowed; 2 denied; 3 undecided, because a key given with --unknown decides; 1 bad input.`,
		Example: `  rotationguard policy eval --policy role.json --action secretsmanager:GetSecretValue --resource arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf
  rotationguard policy eval --policy function.json --principal secretsmanager.amazonaws.com --action lambda:InvokeFunction \
    --resource arn:aws:lambda:eu-west-1:111122223333:function:rotate --context aws:SourceAccount=111122223333`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.eval(cmd) },
	}
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	cmd.Flags().StringArrayVar(&f.policies, "policy", nil, "a file with a policy; may be repeated")
	cmd.Flags().StringVar(&f.boundary, "boundary", "", "a file with the permissions boundary")
	cmd.Flags().StringVar(&f.action, "action", "", "the request's action, SERVICE:ACTION")
	cmd.Flags().StringVar(&f.resource, "resource", "", "the request's resource: an ARN, or * for an action without one")
	cmd.Flags().StringVar(&f.principal, "principal", "", "who makes the request: an ARN, an account, a service, or * for anybody")
	cmd.Flags().StringArrayVar(&f.context, "context", nil, "a condition key of the request, KEY=VALUE; may be repeated, also for one key with several values")
	cmd.Flags().StringArrayVar(&f.unknown, "unknown", nil, "a condition key whose value cannot be known; KEY/* means a family")
	cmd.Flags().StringVar(&f.relation, "relation", "same-account", "how identity and resource policies combine: same-account, cross-account, delegated (a key policy) or resource-only (a service's call)")
	return cmd
}

func (f *evalFlags) eval(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	set, request, err := f.parse()
	if err != nil {
		return err
	}
	decision := policy.Evaluate(&set, &request)
	err = f.print(cmd, func(w io.Writer) error {
		if f.form == jsonOutput {
			return report.WriteValue(w, evalJSON(&set, &request, decision))
		}
		_, err := fmt.Fprintf(w, "%s: %s\n  because %s\n", decision.Outcome, requestText(&request), decisionText(&set, &request, decision))
		return err
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

func (f *evalFlags) parse() (policy.Set, policy.Request, error) {
	var missing []string
	for _, flag := range []struct {
		name  string
		given bool
	}{{"policy", len(f.policies) > 0}, {"action", f.action != ""}, {"resource", f.resource != ""}} {
		if !flag.given {
			missing = append(missing, flag.name)
		}
	}
	if len(missing) > 0 {
		return policy.Set{}, policy.Request{}, errRequired(missing...)
	}
	if err := oneOf("relation", f.relation, "same-account", "cross-account", "delegated", "resource-only"); err != nil {
		return policy.Set{}, policy.Request{}, err
	}
	identity, resource, err := readDocuments("policy", f.policies, "")
	if err != nil {
		return policy.Set{}, policy.Request{}, err
	}
	boundary, err := readBoundary(f.boundary)
	if err != nil {
		return policy.Set{}, policy.Request{}, err
	}
	context, err := parseContext(f.context)
	if err != nil {
		return policy.Set{}, policy.Request{}, err
	}
	caller, err := parsePrincipal(f.principal)
	if err != nil {
		return policy.Set{}, policy.Request{}, err
	}
	if f.principal == "" && len(resource) > 0 {
		return policy.Set{}, policy.Request{}, fmt.Errorf("--principal is missing: %s says who may", resource[0].Name)
	}
	if !validAction(f.action) {
		return policy.Set{}, policy.Request{}, fmt.Errorf("--action %q is not one action, such as secretsmanager:GetSecretValue", f.action)
	}
	set := policy.Set{Identity: identity, Resource: resource, Boundary: boundary}
	if f.relation != "same-account" {
		set.Relation = policy.Relation(f.relation)
	}
	return set, policy.Request{Caller: caller, Action: f.action, Resource: f.resource, Context: context, Unknown: f.unknown}, nil
}

// validAction says whether the text is one action: a service, a colon and a name, without wildcards.
func validAction(s string) bool {
	colon := 0
	for i, c := range s {
		switch {
		case c == ':':
			colon++
			if i == 0 || i == len(s)-1 {
				return false
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		default:
			return false
		}
	}
	return colon == 1
}

type decisionJSON struct {
	Decision   policy.Outcome        `json:"decision"`
	By         []policy.StatementRef `json:"by"`          // the statements that decide
	ByBoundary bool                  `json:"by_boundary"` // all else allows it
	Keys       []string              `json:"keys"`        // unknown keys that decide
	Reason     string                `json:"reason"`
}

func evalJSON(set *policy.Set, r *policy.Request, d policy.Decision) decisionJSON {
	j := decisionJSON{Decision: d.Outcome, By: d.By, ByBoundary: d.ByBoundary, Keys: d.Keys, Reason: decisionText(set, r, d)}
	if j.By == nil {
		j.By = []policy.StatementRef{}
	}
	if j.Keys == nil {
		j.Keys = []string{}
	}
	return j
}
