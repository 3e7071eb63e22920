package report

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// Story is the outcome in a sentence or two: how many secrets are in sync, and what breaks soonest.
func (o *Outcome) Story() string {
	if o.Fleet() {
		by, _ := o.targets()
		switch {
		case by[TargetFailed] == len(o.Targets):
			return strings.TrimSpace(o.fleetStory())
		case by[TargetFailed] > 0:
			return o.fleetStory() + o.story("the targets that were swept")
		}
		return o.fleetStory() + o.story("these targets")
	}
	return o.story("this account and Region")
}

func (o *Outcome) story(where string) string {
	summary := o.Summary()
	checked := summary.Secrets - summary.ByVerdict[drift.Skipped]
	if checked == 0 {
		return "No secret of " + where + " is rotated by a function."
	}
	text := fmt.Sprintf("%d of %s in sync.", summary.ByVerdict[drift.InSync], count(checked, "rotating secret"))
	fails := o.WithVerdict(func(v drift.Verdict) bool { return v == drift.Broken || v == drift.Orphaned })
	if len(fails) == 0 {
		return text + " None is known to fail at its next rotation."
	}
	first := fails[0]
	switch {
	case first.NextRotation == nil:
		text += fmt.Sprintf(" %d cannot rotate.", len(fails))
	case first.Overdue(o.At):
		text += fmt.Sprintf(" %d cannot rotate; %s is %s.", len(fails), first.named(), whenText(first, o.At))
	default:
		text += fmt.Sprintf(" %d cannot rotate; the first that fails is %s, %s.", len(fails), first.named(), whenText(first, o.At))
	}
	return text
}

func proofText(p *repair.Proof) string {
	if p.Required == 0 {
		return ""
	}
	return inert(fmt.Sprintf("%d of %d required requests allowed before, %d after; %s; %s", p.Before, p.Required, p.After, p.Excess, p.Lost))
}

func leftText(l repair.Left) string {
	on := l.Secret
	if on == "" {
		on = l.Subject
	}
	return inert(l.What + " on " + string(on) + ": " + l.Reason)
}
