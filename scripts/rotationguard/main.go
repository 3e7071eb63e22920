// Command rotationguard sweeps an AWS account for Secrets Manager rotation that cannot work or may do more than it needs.
//
// stdout carries the result, stderr everything else. Exit codes: 0 all in sync, 2 drift found, 1 could not run or a read failed.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
