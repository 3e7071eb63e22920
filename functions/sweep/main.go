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
	"runtime/debug"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	limitMemory(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
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

// limitMemory lets the garbage collector work harder before the function's memory, in MiB, is used up: Lambda ends a process that takes more (Lambda
// Developer Guide, "Configure Lambda function memory").
func limitMemory(size string) {
	if mib, err := strconv.ParseInt(size, 10, 64); err == nil && mib > 0 {
		debug.SetMemoryLimit(mib << 20 / 5 * 4)
	}
}
