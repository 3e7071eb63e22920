package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/rotationguard/rotationguard/pkg/repair"
)

// Read reads what WriteJSON wrote. Fields of later versions of the same schema are passed over. What is not part of the JSON, such as the moment
// of the sweep, is empty.
func Read(r io.Reader) (Outcome, error) {
	var j struct {
		Schema    string          `json:"schema"`
		Account   string          `json:"account"`
		Region    string          `json:"region"`
		Mode      repair.Mode     `json:"mode"`
		Summary   Summary         `json:"summary"`
		Targets   []Target        `json:"targets"`
		Secrets   []Secret        `json:"secrets"`
		Operators []Operator      `json:"operators"`
		Changes   []repair.Change `json:"changes"`
		Left      []repair.Left   `json:"left"`
		Breaker   *repair.Breaker `json:"breaker"`
		Errors    []Error         `json:"errors"`
		Notes     []string        `json:"notes"`
	}
	d := json.NewDecoder(r)
	if err := d.Decode(&j); err != nil {
		return Outcome{}, fmt.Errorf("reading a report: %w", err)
	}
	if j.Schema != SchemaName {
		return Outcome{}, fmt.Errorf("reading a report: its schema is %q, not %q", inert(j.Schema), SchemaName)
	}
	if d.More() {
		return Outcome{}, fmt.Errorf("reading a report: there is more behind it")
	}
	o := Outcome{
		Account: j.Account, Region: j.Region, Mode: j.Mode, Functions: j.Summary.Functions, Targets: j.Targets, Secrets: j.Secrets, Operators: j.Operators,
		Changes: j.Changes, Left: j.Left, Breaker: j.Breaker, Errors: j.Errors,
	}
	for _, n := range j.Notes {
		if n != NotVisible { // every report says it anew
			o.Notes = append(o.Notes, n)
		}
	}
	return o, nil
}

// UnmarshalJSON reads a secret as MarshalJSON writes it.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var j secretJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*s = Secret{
		Account: j.Account, Region: j.Region, ARN: j.ARN, Name: j.Name, Kind: j.Kind, FunctionARN: orNone(j.FunctionARN), RoleARN: orNone(j.RoleARN),
		KMSKeyID: orNone(j.KMSKeyID), Tags: j.Tags, Strategy: orNone(j.Strategy), StrategySource: orNone(j.StrategySource), Master: orNone(j.Master), Verdict: j.Verdict,
		RotationCanWork: j.RotationCanWork, Reason: j.Reason, Findings: j.Findings, Notes: j.Notes, Forecast: j.Forecast, Rotate: orNone(j.Rotate),
	}
	if j.NextRotation != nil {
		t, err := time.Parse(time.RFC3339, *j.NextRotation)
		if err != nil {
			return fmt.Errorf("next_rotation of %s: %w", inert(string(j.ARN)), err)
		}
		s.NextRotation = &t
	}
	return nil
}

func orNone[T ~string](v *T) T {
	if v == nil {
		return ""
	}
	return *v
}
