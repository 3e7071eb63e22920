package drift

import (
	"slices"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// fewResources is how many ARNs a printed command lists before it takes the form that names the function instead.
const fewResources = 20

// target is a document that several fixes add a statement to. Each of the calls replaces the whole document, so one command carries all
// that is missing, and what the document holds already.
type target struct {
	words      []string // the command before the document
	holds      *policy.Document
	statements []*policy.Statement
	fixes      []*Fix
}

// addTo puts a fix to the others that change the same document.
func (j *judge) addTo(name string, holds *rotation.Policy, fix *Fix, statement *policy.Statement, words ...string) {
	t := j.targets[name]
	if t == nil {
		if j.targets == nil {
			j.targets = map[string]*target{}
		}
		t = &target{words: words}
		if holds != nil {
			t.holds = holds.Document
		}
		j.targets[name] = t
	}
	t.statements = append(t.statements, statement)
	t.fixes = append(t.fixes, fix)
}

// nameCommands gives every fix of one document the same command.
func (j *judge) nameCommands() {
	for _, t := range j.targets {
		document := policy.Document{Version: policy.Version2012}
		if t.holds != nil {
			document = *t.holds
			document.Statements = slices.Clone(t.holds.Statements)
		}
		document.Statements = append(document.Statements, joinStatements(t.statements)...)
		text := command(append(slices.Clone(t.words), document.String())...)
		for _, fix := range t.fixes {
			fix.Command = text
		}
	}
}

func (j *judge) ownInline() *rotation.Policy {
	for i := range j.setup.Role.Identity {
		p := &j.setup.Role.Identity[i]
		if p.Source == rotation.PolicyInline && p.Name == j.ownPolicy() {
			return p
		}
	}
	return nil
}

// joinStatements puts statements with the same resources and conditions into one, then those with the same actions and conditions.
func joinStatements(statements []*policy.Statement) []policy.Statement {
	var byResource, joined []policy.Statement
	for _, s := range statements {
		i := slices.IndexFunc(byResource, func(o policy.Statement) bool {
			return slices.Equal(o.Resources, s.Resources) && slices.Equal(o.Principals, s.Principals) && sameConditions(o.Conditions, s.Conditions)
		})
		if i < 0 {
			c := *s
			c.Actions = slices.Clone(s.Actions)
			byResource = append(byResource, c)
			continue
		}
		for _, a := range s.Actions {
			if !slices.Contains(byResource[i].Actions, a) {
				byResource[i].Actions = append(byResource[i].Actions, a)
			}
		}
	}
	for _, s := range byResource {
		slices.Sort(s.Actions)
		i := slices.IndexFunc(joined, func(o policy.Statement) bool {
			return slices.Equal(o.Actions, s.Actions) && slices.Equal(o.Principals, s.Principals) && sameConditions(o.Conditions, s.Conditions)
		})
		if i < 0 {
			s.Resources = slices.Clone(s.Resources)
			joined = append(joined, s)
			continue
		}
		joined[i].Resources = append(joined[i].Resources, s.Resources...)
	}
	for i := range joined {
		onFunction := len(joined[i].Conditions) == 1 && joined[i].Conditions[0].Key == rotation.AllowRotationKey
		if onFunction && len(joined[i].Resources) > fewResources {
			joined[i].Resources = []string{"*"}
		}
	}
	return joined
}

func sameConditions(a, b []policy.Condition) bool {
	return slices.EqualFunc(a, b, func(x, y policy.Condition) bool {
		return x.Operator == y.Operator && x.Key == y.Key && slices.Equal(x.Values, y.Values)
	})
}
