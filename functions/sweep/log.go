package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/smithy-go/logging"

	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// newLogger writes one JSON object a line, with the names that Lambda's log filters know (Lambda Developer Guide, "Configuring JSON and plain
// text log formats").
func newLogger(w io.Writer, getenv func(string) string) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(getenv("AWS_LAMBDA_LOG_LEVEL"))) != nil {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr}))
}

// sdkLogger puts what the SDK warns of among our lines. It never logs requests: nothing here turns that on.
func sdkLogger() logging.Logger {
	return logging.LoggerFunc(func(kind logging.Classification, format string, args ...any) {
		level := slog.LevelDebug
		if kind == logging.Warn {
			level = slog.LevelWarn
		}
		slog.Log(context.Background(), level, "sdk", "warning", rotation.OneLine(fmt.Sprintf(format, args...)))
	})
}

// loggerOf attaches the request's id.
func loggerOf(ctx context.Context) *slog.Logger {
	log := slog.Default()
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		log = log.With("requestId", lc.AwsRequestID)
	}
	return log
}

// logOutcome writes a line for everything that was decided: a secret that is worse than in sync, a change, a thing that could not be read.
// A change's line holds what a person needs to take it back. Policy documents hold no secret value.
func logOutcome(log *slog.Logger, o *report.Outcome) {
	for _, s := range o.WithVerdict(report.Drift) {
		ids := make([]string, len(s.Findings))
		for i, f := range s.Findings {
			ids[i] = f.ID
		}
		log.Warn("secret", "verdict", s.Verdict, "secret", s.ARN, "function", s.FunctionARN, "reason", s.Reason, "findings", ids)
	}
	for _, p := range o.Operators {
		if report.Drift(p.Verdict) {
			log.Warn("operator", "verdict", p.Verdict, "principal", p.Principal, "may", p.May, "reason", p.Reason)
		}
	}
	for i := range o.Changes {
		c := &o.Changes[i]
		attrs := []any{"status", c.Status, "call", c.Call, "subject", c.Subject, "name", c.Name, "change", c.ID, "reason", c.Reason}
		if c.Status == repair.Done || c.Status == repair.Failed {
			attrs = append(attrs, "before", c.Before, "after", c.After, "undo", c.Undo)
		}
		log.Info("change", attrs...)
	}
	for _, e := range o.Errors {
		log.Error("unread", "call", e.Call, "resource", e.Resource, "code", e.Code, "permission", e.Permission, "error", e.Message)
	}
	if o.Breaker != nil && o.Breaker.Tripped != "" {
		log.Error("breaker", "reason", o.Breaker.Tripped)
	}
	s := o.Summary()
	log.Info("swept", "account", o.Account, "region", o.Region, "mode", o.Mode, "secrets", s.Secrets, "functions", s.Functions,
		"by_verdict", s.ByVerdict, "changes", len(o.Changes), "errors", len(o.Errors))
}
