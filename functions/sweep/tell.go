package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/rotationguard/rotationguard/pkg/report"
)

// tell publishes one message when there is drift, and answers with its id; where is the full report's place, if it has one. The topic may be another Region's: SNS takes a message only in the
// topic's own.
func (h *handler) tell(ctx context.Context, o *report.Outcome, where string) (string, error) {
	if h.deployed.topic == "" {
		return "", nil
	}
	client := sns.NewFromConfig(h.cfg, func(opts *sns.Options) {
		if topic, err := arn.Parse(h.deployed.topic); err == nil {
			opts.Region = topic.Region
		}
	})
	return report.Publish(ctx, client, h.deployed.topic, o, where)
}
