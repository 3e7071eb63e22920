package trigger

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// causes is how many events a cause names.
const causes = 3

// Cause says in one line which calls made a sweep run, those of our own roles aside.
func Cause(events []Event, own ...rotation.ARN) string {
	var said []string
	more := 0
	for i := range events {
		e := &events[i]
		switch {
		case e.idle || e.ownWrite(own):
		case len(said) == causes:
			more++
		default:
			said = append(said, e.cause())
		}
	}
	text := strings.Join(said, "; ")
	if more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

func (e *Event) cause() string {
	text := rotation.OneLine(e.Name)
	if e.Caller != "" {
		text += " by " + rotation.OneLine(string(e.Caller))
	}
	if !e.At.IsZero() {
		text += " at " + e.At.UTC().Format(time.RFC3339)
	}
	if e.ID != "" {
		text += " (event " + rotation.OneLine(e.ID) + ")"
	}
	return text
}
