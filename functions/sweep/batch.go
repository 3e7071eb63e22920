package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/pkg/trigger"
)

// maxBatch is the largest batch of a queue that is read, in bytes: what Lambda takes in one invocation (Lambda Developer Guide, "Lambda quotas").
const maxBatch = 6 << 20

// batch is what a queue's messages ask for: one sweep for all of them, and those that can never be understood.
type batch struct {
	events []trigger.Event
	poison []string // message ids
}

// parseBatch reads the invocation of an SQS event source mapping. ok says whether the payload is one at all. A message that is no event is
// poison: it is answered as its own failure, until the queue gives it to the dead letters.
func parseBatch(log *slog.Logger, payload []byte) (b batch, ok bool, err error) {
	var in struct {
		Records []struct{ MessageID, Body, EventSource string }
	}
	if len(payload) > maxBatch || !isJSON(payload, &in) || in.Records == nil {
		return batch{}, false, nil
	}
	for i, r := range in.Records {
		if r.EventSource != "aws:sqs" || r.MessageID == "" {
			return batch{}, true, fmt.Errorf("event: Records[%d] is no message of an SQS queue", i)
		}
		e, err := trigger.Parse([]byte(r.Body))
		if err != nil {
			log.Error("poison", "item", r.MessageID, "error", err.Error())
			b.poison = append(b.poison, r.MessageID)
			continue
		}
		b.events = append(b.events, e)
	}
	return b, true, nil
}

// sweepBatch sweeps what the messages of a queue concern, once for all of them. When the sweep fails, so does the invocation, and the queue
// gives all of them again.
func (h *handler) sweepBatch(ctx context.Context, log *slog.Logger, b batch, bad error) ([]byte, error) {
	if bad != nil {
		return nil, failed(badEvent, "%v", bad).refuse(log)
	}
	if len(b.events) > 0 {
		if _, err := h.run(ctx, log, request{mode: h.deployed.mode, events: b.events}); err != nil {
			return nil, err
		}
	}
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, id := range b.poison {
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return json.Marshal(response)
}

// parseTriggered reads one event of EventBridge that CloudTrail recorded. ok says whether the payload is one at all.
func parseTriggered(payload []byte) (e trigger.Event, ok bool, err error) {
	if len(payload) > maxEvent || !trigger.IsEvent(payload) {
		return trigger.Event{}, false, nil
	}
	if e, err = trigger.Parse(payload); err != nil {
		return trigger.Event{}, true, fmt.Errorf("event: %w", err)
	}
	return e, true, nil
}

// unconcerned is no failure: nothing that rotates is concerned by the events.
var unconcerned = &failure{kind: "Unconcerned", line: "the events concern no rotation function that is known"}

// concern sets the scope to what the events concern, as the ledger's runs know it. Where no table remembers, nothing is known, and an event
// starts the full sweep.
func (h *handler) concern(ctx context.Context, asked *request, l ledger.Ledger, unremembered error, caller string) *failure {
	if h.deployed.table == "" {
		return nil
	}
	if unremembered != nil {
		return failed(sweepFailed, "%v", unremembered)
	}
	index, err := sweep.Index(ctx, l)
	if err != nil {
		return failed(sweepFailed, "%v", err)
	}
	scope, ok := trigger.Scope(asked.events, index, rotation.ARN(caller), h.deployed.writer)
	if !ok {
		return unconcerned
	}
	asked.scope = scope
	slog.Info("concerned", "run", asked.run, "functions", scope.Functions, "secrets", scope.Secrets)
	return nil
}

// isJSON decodes a payload of unknown shape; one that does not fit is another kind of event.
func isJSON(payload []byte, into any) bool { return json.Unmarshal(payload, into) == nil }
