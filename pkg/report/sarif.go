package report

import (
	"cmp"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// homepage is where the program comes from.
const homepage = "https://github.com/rotationguard/rotationguard"

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool              sarifTool         `json:"tool"`
	AutomationDetails sarifAutomation   `json:"automationDetails"`
	Invocations       []sarifInvocation `json:"invocations"`
	Results           []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string         `json:"id"`
	ShortDescription sarifText      `json:"shortDescription"`
	FullDescription  *sarifText     `json:"fullDescription,omitempty"`
	Help             *sarifText     `json:"help,omitempty"`
	Properties       map[string]any `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifAutomation struct {
	ID string `json:"id"`
}

type sarifInvocation struct {
	ExecutionSuccessful        bool                `json:"executionSuccessful"`
	ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"fingerprints"`
	Partial      map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	Properties   map[string]any     `json:"properties"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifLogical struct {
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

// WriteSARIF writes the findings as they stand as a SARIF 2.1.0 log, for code scanning. version is the program's. Source: OASIS, "Static Analysis
// Results Interchange Format (SARIF) Version 2.1.0".
func (o *Outcome) WriteSARIF(w io.Writer, version string) error {
	run := sarifRun{
		Tool:              sarifTool{sarifDriver{Name: "rotationguard", Version: version, InformationURI: homepage, Rules: []sarifRule{}}},
		AutomationDetails: sarifAutomation{"rotationguard/" + inert(strings.ReplaceAll(o.Scope(), " ", "/")) + "/"},
		Invocations:       []sarifInvocation{{ExecutionSuccessful: len(o.Errors) == 0, ToolExecutionNotifications: []sarifNotification{}}},
		Results:           []sarifResult{},
	}
	for _, e := range o.Errors {
		n := &run.Invocations[0].ToolExecutionNotifications
		*n = append(*n, sarifNotification{"error", sarifMessage(e.String())})
	}
	found := o.Found()
	driver := &run.Tool.Driver
	index := map[string]int{}
	worst := map[string]drift.Severity{}
	for i := range found {
		f := found[i].Finding
		if known, ok := worst[f.Rule]; !ok || slices.Index(severities, f.Severity) < slices.Index(severities, known) {
			worst[f.Rule] = f.Severity
		}
	}
	for _, rule := range sortedKeys(worst) {
		index[rule] = len(driver.Rules)
		driver.Rules = append(driver.Rules, sarifRuleOf(rule, worst[rule]))
	}
	for i := range found {
		run.Results = append(run.Results, sarifResultOf(&found[i], index))
	}
	return WriteValue(w, sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func sarifRuleOf(name string, worst drift.Severity) sarifRule {
	r := sarifRule{ID: inert(name), ShortDescription: sarifMessage(name), Properties: map[string]any{
		"tags": []string{"security", "aws", "secrets-manager"}, "security-severity": sarifScore(worst),
	}}
	if rule, ok := drift.RuleOf(name); ok {
		full, help := sarifMessage(rule.Says), sarifMessage(strings.Join(rule.Sources, "; "))
		r.ShortDescription, r.FullDescription, r.Help = sarifMessage(rule.Title), &full, &help
	}
	return r
}

func sarifResultOf(found *Found, index map[string]int) sarifResult {
	f, s := found.Finding, &found.Secret
	text := f.Explanation
	if f.Fix != nil && f.Fix.Summary != "" {
		text += ". Fix: " + f.Fix.Summary + byText(f.Fix.By)
	}
	about := cmp.Or(s.ARN, f.Secret, f.Function, f.Subject)
	r := sarifResult{
		RuleID: inert(f.Rule), RuleIndex: index[f.Rule], Level: sarifLevel(f.Severity), Message: sarifMessage(text),
		Locations:    []sarifLocation{{sarifPhysical{sarifArtifact{sarifPath(about)}}, sarifLogicals(f, about)}},
		Fingerprints: map[string]string{"rotationguard/v1": inert(f.ID)}, Partial: map[string]string{"rotationguard/v1": inert(f.ID)},
		Properties: map[string]any{
			"finding": inert(f.ID), "severity": f.Severity, "kind": f.Kind, "direction": f.Direction, "verdict": s.Verdict, "rotation_can_work": s.RotationCanWork,
			"account": inert(s.Account), "region": inert(s.Region), "witness": inertWitness(f.Witness),
		},
	}
	if s.NextRotation != nil {
		r.Properties["next_rotation"] = rfc3339(*s.NextRotation)
	}
	if f.Exempt != "" {
		r.Suppressions = []sarifSuppression{{"external", inert(f.Exempt)}}
	}
	return r
}

func byText(m drift.Mender) string {
	switch m {
	case drift.ByRepair:
		return " (mode repair does this)"
	case drift.ByEnforce:
		return " (mode enforce does this)"
	case drift.ByPerson:
		return " (by hand)"
	}
	return ""
}

// sarifMessage is a text without placeholders and links: section 3.11.5 doubles braces, section 3.11.6 escapes brackets.
func sarifMessage(s string) sarifText {
	return sarifText{strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "{", "{{", "}", "}}").Replace(cmp.Or(inert(s), "-"))}
}

// sarifPath is an ARN as a relative path, because code scanning shows results in files: aws/secretsmanager/eu-west-1/111122223333/secret:app.
func sarifPath(arn rotation.ARN) string {
	p := arn.Parts()
	parts := []string{p.Partition, p.Service, p.Region, p.Account, p.Resource}
	if p.Service == "" {
		parts = []string{"unknown", inert(string(arn))}
	}
	var path []string
	for _, part := range parts {
		for step := range strings.SplitSeq(inert(part), "/") {
			if step != "" && step != "." && step != ".." {
				path = append(path, url.PathEscape(step))
			}
		}
	}
	return strings.Join(path, "/")
}

func sarifLogicals(f *drift.Finding, about rotation.ARN) []sarifLogical {
	var all []sarifLogical
	for _, arn := range []rotation.ARN{about, f.Secret, f.Function, f.Subject} {
		name := inert(string(arn))
		if name == "" || slices.ContainsFunc(all, func(l sarifLogical) bool { return l.FullyQualifiedName == name }) {
			continue
		}
		all = append(all, sarifLogical{inert(shortARN(arn)), name, "resource"})
	}
	return all
}

func sarifLevel(s drift.Severity) string {
	switch s {
	case drift.Critical, drift.High:
		return "error"
	case drift.Medium:
		return "warning"
	case drift.Low, drift.Info:
	}
	return "note"
}

// sarifScore is a severity as code scanning reads it. Source: GitHub Docs, "SARIF support for code scanning": security-severity over 9.0 is critical, 7.0 to 8.9
// high, 4.0 to 6.9 medium and 0.1 to 3.9 low.
func sarifScore(s drift.Severity) string {
	switch s {
	case drift.Critical:
		return "9.5"
	case drift.High:
		return "8.0"
	case drift.Medium:
		return "5.5"
	case drift.Low, drift.Info:
	}
	return "2.0"
}
