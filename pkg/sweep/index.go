package sweep

import (
	"context"
	"fmt"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// index collects what the rotation functions rest on, while the groups go by.
type index struct{ functions []ledger.FunctionRecord }

func (x *index) add(g *rotation.Group) {
	for i := range g.Setups {
		setup := &g.Setups[i]
		if setup.Function.ARN == "" {
			continue
		}
		uses := rotation.UsesOf(setup)
		x.functions = append(x.functions, ledger.FunctionRecord{
			Function: string(setup.Function.ARN), Role: string(uses.Role),
			Policies: texts(uses.Policies), Masters: texts(uses.Masters), Keys: texts(uses.Keys),
		})
	}
}

// judged are as much of the judgements as says which functions they were of.
func (x *index) judged() []drift.Judgement {
	all := make([]drift.Judgement, len(x.functions))
	for i := range x.functions {
		all[i].Setup.Function.ARN = rotation.ARN(x.functions[i].Function)
	}
	return all
}

// namings are the secrets of judgements and their masters, each with what it names.
type namings struct {
	seen             map[rotation.ARN]bool
	secrets, masters []ledger.Naming
}

// add takes the secrets of a judgement, which is not kept.
func (n *namings) add(j *drift.Judgement) {
	if n.seen == nil {
		n.seen = map[rotation.ARN]bool{}
	}
	for i := range j.Setup.Secrets {
		if s := &j.Setup.Secrets[i]; s.Kind == rotation.KindLambda && s.ARN != "" && !n.seen[s.ARN] {
			n.seen[s.ARN] = true
			n.secrets = append(n.secrets, namingOf(s))
		}
	}
	for _, m := range j.Setup.Masters {
		if m.ARN != "" {
			n.masters = append(n.masters, namingOf(&m))
		}
	}
}

func namingOf(s *rotation.Secret) ledger.Naming {
	return ledger.Naming{Secret: string(s.ARN), Function: string(s.FunctionARN), Key: s.KMSKeyID}
}

// all are the namings, each secret once.
func (n *namings) all() []ledger.Naming {
	all := n.secrets
	for _, m := range n.masters {
		if !n.seen[rotation.ARN(m.Secret)] {
			n.seen[rotation.ARN(m.Secret)] = true
			all = append(all, m)
		}
	}
	return all
}

func texts(arns []rotation.ARN) []string {
	var out []string
	for _, a := range arns {
		out = append(out, string(a))
	}
	return out
}

func arns(texts []string) []rotation.ARN {
	var out []rotation.ARN
	for _, t := range texts {
		out = append(out, rotation.ARN(t))
	}
	return out
}

// Index is what the ledger's runs know of the account.
func Index(ctx context.Context, l ledger.Ledger) (*rotation.Index, error) {
	secrets, err := l.Secrets(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the index of secrets: %w", err)
	}
	functions, err := l.Functions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the index of functions: %w", err)
	}
	x := &rotation.Index{Secrets: make(map[rotation.ARN]rotation.ARN, len(secrets)), Functions: make(map[rotation.ARN]rotation.Uses, len(functions))}
	for _, r := range secrets {
		x.Secrets[rotation.ARN(r.Secret)] = rotation.ARN(r.Function)
		if r.Function != "" {
			x.Functions[rotation.ARN(r.Function)] = rotation.Uses{} // more is known of it once a sweep has read it
		}
	}
	for _, r := range functions {
		x.Functions[rotation.ARN(r.Function)] = rotation.Uses{
			Role: rotation.ARN(r.Role), Policies: arns(r.Policies), Masters: arns(r.Masters), Keys: arns(r.Keys), Many: r.Many,
		}
	}
	return x, nil
}
