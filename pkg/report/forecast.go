package report

import (
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// failsAt says at which step the next rotation ends, and which steps are not reached: it ends at the last call that is reached, if that is
// denied. A denial that only bites later, of the network interfaces, is followed by calls that are reached.
func failsAt(steps []drift.ForecastStep) string {
	text := ""
	var later []string
	for _, s := range steps {
		for i, c := range s.Calls {
			switch {
			case !c.Reached && i == 0:
				later = append(later, string(s.Step))
			case !c.Reached:
			case c.Outcome == policy.ImplicitlyDenied || c.Outcome == policy.ExplicitlyDenied:
				text = string(s.Step) + ": " + c.Request + " is denied"
			default:
				text = ""
			}
		}
	}
	if text == "" || len(later) == 0 {
		return text
	}
	verb := " are"
	if len(later) == 1 {
		verb = " is"
	}
	return text + "; " + strings.Join(later, ", ") + verb + " not reached"
}

// forecast lists the calls of the next rotation, step by step. Their ARNs are cut down: the heading and the finding have them whole.
func (t *text) forecast(secret rotation.ARN, steps []drift.ForecastStep) {
	if len(steps) == 0 {
		return
	}
	t.heading("The next rotation of " + inert(string(secret)))
	const stepWidth, answerWidth = 14, 13
	columns := t.prose() - stepWidth - answerWidth - 2
	for _, s := range steps {
		step := string(s.Step)
		for _, c := range s.Calls {
			answer, c2 := "allowed", green
			switch {
			case !c.Reached:
				answer, c2 = "not reached", dim
			case c.Outcome == policy.Undecided:
				answer, c2 = "not known", magenta
			case c.Outcome != policy.Allowed:
				answer, c2 = "denied", red
			}
			what := c.Request
			if c.Reached && c.Outcome != policy.Allowed && c.Why != "" {
				what = c.Why
			}
			for i, line := range Wrap(brief(inert(what)), columns) {
				if i > 0 {
					t.line(pad("", 2+stepWidth+answerWidth) + line)
					continue
				}
				t.line("  " + pad(step, stepWidth) + t.paint(pad(answer, answerWidth), c2) + line)
			}
			step = ""
		}
	}
}
