// Command sweep is the Lambda function: on schedule, or by hand, it sweeps what is in scope of its account and Region, repairs as far as
// it was deployed to, and tells of drift.
//
// An event may ask for less than the deployed mode, never for more. What cannot be understood starts nothing. The function reads with its
// own role and writes with the writer role only. It ends itself before Lambda would, and then says how far it came.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/rotationguard/rotationguard/pkg/sweep"
)

func main() {
	sweep.Frugal()
	slog.SetDefault(newLogger(os.Stderr, os.Getenv))
	deployed, err := readDeployment(os.Getenv)
	if err != nil {
		lambda.Start(broken{err})
	}
	cfg, err := awsconfig.LoadDefaultConfig(context.Background())
	if err != nil {
		lambda.Start(broken{err})
	}
	lambda.Start(newHandler(deployed, cfg))
}
