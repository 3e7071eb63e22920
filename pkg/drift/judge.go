package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Options change what is judged. Exemptions are those in force: the caller drops the expired ones.
type Options struct {
	Exemptions    []Exemption
	AllQualifiers bool // also report public and foreign grants on qualifiers that rotation does not use
	Templates     rotation.Templates
	Proofs        *Proofs // nil: every role is compared with its ceiling
}

// Judge compares the setups that share a role with their contracts: a verdict for every secret, and a finding for every difference.
// The role's excess is measured against the union of the contracts.
func Judge(group rotation.Group, opts Options) []Judgement {
	judgements := make([]Judgement, len(group.Setups))
	judges := make([]*judge, len(group.Setups))
	for i := range group.Setups {
		setup := group.Setups[i]
		contract := opts.Templates.NewContract(setup, group.Listed)
		judges[i] = &judge{setup: &group.Setups[i], contract: &contract, decider: rotation.NewDecider(&group.Setups[i]), opts: &opts}
		judgements[i] = Judgement{Setup: setup, Contract: contract}
	}
	for _, j := range judges {
		j.answer()
	}
	shared := judgeRole(judges, group.Listed)
	for i, j := range judges {
		judgements[i].Secrets = j.judge(shared)
		judgements[i].Contract = *j.contract
	}
	return judgements
}

// judge is the judging of one setup.
type judge struct {
	setup    *rotation.Setup
	contract *rotation.Contract
	decider  *rotation.Decider
	opts     *Options
	answers  []rotation.Answer  // of contract.Required, in its order
	targets  map[string]*target // the documents that fixes add statements to
}

// roleJudgement is what holds for every setup of a role.
type roleJudgement struct {
	findings []*Finding
	unsure   []string // what of the role's excess could not be settled
}

// tally is what the requirements of one secret come to.
type tally struct {
	findings []*Finding
	denied   []string // the requests that are certainly denied at the next rotation
	unknown  []string // why a request's answer is not known
}

func (j *judge) judge(shared roleJudgement) []SecretJudgement {
	all := slices.Clone(shared.findings)
	var common tally
	own := map[rotation.ARN]*tally{}
	if len(j.setup.Checked()) > 0 && !j.orphan() {
		all = append(all, j.functionPolicy()...)
		all = append(all, j.functionRegion(&common)...)
		all = append(all, j.functionState(&common)...)
		j.required(&common, own)
	}
	judged := make([]SecretJudgement, 0, len(j.setup.Secrets))
	for i := range j.setup.Secrets {
		s := &j.setup.Secrets[i]
		judged = append(judged, j.secret(s, all, &common, own[s.ARN], shared.unsure))
	}
	return judged
}

// secret gives one secret its verdict: the first that holds.
func (j *judge) secret(s *rotation.Secret, all []*Finding, common, own *tally, unsure []string) SecretJudgement {
	out := SecretJudgement{Secret: *s}
	if why := skipReason(s); why != "" {
		out.Verdict, out.Reason, out.RotationCanWork = Skipped, why, known(true)
		return out
	}
	out.Notes = notes(s)
	if orphan := j.orphanFinding(s); orphan != nil {
		out.Findings = []*Finding{orphan}
		out.Verdict, out.Reason = Orphaned, orphan.Explanation
	} else {
		t := merge(common, own)
		out.Findings = append(slices.Clone(all), t.findings...)
		j.declaration(s, &out, &t)
		sortFindings(out.Findings)
		out.Verdict, out.Reason = decide(out.Findings, &t, unsure, j.unreadQualifiers())
		out.Decided = len(t.unknown) == 0
	}
	j.exempt(s, &out)
	switch out.Verdict {
	case Broken, Orphaned:
		out.RotationCanWork = known(false)
	case Unknown:
	default:
		out.RotationCanWork = known(true)
	}
	return out
}

func known(b bool) *bool { return &b }

func merge(a, b *tally) tally {
	if b == nil {
		return *a
	}
	return tally{slices.Concat(a.findings, b.findings), slices.Concat(a.denied, b.denied), slices.Concat(a.unknown, b.unknown)}
}

// decide orders broken before unknown before drifted.
func decide(findings []*Finding, t *tally, unsure, qualifiers []string) (Verdict, string) {
	switch {
	case len(t.denied) > 0:
		return Broken, "the next rotation fails: " + countText(t.denied)
	case len(t.unknown) > 0:
		return Unknown, "whether rotation can work is not known: " + countText(t.unknown)
	case len(unsure) > 0:
		return Unknown, "what the role may do beyond rotation could not be settled: " + countText(unsure)
	case len(qualifiers) > 0:
		return Unknown, "who may invoke other versions and aliases of the function is not known: " + countText(qualifiers)
	}
	return bySeverity(findings)
}

// bySeverity is drifted when a finding above info stands that is not exempt.
func bySeverity(findings []*Finding) (Verdict, string) {
	for _, f := range findings {
		if f.Severity != Info && f.Exempt == "" {
			return Drifted, "rotation works, but " + lowerFirst(f.Explanation)
		}
	}
	return InSync, "every request that rotation needs is allowed"
}

// countText is the first of several reasons and how many more there are.
func countText(reasons []string) string {
	reasons = slices.Compact(slices.Clone(reasons))
	text := strings.Join(reasons[:min(len(reasons), 3)], "; ")
	if more := len(reasons) - 3; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// lowerFirst puts a sentence behind another: names of actions and of services keep their spelling.
func lowerFirst(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if len(word) < 2 || strings.ToLower(word[1:]) != word[1:] || strings.ContainsAny(word, ":/") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// skipReason says why a secret is not checked, or is empty.
func skipReason(s *rotation.Secret) string {
	switch {
	case s.Excluded != "":
		return "excluded: " + rotation.OneLine(s.Excluded)
	case s.Deleting:
		return "scheduled for deletion: such a secret does not rotate"
	case s.Kind == rotation.KindReplica:
		return "a replica: rotation is set on the primary secret in " + rotation.OneLine(s.PrimaryRegion)
	case s.Kind == rotation.KindManaged:
		return "managed rotation: the owning service " + rotation.OneLine(s.OwningService) + " rotates it without a function"
	case s.Kind == rotation.KindOff:
		return "rotation is not enabled"
	}
	return ""
}

// notes are what a reader should know of how the secret was judged.
func notes(s *rotation.Secret) []string {
	out := slices.Clone(s.Declaration.Evidence)
	d := &s.Declaration
	switch {
	case s.Kind != rotation.KindLambda || d.Problem != "":
	case !d.Declared():
		out = append(out, "no strategy is declared: judged as single-user")
	case d.Strategy == rotation.MasterUser && d.Master == "":
		out = append(out, "the strategy is master-user, but no master secret is declared: judged as single-user")
	}
	return out
}

var severityRank = map[Severity]int{Critical: 0, High: 1, Medium: 2, Low: 3, Info: 4}

// sortFindings puts the worst first; of equals, what is missing before what is excess.
func sortFindings(findings []*Finding) {
	slices.SortStableFunc(findings, func(a, b *Finding) int {
		return cmp.Or(
			cmp.Compare(severityRank[a.Severity], severityRank[b.Severity]),
			-strings.Compare(string(a.Direction), string(b.Direction)),
			strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Rule, b.Rule),
			strings.Compare(string(a.Subject), string(b.Subject)), strings.Compare(a.Explanation, b.Explanation), strings.Compare(a.ID, b.ID))
	})
}

// answer decides every required request.
func (j *judge) answer() {
	if j.orphan() {
		return
	}
	j.answers = make([]rotation.Answer, len(j.contract.Required))
	for i := range j.contract.Required {
		j.answers[i] = j.decider.Decide(&j.contract.Required[i])
	}
}

// required sorts the answers into findings and reasons. Requests that differ only in a version stage or a subnet make one finding.
func (j *judge) required(common *tally, own map[rotation.ARN]*tally) {
	if f := &j.setup.Function; f.ARN != "" && (f.Presence != rotation.Present || f.Role == "" && j.setup.Role.ARN == "") {
		gaps := f.Gaps
		if len(gaps) == 0 {
			gaps = []rotation.Gap{{Call: "lambda:GetFunctionConfiguration", Resource: string(f.ARN), Code: "NotRead"}}
		}
		for _, g := range gaps {
			common.unknown = append(common.unknown, gapText(g))
		}
	}
	made := map[string]*Finding{}
	for i := range j.contract.Required {
		r, a := &j.contract.Required[i], &j.answers[i]
		t := common
		if r.Secret != "" {
			if t = own[r.Secret]; t == nil {
				t = &tally{}
				own[r.Secret] = t
			}
		}
		switch {
		case a.Outcome == policy.Undecided && (r.Target == rotation.TargetMaster || r.Target == rotation.TargetMasterKey) && !j.described(r.Secret):
			// declaration says it, once and with its cause.
		case a.Outcome == policy.Undecided:
			t.unknown = append(t.unknown, undecidedText(r, a)...)
		case a.Denied():
			key := string(r.Target) + " " + string(r.Secret) + " " + string(r.Subject) + " " + r.Request.Action
			if made[key] == nil {
				made[key] = j.missing(r, a)
				t.findings = append(t.findings, made[key])
				if !r.Latent {
					t.denied = append(t.denied, requestText(&r.Request)+" is denied")
				}
			}
		}
	}
	j.nameCommands()
}

// described says whether the master of one of the setup's secrets was described.
func (j *judge) described(secret rotation.ARN) bool {
	for i := range j.setup.Secrets {
		if s := &j.setup.Secrets[i]; s.ARN == secret {
			return j.setup.Master(s).Described()
		}
	}
	return true
}

// undecidedText says what keeps a request from being decided.
func undecidedText(r *rotation.Requirement, a *rotation.Answer) []string {
	var out []string
	for _, g := range a.Gaps {
		out = append(out, gapText(g))
	}
	for _, key := range a.Keys {
		where := ""
		if len(a.By) > 0 {
			where = ", which " + refText(a.By[0]) + " tests"
		}
		out = append(out, fmt.Sprintf("%s depends on %s%s: its value at the next rotation cannot be known", requestText(&r.Request), key, where))
	}
	if len(out) == 0 {
		out = append(out, requestText(&r.Request)+" depends on what cannot be seen from here: which resource the request will name")
	}
	return out
}

// declaration adds what a declaration that cannot be used makes of the secret.
func (j *judge) declaration(s *rotation.Secret, out *SecretJudgement, t *tally) {
	if s.Declaration.Problem != "" {
		t.unknown = append(t.unknown, rotation.OneLine(s.Declaration.Problem))
		return
	}
	if s.Declaration.Master == "" || s.Kind != rotation.KindLambda {
		return
	}
	m := j.setup.Master(s)
	if !m.Described() {
		why := gapText(m.Gaps[0])
		if strings.Contains(m.Gaps[0].Code, "NotFound") {
			why = "it does not exist"
		}
		t.unknown = append(t.unknown, fmt.Sprintf("the master secret %s, declared by %s: %s", rotation.OneLine(string(s.Declaration.Master)), s.Declaration.MasterSource, why))
	} else if region := m.ARN.Parts().Region; region != s.ARN.Parts().Region {
		t.unknown = append(t.unknown, fmt.Sprintf("the master secret %s is in another Region than the secret: a function reads secrets of its own Region", m.ARN))
	}
}
