package inventory

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Attempts counts the attempts of AWS API calls, the SDK's retries among them.
type Attempts struct{ Made, Throttled atomic.Int64 }

// Watch is a configuration whose clients count every attempt.
func (a *Attempts) Watch(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CountAttempts",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleDeserialize(ctx, in)
				a.Made.Add(1)
				var api smithy.APIError
				if errors.As(err, &api) {
					if _, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; throttled {
						a.Throttled.Add(1)
					}
				}
				return out, metadata, err
			}), middleware.Before)
	})
	return cfg
}
