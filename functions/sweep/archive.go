package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// archive keeps the full report where a bucket is for it, and answers with its place; without one it is kept nowhere. A report that nobody's
// account is known of has no place.
func (h *handler) archive(ctx context.Context, run string, o *report.Outcome) (string, error) {
	if h.deployed.bucket == "" || o.Account == "" {
		return "", nil
	}
	return archive.Put(ctx, h.bucket(), h.deployed.bucket, run, o)
}

// bucket is the client for the reports' bucket. Emulators have no name of their own for every bucket.
func (h *handler) bucket() *s3.Client {
	return s3.NewFromConfig(h.home, func(o *s3.Options) { o.UsePathStyle = inventory.Emulated(h.home) })
}
