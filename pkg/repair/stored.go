package repair

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// maxPlan is how large a stored plan may be.
const maxPlan = 64 << 20

// Write stores a plan for a person to read and apply.
func (p Plan) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(p); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// ReadPlan reads a stored plan. What it says is not trusted: Confirm takes from it only which changes a person wants.
func ReadPlan(r io.Reader) (Plan, error) {
	var p Plan
	d := json.NewDecoder(io.LimitReader(r, maxPlan))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("reading the plan: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Plan{}, errors.New("reading the plan: there is text after it")
	}
	if p.Schema != PlanSchema {
		return Plan{}, fmt.Errorf("reading the plan: its schema is %q, not %q", rotation.OneLine(p.Schema), PlanSchema)
	}
	return p, nil
}

// Confirm is what of a stored plan can be applied now: the changes of a plan made anew, from judgements of the stored plan's
// scope and with Options.Approved, that the stored plan has too and whose ground has not moved. Every other stored change
// is refused, with what has changed since. Nothing of the stored documents is used; where they show another change than would be made, it is
// refused too: what a person has seen is not what would be written.
func Confirm(stored, fresh Plan) Plan {
	out := fresh
	out.Changes = []Change{}
	elsewhere := ""
	if stored.Account != fresh.Account && fresh.Account != "" || stored.Region != fresh.Region && fresh.Region != "" {
		elsewhere = fmt.Sprintf("the plan is for account %s in %s, not for %s in %s", rotation.OneLine(stored.Account), rotation.OneLine(stored.Region), fresh.Account, fresh.Region)
	}
	for _, want := range stored.Changes {
		if want.Status == Done {
			continue
		}
		i := slices.IndexFunc(fresh.Changes, func(c Change) bool { return c.ID == want.ID })
		reason := elsewhere
		if reason == "" {
			reason = stale(want, fresh.rests[want.Function])
		}
		switch {
		case reason != "":
		case i < 0:
			reason = "a plan made now does not have this change: " + whyNot(&want, fresh.Left)
		default:
			reason = edited(&want, &fresh.Changes[i])
		}
		if reason == "" {
			c := fresh.Changes[i]
			if fresh.Breaker.Tripped != "" && c.Status == Refused && c.Reason == fresh.Breaker.Tripped {
				c.Status, c.Reason = Planned, "" // that is weighed again, over what the person wants
			}
			out.Changes = append(out.Changes, c)
			continue
		}
		want.Status, want.Reason = Refused, reason
		out.Changes = append(out.Changes, want)
	}
	out.weigh()
	return out
}

// stale says what a stored change rests on that is different now, or "".
func stale(want Change, now []Rest) string {
	if now == nil {
		return fmt.Sprintf("changed since the plan was made: nothing is to be mended for %s any more", rotation.OneLine(string(want.Function)))
	}
	var moved []string
	for _, r := range now {
		if !slices.Contains(want.Rests, r) {
			moved = append(moved, r.What)
		}
	}
	if len(moved) == 0 {
		return ""
	}
	return "changed since the plan was made: " + strings.Join(moved, ", ")
}

// whyNot says why a plan made now leaves what a stored change would have ended, as far as it says so.
func whyNot(want *Change, left []Left) string {
	for i := range left {
		if slices.ContainsFunc(left[i].Findings, func(id string) bool { return slices.Contains(want.Findings, id) }) {
			return left[i].Reason
		}
	}
	return "the settings are others, or it is not needed"
}

// edited says what a stored change shows otherwise than the same change made now, or "".
func edited(want, now *Change) string {
	same := sameJSON
	if !want.Call.onRole() {
		same = samePolicy
	}
	for _, part := range []struct {
		what  string
		equal bool
	}{
		{"call", want.Call == now.Call}, {"subject", want.Subject == now.Subject}, {"name", want.Name == now.Name},
		{"document before", same(want.Before, now.Before)}, {"document after", same(want.After, now.After)},
		{"difference", want.Diff == unified(want.Name, want.Before, want.After)}, {"proof", want.Proof == now.Proof},
	} {
		if !part.equal {
			return "the plan shows another " + part.what + " than this change has when it is made now: the plan was edited, or is of other circumstances"
		}
	}
	return ""
}
