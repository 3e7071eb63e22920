package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteCSV writes one line for each thing that the audit holds, oldest first within its kind: "verdict" for each time in which a secret had one,
// "change", "exemption" and "run". No cell is one that a spreadsheet would compute.
func (a *Audit) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	row := func(cells ...string) error {
		for i := range cells {
			cells[i] = inertCell(cells[i])
		}
		return out.Write(cells)
	}
	err := row("record", "from", "to", "subject", "what", "state", "reason", "by", "cause", "owner", "expires", "run", "number", "proof", "holds")
	for i := range a.Secrets {
		s := &a.Secrets[i]
		for _, p := range s.Periods {
			if err == nil {
				err = row("verdict", moment(p.From), moment(p.To), s.ARN, s.Name, string(p.Verdict), p.Reason, "", "", "", "", p.Run, "", "", a.runHolds(p.Run))
			}
		}
	}
	for i := range a.Changes {
		c := &a.Changes[i]
		if err == nil {
			err = row("change", rfc3339(c.At), moment(c.Ended), c.Subject, c.Call+" "+c.Name, string(c.Status), c.Reason, c.Caller, c.Cause, "", "",
				c.Run, strconv.FormatUint(c.Number, 10), c.proof(), holds(c.Problem))
		}
	}
	for i := range a.Exemptions {
		e := &a.Exemptions[i]
		if err == nil {
			err = row("exemption", rfc3339(e.Added), moment(e.EndedAt), e.what(), e.ID, e.State, e.Reason,
				e.AddedBy, "", e.Owner, rfc3339(e.Expires), e.First, "", "", a.runHolds(e.First))
		}
	}
	for i := range a.Runs {
		r := &a.Runs[i]
		if err == nil {
			err = row("run", rfc3339(r.Started), moment(r.Ended), r.Hash, strings.Join(nonEmpty(r.Command, r.Mode), " "), verdictCounts(r.Verdicts), r.Summary, r.Caller, r.Cause,
				"", "", r.ID, strconv.FormatUint(r.Number, 10), "", holds(r.Problem))
		}
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return rfc3339(*t)
}

func holds(problem string) string {
	if problem == "" {
		return "yes"
	}
	return "no: " + problem
}

// runHolds says whether the record of a run, which may be older than the audit's period, is as it was sealed.
func (a *Audit) runHolds(run string) string {
	if run == "" {
		return "no: no run that the ledger still has says it"
	}
	for _, p := range a.Chain.Problems {
		if p.Run == run {
			return holds(p.What)
		}
	}
	return "yes"
}
