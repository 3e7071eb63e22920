package policy

// Direction says on which side of a comparison a request is allowed.
type Direction string

// The directions of a difference.
const (
	Missing Direction = "missing" // expected allows it, actual denies it
	Excess  Direction = "excess"  // actual allows it, expected denies it
)

// Witness is one concrete request that the two sides answer differently, already evaluated on both.
type Witness struct {
	Direction Direction
	Request   Request
	Expected  Decision
	Actual    Decision
}

// Result is the answer of Compare. Missing and Excess are sorted: a witness for each statement that grants or denies what the other
// side does not, and for each action that a statement names and that differs. Indeterminate names what could not be modelled or settled within the bound; it is empty when every request was
// covered, and only then do empty Missing and Excess mean equivalent.
type Result struct {
	Missing       []Witness
	Excess        []Witness
	Indeterminate []Reason
	// Truncated says that there are more differences than MaxWitnesses in one direction. Every statement that differs has
	// its witness before any has a second one.
	Truncated bool
}

// Reason says why a comparison could not be settled, with the statement that stands in the way.
type Reason struct {
	Statement StatementRef
	Text      string
}

// MaxWitnesses bounds the witnesses of one direction.
const MaxWitnesses = 64

// Verdict sums up a Result.
type Verdict string

// The verdicts of a comparison.
const (
	Equivalent       Verdict = "equivalent"
	OnlyMissing      Verdict = "missing"
	OnlyExcess       Verdict = "excess"
	MissingAndExcess Verdict = "missing_and_excess"
	Indeterminate    Verdict = "indeterminate"
)

// Verdict is what the result comes to. It claims no more than has been settled: where a doubt is left, only differences in both
// directions leave no question open. What was found stands in Missing and Excess all the same.
func (r *Result) Verdict() Verdict {
	switch {
	case len(r.Missing) > 0 && len(r.Excess) > 0:
		return MissingAndExcess
	case len(r.Indeterminate) > 0:
		return Indeterminate
	case len(r.Missing) > 0:
		return OnlyMissing
	case len(r.Excess) > 0:
		return OnlyExcess
	}
	return Equivalent
}

// Compare answers over all requests whether actual allows what expected allows, and no more. Every difference comes with a
// witness that the evaluator has answered on both sides. Without facts nothing is assumed about what services do: any action
// may come with any ARN or "*" and with any condition keys.
//
// A condition key that some statement tests with ForAllValues or ForAnyValue may carry several values; any other
// carries one or none. A key that is tested only as a number, a date, an address, a Boolean or an ARN carries values of
// that type.
func Compare(expected, actual Set, facts *Facts) Result {
	room := workspaces.Get().(*workspace)
	c := &comparer{workspace: room, statement: room.statements, facts: newFactView(facts), budget: budget{left: totalSteps, memory: maxMemory}}
	c.add(&expected, expectedSide)
	c.add(&actual, actualSide)
	c.list()
	c.actions = budget{left: totalSteps / 2, memory: maxMemory / 2}
	if !c.index.split(&c.groups, c.facts, &c.actions) {
		c.doubt(c.hardest(), "the actions of this statement could not be told apart within the bound")
	}
	w := &witnesses{comparer: c, checks: budget{left: checkSteps}}
	w.explore()
	result := w.result()
	room.statements = c.statement
	room.leave()
	return result
}

// hardest is the statement with the longest action pattern.
func (c *comparer) hardest() int32 {
	best, length := int32(-1), -1
	for i := range c.index.globs {
		if n := len(c.index.globs[i].text); n > length {
			best, length = c.index.globs[i].statement, n
		}
	}
	return best
}
