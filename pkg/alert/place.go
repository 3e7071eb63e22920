package alert

import (
	"cmp"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// places finds the secret or principal that a finding is told of.
type places struct {
	secrets    map[rotation.ARN]*report.Secret
	byFinding  map[string][]*report.Secret
	byFunction map[rotation.ARN][]*report.Secret
	byRole     map[rotation.ARN][]*report.Secret
	operators  map[string]*report.Operator // by the id of a finding
	principals map[rotation.ARN]*report.Operator
}

func newPlaces(o *report.Outcome) *places {
	p := &places{
		secrets: map[rotation.ARN]*report.Secret{}, byFinding: map[string][]*report.Secret{}, byFunction: map[rotation.ARN][]*report.Secret{},
		byRole: map[rotation.ARN][]*report.Secret{}, operators: map[string]*report.Operator{}, principals: map[rotation.ARN]*report.Operator{},
	}
	told := map[rotation.ARN]bool{} // what the news is about
	for i := range o.News {
		f := &o.News[i].Record.Finding
		told[f.Secret], told[f.Function], told[f.Subject] = true, true, true
	}
	delete(told, "")
	for s := range o.All() {
		if len(s.Findings) == 0 && !report.Drift(s.Verdict) && !told[s.ARN] && !told[s.FunctionARN] && !told[s.RoleARN] {
			continue
		}
		p.secrets[s.ARN] = s
		p.byFunction[s.FunctionARN] = append(p.byFunction[s.FunctionARN], s)
		p.byRole[s.RoleARN] = append(p.byRole[s.RoleARN], s)
		for _, f := range s.Findings {
			p.byFinding[f.ID] = append(p.byFinding[f.ID], s)
		}
	}
	for i := range o.Operators {
		op := &o.Operators[i]
		p.principals[op.Principal] = op
		for _, f := range op.Findings {
			p.operators[f.ID] = op
		}
	}
	return p
}

// of answers with what a finding is told of: the secret that breaks soonest of those that it concerns and how many more there are, or a
// principal, or neither where what it is about is gone or was not read.
func (p *places) of(f *drift.Finding) (secret *report.Secret, more int, operator *report.Operator) {
	if op := cmp.Or(p.operators[f.ID], p.principals[f.Subject]); op != nil && f.Kind == drift.KindOperator {
		return nil, 0, op
	}
	concerned := p.byFinding[f.ID]
	if len(concerned) == 0 && f.Secret != "" {
		if s := p.secrets[f.Secret]; s != nil {
			return s, 0, nil
		}
		return nil, 0, nil
	}
	if len(concerned) == 0 && f.Function != "" {
		concerned = p.byFunction[f.Function]
	}
	if len(concerned) == 0 && f.Function == "" {
		concerned = p.byRole[f.Subject]
	}
	if len(concerned) == 0 {
		return nil, 0, nil
	}
	return slices.MinFunc(concerned, func(a, b *report.Secret) int {
		return cmp.Or(urgency(a.RotationCanWork, a.NextRotation, drift.Info).compare(urgency(b.RotationCanWork, b.NextRotation, drift.Info)), cmp.Compare(a.ARN, b.ARN))
	}), len(concerned) - 1, nil
}

// urgent is how soon something needs hands.
type urgent struct {
	works    bool
	next     time.Time
	severity int
}

var severities = []drift.Severity{drift.Critical, drift.High, drift.Medium, drift.Low, drift.Info}

func rank(s drift.Severity) int {
	if i := slices.Index(severities, s); i >= 0 {
		return i
	}
	return len(severities)
}

// farAway stands for no date: a secret that has none comes after those that have one.
var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func urgency(canWork *bool, next *time.Time, severity drift.Severity) urgent {
	u := urgent{works: canWork == nil || *canWork, next: farAway, severity: rank(severity)}
	if next != nil {
		u.next = *next
	}
	return u
}

// compare puts what breaks before what does not, what breaks soonest first; of what does not break the worst comes first.
func (u urgent) compare(v urgent) int {
	switch {
	case u.works != v.works && v.works:
		return -1
	case u.works != v.works:
		return 1
	case u.works:
		return cmp.Or(cmp.Compare(u.severity, v.severity), u.next.Compare(v.next))
	}
	return cmp.Or(u.next.Compare(v.next), cmp.Compare(u.severity, v.severity))
}
