package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// measure writes the numbers of a sweep to where CloudWatch Logs finds them.
func (h *handler) measure(log *slog.Logger, o *report.Outcome, asked request, failed bool) {
	if o.Account == "" || o.Region == "" {
		return
	}
	began, made, throttled := o.At, h.attempts.Made.Swap(0), h.attempts.Throttled.Swap(0)
	if p := asked.from; p != nil {
		began, made, throttled = p.Started, made+p.Calls, throttled+p.Throttles
	}
	m := alert.Measures{
		Outcome: o, Complete: !failed && asked.scope.All() && asked.events == nil, Failed: failed, Took: time.Since(began),
		Calls: int(made), Throttles: int(throttled),
	}
	if err := m.WriteMetrics(os.Stdout); err != nil {
		log.Error("unmeasured", "error", err)
	}
}
