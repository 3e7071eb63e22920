package drift

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Exemption is one decision of an operator to live with a finding for a while. It covers what every field that is set names:
// Secret and Function are ARNs or globs, Rule is the name of a rule.
type Exemption struct {
	ID       string
	Finding  string
	Secret   string
	Function string
	Rule     string
	Owner    string
	Reason   string
	// NotCritical: it covers no finding of severity critical. Those may be exempt for a short time only.
	NotCritical bool
}

// Covers says whether the exemption covers a finding of a secret.
func (e *Exemption) Covers(s *rotation.Secret, f *Finding) bool {
	if f != nil && e.NotCritical && f.Severity == Critical {
		return false
	}
	return e.names(s) && (e.Finding == "" || f != nil && e.Finding == f.ID) && (e.Rule == "" || f != nil && e.Rule == f.Rule)
}

// names says whether the exemption's secret and function, where it names them, are this secret's.
func (e *Exemption) names(s *rotation.Secret) bool {
	if e.Finding == "" && e.Secret == "" && e.Function == "" && e.Rule == "" {
		return false
	}
	return (e.Secret == "" || matchGlob(e.Secret, string(s.ARN)) || e.Secret == s.Name) && (e.Function == "" || matchGlob(e.Function, string(s.FunctionARN)))
}

func (e *Exemption) text() string {
	text := "exempt: " + rotation.OneLine(e.Reason)
	if e.Owner != "" {
		text += " (" + rotation.OneLine(e.Owner) + ")"
	}
	return text
}

// exempt applies the exemptions: one that names the secret or its function as a whole, or enough of its findings that none is left
// which would make it worse than in sync.
func (j *judge) exempt(s *rotation.Secret, out *SecretJudgement) {
	if len(j.opts.Exemptions) == 0 {
		return
	}
	was, reason := out.Verdict, out.Reason
	for i := range j.opts.Exemptions {
		e := &j.opts.Exemptions[i]
		if e.Covers(s, nil) && !(e.NotCritical && slices.ContainsFunc(out.Findings, isCritical)) {
			out.Verdict, out.Reason = Exempt, e.text()+"; without it: "+string(was)+", "+reason
			return
		}
		for k, f := range out.Findings {
			if f.Exempt == "" && e.Covers(s, f) {
				marked := *f
				marked.Exempt = e.text()
				out.Findings[k] = &marked
			}
		}
	}
	covered := func(f *Finding) bool { return f.Severity == Info || f.Exempt != "" }
	marked := func(f *Finding) bool { return f.Exempt != "" && f.Severity != Info }
	if was == InSync || was == Unknown || !slices.ContainsFunc(out.Findings, marked) {
		return
	}
	if !slices.ContainsFunc(out.Findings, func(f *Finding) bool { return !covered(f) }) {
		i := slices.IndexFunc(out.Findings, marked)
		out.Verdict, out.Reason = Exempt, out.Findings[i].Exempt+"; without it: "+string(was)+", "+reason
	}
}

func isCritical(f *Finding) bool { return f.Severity == Critical }

// matchGlob says whether a pattern with `*` and `?` matches all of s.
func matchGlob(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	return rotation.GlobMatch(pattern, s)
}
