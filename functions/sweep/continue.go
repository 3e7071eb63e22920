package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// maxParts is the most parts that one sweep is continued in: three hours. Lambda itself stops a function that has invoked itself about 16 times
// (Lambda Developer Guide, "Use Lambda recursive loop detection to prevent infinite loops").
const maxParts = 12

// place is where a sweep was cut: what was asked for, and what its parts have read. The function invokes itself with it, as {"continue":{…}}.
type place struct {
	Run       string            `json:"run"`
	Mode      repair.Mode       `json:"mode"`
	Secrets   []string          `json:"secrets,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Started   time.Time         `json:"started"`
	Parts     []string          `json:"parts"` // the SHA-256 of each
	Calls     int64             `json:"calls"` // that the parts have made
	Throttles int64             `json:"throttles"`
}

var sumForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// parsePlace reads an event by which a sweep goes on. ok says whether the payload is one at all.
func parsePlace(payload []byte) (p place, ok bool, err error) {
	fields, err := parseObject(payload)
	raw, ok := fields["continue"]
	if err != nil || !ok {
		return place{}, false, nil //nolint:nilerr // another event, whose reader says what is wrong with it
	}
	if len(payload) > maxEvent {
		return place{}, true, fmt.Errorf("event: %d bytes are larger than %d KiB", len(payload), maxEvent>>10)
	}
	if len(fields) > 1 {
		return place{}, true, errors.New("event: beside continue there is no other field")
	}
	if p, err = readPlace(raw); err != nil {
		return place{}, true, fmt.Errorf("event: continue: %w", err)
	}
	return p, true, nil
}

func readPlace(raw []byte) (place, error) {
	var p place
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return place{}, errors.New("it is no place of a sweep")
	}
	if _, err := archive.Folder(p.Run); err != nil {
		return place{}, err
	}
	if _, err := repair.ParseMode(clip(string(p.Mode))); err != nil {
		return place{}, err
	}
	if len(p.Parts) == 0 || len(p.Parts) > maxParts {
		return place{}, fmt.Errorf("%d parts: a sweep that goes on has 1 to %d", len(p.Parts), maxParts)
	}
	for i, sum := range p.Parts {
		if !sumForm.MatchString(sum) {
			return place{}, fmt.Errorf("parts[%d] is no SHA-256", i)
		}
	}
	if p.Started.IsZero() || p.Started.After(time.Now()) || p.Calls < 0 || p.Throttles < 0 {
		return place{}, errors.New("started, calls and throttles are those of no sweep")
	}
	return p, nil
}

// request is what the place asks for.
func (p *place) request() request {
	return request{mode: p.Mode, run: p.Run, scope: rotation.Scope{Secrets: p.Secrets, Tags: p.Tags}, from: p}
}

// continuing is one part of a sweep that may be cut.
type continuing struct {
	*sweep.Continuation
	kept *archive.Parts
	file *os.File
	from place // with the parts before this one
}

// endWithin is the most time that is kept for what follows the reading, where the function writes and where it does not.
const (
	endWithin      = time.Minute
	endWithinWrite = 2 * time.Minute
)

// continuation lets a sweep be cut in time for the deadline. Without a bucket, and for events, whose sweeps are short and given again by their
// queue, there is none.
func (h *handler) continuation(until context.Context, asked *request, account string) (*continuing, error) {
	deadline, ok := until.Deadline()
	if !ok || h.deployed.bucket == "" || asked.events != nil {
		return nil, nil
	}
	parts, err := archive.NewParts(h.bucket(), h.deployed.bucket, asked.run, account, h.cfg.Region)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "rotationguard-part-")
	if err != nil {
		return nil, fmt.Errorf("making a file for what is read: %w", err)
	}
	left := time.Until(deadline)
	ending := endWithin
	if asked.mode.Writes() {
		ending = endWithinWrite
	}
	c := &continuing{kept: parts, file: file, Continuation: &sweep.Continuation{
		Until: deadline.Add(-min(time.Second, left/10)), EndBy: deadline.Add(-min(ending, left/3)), Part: file,
	}}
	c.from = place{Run: asked.run, Mode: asked.mode, Secrets: asked.scope.Secrets, Tags: asked.scope.Tags, Started: time.Now().UTC()}
	if asked.from != nil {
		c.from = *asked.from
	}
	c.Started = c.from.Started
	for n, sum := range c.from.Parts {
		c.Earlier = append(c.Earlier, func(ctx context.Context) (io.ReadCloser, error) {
			part, err := parts.Open(ctx, n+1, sum)
			if err != nil && ctx.Err() == nil {
				return nil, fmt.Errorf("part %d of run %s: %s", n+1, asked.run, inventory.DescribeError(err)) // in one line, not by its cause alone
			}
			return part, err
		})
	}
	return c, nil
}

// close forgets what is kept here alone.
func (c *continuing) close() { _, _ = c.file.Close(), os.Remove(c.file.Name()) }

// store keeps what this part has read and answers with where the next one goes on.
func (c *continuing) store(ctx context.Context) (*place, error) {
	if c.Groups() == 0 {
		return nil, errors.New("nothing could be read in the time that there was")
	}
	if len(c.from.Parts) == maxParts {
		return nil, fmt.Errorf("it is not complete after %d parts", maxParts+1)
	}
	sum, err := c.kept.Put(ctx, len(c.from.Parts)+1, c.file)
	if err != nil {
		return nil, err
	}
	next := c.from
	next.Parts = append(next.Parts[:len(next.Parts):len(next.Parts)], sum)
	return &next, nil
}

// unfinished is no failure: the sweep was cut and goes on at its place.
func unfinished(p *place) *failure {
	return &failure{kind: targetUnfinished, line: "the sweep was cut before the function's time was over; another attempt of the same run goes on where it stopped", place: p}
}

// continued is what an invocation returns whose sweep another one goes on with.
type continued struct {
	Account string      `json:"account"`
	Region  string      `json:"region"`
	Mode    repair.Mode `json:"mode"`
	Run     string      `json:"run"`
	Part    int         `json:"part"` // how many parts have been read
	Report  string      `json:"continues"`
}

// goOn invokes the function itself with the place where its sweep was cut.
func (h *handler) goOn(ctx context.Context, p *place) error {
	if lambdacontext.FunctionName == "" {
		return errors.New("the function does not know its name")
	}
	p.Calls, p.Throttles = p.Calls+h.attempts.Made.Swap(0), p.Throttles+h.attempts.Throttled.Swap(0)
	event, err := json.Marshal(map[string]*place{"continue": p})
	if err != nil {
		return err
	}
	if _, err = lambda.NewFromConfig(h.home).Invoke(ctx, &lambda.InvokeInput{
		FunctionName: &lambdacontext.FunctionName, InvocationType: types.InvocationTypeEvent, Payload: event,
	}); err != nil {
		return fmt.Errorf("invoking the function itself: %w", err)
	}
	return nil
}

// pass ends an invocation whose sweep was cut: the next one is under way, and the report will be where the answer says.
func (h *handler) pass(ctx context.Context, log *slog.Logger, o *report.Outcome, p *place) ([]byte, *failure) {
	key, err := archive.Key(p.Run, o.Account, o.Region)
	if err == nil {
		err = h.goOn(ctx, p)
	}
	if err != nil {
		return nil, failed(outOfTime, "out of time: the sweep was cut after %d parts, and could not be continued: %s", len(p.Parts), inventory.DescribeError(err))
	}
	log.Info("continued", "parts", len(p.Parts))
	text, err := json.Marshal(continued{o.Account, o.Region, p.Mode, p.Run, len(p.Parts), "s3://" + h.deployed.bucket + "/" + key})
	if err != nil {
		return nil, failed(sweepFailed, "%v", err)
	}
	return text, nil
}

// resume lets a sweep go on where it was cut, unless it has ended: Lambda may give an event twice.
func (h *handler) resume(ctx context.Context, log *slog.Logger, p place, bad error) ([]byte, error) {
	if bad == nil {
		p.Mode, bad = h.deployed.allow(p.Mode)
	}
	if bad == nil && h.deployed.bucket == "" {
		bad = fmt.Errorf("event: %s is not set: no sweep is continued", envBucket)
	}
	if bad != nil {
		return nil, failed(badEvent, "%v", bad).refuse(log)
	}
	ended, err := h.ended(ctx, p.Run)
	if err != nil {
		return nil, failed(sweepFailed, "%s", inventory.DescribeError(err)).refuse(log)
	}
	if ended {
		log.Warn("again", "run", p.Run, "reason", "the run has ended and its report is kept")
		return []byte(`{"run":"` + p.Run + `","ended":true}`), nil
	}
	return h.run(ctx, log, p.request())
}

// sealed is how many of the latest runs are looked through for one that may have ended.
const sealed = 50

// ended says whether a run is sealed and its report kept. A run that failed is not sealed.
func (h *handler) ended(ctx context.Context, run string) (bool, error) {
	who, err := h.identity(ctx)
	if err != nil || h.deployed.table == "" {
		return false, err
	}
	account := aws.ToString(who.Account)
	l, forget, err := h.openLedger(ctx, account)
	if err != nil {
		return false, err
	}
	defer forget()
	runs, err := l.Runs(ctx, sealed)
	if err != nil || !slices.ContainsFunc(runs, func(r ledger.Run) bool { return r.ID == run && r.Ended != nil }) {
		return false, err
	}
	return archive.Has(ctx, h.bucket(), h.deployed.bucket, run, account, h.cfg.Region)
}
