package report

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name       string           `xml:"name,attr"`
	Class      string           `xml:"classname,attr"`
	Properties *junitProperties `xml:"properties,omitempty"`
	Failure    *junitProblem    `xml:"failure,omitempty"`
	Error      *junitProblem    `xml:"error,omitempty"`
	Skipped    *junitSkipped    `xml:"skipped,omitempty"`
}

type junitProperties struct {
	Properties []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitProblem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes a test case for each secret and declared principal, as CI systems read them: broken, orphaned and drifted are failures, what is not known and
// what could not be read are errors, exempt and skipped secrets are skipped. Each names the ids of its findings. Source: the JUnit XML format as
// junit-team's and Jenkins's schemas have it.
func (o *Outcome) WriteJUnit(w io.Writer) error {
	all := junitSuites{Name: "rotationguard"}
	suites := map[string]*junitSuite{}
	var names []string
	suite := func(account, region string) *junitSuite {
		name := inert(strings.TrimSpace("rotationguard " + cmp.Or(account, o.Account) + " " + cmp.Or(region, o.Region)))
		if suites[name] == nil {
			suites[name] = &junitSuite{Name: name, Timestamp: o.At.UTC().Format("2006-01-02T15:04:05")}
			names = append(names, name)
		}
		return suites[name]
	}
	if !o.Fleet() {
		suite("", "")
	}
	for s := range o.All() {
		into := suite(s.Account, s.Region)
		into.Cases = append(into.Cases, junitCaseOf(secretName(s), "secret", s.Verdict, s.Reason, s.NextRotation, s.Findings, o.At))
	}
	for i := range o.Operators {
		p := &o.Operators[i]
		into := suite("", "")
		into.Cases = append(into.Cases, junitCaseOf(inert(string(p.Principal)), "operator."+string(p.May), p.Verdict, p.Reason, nil, p.Findings, o.At))
	}
	for i := range o.Changes {
		c := &o.Changes[i]
		test := junitCase{Name: inert(string(c.Call) + " " + c.Name + " on " + string(c.Subject)), Class: "change"}
		switch c.Status {
		case repair.Failed, repair.Refused:
			test.Failure = &junitProblem{string(c.Status), inert(c.Reason), ""}
		case repair.Waiting, repair.Planned:
			test.Skipped = &junitSkipped{inert(string(c.Status) + ": " + c.Reason)}
		case repair.Done:
		}
		suite("", "").Cases = append(suite("", "").Cases, test)
	}
	for i := range o.Targets {
		if t := &o.Targets[i]; t.Status == TargetFailed {
			into := suite(t.Account, t.Region)
			into.Cases = append(into.Cases, junitCase{Name: inert(t.where()), Class: string(KindTarget), Error: &junitProblem{string(TargetFailed), inert(t.Cause), ""}})
		}
	}
	for _, e := range o.unsaid() {
		into := suite("", "")
		into.Cases = append(into.Cases, junitCase{Name: inert(strings.TrimSpace(e.Call + " on " + e.Resource)), Class: "read", Error: &junitProblem{cmp.Or(inert(e.Code), "error"), e.String(), ""}})
	}
	slices.Sort(names)
	for _, name := range names {
		s := suites[name]
		for i := range s.Cases {
			s.Tests++
			switch c := &s.Cases[i]; {
			case c.Failure != nil:
				s.Failures++
			case c.Error != nil:
				s.Errors++
			case c.Skipped != nil:
				s.Skipped++
			}
		}
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
		all.Suites = append(all.Suites, *s)
	}
	return writeXML(w, all)
}

func junitCaseOf(name, class string, verdict drift.Verdict, reason string, next *time.Time, findings []*drift.Finding, at time.Time) junitCase {
	c := junitCase{Name: name, Class: class}
	properties := []junitProperty{{"verdict", string(verdict)}}
	var lines []string
	if class == "secret" {
		properties = append(properties, junitProperty{"next_rotation", whenLong(next, at)})
		lines = append(lines, "next rotation: "+whenLong(next, at))
	}
	for _, f := range findings {
		if f.Severity == drift.Info {
			continue
		}
		properties = append(properties, junitProperty{"finding", inert(f.ID)})
		line := fmt.Sprintf("%s %s: %s", f.Severity, inert(f.ID), inert(f.Explanation))
		if f.Fix != nil {
			line += "\n  fix: " + inert(f.Fix.Summary) + byText(f.Fix.By)
		}
		lines = append(lines, line)
	}
	c.Properties = &junitProperties{properties}
	problem := &junitProblem{string(verdict), inert(reason), strings.Join(lines, "\n")}
	switch verdict {
	case drift.Broken, drift.Orphaned, drift.Drifted:
		c.Failure = problem
	case drift.Unknown:
		c.Error = problem
	case drift.Exempt, drift.Skipped:
		c.Skipped = &junitSkipped{inert(reason)}
	case drift.InSync:
	}
	return c
}

func writeXML(w io.Writer, v any) error {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(xml.Header) // a buffered writer keeps its first error for Flush
	encoder := xml.NewEncoder(out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	_, _ = out.WriteString("\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
