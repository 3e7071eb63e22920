package policy

import "slices"

// Sides of a comparison.
const (
	expectedSide = 0
	actualSide   = 1
)

// comparer carries one comparison: what stays the same, and the run over one case of the policy variables.
type comparer struct {
	*workspace

	relations [2]Relation
	limited   [2]bool     // the side has a boundary
	statement []compared  // expected's, then actual's
	allowing  [2][]uint64 // the statements that can be shown to grant
	ways      []grant     // room for grants
	facts     *factView
	budget    budget
	reasons   []Reason
	actions   budget // what telling the actions apart may take
	doubted   map[int32]bool

	keys           *dictionary
	dictionary     dictionary
	variableKeys   []variableCase
	variableColons bool // where the colons of a variable's value are matters

	resourceUniverse, arnUniverse *element

	run
}

// run is what belongs to one case of the policy variables.
type run struct {
	words     *vocabulary
	domains   []*domain // by the number of what they tell
	related   map[[2]int32]relation
	solved    [][]difference // by the number of the question
	callers   []callerClass
	naming    []principalIndex // by principal
	variables []variableCase
	pins      []pin     // what the case fixes, by dimension; nil when it fixes nothing
	require   []int32   // atoms that the case asks for
	refuse    [][]int32 // clauses that the case asks for

	impossible    bool     // no request is of this case
	variableTexts []string // variables with their defaults, numbered
	noFacts       factContext

	rooms *runRooms // the lists of a run begin here; the next run takes it over
}

// runRooms is room for what most runs need.
type runRooms struct {
	solved  [8][]difference
	domains [8]*domain
	caller  [1]callerClass
	reaches [1]reach
}

// add takes the statements of a set over.
func (c *comparer) add(set *Set, at int) {
	c.relations[at], c.limited[at] = set.Relation, set.Boundary != nil
	take := func(d *Document, from side) {
		if set.Relation == ResourceOnly && from != resourceSide {
			return
		}
		for i := range d.Statements {
			s := &d.Statements[i]
			c.statement = append(c.statement, compared{written: s, document: d, index: i, role: role{at == actualSide, from, s.Effect == Deny}})
		}
	}
	for _, d := range set.Identity {
		take(d, identitySide)
	}
	if set.Boundary != nil {
		take(set.Boundary, boundarySide)
	}
	for _, d := range set.Resource {
		take(d, resourceSide)
	}
}

// list puts the actions into an index.
func (c *comparer) list() {
	actions := 0
	for i := range c.statement {
		actions += len(c.statement[i].written.Actions) + len(c.statement[i].written.NotActions)
	}
	c.index.prepare(len(c.statement), actions)
	c.index.comparer = c
	room := make([]uint64, 2*c.index.words)
	c.allowing = [2][]uint64{room[:c.index.words:c.index.words], room[c.index.words:]}
	for i := range c.statement {
		s := &c.statement[i]
		c.index.add(i, s.written)
		if !s.role.deny && s.role.side != boundarySide {
			setBit(c.allowing[sideOf(s.role)], i)
		}
	}
}

// twins says whether two statements differ in their actions only.
func (x *actionIndex) twins(a, b int32) bool {
	return x.comparer.statement[a].twin(&x.comparer.statement[b])
}

// twin says whether two statements of one side differ in nothing but their actions.
func (s *compared) twin(t *compared) bool {
	return s.role == t.role && len(s.written.NotActions)+len(t.written.NotActions) == 0 && s.same(t)
}

// same says whether two statements, on whichever side, ask the same of whom, of what and when, as far as their texts show.
func (s *compared) same(t *compared) bool {
	x, y := s.written, t.written
	return s.role.side == t.role.side && s.role.deny == t.role.deny && (s.document.Version == t.document.Version || !s.variable() && !t.variable()) &&
		slices.Equal(x.Resources, y.Resources) && slices.Equal(x.NotResources, y.NotResources) &&
		slices.Equal(x.Principals, y.Principals) && slices.Equal(x.NotPrincipals, y.NotPrincipals) &&
		slices.EqualFunc(x.Conditions, y.Conditions, func(k, m Condition) bool {
			return k.Operator == m.Operator && k.Key == m.Key && slices.Equal(k.Values, m.Values)
		})
}

// doubtBound is why a statement stays in doubt whose comparison would take too long.
const doubtBound = "the comparison of this statement did not end within its bound"

// size is about how many bytes the statement takes when it is compiled, its actions aside.
func (s *Statement) size() int {
	n := 400
	add := func(list []string) {
		for _, text := range list {
			n += 300 + 10*len(text)
			for i := 0; i < len(text); i++ {
				if text[i] == '*' || text[i] == '?' || text[i] == '$' {
					n += 180
				}
			}
		}
	}
	add(s.Resources)
	add(s.NotResources)
	for i := range s.Conditions {
		add(s.Conditions[i].Values)
	}
	return n
}

// compile makes a statement ready.
func (c *comparer) compile(i int) *compared {
	s := &c.statement[i]
	if s.statement != nil {
		return s
	}
	c.budget.grow(s.written.size())
	compiled := &c.maker.statements.take(1)[0]
	*compiled = c.maker.statementForAnyAction(s.document, s.index, s.role.side)
	s.statement = compiled
	if len(compiled.conditions) != len(s.written.Conditions) {
		// The evaluator leaves out what it does not know, and so does the comparison; but then nothing is settled.
		c.doubt(int32(i), "a condition has an operator that IAM does not know")
		known := *s.written
		known.Conditions = slices.DeleteFunc(slices.Clone(known.Conditions), func(k Condition) bool {
			_, message := readOperator(k.Operator)
			return message != ""
		})
		s.written = &known
	}
	return s
}

// scan numbers the condition keys and says what is known of them from the operators that test them and from the facts.
func (c *comparer) scan() {
	c.keys = &c.dictionary
	c.keys.dimensions = c.keys.room[:1]
	c.keys.dimensions[resourceDimension].family = familyText
	for i := range c.statement {
		s := &c.statement[i]
		conditions := s.written.Conditions // compile leaves out what it does not know
		for j := range conditions {
			written := &conditions[j]
			op, message := readOperator(written.Operator)
			if message != "" {
				c.compile(i)
				continue
			}
			d := &c.keys.dimensions[c.keys.dimension(written.Key)]
			if op.quantifier != single && op.comparison != nullCheck {
				d.several = true
			}
			d.family = d.family.join(familyOf(op.comparison, written.Values, s.document.Version))
		}
	}
	c.variableKeys = c.listVariables()
	for _, k := range c.variableKeys {
		c.keys.dimension(k.key)
	}
	if c.facts != nil {
		c.facts.applyKeys(c.keys)
	}
}

// begin starts the run of one case of the variables.
func (c *comparer) begin(variables []variableCase) {
	v := c.vocabulary()
	v.dictionary, v.comparer, v.principals = c.keys, c, append(v.principals, nil)
	c.run = run{words: v, variables: variables, rooms: &runRooms{}}
	c.solved, c.domains = c.rooms.solved[:0], c.rooms.domains[:0]
	if c.facts != nil {
		c.facts.reset()
	}
	for i := range c.statement {
		c.statement[i].bit = bitUnmade
	}
	for i := range c.statement {
		if s := &c.statement[i]; s.role.side == resourceSide || len(s.written.Principals)+len(s.written.NotPrincipals) > 0 {
			c.bit(i)
		}
	}
	c.callers = c.callerClasses()
	c.assumeVariables()
}

// bit is the bit of a statement.
func (c *comparer) bit(i int) int32 {
	s := &c.statement[i]
	if s.bit == bitUnmade {
		s.bit = bitNever
		if !c.budget.spend(s.written.size() / 2) {
			c.doubt(int32(i), doubtBound)
			return bitNever
		}
		if c.compile(i); !s.unsatisfiable {
			s.bit = c.words.bit(s, int32(i))
		}
	}
	return s.bit
}

func sideOf(r role) int {
	if r.actual {
		return actualSide
	}
	return expectedSide
}

// doubt records why the comparison cannot be settled, once for each statement.
func (c *comparer) doubt(statement int32, text string) {
	if c.doubted[statement] {
		return
	}
	if c.doubted == nil {
		c.doubted = map[int32]bool{}
	}
	c.doubted[statement] = true
	r := Reason{Text: text}
	if statement >= 0 {
		r.Statement = c.statement[statement].name()
	}
	c.reasons = append(c.reasons, r)
}

// name refers to the statement.
func (s *compared) name() StatementRef {
	return StatementRef{Document: s.document.Name, Index: s.index, Sid: s.written.Sid}
}
