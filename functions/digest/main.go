// Command digest is the Lambda function that ends a fleet sweep: it gathers what the targets' sweeps have left in the reports' bucket into one
// report and tells what is new in it.
//
// What counts is what is there. A target of the list without a report has failed, with the cause that the state machine noted, if any; one
// whose report cannot be read has failed too. The merged report holds in full what is worse than in sync and counts the rest, which is in the
// targets' own reports.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr})))
	cfg, err := awsconfig.LoadDefaultConfig(context.Background())
	lambda.Start(newHandler(os.Getenv, cfg, err))
}
