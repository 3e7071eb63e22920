package sweep

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// operated collects what operators act on and what the ledger's index keeps, while the groups go by.
type operated struct {
	index     index
	namings   namings
	whole     bool // a plan is made of the judgements
	wanted    bool
	store     spill.Store // of secrets, which with their tags and policies are too much for memory
	secrets   []spill.Ref
	functions map[rotation.ARN]bool
	roles     map[rotation.ARN]bool
	err       error // of the first secret that could not be set aside or read again
}

// rotating are the secrets that rotate, as far as an operator's rights depend on them. err says whether they are all.
func (o *operated) rotating(yield func(*rotation.Secret) bool) {
	for _, at := range o.secrets {
		var s rotation.Secret
		if err := o.store.Get(at, &s); err != nil {
			o.err = err
			return
		}
		if s.Policy.Parse(); !yield(&s) {
			return
		}
	}
}

// close frees what was set aside.
func (o *operated) close() { _ = o.store.Close() } // nothing that was read is lost by it

func (o *operated) add(g *rotation.Group) {
	if !o.wanted {
		return
	}
	if o.functions == nil {
		o.functions, o.roles = map[rotation.ARN]bool{}, map[rotation.ARN]bool{}
	}
	for i := range g.Setups {
		setup := &g.Setups[i]
		checked := false
		for _, s := range setup.Checked() {
			if s.Excluded != "" {
				continue
			}
			checked = true
			at, err := o.store.Put(rotation.Secret{ARN: s.ARN, Name: s.Name, Kind: s.Kind, FunctionARN: s.FunctionARN, Type: s.Type, Tags: s.Tags, Policy: s.Policy})
			if o.err = cmp.Or(o.err, err); err == nil {
				o.secrets = append(o.secrets, at)
			}
		}
		if !checked || setup.Function.Presence != rotation.Present {
			continue
		}
		function, _ := setup.Function.ARN.SplitFunction()
		o.functions[function] = true
		if setup.Role.Presence == rotation.Present {
			o.roles[setup.Role.ARN] = true
		}
	}
}

// judgeOperators compares the declared principals with their permission sets. What they lack shows only against all that rotates: a selection
// leaves them out, and the report says so.
func (s *Sweeper) judgeOperators(ctx context.Context, scope rotation.Scope, outcome *report.Outcome, acted *operated) error {
	if !acted.wanted {
		return nil
	}
	if !scope.All() {
		outcome.Notes = append(outcome.Notes, "The declared operators were not judged: that takes a sweep of the whole account.")
		return nil
	}
	operators, err := s.Source.Operators(ctx, s.Operators)
	if err != nil {
		return fmt.Errorf("reading the declared operators: %w", err)
	}
	on := rotation.Operated{Secrets: acted.rotating, Functions: slices.Sorted(maps.Keys(acted.functions)), Roles: slices.Sorted(maps.Keys(acted.roles))}
	for i := range operators {
		for _, gap := range inventory.OperatorGaps(&operators[i]) {
			outcome.Errors = append(outcome.Errors, report.ErrorOf(gap))
		}
		j := drift.JudgeOperator(operators[i], on, s.Judging.Templates)
		if acted.err != nil {
			return fmt.Errorf("judging the declared operators: %w", acted.err)
		}
		outcome.Operators = append(outcome.Operators, report.Operator{
			Principal: j.Operator.Principal, May: j.Operator.May, Verdict: j.Verdict, Reason: j.Reason, Findings: j.Findings,
		})
	}
	return nil
}
