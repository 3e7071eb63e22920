package awstest

import "time"

// Lag is how far reads trail behind writes: for a time, or for a number of reads of the thing written, or both (the longer
// one holds). The zero value is no lag. AWS calls IAM and Secrets Manager's lists eventually consistent (IAM User Guide,
// "Changes that I make are not always immediately visible"; ListSecrets, "might not reflect changes from the last five
// minutes").
type Lag struct {
	For   time.Duration
	Reads int
}

// lagged is a value with the earlier values that readers may still be given. A nil value is one that does not exist.
type lagged[T any] struct {
	now  *T
	past []stale[T] // oldest first
}

type stale[T any] struct {
	value *T
	until time.Time
	reads int
}

// set makes v the value; readers see the value before it for as long as the lag says.
func (l *lagged[T]) set(v *T, at time.Time, lag Lag) {
	if lag == (Lag{}) {
		l.past = nil
	} else {
		l.past = append(l.past, stale[T]{value: l.now, until: at.Add(lag.For), reads: lag.Reads})
	}
	l.now = v
}

// read gives what a reader sees now, nil if that is nothing.
func (l *lagged[T]) read(at time.Time) *T {
	for len(l.past) > 0 {
		p := &l.past[0]
		switch {
		case at.Before(p.until):
			return p.value
		case p.reads > 0:
			p.reads--
			return p.value
		}
		l.past = l.past[1:]
	}
	return l.now
}
