package policy

// truth is the answer to a test of a request: maybe when a key that cannot be known decides it. The values are ordered, so
// that "and" is min and "or" is max.
type truth int8

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// not turns yes and no around and leaves maybe.
func (t truth) not() truth { return yes - t }
