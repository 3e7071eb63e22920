// Command targets is the Lambda function that lists what a fleet sweep reads: the accounts and Regions of targets.yaml, which are listed there
// or are those of an organization.
//
// It writes the list to the reports' bucket, where the fleet's map state reads its items from, and beside it the accounts that could not even
// be asked for their Regions, which the digest names. The same run writes the same place again.
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
