package repair

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The lease's length, and how old it may get before it is renewed.
const (
	leaseTime  = 60 * time.Second
	leaseRenew = 20 * time.Second
)

// Repairer writes plans to one account and Region.
type Repairer struct {
	// Run names the run in the journal.
	Run string
	// Visible is how long to wait until a write shows in reads.
	Visible time.Duration
	// Now is the clock.
	Now func() time.Time
	// Reread judges functions anew. What takes something from a role is checked with it right before it is written, and not
	// written without it.
	Reread func(context.Context, rotation.Scope) ([]drift.Judgement, error)

	clients Clients
	ledger  ledger.Ledger
	opts    Options
	lease   ledger.Lease
}

// New makes a repairer. Without a ledger (nil) nothing is written.
func New(c Clients, l ledger.Ledger, o Options) *Repairer {
	return &Repairer{Run: NewRun(time.Now()), Visible: 15 * time.Second, Now: time.Now, clients: c, ledger: l, opts: o}
}

// NewRun is a name for a run: its time and a few random digits, sorting by age.
func NewRun(at time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return at.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// Apply writes the plan's planned changes and answers with all of the plan's changes as they then are. The error says what
// stopped the rest; a change that was refused or failed by itself is no error. In mode report nothing is sent.
func (r *Repairer) Apply(ctx context.Context, plan Plan) ([]Change, error) {
	changes := slices.Clone(plan.Changes)
	if !r.opts.Mode.Writes() || !plan.Writes() {
		return changes, nil
	}
	if r.ledger == nil {
		return stop(changes, "there is no ledger to journal in"), errors.New("repairing: there is no ledger to journal in")
	}
	lease, err := r.ledger.Acquire(ctx, r.Run, r.Now(), leaseTime)
	if errors.Is(err, ledger.ErrHeld) {
		return stop(changes, rotation.OneLine(err.Error())), nil
	}
	if err != nil {
		return stop(changes, "the ledger cannot be written"), fmt.Errorf("taking the lease: %w", err)
	}
	r.lease = lease
	if err = r.reweigh(ctx, &plan, changes); err == nil {
		err = r.phases(ctx, changes)
	}
	// The lease is given back even when time ran out.
	return changes, errors.Join(err, r.ledger.Release(context.WithoutCancel(ctx), r.lease))
}

// reweigh holds the breaker against what other runs wrote since the plan was made: two that plan at the same time must not both have the
// whole of it.
func (r *Repairer) reweigh(ctx context.Context, plan *Plan, changes []Change) error {
	h := plan.history
	h.At = r.Now()
	entries, err := r.ledger.EntriesSince(ctx, h.At.Add(-breakerWindow))
	if err != nil {
		stop(changes, "the journal cannot be read")
		return fmt.Errorf("reading the journal: %w", err)
	}
	if h.Writes, err = writes(entries); err != nil {
		stop(changes, "the journal cannot be read")
		return err
	}
	planned := 0
	for i := range changes {
		c := &changes[i]
		made := slices.ContainsFunc(h.Writes, func(w Write) bool { return w.Change == c.ID && w.At.After(plan.history.At) })
		if c.Status == Planned && c.Undoes == "" && !made {
			planned++
		}
	}
	if b := newBreaker(plan.opts, h, planned); b.Tripped != "" {
		stop(changes, b.Tripped)
	}
	return nil
}

// stop refuses every change that is still planned.
func stop(changes []Change, reason string) []Change {
	for i := range changes {
		if c := &changes[i]; c.Status == Planned {
			c.Status, c.Reason = Refused, reason
		}
	}
	return changes
}

// phases makes all additions, waits until they show, makes the removals, and waits again.
func (r *Repairer) phases(ctx context.Context, changes []Change) error {
	for _, removing := range []bool{false, true} {
		var made []*Change
		for i := range changes {
			c := &changes[i]
			if c.Status != Planned || c.removes() != removing {
				continue
			}
			if reason := unmet(c, changes); reason != "" {
				c.Status, c.Reason = Refused, reason
				continue
			}
			if err := r.make(ctx, c); err != nil {
				stop(changes, "not reached: "+rotation.OneLine(err.Error()))
				return err
			}
			if c.Status == Done {
				// A policy that was put as a whole does not stand as it was put once another change was made on it; that one shows it.
				made = slices.DeleteFunc(made, func(m *Change) bool { return m.Call == PutResourcePolicy && m.Subject == c.Subject })
				made = append(made, c)
			}
		}
		if err := r.await(ctx, made); err != nil {
			stop(changes, "not reached: "+rotation.OneLine(err.Error()))
			return err
		}
	}
	return nil
}

// unmet says which addition that a removal needs is not seen in place, or "".
func unmet(c *Change, changes []Change) string {
	for _, id := range c.Needs {
		i := slices.IndexFunc(changes, func(a Change) bool { return a.ID == id })
		if i < 0 || changes[i].Status != Done || changes[i].Reason == invisible {
			return "the addition that must come first is not in place"
		}
	}
	return ""
}

// invisible is the reason that a made change carries which reads do not show yet.
const invisible = "made, and not visible in reads yet"

// make makes one change: everything that it rests on is read again, the intent is journalled, the call sent, and the outcome
// journalled. It answers with an error only when no further change may be made.
func (r *Repairer) make(ctx context.Context, c *Change) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	pause, err := r.ledger.Paused(ctx)
	if err != nil {
		return fmt.Errorf("reading the pause: %w", err)
	}
	if pause != nil {
		c.Status, c.Reason = Refused, paused(pause)
		return nil
	}
	if err := r.renew(ctx); err != nil {
		return err
	}
	if c.Undoes == "" && !c.Call.in(r.opts.Mode) {
		c.Status, c.Reason = Refused, fmt.Sprintf("mode %s does not make this call", r.opts.Mode)
		return nil
	}
	if c.Call == DeleteRolePolicy && !strings.HasPrefix(c.Name, rotation.OwnPrefix) {
		c.Status, c.Reason = Refused, "only an inline policy of ours is ever deleted"
		return nil
	}
	asked := r.unnamed
	if c.retires {
		asked = r.namedAgain
	}
	if reason := asked(ctx, c); reason != "" {
		c.Status, c.Reason = Refused, reason
		return nil
	}
	if reason := r.recheck(ctx, c); reason != "" {
		c.Status, c.Reason = Refused, reason
		return nil
	}
	if c.Call == AttachRolePolicy {
		if reason := r.otherPolicy(ctx, c); reason != "" {
			c.Status, c.Reason = Refused, reason
			return nil
		}
	}
	why := c.Reason
	if c.NotBefore != nil {
		why = "" // it had to wait, and a person did not want it to
	}
	var refused document // what the policy was when its RevisionId was refused
	for attempt := 1; ; attempt++ {
		now, err := r.read(ctx, c)
		if err != nil {
			c.Status, c.Reason = Refused, rotation.OneLine(err.Error())
			return nil
		}
		if inPlace(c, now) {
			at := r.Now().UTC()
			c.Status, c.Reason, c.At = Done, foundInPlace, &at
			if attempt == 1 {
				return nil
			}
			// The conflict may have been with this very call, sent again because the first answer did not come.
			c.unsure = true
			return r.journal(ctx, c, ledger.PhaseOutcome)
		}
		if reason := r.rebase(c, now); reason != "" {
			c.Status, c.Reason = Refused, reason
			return nil
		}
		if attempt > 1 && c.Call == RemovePermission && now == refused {
			// Nobody changed it: the answer was not about the revision (moto refuses every one that RemovePermission carries).
			now.revision = ""
		}
		refused = now
		again, err := r.write(ctx, c, now, why)
		if err != nil || !again {
			return err
		}
		if attempt == 2 {
			c.Status = Failed
			return r.journal(ctx, c, ledger.PhaseOutcome)
		}
		if err := r.journal(ctx, c, ledger.PhaseOutcome); err != nil {
			return err
		}
	}
}

// recheck reads everything again that decides about a role from which something is taken, and says what rotation would lose. The
// account may have changed since it was read: the owner's grant that makes ours redundant may be gone again.
func (r *Repairer) recheck(ctx context.Context, c *Change) string {
	if !c.removes() || !c.Call.onRole() || len(c.Breaks) > 0 || c.retires && len(c.peers) == 0 {
		return ""
	}
	if r.Reread == nil {
		return "the role cannot be judged again before it is written to"
	}
	fresh, err := r.Reread(ctx, rotation.Scope{Functions: c.peers})
	if err != nil {
		return rotation.OneLine(err.Error())
	}
	for i := range fresh {
		u := newUnit(&fresh[i])
		if u.setup.Role.ARN != c.Subject {
			continue
		}
		after := c.on(u.setup.Role)
		if lost := u.loses(&after, nil); lost != "" {
			return "the account changed: now rotation would lose " + lost
		}
	}
	return ""
}

// on is a role with the change made.
func (c *Change) on(role rotation.Role) rotation.Role {
	if c.Call != DetachRolePolicy {
		return withInline(role, c.Name, c.After)
	}
	role.Identity = slices.DeleteFunc(slices.Clone(role.Identity), func(p rotation.Policy) bool {
		return p.Source == rotation.PolicyAttached && p.ARN == rotation.ARN(c.Name)
	})
	return role
}

// foundInPlace is the reason of a change that somebody else, or an earlier run, had made.
const foundInPlace = "found in place"

// Wrote says whether a change was written, by this run and not before it.
func (c *Change) Wrote() bool { return c.Status == Done && c.Reason != foundInPlace }

// inPlace says whether a change is what the account holds already.
func inPlace(c *Change, now document) bool {
	switch c.Call {
	case PutRolePolicy:
		return sameJSON(now.text, c.After)
	case PutResourcePolicy:
		return samePolicy(now.text, c.After)
	case DeleteRolePolicy, DetachRolePolicy:
		return now.text == ""
	case AttachRolePolicy:
		return now.text != ""
	case AddPermission, RemovePermission:
	}
	s, err := readStatements(now.text)
	if err != nil {
		return false
	}
	have, ok := s.get(c.Name)
	if c.Call == RemovePermission {
		return !ok
	}
	want, _ := wanted(c)
	return ok && sameStatement(have, want)
}

// wanted is the statement that an AddPermission leaves.
func wanted(c *Change) (json.RawMessage, bool) {
	s, err := readStatements(c.After)
	if err != nil {
		return nil, false
	}
	return s.get(c.Name)
}

// rebase plans the change anew on what its subject holds now, when that is not what it was planned on. reason says why it
// cannot be made any more.
func (r *Repairer) rebase(c *Change, now document) (reason string) {
	before, after := c.Before, c.After
	switch c.Call {
	case PutRolePolicy:
		if sameJSON(now.text, before) {
			return ""
		}
		if c.grants == nil {
			return "the inline policy " + c.Name + " was changed by somebody else"
		}
		merged := grants{}
		o := ours{c.Function}
		if now.text != "" {
			doc, err := policy.Parse(c.Name, []byte(now.text))
			g, ok := o.read(doc)
			if err != nil || !ok {
				return "the inline policy " + c.Name + " was changed by somebody else"
			}
			merged = g
		}
		for g := range c.grants {
			merged[g] = true
		}
		text, err := o.render(merged)
		if err != nil {
			return rotation.OneLine(err.Error())
		}
		before, after = now.text, text
	case AttachRolePolicy, DetachRolePolicy:
		return ""
	case PutResourcePolicy:
		if !samePolicy(now.text, before) {
			return "the function policy was changed by somebody else"
		}
		return ""
	case DeleteRolePolicy:
		if !sameJSON(now.text, before) {
			return "the inline policy " + c.Name + " was changed by somebody else"
		}
		return ""
	case AddPermission, RemovePermission:
		next, reason := r.rebasePermission(c, now)
		if reason != "" {
			return reason
		}
		before, after = now.text, next
	}
	c.Before, c.After = before, after
	c.Diff, c.Undo = unified(c.Name, before, after), undo(c)
	return ""
}

// rebasePermission is the function policy that the change would leave, and why it must not be made on the policy as it is now.
func (r *Repairer) rebasePermission(c *Change, now document) (after, reason string) {
	s, err := readStatements(now.text)
	if err != nil {
		return "", rotation.OneLine(err.Error())
	}
	planned, err := readStatements(c.Before)
	if err != nil {
		return "", rotation.OneLine(err.Error())
	}
	have, found := s.get(c.Name)
	if c.Call == AddPermission {
		if found {
			return "", "somebody else's statement has the Sid " + c.Name
		}
		want, ok := wanted(c)
		if !ok {
			return "", "the plan does not hold the statement that it adds"
		}
		after = s.with(want).text()
		if len(after) > functionQuota {
			return "", fmt.Sprintf("the function policy would have %d bytes, %d are allowed", len(after), functionQuota)
		}
	} else {
		was, ok := planned.get(c.Name)
		if !ok || !sameJSON(string(was), string(have)) {
			return "", "the statement " + c.Name + " was changed by somebody else"
		}
		after = s.without(c.Name).text()
	}
	if c.unit == nil {
		return after, ""
	}
	is, will := functionPolicy(now.text), functionPolicy(after)
	isDecider, willDecider := decider(c.unit.setup, nil, &is), decider(c.unit.setup, nil, &will)
	gained := false
	for i := range c.unit.required {
		q := &c.unit.required[i]
		if q.Target != rotation.TargetFunction {
			continue
		}
		before, later := isDecider.Decide(q).Outcome == policy.Allowed, willDecider.Decide(q).Outcome == policy.Allowed
		if before && !later && len(c.Breaks) == 0 {
			return "", "the function policy changed: now rotation would lose " + q.Name
		}
		gained = gained || later && !before
	}
	if c.Call == AddPermission && !gained && !c.clears && c.Undoes == "" && !samePolicy(now.text, c.Before) {
		return "", "the function policy changed: our statement would not help any more"
	}
	return after, ""
}

// write journals the intent, sends the call and journals the outcome. again says that somebody else was quicker and the change
// has to be looked at once more.
func (r *Repairer) write(ctx context.Context, c *Change, now document, why string) (again bool, err error) {
	session, err := r.opts.sessionPolicy(c)
	if err != nil {
		return false, err
	}
	writer, err := r.clients.Write(ctx, r.opts.WriterRole, "rotationguard-"+c.ID[len(c.ID)-8:], session)
	if err != nil {
		c.Status, c.Reason = Refused, rotation.OneLine(err.Error())
		return false, nil
	}
	at := r.Now().UTC()
	c.At = &at
	if err := r.journal(ctx, c, ledger.PhaseIntent); err != nil {
		c.At = nil
		return false, err
	}
	var revision *string
	if now.revision != "" {
		revision, c.Revision = aws.String(now.revision), now.revision
	}
	sent := writer.send(ctx, c, revision)
	switch {
	case sent == nil, c.Call.removes() && absent(sent):
		c.Status, c.Reason = Done, why
	case conflict(sent):
		c.Reason = rotation.OneLine(sent.Error())
		return true, nil
	case unsure(sent):
		c.Status, c.Reason, c.unsure = Failed, "no answer, and not seen to have taken effect: "+rotation.OneLine(sent.Error()), true
		if r.shows(context.WithoutCancel(ctx), c) {
			c.Status, c.Reason, c.unsure = Done, "took effect although the call failed: "+rotation.OneLine(sent.Error()), false
		}
	default:
		c.Status, c.Reason = Failed, rotation.OneLine(sent.Error())
	}
	return false, r.journal(ctx, c, ledger.PhaseOutcome)
}

// leastReads is how often a wait reads at least: on a machine that is starved its time can be over after the first.
const leastReads = 4

// poll reads until done says so, for so long and at least leastReads times, with pauses that grow from first to two seconds.
func poll(ctx context.Context, long, first time.Duration, done func() bool) bool {
	end := time.Now().Add(long)
	for reads, wait := 1, first; !done(); reads, wait = reads+1, min(2*wait, 2*time.Second) {
		if reads >= leastReads && time.Until(end) < wait || !sleep(ctx, wait) {
			return false
		}
	}
	return true
}

// shows looks for a write whose call failed, for as long as writes may take to show but no longer than a few seconds.
func (r *Repairer) shows(ctx context.Context, c *Change) bool {
	return poll(ctx, min(r.Visible, 5*time.Second), 100*time.Millisecond, func() bool {
		now, err := r.read(ctx, c)
		return err == nil && inPlace(c, now)
	})
}

// await waits until changes show in reads. Those that do not are marked, in the journal too, and not failed: AWS shows writes with a delay.
func (r *Repairer) await(ctx context.Context, made []*Change) error {
	var lost error
	if poll(ctx, r.Visible, 200*time.Millisecond, func() bool {
		made = slices.DeleteFunc(made, func(c *Change) bool {
			now, err := r.read(ctx, c)
			return err == nil && inPlace(c, now)
		})
		if len(made) > 0 {
			lost = r.renew(context.WithoutCancel(ctx))
		}
		return len(made) == 0 || lost != nil
	}) {
		return lost
	}
	for _, c := range made {
		c.Reason = invisible
		// The journal must not take for gone what reads show still: it is what later runs know of our work.
		if err := r.journal(ctx, c, ledger.PhaseOutcome); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (r *Repairer) renew(ctx context.Context) error {
	now := r.Now()
	if r.lease.Until.Sub(now) > leaseTime-leaseRenew {
		return nil
	}
	lease, err := r.ledger.Renew(ctx, r.lease, now, leaseTime)
	if err != nil {
		return fmt.Errorf("renewing the lease: %w", err)
	}
	r.lease = lease
	return nil
}

// journal stores one moment of a change. An outcome is stored even when time ran out.
func (r *Repairer) journal(ctx context.Context, c *Change, phase ledger.Phase) error {
	e := ledger.Entry{
		Run: r.Run, At: r.Now().UTC(), Phase: phase, Change: c.ID, Undoes: c.Undoes, Call: string(c.Call), Subject: string(c.Subject), Name: c.Name,
		Status: string(c.Status), Reason: c.Reason, Unsure: c.unsure && phase == ledger.PhaseOutcome,
	}
	if phase == ledger.PhaseIntent {
		detail, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("writing change %s: %w", c.ID, err)
		}
		e.Detail = detail
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
	}
	if _, err := r.ledger.Append(ctx, r.lease, e); err != nil {
		return fmt.Errorf("journalling %s %s on %s: %w", c.Call, c.Name, c.Subject, err)
	}
	return nil
}
