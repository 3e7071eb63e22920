package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// NotVisible is said once in every report.
const NotVisible = "SCPs, RCPs and VPC endpoint policies are not visible from the account; they may deny what is reported as allowed."

// Outcome is what a sweep comes to.
type Outcome struct {
	Account string
	Region  string
	Mode    repair.Mode
	At      time.Time // the moment against which a rotation is overdue; it is not part of the JSON

	// Secrets speak of the state after the changes, as it was read again. Of a large account's they are not all: All gives these.
	Secrets   []Secret
	Functions int // rotation functions that were read
	Operators []Operator
	Changes   []repair.Change
	Left      []repair.Left   // what no change mends, and why
	Breaker   *repair.Breaker // nil where nothing was planned
	Errors    []Error
	Notes     []string // what the reader should know besides NotVisible
	Targets   []Target // of a fleet sweep, whose Account and Region are empty
	// Exempted are exemptions that subscribers have not been told of; Notes speak of them. They are not part of the JSON.
	Exempted []ledger.Exemption
	// News is what a channel does not know yet of the findings as they stand after the changes. It is not part of the JSON.
	News []ledger.Transition
	// Timeline is for the page: nil where no ledger remembers, or nobody asked. It is not part of the JSON.
	Timeline *Timeline

	quiet  *quiet                 // secrets without findings of an account that has many
	tags   int                    // bytes of tags of the secrets in Secrets
	needs  [][]need               // of these, each once
	shared map[string]*sharedNote // a fleet's notes while its targets are joined
}

// Secret is the answer for one secret.
type Secret struct {
	Account, Region string // of a fleet's secret; empty where the outcome says whose it is
	ARN             rotation.ARN
	Name            string
	Kind            rotation.Kind
	FunctionARN     rotation.ARN // as stored
	RoleARN         rotation.ARN
	KMSKeyID        string
	Strategy        rotation.Strategy // empty where none applies
	StrategySource  rotation.Source
	Master          rotation.ARN
	Tags            map[string]string
	Verdict         drift.Verdict
	RotationCanWork *bool
	NextRotation    *time.Time
	Reason          string
	Findings        []*drift.Finding
	Notes           []string
	Decided         bool                 // every required request was decided: those without a finding are allowed
	Forecast        []drift.ForecastStep // of a broken secret: what each call of the next rotation gets
	Rotate          string               // the command that rotates a secret which a repair has just mended and which is overdue
	Owner           drift.Owner          // who most likely makes role and function, of a secret that is not in sync

	pending   string              // the version on which AWSPENDING stands without AWSCURRENT
	needs     []need              // the requests that its rotation makes
	documents map[document]string // the policies that its findings name, as the account holds them
}

// Operator is the answer for one principal that is declared to hold a permission set.
type Operator struct {
	Principal rotation.ARN        `json:"principal"`
	May       rotation.Permission `json:"may"`
	Verdict   drift.Verdict       `json:"verdict"`
	Reason    string              `json:"reason"`
	Findings  []*drift.Finding    `json:"findings"`
}

// Error is one thing that could not be read or done. Call is empty where no single call is meant.
type Error struct {
	Call       string `json:"call"`
	Resource   string `json:"resource"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Permission string `json:"permission,omitempty"` // the IAM action that the caller lacks
}

// ErrorOf is the error that a gap is.
func ErrorOf(g rotation.Gap) Error {
	return Error{Call: g.Call, Resource: g.Resource, Code: g.Code, Message: g.Message, Permission: g.Permission}
}

// Add takes the secrets of a judgement into the outcome. The judgement's documents are not kept.
func (o *Outcome) Add(j *drift.Judgement) {
	if j.Setup.Function.ARN != "" {
		o.Functions++
	}
	if o.Account == "" {
		o.Account, o.Region = j.Setup.Account, j.Setup.Region
	}
	for i := range j.Secrets {
		o.add(secretOf(j, &j.Secrets[i]))
	}
}

func secretOf(judgement *drift.Judgement, j *drift.SecretJudgement) Secret {
	setup := &judgement.Setup
	s := Secret{
		ARN: j.Secret.ARN, Name: j.Secret.Name, Kind: j.Secret.Kind, FunctionARN: j.Secret.FunctionARN, KMSKeyID: j.Secret.KMSKeyID,
		Tags: j.Secret.Tags, Verdict: j.Verdict, RotationCanWork: j.RotationCanWork, NextRotation: j.Secret.NextRotation,
		Reason: j.Reason, Findings: j.Findings, Notes: slices.Clone(j.Notes), Decided: j.Decided,
	}
	s.pending, s.needs, s.documents = pendingVersion(j.Secret.VersionStages), needsOf(judgement, j), documentsOf(setup, j)
	if j.Secret.Checked() {
		s.RoleARN = setup.Role.ARN
		if s.RoleARN == "" {
			s.RoleARN = setup.Function.Role
		}
		s.Strategy, s.StrategySource, s.Master = j.Secret.Declaration.Strategy, j.Secret.Declaration.StrategySource, j.Secret.Declaration.Master
	}
	if Drift(j.Verdict) {
		s.Owner = drift.OwnerOf(setup)
	}
	if j.Verdict == drift.Broken {
		s.Forecast = drift.Forecast(judgement, j.Secret.ARN)
	}
	return s
}

// Replace puts the secrets of verified judgements in the place of what was said of them before.
func (o *Outcome) Replace(verified []drift.Judgement) {
	again := map[rotation.ARN]bool{}
	for i := range verified {
		for k := range verified[i].Secrets {
			again[verified[i].Secrets[k].Secret.ARN] = true
		}
	}
	o.recall(again)
	at := make(map[rotation.ARN]int, len(o.Secrets))
	for i := range o.Secrets {
		at[o.Secrets[i].ARN] = i
	}
	for i := range verified {
		for k := range verified[i].Secrets {
			s := secretOf(&verified[i], &verified[i].Secrets[k])
			if j, ok := at[s.ARN]; ok {
				s.mended(&o.Secrets[j], o.At)
				o.Secrets[j] = s
			} else {
				o.Secrets = append(o.Secrets, s)
			}
		}
	}
}

// mended says of a secret that could not rotate, is overdue and can rotate now, which command rotates it: no report ever rotates one.
func (s *Secret) mended(was *Secret, at time.Time) {
	failed := was.RotationCanWork != nil && !*was.RotationCanWork
	works := s.RotationCanWork != nil && *s.RotationCanWork
	if failed && works && s.Overdue(at) {
		s.Rotate = "aws secretsmanager rotate-secret --region " + shellWord(s.ARN.Parts().Region) + " --secret-id " + shellWord(string(s.ARN))
		if s.pending != "" {
			s.Notes = append(s.Notes, s.stuck())
		}
	}
}

// stuck says what to do about the AWSPENDING label that a failed rotation leaves behind. Source: Secrets Manager API, RotateSecret: while
// AWSPENDING is on another version than AWSCURRENT, an earlier rotation counts as in progress and the call is refused.
func (s *Secret) stuck() string {
	return "AWSPENDING is stuck on version " + inert(s.pending) + ", where the failed rotation left it. If rotate-secret is refused for it and no rotation is going on: " +
		"aws secretsmanager update-secret-version-stage --region " + shellWord(s.ARN.Parts().Region) + " --secret-id " + shellWord(string(s.ARN)) +
		" --version-stage AWSPENDING --remove-from-version-id " + shellWord(s.pending)
}

// pendingVersion is the version that has AWSPENDING and not AWSCURRENT, or "".
func pendingVersion(stages map[string][]string) string {
	for version, labels := range stages {
		if slices.Contains(labels, "AWSPENDING") && !slices.Contains(labels, "AWSCURRENT") {
			return version
		}
	}
	return ""
}

// shellWord is a text as one word for a POSIX shell.
func shellWord(s string) string {
	s = inert(s)
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@+=,-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Sort puts the lists in the order in which machines read them: secrets by ARN, errors by call and resource.
func (o *Outcome) Sort() {
	slices.SortStableFunc(o.Secrets, func(a, b Secret) int {
		return cmp.Or(cmp.Compare(a.ARN, b.ARN), cmp.Compare(a.Name, b.Name))
	})
	if o.quiet != nil {
		slices.SortStableFunc(o.quiet.at, func(a, b quietAt) int { return cmp.Compare(a.arn, b.arn) })
	}
	slices.SortStableFunc(o.Operators, func(a, b Operator) int {
		return cmp.Or(cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.May, b.May))
	})
	slices.SortStableFunc(o.Errors, func(a, b Error) int {
		return cmp.Or(strings.Compare(a.Call, b.Call), strings.Compare(a.Resource, b.Resource), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	o.Errors = slices.Compact(o.Errors)
	o.shared = nil // it knows the notes by their place
	slices.Sort(o.Notes)
	o.Notes = slices.Compact(o.Notes)
	sortTargets(o.Targets)
}

// Verdicts are all verdicts, worst first.
var Verdicts = []drift.Verdict{drift.Broken, drift.Orphaned, drift.Unknown, drift.Drifted, drift.InSync, drift.Exempt, drift.Skipped}

var severities = []drift.Severity{drift.Critical, drift.High, drift.Medium, drift.Low, drift.Info}

// Drift says whether a verdict is worse than in-sync and neither exempt nor skipped.
func Drift(v drift.Verdict) bool {
	switch v {
	case drift.Orphaned, drift.Broken, drift.Unknown, drift.Drifted:
		return true
	case drift.Skipped, drift.Exempt, drift.InSync:
		return false
	}
	return true
}

// Summary counts.
type Summary struct {
	Secrets   int                   `json:"secrets"`
	Functions int                   `json:"functions"`
	ByVerdict map[drift.Verdict]int `json:"by_verdict"` // every verdict, 0 too
}

// Summary counts the secrets by verdict.
func (o *Outcome) Summary() Summary {
	if o.Fleet() {
		return o.fleetSummary()
	}
	s := Summary{Secrets: o.Count(), Functions: o.Functions, ByVerdict: map[drift.Verdict]int{}}
	for _, v := range Verdicts {
		s.ByVerdict[v] = 0
	}
	for i := range o.Secrets {
		s.ByVerdict[o.Secrets[i].Verdict]++
	}
	if o.quiet != nil {
		for i := range o.quiet.at {
			s.ByVerdict[o.quiet.at[i].verdict]++
		}
	}
	return s
}

// The exit codes of a sweep.
const (
	ExitInSync = 0
	ExitFailed = 1 // could not run, or a read failed
	ExitDrift  = 2
)

// ExitCode is 1 when something could not be read or done, else 2 when drift stands or a change was refused or failed, else 0.
func (o *Outcome) ExitCode() int {
	switch {
	case len(o.Errors) > 0:
		return ExitFailed
	case o.HasDrift() || slices.ContainsFunc(o.Changes, func(c repair.Change) bool { return c.Status == repair.Refused || c.Status == repair.Failed }):
		return ExitDrift
	}
	return ExitInSync
}

// HasDrift says whether any secret or operator is worse than in sync.
func (o *Outcome) HasDrift() bool {
	return slices.ContainsFunc(o.Secrets, func(s Secret) bool { return Drift(s.Verdict) }) ||
		slices.ContainsFunc(o.Operators, func(p Operator) bool { return Drift(p.Verdict) })
}

// WorstVerdict is the worst verdict of any secret or operator.
func (o *Outcome) WorstVerdict() drift.Verdict {
	worst := len(Verdicts) - 1
	note := func(v drift.Verdict) {
		if i := slices.Index(Verdicts, v); i >= 0 {
			worst = min(worst, i)
		}
	}
	for i := range o.Secrets {
		note(o.Secrets[i].Verdict)
	}
	if o.quiet != nil {
		for i := range o.quiet.at {
			note(o.quiet.at[i].verdict)
		}
	}
	for i := range o.Operators {
		note(o.Operators[i].Verdict)
	}
	for i := range o.Targets { // a fleet may hold in full what is worse than in sync only
		note(o.Targets[i].worst())
	}
	return Verdicts[worst]
}

// WorstSeverity is the worst severity of any finding that is not exempt; Info where there is none.
func (o *Outcome) WorstSeverity() drift.Severity {
	worst := len(severities) - 1
	note := func(findings []*drift.Finding) {
		for _, f := range findings {
			if i := slices.Index(severities, f.Severity); i >= 0 && f.Exempt == "" {
				worst = min(worst, i)
			}
		}
	}
	for i := range o.Secrets {
		if o.Secrets[i].Verdict != drift.Exempt {
			note(o.Secrets[i].Findings)
		}
	}
	for i := range o.Operators {
		note(o.Operators[i].Findings)
	}
	return severities[worst]
}

// Overdue says whether the secret's next rotation should have been before at.
func (s *Secret) Overdue(at time.Time) bool {
	return s.NextRotation != nil && s.NextRotation.Before(at)
}

// soonest orders secrets for people: by when the next rotation is, those without a date last; of equals the worst first.
func soonest(a, b *Secret) int {
	at := func(s *Secret) time.Time {
		if s.NextRotation == nil {
			return time.Unix(1<<40, 0)
		}
		return *s.NextRotation
	}
	return cmp.Or(at(a).Compare(at(b)), cmp.Compare(slices.Index(Verdicts, a.Verdict), slices.Index(Verdicts, b.Verdict)), cmp.Compare(a.ARN, b.ARN))
}

// WithVerdict are the secrets whose verdict pick takes, soonest next rotation first.
func (o *Outcome) WithVerdict(pick func(drift.Verdict) bool) []*Secret {
	var picked []*Secret
	for s := range o.Some(func(g Glance) bool { return pick(g.Verdict) }) {
		picked = append(picked, s)
	}
	slices.SortStableFunc(picked, soonest)
	return picked
}
