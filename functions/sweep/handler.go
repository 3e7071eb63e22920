package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/pkg/trigger"
)

// handler answers invocations. Its clients live as long as the execution environment.
type handler struct {
	deployed deployment
	cfg      aws.Config    // of the account and Region that is swept
	home     aws.Config    // the function's own: its ledger, its reports, its right to assume the member role
	target   *fleet.Target // whose account and Region are swept, nil for the function's own
	identity func(context.Context) (*sts.GetCallerIdentityOutput, error)
	attempts *inventory.Attempts // of an invocation: an execution environment serves one at a time
}

func newHandler(d deployment, cfg aws.Config) *handler {
	cfg = inventory.Bounded(cfg)
	cfg.Logger = sdkLogger()
	attempts := &inventory.Attempts{}
	cfg = attempts.Watch(cfg)
	h := &handler{deployed: d, cfg: cfg, home: cfg, attempts: attempts}
	h.identity = remembered(func(ctx context.Context) (*sts.GetCallerIdentityOutput, error) {
		return sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	})
	return h
}

// remembered asks until it has been answered.
func remembered[T any](ask func(context.Context) (*T, error)) func(context.Context) (*T, error) {
	var mu sync.Mutex
	var known *T
	return func(ctx context.Context) (*T, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return known, nil
		}
		answer, err := ask(ctx)
		if err == nil {
			known = answer
		}
		return answer, err
	}
}

// The types of errors, for whoever invokes.
const (
	badConfig   = "BadConfig"   // the deployment cannot work
	badEvent    = "BadEvent"    // the same event will never work
	outOfTime   = "OutOfTime"   // the sweep is not complete, and cannot be continued
	sweepFailed = "SweepFailed" // the account could not be read, or a repair stopped
	untold      = "AlertFailed" // the sweep is complete, but nobody could be told
)

// failure is how an invocation fails: a type, and one line.
type failure struct {
	kind, line string
	cause      *fleet.Cause // the call that failed, where it is known
	place      *place       // where the sweep goes on, where it was cut
}

func (f *failure) Error() string { return f.line }

func failed(kind, format string, args ...any) *failure {
	return &failure{kind: kind, line: rotation.OneLine(fmt.Sprintf(format, args...))}
}

// refuse logs the failure and gives it the form in which the Runtime API takes it.
func (f *failure) refuse(log *slog.Logger) error {
	log.Error("failed", "type", f.kind, "error", f.line)
	return messages.InvokeResponse_Error{Type: f.kind, Message: f.line}
}

// broken answers every invocation with what is wrong with the deployment: whoever invokes it sees the reason, which a process that ends at
// its start would leave in the log.
type broken struct{ err error }

// Invoke implements lambda.Handler.
func (b broken) Invoke(ctx context.Context, _ []byte) ([]byte, error) {
	return nil, failed(badConfig, "%v", b.err).refuse(loggerOf(ctx))
}

// Invoke implements lambda.Handler.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	log := loggerOf(ctx)
	h.attempts.Made.Store(0)
	h.attempts.Throttled.Store(0)
	if place, ok, err := parsePlace(payload); ok {
		return h.resume(ctx, log, place, err)
	}
	if item, ok, err := parseItem(payload); ok {
		return h.sweepTarget(ctx, log, item, err)
	}
	if batch, ok, err := parseBatch(log, payload); ok {
		return h.sweepBatch(ctx, log, batch, err)
	}
	asked, err := parse(payload)
	if err == nil {
		asked.mode, err = h.deployed.allow(asked.mode)
	}
	if err != nil {
		return nil, failed(badEvent, "%v", err).refuse(log)
	}
	return h.run(ctx, log, asked)
}

// parse reads an event of CloudTrail, or one that parseEvent reads.
func parse(payload []byte) (request, error) {
	if e, ok, err := parseTriggered(payload); ok {
		return request{events: []trigger.Event{e}}, err
	}
	return parseEvent(payload)
}

// run sweeps, keeps the report and tells of it. A sweep that was cut is continued.
func (h *handler) run(ctx context.Context, log *slog.Logger, asked request) ([]byte, error) {
	if asked.run == "" {
		asked.run = repair.NewRun(time.Now())
	}
	log.Info("sweeping", "run", asked.run, "mode", asked.mode, "secrets", asked.scope.Secrets, "tags", asked.scope.Tags, "events", len(asked.events))
	outcome, fault := h.sweep(ctx, asked)
	if fault == unconcerned {
		log.Info("unconcerned", "events", len(asked.events))
		return json.Marshal(answerOf(&outcome, alert.Told{}, ""))
	}
	if fault != nil && fault.place != nil {
		var answer []byte
		if answer, fault = h.pass(ctx, log, &outcome, fault.place); fault == nil {
			return answer, nil
		}
	}
	answer, err := h.finish(ctx, log, asked, outcome, fault)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// finish keeps and tells what a sweep has come to.
func (h *handler) finish(ctx context.Context, log *slog.Logger, asked request, outcome report.Outcome, fault *failure) (answer, error) {
	defer func() { _ = outcome.Close() }() // it has been read
	logOutcome(log, &outcome)
	if fault != nil { // whoever reads the message must not take it for all there is
		outcome.Errors = append(outcome.Errors, report.Error{Resource: report.WholeSweep, Message: fault.line})
	}
	where, lost := h.archive(ctx, asked.run, &outcome)
	if lost != nil && fault == nil {
		fault = failed(unkept, "keeping the report: %s; %s", inventory.DescribeError(lost), soFar(&outcome))
	}
	told, err := h.tell(ctx, &outcome, where)
	h.measure(log, &outcome, asked, fault != nil || err != nil)
	log.Info("told", "messages", told.Messages, "chats", told.Chats, "events", told.Events, "findings", told.Findings)
	if err != nil && fault != nil {
		log.Error("untold", "error", inventory.DescribeError(err))
	}
	switch {
	case fault != nil:
		return answer{}, fault.refuse(log)
	case err != nil:
		return answer{}, failed(untold, "telling: %s; %s", inventory.DescribeError(err), soFar(&outcome)).refuse(log)
	}
	log.Info("done", "report", where)
	return answerOf(&outcome, told, where), nil
}

// sweep carries what was asked for through the line. What was found and done is in the outcome even when a failure stopped the rest.
func (h *handler) sweep(ctx context.Context, asked request) (report.Outcome, *failure) {
	outcome := report.Outcome{Region: h.cfg.Region, Mode: asked.mode, At: time.Now().UTC()}
	settings, err := sweep.NewSettings(&h.deployed.config, time.Now())
	if err != nil {
		return outcome, failed(badConfig, "%v", err)
	}
	settings.Repair.Mode, settings.Repair.WriterRole = asked.mode, h.deployed.writer
	who, err := h.identity(ctx)
	if err != nil {
		return outcome, failed(sweepFailed, "%s", inventory.DescribeError(inventory.Explain(h.cfg, "asking who the function is", err)))
	}
	// A ledger that cannot be used stops all writing, but nobody goes without a report for it.
	l, forget, unremembered := h.openLedger(ctx, aws.ToString(who.Account))
	if unremembered == nil {
		defer forget()
		settings, unremembered = settings.WithLedger(ctx, l, aws.ToString(who.Arn), time.Now())
	}
	if unremembered != nil && asked.mode.Writes() {
		return outcome, failed(sweepFailed, "%v", unremembered)
	}
	if asked.events != nil {
		if fault := h.concern(ctx, &asked, l, unremembered, aws.ToString(who.Arn)); fault != nil {
			outcome.Account = aws.ToString(who.Account)
			return outcome, fault
		}
	}
	member := h.deployed.config.Member
	reading := settings.Reading
	reading.Unthrottled, reading.Account = inventory.Emulated(h.cfg), aws.ToString(who.Account)
	reading.Member = inventory.Members(h.home, aws.ToString(who.Arn), member.Role, member.ExternalID)
	sweeper := &sweep.Sweeper{
		Source:    inventory.New(inventory.NewClients(h.cfg), reading),
		Operators: h.operators(settings.Operators), Judging: settings.Judging, Repair: settings.Repair, RemindAfter: settings.RemindAfter, Clients: repair.NewClients(h.cfg),
		Account: aws.ToString(who.Account), Region: h.cfg.Region, Caller: aws.ToString(who.Arn), Command: "sweep", Run: asked.run, Visible: visible,
		Cause:     trigger.Cause(asked.events, rotation.ARN(aws.ToString(who.Arn)), h.deployed.writer),
		Forgetful: h.deployed.table == "", Channels: h.channels(),
		Timeline: h.deployed.bucket != "" && asked.events == nil, // events may come by the thousand
	}
	if unremembered == nil {
		sweeper.Ledger = l
	}
	if h.target != nil {
		sweeper.Target = h.target.Place()
	}
	within, cancel := before(ctx, asked.mode)
	defer cancel()
	part, err := h.continuation(within, &asked, sweeper.Account)
	if err != nil {
		return outcome, failed(sweepFailed, "%s", inventory.DescribeError(err))
	}
	if part != nil {
		defer part.close()
		sweeper.Continue = part.Continuation
	}
	outcome, err = sweeper.Sweep(within, asked.scope)
	if errors.Is(err, sweep.ErrCut) {
		next, err := part.store(ctx)
		if err != nil {
			return outcome, failed(outOfTime, "out of time: the sweep cannot be continued: %s; %s", inventory.DescribeError(err), soFar(&outcome))
		}
		return outcome, unfinished(next)
	}
	if asked.mode.Writes() && h.deployed.table == "" {
		outcome.Notes = append(outcome.Notes, ephemeral)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded) && within.Err() != nil: // a single call may have taken too long as well
		return outcome, failed(outOfTime, "out of time: the sweep was stopped before the function's time was over; %s", soFar(&outcome))
	case err != nil:
		return outcome, failed(sweepFailed, "%s; %s", inventory.DescribeError(err), soFar(&outcome))
	case unremembered != nil:
		return outcome, failed(sweepFailed, "%v; %s", unremembered, soFar(&outcome))
	}
	return outcome, nil
}

// visible is how long a write may take until reads show it.
const visible = 15 * time.Second

// before ends in time for what comes after the sweep: telling of what was found and, where it writes, reading again what was written.
func before(ctx context.Context, mode repair.Mode) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	reserve := 30 * time.Second
	if mode.Writes() {
		reserve = 90 * time.Second
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/2)))
}

// soFar says what a sweep that was stopped has come to.
func soFar(o *report.Outcome) string {
	done := 0
	for i := range o.Changes {
		if o.Changes[i].Status == repair.Done {
			done++
		}
	}
	return fmt.Sprintf("%d secrets of %d functions were read and %d of %d changes made", o.Count(), o.Functions, done, len(o.Changes))
}
