package main

import (
	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// answer is what an invocation returns: the report's summary and where the full report is.
type answer struct {
	Account string                `json:"account"`
	Region  string                `json:"region"`
	Mode    repair.Mode           `json:"mode"`
	Verdict drift.Verdict         `json:"verdict"` // the worst of all
	Summary report.Summary        `json:"summary"`
	Changes map[repair.Status]int `json:"changes"`
	Errors  int                   `json:"errors"`
	Message *string               `json:"message"` // the id of the first SNS message, null when nobody was told
	Report  *string               `json:"report"`  // where the full report is, null when it is kept nowhere
	Notes   []string              `json:"notes"`
}

func answerOf(o *report.Outcome, told alert.Told, where string) answer {
	a := answer{
		Account: o.Account, Region: o.Region, Mode: o.Mode, Verdict: o.WorstVerdict(), Summary: o.Summary(),
		Changes: map[repair.Status]int{}, Errors: len(o.Errors), Notes: append([]string{report.NotVisible}, o.Notes...),
	}
	for i := range o.Changes {
		a.Changes[o.Changes[i].Status]++
	}
	if len(told.Messages) > 0 {
		a.Message = &told.Messages[0]
	}
	if where != "" {
		a.Report = &where
	}
	return a
}
