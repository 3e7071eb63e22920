package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func newPolicyCommand() *cobra.Command {
	return parent("policy", "Evaluate and compare IAM policies, exactly and offline", newEvalCommand(), newCompareCommand())
}

// The exit codes of the policy commands.
const (
	exitSettled   = 0 // equivalent; allowed
	exitDiffers   = 2 // different; denied
	exitUndecided = 3 // could not be settled
)

// readDocuments reads policy files. A document with Principal elements is a resource policy, one without is an identity policy, unless kind
// says which all of them are.
func readDocuments(flag string, paths []string, kind policy.Kind) (identity, resource []*policy.Document, err error) {
	for _, path := range paths {
		d, err := readDocument(flag, path)
		if err != nil {
			return nil, nil, err
		}
		k := kind
		if k == "" {
			k = kindOf(d)
		}
		if err := d.CheckKind(k); err != nil {
			return nil, nil, err
		}
		if k == policy.KindIdentity {
			identity = append(identity, d)
		} else {
			resource = append(resource, d)
		}
	}
	return identity, resource, nil
}

func readDocument(flag, path string) (*policy.Document, error) {
	data, err := readSmall(flag, path)
	if err != nil {
		return nil, err
	}
	return policy.Parse(path, data)
}

// maxInput is more than any policy or file of facts may have.
const maxInput = 8 << 20

func readSmall(flag, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, path, cause(err))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--%s %s: %w", flag, path, cause(err))
	case len(data) > maxInput:
		return nil, fmt.Errorf("--%s %s: it is larger than %d MiB", flag, path, maxInput>>20)
	}
	return data, nil
}

func kindOf(d *policy.Document) policy.Kind {
	named := func(s policy.Statement) bool { return len(s.Principals)+len(s.NotPrincipals) > 0 }
	resourceless := func(s policy.Statement) bool { return len(s.Resources)+len(s.NotResources) == 0 }
	switch {
	case !slices.ContainsFunc(d.Statements, named):
		return policy.KindIdentity
	case slices.ContainsFunc(d.Statements, resourceless):
		return policy.KindTrust
	}
	return policy.KindResource
}

func readBoundary(path string) (*policy.Document, error) {
	if path == "" {
		return nil, nil
	}
	d, err := readDocument("boundary", path)
	if err != nil {
		return nil, err
	}
	return d, d.CheckKind(policy.KindIdentity)
}

// parseContext reads KEY=VALUE pairs; a key that is given more than once has several values.
func parseContext(pairs []string) (map[string][]string, error) {
	context := map[string][]string{}
	spelled := map[string]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return nil, fmt.Errorf("--context %q: write KEY=VALUE, such as aws:RequestedRegion=eu-west-1", pair)
		}
		key = strings.TrimSpace(key)
		if first, seen := spelled[strings.ToLower(key)]; seen {
			key = first
		}
		spelled[strings.ToLower(key)] = key
		context[key] = append(context[key], value)
	}
	return context, nil
}

func parsePrincipal(text string) (policy.Caller, error) {
	if text == "" {
		return policy.Caller{Kind: policy.CallerRole}, nil
	}
	caller, err := policy.ParseCaller(text)
	if err != nil {
		return caller, fmt.Errorf("--principal: %w", err)
	}
	return caller, nil
}

// callerText names a caller; a caller of identity policies that nobody named has no name.
func callerText(c *policy.Caller) string {
	switch {
	case c.Kind == policy.CallerService:
		return c.Service
	case c.Kind == policy.CallerAnonymous:
		return "*"
	case c.ARN != "":
		return c.ARN
	}
	return c.Session
}

// refText names a statement as the report does: counted from one.
func refText(r policy.StatementRef) string {
	text := fmt.Sprintf("statement %d", r.Index+1)
	if r.Sid != "" {
		text += fmt.Sprintf(" (%q)", rotation.OneLine(r.Sid))
	}
	return text + " of " + rotation.OneLine(r.Document)
}

func refsText(refs []policy.StatementRef) string {
	texts := make([]string, len(refs))
	for i, r := range refs {
		texts[i] = refText(r)
	}
	return strings.Join(texts, " and ")
}

// requestText is a request in words, with its context.
func requestText(r *policy.Request) string {
	text := r.Action + " on " + r.Resource
	if caller := callerText(&r.Caller); caller != "" {
		text += " by " + caller
	}
	if len(r.Context) > 0 {
		var keys []string
		for key, values := range r.Context {
			keys = append(keys, key+"="+strings.Join(values, ","))
		}
		slices.Sort(keys)
		text += " with " + strings.Join(keys, ", ")
	}
	return rotation.OneLine(text)
}

// decisionText says by what a request is decided.
func decisionText(set *policy.Set, r *policy.Request, d policy.Decision) string {
	switch d.Outcome {
	case policy.Allowed:
		return refsText(d.By) + verb(len(d.By), " allows it", " allow it")
	case policy.ExplicitlyDenied:
		return refsText(d.By) + verb(len(d.By), " denies it", " deny it")
	case policy.Undecided:
		text := "it depends on " + strings.Join(d.Keys, ", ")
		if len(d.By) > 0 {
			text += ", which " + refsText(d.By) + verb(len(d.By), " tests", " test")
		}
		return text
	case policy.ImplicitlyDenied:
	}
	text := "no statement allows it"
	if d.ByBoundary {
		text = "the boundary does not allow it"
	}
	if near, ok := policy.Nearest(set, r); ok {
		var reasons []string
		for _, f := range near.Fails {
			reasons = append(reasons, failureText(&f))
		}
		text += "; " + refText(near.Ref) + " comes nearest: " + strings.Join(reasons, "; ")
	}
	return text
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// failureText says one test that a request fails.
func failureText(f *policy.Failure) string {
	want, have := quoteList(f.Want), quoteList(f.Have)
	switch {
	case f.Element != policy.ElementCondition:
		if have == "" {
			return fmt.Sprintf("its %s is %s", f.Element, want)
		}
		return fmt.Sprintf("its %s is %s, the request has %s", f.Element, want, have)
	case f.Unknown:
		return fmt.Sprintf("its condition %s on %s cannot be decided", f.Operator, f.Key)
	case f.Absent:
		return fmt.Sprintf("its condition %s wants %s to be %s, the request has no such key", f.Operator, f.Key, want)
	}
	return fmt.Sprintf("its condition %s wants %s to be %s, it is %s", f.Operator, f.Key, want, have)
}

func quoteList(values []string) string {
	const most = 4
	shown := make([]string, 0, most)
	for _, v := range values[:min(len(values), most)] {
		shown = append(shown, rotation.OneLine(v))
	}
	text := strings.Join(shown, ", ")
	if more := len(values) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// errRequired names flags that are missing.
func errRequired(flags ...string) error {
	return errors.New("missing: --" + strings.Join(flags, ", --"))
}
