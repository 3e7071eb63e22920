package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The types of a target's errors, by which the fleet's state machine decides whether to try again.
const (
	targetDenied     = "TargetDenied" // the member role cannot be assumed; another attempt would not change that
	targetUnfinished = "Unfinished"   // the sweep was cut: another attempt goes on where it stopped
	unkept           = "ReportFailed" // the sweep is complete, but its report could not be kept: for the digest it has failed
)

// item is one item of a fleet's map state: a target, and the run whose results the digest gathers.
type item struct {
	target fleet.Target
	run    string
	mode   repair.Mode // empty for the deployed one
}

// parseItem reads {"target":{"account","region","role_arn"},"run":…,"mode":…}. ok says whether the event is an item at all; without a run the
// sweep is one by hand.
func parseItem(payload []byte) (i item, ok bool, err error) {
	fields, err := parseObject(payload)
	raw, ok := fields["target"]
	if err != nil || !ok {
		return item{}, false, nil //nolint:nilerr // what is no item is another event, whose reader says what is wrong with it
	}
	for name := range fields {
		if name != "target" && name != "run" && name != "mode" {
			return item{}, true, fmt.Errorf("event: unknown field %q: an item of a fleet holds target, run and mode", clip(name))
		}
	}
	if i.target, err = fleet.ParseTarget(raw); err != nil {
		return item{}, true, fmt.Errorf("event: target: %w", err)
	}
	i.run = repair.NewRun(time.Now())
	if raw, ok := fields["run"]; ok {
		var run *string
		if json.Unmarshal(raw, &run) != nil || run == nil {
			return item{}, true, fmt.Errorf("event: run is %s: it is text", kindOf(raw))
		}
		i.run = *run
	}
	if _, err := archive.Key(i.run, i.target.Account, i.target.Region); err != nil {
		return item{}, true, fmt.Errorf("event: %w", err)
	}
	if raw, ok := fields["mode"]; ok {
		if i.mode, err = parseMode(raw); err != nil {
			return item{}, true, err
		}
	}
	return i, true, nil
}

// readFleet is the role that may be assumed in targets, as the targets file and the config name it.
func readFleet(getenv func(string) string, member config.Member) (fleet.Fleet, error) {
	var t config.Targets
	if file := getenv(envTargets); file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(getenv("LAMBDA_TASK_ROOT"), file)
		}
		var err error
		if t, err = config.LoadTargets(file); err != nil {
			return fleet.Fleet{}, fmt.Errorf("reading the targets: %w", err)
		}
	} else if member.Role == "" {
		return fleet.Fleet{}, nil
	}
	f, err := fleet.New(&t, member)
	if err != nil {
		return fleet.Fleet{}, fmt.Errorf("reading the targets: %w", err)
	}
	return f, nil
}

// sweepTarget sweeps a target with its member role and keeps the report where the digest looks for it. A sweep that failed is kept as well, with
// its cause, and answered with an error, so that the map state counts it; one that cannot even say why leaves nothing, which the digest sees too.
func (h *handler) sweepTarget(ctx context.Context, log *slog.Logger, i item, bad error) ([]byte, error) {
	mode := i.mode
	if bad == nil {
		mode, bad = h.deployed.allow(i.mode)
	}
	if bad != nil {
		return nil, failed(badEvent, "%v", bad).refuse(log)
	}
	log = log.With("run", i.run, "account", i.target.Account, "region", i.target.Region)
	log.Info("sweeping a target", "mode", mode, "role", i.target.RoleARN)
	outcome, fault := h.assumeAndSweep(ctx, i, mode)
	if fault != nil && fault.kind == badEvent {
		return nil, fault.refuse(log) // nobody's target: there is no place for its report
	}
	if fault != nil && fault.place != nil { // what another attempt leaves is no failure's report
		return nil, fault.refuse(log)
	}
	logOutcome(log, &outcome)
	if fault != nil {
		outcome.Errors = append(outcome.Errors, fault.entry())
	}
	where, err := h.keep(ctx, i.run, &outcome)
	switch {
	case fault != nil:
		return nil, fault.refuse(log)
	case err != nil:
		return nil, failed(unkept, "keeping the report: %s; %s", inventory.DescribeError(err), soFar(&outcome)).refuse(log)
	}
	log.Info("done", "report", where)
	return json.Marshal(answerOf(&outcome, alert.Told{}, where))
}

// assumeAndSweep is the sweep of one target. The outcome always says whose it is.
func (h *handler) assumeAndSweep(ctx context.Context, i item, mode repair.Mode) (report.Outcome, *failure) {
	outcome := report.Outcome{Account: i.target.Account, Region: i.target.Region, Mode: mode, At: time.Now().UTC()}
	who, err := h.identity(ctx)
	if err != nil {
		return outcome, failed(sweepFailed, "%s", inventory.DescribeError(inventory.Explain(h.home, "asking who the function is", err)))
	}
	theirs, err := h.deployed.fleet.Assume(h.home, i.target, inventory.PartitionOf(aws.ToString(who.Arn)), i.run, mode)
	switch {
	case errors.Is(err, fleet.ErrRefused):
		return outcome, failed(badEvent, "event: %v", err)
	case err != nil:
		return outcome, failed(badConfig, "%v", err)
	}
	if _, err := theirs.Credentials.Retrieve(ctx); err != nil {
		cause := fleet.CauseOf(i.target.RoleARN, err)
		kind := sweepFailed
		if cause.Permission != "" {
			kind = targetDenied
		}
		f := failed(kind, "assuming %s: %s", i.target.RoleARN, inventory.DescribeError(err))
		f.cause = &cause
		return outcome, f
	}
	member := *h
	member.cfg, member.target = theirs, &i.target
	member.deployed.writer = rotation.ARN(h.deployed.fleet.WriterIn(i.target))
	member.identity = func(context.Context) (*sts.GetCallerIdentityOutput, error) {
		return &sts.GetCallerIdentityOutput{Account: &i.target.Account, Arn: who.Arn}, nil
	}
	asked := request{mode: mode, run: i.run}
	if asked.from, err = member.cutAt(ctx, i.run, mode); err != nil {
		return outcome, failed(sweepFailed, "%s", inventory.DescribeError(err))
	}
	swept, fault := member.sweep(ctx, asked)
	swept.Account, swept.Region = i.target.Account, i.target.Region
	if fault != nil && fault.place != nil {
		if err := member.keepPlace(ctx, fault.place); err != nil {
			fault = failed(outOfTime, "out of time: the sweep cannot be continued: %s", inventory.DescribeError(err))
		}
	}
	return swept, fault
}

// cutAt is where an earlier attempt at the target in this run was cut, nil if none was.
func (h *handler) cutAt(ctx context.Context, run string, mode repair.Mode) (*place, error) {
	if h.deployed.bucket == "" {
		return nil, nil
	}
	parts, err := archive.NewParts(h.bucket(), h.deployed.bucket, run, h.target.Account, h.target.Region)
	if err != nil {
		return nil, err
	}
	raw, err := parts.Place(ctx)
	if err != nil || raw == nil {
		return nil, err
	}
	p, err := readPlace(raw)
	if err != nil || p.Run != run || p.Mode != mode {
		return nil, fmt.Errorf("the place where an earlier attempt was cut is not of this run: %w", cmp.Or(err, errors.New("its run or mode is another")))
	}
	return &p, nil
}

// keepPlace keeps where the target's sweep was cut for another attempt.
func (h *handler) keepPlace(ctx context.Context, p *place) error {
	parts, err := archive.NewParts(h.bucket(), h.deployed.bucket, p.Run, h.target.Account, h.target.Region)
	if err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return parts.PutPlace(ctx, text)
}

// keep writes the report to where the digest looks for it.
func (h *handler) keep(ctx context.Context, run string, o *report.Outcome) (string, error) {
	if h.deployed.bucket == "" {
		return "", fmt.Errorf("%s is not set: a target's report has no place", envBucket)
	}
	return h.archive(ctx, run, o)
}

// operators are those of the declared ones that are judged here: all in the function's own account, the target's in a target.
func (h *handler) operators(all []rotation.Operator) []rotation.Operator {
	if h.target == nil {
		return all
	}
	return fleet.OperatorsIn(*h.target, all)
}

// entry is a failure as a report names it.
func (f *failure) entry() report.Error {
	if f.cause != nil {
		return report.Error(*f.cause)
	}
	return report.Error{Resource: report.WholeSweep, Code: f.kind, Message: f.line}
}
