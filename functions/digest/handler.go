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

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// The environment that infra gives the function.
const (
	envBucket = "ROTATIONGUARD_REPORTS_BUCKET" // where the reports are
	envTopic  = "ROTATIONGUARD_TOPIC_ARN"      // where is told what they say; without it nobody is told
	envTable  = "ROTATIONGUARD_LEDGER_TABLE"   // where is remembered what was told; without it every run tells all that it found
	envConfig = "ROTATIONGUARD_CONFIG"         // the config's path from LAMBDA_TASK_ROOT; without it the defaults hold
)

// handler answers invocations.
type handler struct {
	bucket, topic, table string
	alerts               config.Alerts
	cfg                  aws.Config
	broken               error // what is wrong with the deployment
}

func newHandler(getenv func(string) string, cfg aws.Config, err error) *handler {
	c := config.Default()
	if file := getenv(envConfig); file != "" && err == nil {
		if !filepath.IsAbs(file) {
			file = filepath.Join(getenv("LAMBDA_TASK_ROOT"), file)
		}
		if c, err = config.Load(file); err != nil {
			err = fmt.Errorf("reading the config: %w", err)
		}
	}
	h := &handler{
		bucket: getenv(envBucket), topic: getenv(envTopic), table: cmp.Or(getenv(envTable), c.Ledger.Table), alerts: c.Alerts, cfg: inventory.Bounded(cfg), broken: err,
	}
	if h.broken == nil && h.bucket == "" {
		h.broken = fmt.Errorf("%s is not set: there is nothing to gather", envBucket)
	}
	return h
}

// event is what the fleet's state machine ends with, or what it notes on the way.
type event struct {
	Run string `json:"run"`
	// Target is given where the sweep of one target has ended in a failure, which is only noted.
	Target *fleet.Target `json:"target"`
	// Failure is why the state machine did not get through all targets, if it did not.
	Failure *failure `json:"failure"`
}

// failure is an error as Step Functions gives it to a Catch.
type failure struct{ Error, Cause string }

// answer says what the fleet's run has come to.
type answer struct {
	Run     string                      `json:"run"`
	Targets map[report.TargetStatus]int `json:"targets"` // every status, 0 too
	Verdict drift.Verdict               `json:"verdict"` // the worst of all
	Summary report.Summary              `json:"summary"`
	Errors  int                         `json:"errors"`
	Report  string                      `json:"report"`
	Message *string                     `json:"message"` // the id of the first SNS message, null when nobody was told
}

// Invoke implements lambda.Handler.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	refuse := func(kind string, err error) ([]byte, error) {
		line := rotation.OneLine(inventory.DescribeError(err))
		slog.Error("failed", "type", kind, "error", line)
		return nil, messages.InvokeResponse_Error{Type: kind, Message: line}
	}
	if h.broken != nil {
		return refuse("BadConfig", h.broken)
	}
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return refuse("BadEvent", errors.New("event: it is {\"run\":NAME}"))
	}
	if _, err := archive.Folder(e.Run); err != nil {
		return refuse("BadEvent", fmt.Errorf("event: %w", err))
	}
	client := s3.NewFromConfig(h.cfg, func(o *s3.Options) { o.UsePathStyle = inventory.Emulated(h.cfg) })
	if e.Target != nil {
		if err := note(ctx, client, h.bucket, e.Run, e.Target, e.Failure); err != nil {
			return refuse("NoteFailed", err)
		}
		return []byte("{}"), nil
	}
	outcome, seen, err := gather(ctx, client, h.bucket, e.Run, time.Now().UTC())
	if err != nil {
		return refuse("GatheringFailed", err)
	}
	if e.Failure != nil {
		outcome.Errors = append(outcome.Errors, report.Error{Resource: "run " + e.Run, Code: e.Failure.Error, Message: rotation.OneLine(e.Failure.Cause)})
	}
	outcome.Sort()
	where, err := archive.PutFleet(ctx, client, h.bucket, e.Run, &outcome)
	if err != nil {
		return refuse("ReportFailed", err)
	}
	message, err := h.tell(ctx, &outcome, seen, where)
	if err != nil {
		return refuse("AlertFailed", fmt.Errorf("telling %s of %s: %w", h.topic, where, err))
	}
	a := answer{Run: e.Run, Targets: outcome.TargetsByStatus(), Verdict: outcome.WorstVerdict(), Summary: outcome.Summary(), Errors: len(outcome.Errors), Report: where}
	if message != "" {
		a.Message = &message
	}
	slog.Info("gathered", "run", e.Run, "targets", a.Targets, "by_verdict", a.Summary.ByVerdict, "errors", a.Errors, "report", where, "message", message)
	return json.Marshal(a)
}

// tell tells what is new of the whole fleet. Without a ledger, and where it cannot be used, all that is worse than in sync is told, and which targets were not
// swept: nobody goes without news for it.
func (h *handler) tell(ctx context.Context, o *report.Outcome, seen *sighted, where string) (string, error) {
	if h.topic == "" {
		return "", nil
	}
	t := alert.Teller{Topic: alert.NewTopic(h.cfg, h.topic), Tags: h.alerts.Tags}
	l, err := h.remember(ctx, o, seen, t.Channels())
	if err != nil {
		slog.Error("unremembered", "error", inventory.DescribeError(err))
	}
	told, err := t.Tell(ctx, l, o, where)
	if len(told.Messages) == 0 {
		return "", err
	}
	return told.Messages[0], err
}

// remember puts what was found into the fleet's ledger, and gives the outcome its news and the secrets that they are of. Without a table there is no ledger.
func (h *handler) remember(ctx context.Context, o *report.Outcome, seen *sighted, channels []ledger.Channel) (ledger.Ledger, error) {
	if h.table == "" {
		return nil, nil //nolint:nilnil // no ledger is what a deployment without a table has
	}
	l, err := ledger.OpenTable(ctx, dynamodb.NewFromConfig(h.cfg), h.table, sweep.FleetScope)
	if err != nil {
		return nil, err
	}
	if o.News, err = seen.ObserveFleet(ctx, l, o.At, h.alerts.RemindAfter, channels); err != nil {
		return nil, err
	}
	concerned, err := seen.concerned(ctx, o.News)
	o.Secrets = append(o.Secrets, concerned...)
	return l, err
}
