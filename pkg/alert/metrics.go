package alert

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// Namespace is that of the metrics in CloudWatch.
const Namespace = "rotationguard"

// Measures are a sweep's numbers.
type Measures struct {
	Outcome *report.Outcome
	// Complete says that the whole account and Region was swept: only then secrets are counted, so that the sweep of one function does not look like
	// an account of one.
	Complete  bool
	Failed    bool // the sweep could not be ended, or nobody could be told
	Took      time.Duration
	Calls     int // AWS API calls, each attempt of them
	Throttles int // of these, that were throttled
}

// metric is one metric with its unit.
type metric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// directive says which members of a document are metrics.
type directive struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []metric   `json:"Metrics"`
}

// WriteMetrics writes the numbers in CloudWatch's embedded metric format, one document a line; CloudWatch Logs makes metrics of them. Source: Amazon
// CloudWatch User Guide, "Specification: Embedded metric format": at most 100 metrics and 30 dimensions a document, and a dimension has one value in it, so
// that every verdict needs a document of its own.
func (m Measures) WriteMetrics(w io.Writer) error {
	o := m.Outcome
	changes := 0
	for i := range o.Changes {
		if o.Changes[i].Status == repair.Done {
			changes++
		}
	}
	failures := 0
	if m.Failed {
		failures = 1
	}
	counts := []metric{{"Failures", "Count"}, {"Changes", "Count"}, {"Calls", "Count"}, {"Throttles", "Count"}}
	values := map[string]any{"Failures": failures, "Changes": changes, "Calls": m.Calls, "Throttles": m.Throttles}
	summary := o.Summary()
	if m.Complete {
		counts = append(counts, metric{"Sweeps", "Count"}, metric{"Broken", "Count"}, metric{"SweepSeconds", "Seconds"})
		values["Sweeps"], values["SweepSeconds"] = 1, m.Took.Seconds()
		values["Broken"] = summary.ByVerdict[drift.Broken] + summary.ByVerdict[drift.Orphaned]
	}
	if err := m.write(w, []string{"Account", "Region"}, counts, values); err != nil || !m.Complete {
		return err
	}
	for _, verdict := range report.Verdicts {
		values := map[string]any{"Verdict": string(verdict), "Secrets": summary.ByVerdict[verdict]}
		if err := m.write(w, []string{"Account", "Region", "Verdict"}, []metric{{"Secrets", "Count"}}, values); err != nil {
			return err
		}
	}
	return nil
}

func (m Measures) write(w io.Writer, dimensions []string, metrics []metric, values map[string]any) error {
	values["Account"], values["Region"] = report.ASCII(m.Outcome.Account), report.ASCII(m.Outcome.Region)
	values["_aws"] = map[string]any{
		"Timestamp": m.Outcome.At.UnixMilli(), "CloudWatchMetrics": []directive{{Namespace, [][]string{dimensions}, metrics}},
	}
	text, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("writing the metrics: %w", err)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("writing the metrics: %w", err)
	}
	return nil
}
