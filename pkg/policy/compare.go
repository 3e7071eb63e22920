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

// Result is the answer of Compare. Missing and Excess are sorted, one witness for each statement or permission that
// differs. Indeterminate names what could not be modelled or settled within the bound; it is empty when every request was
// covered, and only then do empty Missing and Excess mean equivalent.
type Result struct {
	Missing       []Witness
	Excess        []Witness
	Indeterminate []Reason
}

// Reason says why a comparison could not be settled, with the statement that stands in the way.
type Reason struct {
	Statement StatementRef
	Text      string
}
