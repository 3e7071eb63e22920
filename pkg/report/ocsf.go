package report

import (
	"cmp"
	"io"
	"maps"
	"slices"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework whose Compliance Finding (class 2003) is written. Source: schema.ocsf.io, 1.5.0,
// classes/compliance_finding with the profile cloud.
const ocsfVersion = "1.5.0"

type ocsfEvent struct {
	ActivityID   int              `json:"activity_id"`
	ActivityName string           `json:"activity_name"`
	CategoryUID  int              `json:"category_uid"`
	CategoryName string           `json:"category_name"`
	ClassUID     int              `json:"class_uid"`
	ClassName    string           `json:"class_name"`
	TypeUID      int              `json:"type_uid"`
	TypeName     string           `json:"type_name"`
	Time         int64            `json:"time"`
	Message      string           `json:"message"`
	SeverityID   int              `json:"severity_id"`
	Severity     string           `json:"severity"`
	StatusID     int              `json:"status_id"`
	Status       string           `json:"status"`
	Metadata     ocsfMetadata     `json:"metadata"`
	Cloud        ocsfCloud        `json:"cloud"`
	FindingInfo  ocsfFinding      `json:"finding_info"`
	Compliance   ocsfCompliance   `json:"compliance"`
	Remediation  *ocsfRemediation `json:"remediation,omitempty"`
	Resources    []ocsfResource   `json:"resources"`
	Unmapped     map[string]any   `json:"unmapped"`
}

type ocsfMetadata struct {
	Version   string      `json:"version"`
	Profiles  []string    `json:"profiles"`
	EventCode string      `json:"event_code"`
	Product   ocsfProduct `json:"product"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version"`
}

type ocsfCloud struct {
	Provider string      `json:"provider"`
	Region   string      `json:"region,omitempty"`
	Account  ocsfAccount `json:"account"`
}

type ocsfAccount struct {
	UID    string `json:"uid"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

type ocsfFinding struct {
	UID   string   `json:"uid"`
	Title string   `json:"title"`
	Desc  string   `json:"desc"`
	Types []string `json:"types"`
}

type ocsfCompliance struct {
	Control       string   `json:"control"`
	Desc          string   `json:"desc,omitempty"`
	Standards     []string `json:"standards"`
	StatusID      int      `json:"status_id"`
	Status        string   `json:"status"`
	StatusDetails []string `json:"status_details,omitempty"`
}

type ocsfRemediation struct {
	Desc       string   `json:"desc"`
	References []string `json:"references,omitempty"`
}

type ocsfResource struct {
	UID    string   `json:"uid"`
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Labels []string `json:"labels,omitempty"`
}

// WriteOCSF writes the findings as they stand as a list of OCSF Compliance Findings. version is the program's.
func (o *Outcome) WriteOCSF(w io.Writer, version string) error {
	all := []ocsfEvent{}
	for _, found := range o.Found() {
		all = append(all, ocsfOf(&found, o, version))
	}
	return WriteValue(w, all)
}

func ocsfOf(found *Found, o *Outcome, version string) ocsfEvent {
	f, s := found.Finding, &found.Secret
	severity, id := ocsfSeverity(f.Severity)
	e := ocsfEvent{
		ActivityID: 1, ActivityName: "Create", CategoryUID: 2, CategoryName: "Findings", ClassUID: 2003, ClassName: "Compliance Finding", TypeUID: 200301, TypeName: "Compliance Finding: Create",
		Time: o.At.UnixMilli(), Message: inert(f.Explanation), SeverityID: id, Severity: severity, StatusID: 1, Status: "New",
		Metadata:    ocsfMetadata{ocsfVersion, []string{"cloud"}, inert(f.Rule), ocsfProduct{"rotationguard", "rotationguard", version}},
		Cloud:       ocsfCloud{"AWS", inert(s.Region), ocsfAccount{inert(cmp.Or(s.Account, "unknown")), "AWS Account", 10}},
		FindingInfo: ocsfFinding{inert(f.ID), asffHeadline(f), inert(f.Explanation), []string{"Software and Configuration Checks/AWS Security Best Practices"}},
		Compliance:  ocsfCompliance{Control: inert(f.Rule), Standards: []string{"AWS Secrets Manager User Guide"}, StatusID: 3, Status: "Fail"},
		Unmapped: map[string]any{
			"kind": f.Kind, "direction": f.Direction, "verdict": s.Verdict, "rotation_can_work": s.RotationCanWork, "secret": inert(string(cmp.Or(f.Secret, s.ARN))),
			"function": inert(string(cmp.Or(f.Function, s.FunctionARN))), "witness": inertWitness(f.Witness),
		},
	}
	if s.NextRotation != nil {
		e.Unmapped["next_rotation"] = rfc3339(*s.NextRotation)
	}
	if rule, ok := drift.RuleOf(f.Rule); ok {
		e.Compliance.Desc, e.Compliance.Standards = rule.Title+". "+rule.Says, rule.Sources
	}
	if unjudged(f) {
		e.Compliance.StatusID, e.Compliance.Status = 2, "Warning"
	}
	if f.Exempt != "" {
		e.StatusID, e.Status, e.Compliance.StatusDetails = 3, "Suppressed", []string{inert(f.Exempt)}
	}
	if f.Fix != nil {
		e.Remediation = &ocsfRemediation{Desc: inert(f.Fix.Summary)}
	}
	for _, arn := range []rotation.ARN{f.Subject, f.Secret, f.Function, s.ARN} {
		uid := inert(string(arn))
		if uid == "" || slices.ContainsFunc(e.Resources, func(r ocsfResource) bool { return r.UID == uid }) {
			continue
		}
		r := ocsfResource{UID: uid, Name: inert(shortARN(arn)), Type: asffType(arn)}
		if arn == s.ARN {
			for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
				r.Labels = append(r.Labels, inert(key+":"+s.Tags[key]))
			}
		}
		e.Resources = append(e.Resources, r)
	}
	return e
}

// inertWitness is a witness whose texts are safe to show.
func inertWitness(w *drift.Witness) *drift.Witness {
	if w == nil {
		return nil
	}
	clean := drift.Witness{Action: inert(w.Action), Resource: inert(w.Resource)}
	if w.Principal != nil {
		principal := inert(*w.Principal)
		clean.Principal = &principal
	}
	for key, values := range w.Context {
		if clean.Context == nil {
			clean.Context = map[string][]string{}
		}
		for _, v := range values {
			clean.Context[inert(key)] = append(clean.Context[inert(key)], inert(v))
		}
	}
	return &clean
}

func ocsfSeverity(s drift.Severity) (caption string, id int) {
	switch s {
	case drift.Critical:
		return "Critical", 5
	case drift.High:
		return "High", 4
	case drift.Medium:
		return "Medium", 3
	case drift.Low:
		return "Low", 2
	case drift.Info:
	}
	return "Informational", 1
}
