package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// alertFlag names a topic that is told what is new. Without it a command tells nobody: whoever runs it reads the report.
type alertFlag struct{ topic string }

func (f *alertFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.topic, "alert-topic", "", "also tell the subscribers of the SNS topic with this `ARN` what is new (default: nobody)")
}

var topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$`)

func (f *alertFlag) check(snapshot string) error {
	switch {
	case f.topic == "":
		return nil
	case !topicARN.MatchString(f.topic):
		return fmt.Errorf("--alert-topic %q: give the ARN of an SNS topic", f.topic)
	case snapshot != "":
		return fmt.Errorf("--alert-topic tells what is new of an account, and --snapshot has none: leave one of the two out")
	}
	return nil
}

// teller is nil where nobody is told.
func (f *alertFlag) teller(cfg aws.Config, tags []string) *alert.Teller {
	if f.topic == "" {
		return nil
	}
	return &alert.Teller{Topic: alert.NewTopic(cfg, f.topic), Tags: tags}
}

// tell lets the outcome say what could not be told.
func tell(ctx context.Context, t *alert.Teller, l ledger.Ledger, outcome *report.Outcome) {
	if t == nil {
		return
	}
	if _, err := t.Tell(ctx, l, outcome, ""); err != nil {
		untold := report.Error{Call: "sns:Publish", Resource: t.Topic.ARN, Code: "Untold", Message: oneLine(err)}
		var api smithy.APIError
		if errors.As(err, &api) {
			untold.Code = api.ErrorCode()
		}
		outcome.Errors = append(outcome.Errors, untold)
	}
}
