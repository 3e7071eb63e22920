package policy

// side says where a document stands in a Set.
type side uint8

const (
	identitySide side = iota
	boundarySide
	resourceSide
)

// statement is a Statement, compiled for evaluation.
type statement struct {
	ref           []StatementRef // always one, so that a decision can hold it without a copy
	side          side
	expands       bool // the document's version has policy variables
	deny          bool
	principals    []principalTest
	notPrincipal  bool
	hasPrincipal  bool
	actions       []pattern
	notAction     bool
	resources     []pattern
	notResource   bool
	hasResource   bool
	conditions    []condition
	unsatisfiable bool // an Allow with an operator that IAM does not have: it grants nothing
}

// Compiled is a Set made ready to decide many requests. It does not change and may be used from several goroutines.
type Compiled struct {
	relation   Relation
	bounded    bool
	statements []*statement
}

// Compile makes set ready for evaluation; later changes to the documents are not seen. A document that Parse would refuse
// fails closed: an operator that IAM does not have voids an Allow and is left out of a Deny.
func Compile(set Set) *Compiled {
	n := 0
	for _, document := range set.Identity {
		n += len(document.Statements)
	}
	for _, document := range set.Resource {
		n += len(document.Statements)
	}
	if set.Boundary != nil {
		n += len(set.Boundary.Statements)
	}
	c := &Compiled{relation: set.Relation, bounded: set.Boundary != nil, statements: make([]*statement, 0, n)}
	var m maker
	for _, document := range set.Identity {
		c.add(&m, document, identitySide)
	}
	if set.Boundary != nil {
		c.add(&m, set.Boundary, boundarySide)
	}
	for _, document := range set.Resource {
		c.add(&m, document, resourceSide)
	}
	return c
}

func (c *Compiled) add(m *maker, document *Document, from side) {
	for i := range document.Statements {
		s := &m.statements.take(1)[0]
		*s = m.statement(document, i, from)
		c.statements = append(c.statements, s)
	}
}

// maker compiles statements. What it makes lies together.
type maker struct {
	statements slab[statement]
	refs       slab[StatementRef]
	patterns   slab[pattern]
	tokens     slab[token]
	principals slab[principalTest]
	conditions slab[condition]
	operands   slab[operand]
}

func (m *maker) statement(document *Document, index int, from side) statement {
	compiled := m.statementForAnyAction(document, index, from)
	s := &document.Statements[index]
	compiled.notAction = len(s.NotActions) > 0
	actions := s.Actions
	if compiled.notAction {
		actions = s.NotActions
	}
	compiled.actions = m.patterns.take(len(actions))
	for i, action := range actions {
		compiled.actions[i] = m.pattern(action, ruleText, true, false, true)
	}
	return compiled
}

// statementForAnyAction compiles a statement without what it says of actions.
func (m *maker) statementForAnyAction(document *Document, index int, from side) statement {
	s := &document.Statements[index]
	variables := document.Version == Version2012
	compiled := statement{
		ref:          m.refs.take(1),
		side:         from,
		expands:      variables,
		deny:         s.Effect == Deny,
		notAction:    true,
		notResource:  len(s.NotResources) > 0,
		hasResource:  len(s.Resources) > 0 || len(s.NotResources) > 0,
		notPrincipal: len(s.NotPrincipals) > 0,
		hasPrincipal: len(s.Principals) > 0 || len(s.NotPrincipals) > 0,
	}
	compiled.ref[0] = StatementRef{Document: document.Name, Index: index, Sid: s.Sid}
	resources, principals := s.Resources, s.Principals
	if compiled.notResource {
		resources = s.NotResources
	}
	if compiled.notPrincipal {
		principals = s.NotPrincipals
	}
	compiled.resources = m.patterns.take(len(resources))
	for i, resource := range resources {
		compiled.resources[i] = m.pattern(resource, ruleResource, true, variables, false)
	}
	compiled.principals = m.principals.take(len(principals))[:0]
	for _, principal := range principals {
		if test, message := newPrincipal(principal); message == "" {
			compiled.principals = append(compiled.principals, test)
		}
	}
	compiled.conditions = m.conditions.take(len(s.Conditions))[:0]
	for _, written := range s.Conditions {
		test, message := m.condition(written, variables)
		if message != "" {
			compiled.unsatisfiable = !compiled.deny
			continue
		}
		compiled.conditions = append(compiled.conditions, test)
	}
	return compiled
}
