package alert

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

// document is one document of the embedded metric format.
type document struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	} `json:"_aws"`
}

func TestMetricsAreDocumentsOfTheEmbeddedMetricFormat(t *testing.T) {
	o := outcome(secret("late", drift.Broken, nil), secret("gone", drift.Orphaned, nil), secret("app", drift.InSync, nil))
	o.Changes = []repair.Change{{Status: repair.Done}, {Status: repair.Refused}}
	var out bytes.Buffer
	if err := (Measures{Outcome: &o, Complete: true, Took: 1500 * time.Millisecond, Calls: 40, Throttles: 2}).WriteMetrics(&out); err != nil {
		t.Fatal(err)
	}
	schema, err := os.ReadFile("testdata/emf.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	published := compile(t, schema)
	got := map[string]float64{}
	for line := range strings.Lines(out.String()) {
		valid(t, published, line)
		var d document
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatal(err)
		}
		if len(d.AWS.CloudWatchMetrics) != 1 || d.AWS.Timestamp != now.UnixMilli() {
			t.Fatalf("%s", line)
		}
		c := d.AWS.CloudWatchMetrics[0]
		if c.Namespace != "rotationguard" || len(c.Metrics) > 100 || len(c.Dimensions) != 1 {
			t.Errorf("%s", line)
		}
		key := ""
		for _, name := range c.Dimensions[0] {
			value, ok := members[name].(string)
			if !ok || value == "" {
				t.Errorf("dimension %s has no value in %s", name, line)
			}
			key += value + " "
		}
		for _, metric := range c.Metrics {
			value, ok := members[metric.Name].(float64)
			if !ok {
				t.Errorf("metric %s has no value in %s", metric.Name, line)
			}
			got[key+metric.Name] = value
		}
	}
	where := accountID + " " + region + " "
	for name, want := range map[string]float64{
		"Sweeps": 1, "Failures": 0, "Broken": 2, "Changes": 1, "SweepSeconds": 1.5, "Calls": 40, "Throttles": 2,
		"broken Secrets": 1, "orphaned Secrets": 1, "in-sync Secrets": 1, "drifted Secrets": 0, "unknown Secrets": 0, "exempt Secrets": 0, "skipped Secrets": 0,
	} {
		if v, ok := got[where+name]; !ok || v != want {
			t.Errorf("%s = %v (there %t), want %v", name, v, ok, want)
		}
	}
	if len(got) != 14 {
		t.Errorf("metrics %v", got)
	}
}

func TestAPartOfAnAccountCountsNoSecrets(t *testing.T) {
	o := outcome(secret("late", drift.Broken, nil))
	var out bytes.Buffer
	if err := (Measures{Outcome: &o, Failed: true}).WriteMetrics(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "Secrets") || strings.Contains(text, "Broken") || strings.Contains(text, "Sweeps") || !strings.Contains(text, `"Failures":1`) {
		t.Errorf("%s", text)
	}
}
