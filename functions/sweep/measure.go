package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// calls counts the AWS API calls of an invocation. An execution environment serves one at a time.
type calls struct{ made, throttled atomic.Int64 }

// counted is a configuration whose clients count every attempt of a call.
func counted(cfg aws.Config, c *calls) aws.Config {
	cfg = cfg.Copy()
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CountCalls",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleDeserialize(ctx, in)
				c.made.Add(1)
				var api smithy.APIError
				if errors.As(err, &api) {
					if _, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; throttled {
						c.throttled.Add(1)
					}
				}
				return out, metadata, err
			}), middleware.Before)
	})
	return cfg
}

// measure writes the numbers of a sweep to where CloudWatch Logs finds them.
func (h *handler) measure(log *slog.Logger, o *report.Outcome, asked request, failed bool) {
	if o.Account == "" || o.Region == "" {
		return
	}
	began, made, throttled := o.At, h.calls.made.Swap(0), h.calls.throttled.Swap(0)
	if p := asked.from; p != nil {
		began, made, throttled = p.Started, made+p.Calls, throttled+p.Throttles
	}
	m := alert.Measures{
		Outcome: o, Complete: !failed && asked.scope.All() && asked.events == nil, Failed: failed, Took: time.Since(began),
		Calls: int(made), Throttles: int(throttled),
	}
	if err := m.WriteMetrics(os.Stdout); err != nil {
		log.Error("unmeasured", "error", err)
	}
}
