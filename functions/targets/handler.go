package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The environment that infra gives the function.
const (
	envTargets = "ROTATIONGUARD_TARGETS"        // the targets file, from LAMBDA_TASK_ROOT
	envConfig  = "ROTATIONGUARD_CONFIG"         // the config, which may name the member role
	envBucket  = "ROTATIONGUARD_REPORTS_BUCKET" // where the list is written
)

// handler answers invocations.
type handler struct {
	targets config.Targets
	fleet   fleet.Fleet
	bucket  string
	cfg     aws.Config
	broken  error // what is wrong with the deployment
}

func newHandler(getenv func(string) string, cfg aws.Config, err error) *handler {
	h := &handler{bucket: getenv(envBucket), cfg: inventory.Bounded(cfg), broken: err}
	inTask := func(file string) string {
		if file == "" || filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(getenv("LAMBDA_TASK_ROOT"), file)
	}
	c := config.Default()
	if file := getenv(envConfig); file != "" && h.broken == nil {
		c, h.broken = config.Load(inTask(file))
	}
	if h.broken == nil {
		h.targets, h.broken = config.LoadTargets(inTask(getenv(envTargets)))
	}
	if h.broken == nil {
		h.fleet, h.broken = fleet.New(&h.targets, c.Member)
	}
	if h.broken == nil && h.bucket == "" {
		h.broken = fmt.Errorf("%s is not set: the list has no place", envBucket)
	}
	return h
}

// answer is what the fleet's state machine goes on with.
type answer struct {
	Run     string `json:"run"`
	Bucket  string `json:"bucket"`
	Key     string `json:"key"` // of the list, a JSON array of targets
	Targets int    `json:"targets"`
	Failed  int    `json:"failed"` // accounts of which not even the Regions are known
}

// Invoke implements lambda.Handler. The event is {"run":NAME}.
func (h *handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	refuse := func(kind string, err error) ([]byte, error) {
		line := rotation.OneLine(inventory.DescribeError(err))
		slog.Error("failed", "type", kind, "error", line)
		return nil, messages.InvokeResponse_Error{Type: kind, Message: line}
	}
	if h.broken != nil {
		return refuse("BadConfig", h.broken)
	}
	var event struct {
		Run string `json:"run"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return refuse("BadEvent", errors.New("event: it is {\"run\":NAME}"))
	}
	folder, err := archive.Folder(event.Run)
	if err != nil {
		return refuse("BadEvent", fmt.Errorf("event: %w", err))
	}
	who, err := sts.NewFromConfig(h.cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return refuse("ListingFailed", inventory.Explain(h.cfg, "asking who the function is", err))
	}
	list, err := h.fleet.List(ctx, fleet.NewDirectory(h.cfg, aws.ToString(who.Arn)), &h.targets)
	if err != nil {
		return refuse("ListingFailed", err)
	}
	if len(list.Targets)+len(list.Failed) == 0 {
		return refuse("NoTargets", fmt.Errorf("%s picks no account and Region", h.targets.File()))
	}
	if list.Targets == nil {
		list.Targets = []fleet.Target{}
	}
	// What the map state reads comes last: where it is, the other is too.
	if err := h.put(ctx, folder+fleet.UnlistedName, fleet.List{Failed: list.Failed, Notes: list.Notes}); err != nil {
		return refuse("ListingFailed", err)
	}
	if err := h.put(ctx, folder+fleet.ListName, list.Targets); err != nil {
		return refuse("ListingFailed", err)
	}
	slog.Info("listed", "run", event.Run, "targets", len(list.Targets), "failed", len(list.Failed))
	return json.Marshal(answer{Run: event.Run, Bucket: h.bucket, Key: folder + fleet.ListName, Targets: len(list.Targets), Failed: len(list.Failed)})
}

func (h *handler) put(ctx context.Context, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing the list: %w", err)
	}
	client := s3.NewFromConfig(h.cfg, func(o *s3.Options) { o.UsePathStyle = inventory.Emulated(h.cfg) })
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &h.bucket, Key: &key, Body: bytes.NewReader(data), ContentType: aws.String("application/json"),
	}); err != nil {
		return fmt.Errorf("writing s3://%s/%s: %w", h.bucket, key, err)
	}
	return nil
}
