package report

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// hop says what is known of one step on the way from a secret to its key.
type hop string

// The hops, worst first.
const (
	hopGone    hop = "gone"    // what the step leads to does not exist
	hopDenied  hop = "denied"  // a required request is denied
	hopUnread  hop = "unread"  // what decides could not be read
	hopLater   hop = "later"   // denied, and felt later than at the next rotation
	hopMore    hop = "more"    // more is allowed than rotation needs
	hopOpen    hop = "open"    // no denial was found, and not everything is known
	hopFree    hop = "free"    // nothing has to be granted
	hopAllowed hop = "allowed" // every required request is allowed
)

var hops = []hop{hopGone, hopDenied, hopUnread, hopLater, hopMore, hopOpen, hopFree, hopAllowed}

// Says is the hop in words.
func (h hop) Says() string {
	switch h {
	case hopGone:
		return "does not exist"
	case hopUnread:
		return "could not be read"
	case hopLater:
		return "denied, felt later"
	case hopMore:
		return "allows more"
	case hopOpen:
		return "no denial found"
	case hopFree:
		return "needs no grant"
	case hopDenied, hopAllowed:
	}
	return string(h)
}

// pagePath is the way that a rotation takes: from the secret in a row of steps to the role, and from the role to all that it uses.
type pagePath struct {
	From    pageNode
	Steps   []*pageStep
	Targets []*pageStep
}

type pageNode struct{ What, Name string }

// pageStep is one arrow and what it points to.
type pageStep struct {
	Hop    hop
	Does   string   // what happens on the arrow
	Denied []string // actions without their service
	May    []string // required actions that are allowed
	Also   []string // what is allowed beyond need: actions, or who may
	To     pageNode
}

// worsen notes a state that hides better ones.
func (s *pageStep) worsen(h hop) {
	if slices.Index(hops, h) < slices.Index(hops, s.Hop) {
		s.Hop = h
	}
}

// path is the way of one secret, nil for a secret that is not checked.
func (p *page) path(s *Secret) *pagePath {
	if s.Verdict == drift.Skipped {
		return nil
	}
	w := &way{secret: s, known: s.Decided || s.Verdict == drift.InSync || s.Verdict == drift.Drifted, unread: p.unread}
	w.lay()
	for _, f := range s.Findings {
		if f.Severity != drift.Info {
			w.take(f)
		}
	}
	w.grant()
	return w.path()
}

// way is a path while findings are put on it.
type way struct {
	secret *Secret
	known  bool // every hop without a finding is allowed
	unread map[string]bool

	invoke, assume, value, key, master, network, beyond *pageStep
}

// lay makes the steps that the secret's rotation has in any case.
func (w *way) lay() {
	s := w.secret
	if s.FunctionARN != "" {
		w.invoke = &pageStep{Does: "Secrets Manager invokes", To: pageNode{"function", functionName(s.FunctionARN)}}
		function, _ := s.FunctionARN.SplitFunction()
		w.set(w.invoke, string(s.FunctionARN), string(function))
	}
	if s.RoleARN == "" {
		return
	}
	does := "Lambda assumes"
	if s.FunctionARN == "" {
		does = "Secrets Manager assumes"
	}
	w.assume = &pageStep{Does: does, To: pageNode{"role", roleName(s.RoleARN)}}
	w.set(w.assume, string(s.RoleARN))
	w.value = &pageStep{Does: "reads and writes", To: pageNode{"secret", secretName(s)}}
	w.set(w.value, string(s.ARN), string(s.RoleARN))
	w.key = &pageStep{Does: "decrypts with", To: pageNode{"key", keyName(s.KMSKeyID)}}
	w.set(w.key, s.KMSKeyID, string(s.RoleARN))
	if s.KMSKeyID == "" && w.known {
		w.key.Hop = hopFree
	}
	if s.Master != "" {
		w.layMaster(string(s.Master))
	}
}

func (w *way) layMaster(arn string) {
	w.master = &pageStep{Does: "reads", To: pageNode{"master secret", resourceName(arn)}}
	w.set(w.master, arn, string(w.secret.RoleARN))
}

// set says what holds of a step that no finding is about.
func (w *way) set(s *pageStep, resources ...string) {
	switch {
	case w.known:
		s.Hop = hopAllowed
	case slices.ContainsFunc(resources, func(r string) bool { return w.unread[r] }):
		s.Hop = hopUnread
	default:
		s.Hop = hopOpen
	}
}

// take puts a finding on the step that it is about.
func (w *way) take(f *drift.Finding) {
	step := w.step(f)
	if step == nil {
		return
	}
	switch {
	case f.Rule == drift.RuleOrphan:
		step.worsen(hopGone)
	case f.Direction == policy.Excess:
		step.worsen(hopMore)
		step.Also = note(step.Also, beyondText(f))
	case f.Severity == drift.Critical:
		step.worsen(hopDenied)
		step.Denied = note(step.Denied, actionName(f))
	default:
		step.worsen(hopLater)
		step.Denied = note(step.Denied, actionName(f))
	}
}

// grant puts the required actions that no finding denies on their steps. Where not everything was decided none is said to be allowed.
func (w *way) grant() {
	if !w.known {
		return
	}
	for _, n := range w.secret.needs {
		step := w.value
		switch n.target {
		case rotation.TargetSecret, rotation.TargetAccount:
		case rotation.TargetKey:
			step = w.key
		case rotation.TargetMaster, rotation.TargetMasterKey, rotation.TargetDatabase:
			step = w.master
		case rotation.TargetNetwork:
			if w.network == nil {
				w.network = &pageStep{Hop: hopAllowed, Does: "connects to", To: networkNode}
			}
			step = w.network
		case rotation.TargetFunction, rotation.TargetTrust:
			continue // the arrow itself says what is allowed
		}
		if step != nil && step.Hop != hopGone && !slices.Contains(step.Denied, n.action) {
			step.May = note(step.May, n.action)
		}
	}
}

var networkNode = pageNode{"network", "interfaces in the VPC"}

// step finds the step that a finding is about, and makes those that only findings show.
func (w *way) step(f *drift.Finding) *pageStep {
	action, resource := "", ""
	if f.Witness != nil {
		action, resource = f.Witness.Action, f.Witness.Resource
	}
	service, _, _ := strings.Cut(action, ":")
	switch f.Kind {
	case drift.KindFunction, drift.KindFunctionPolicy:
		return w.invoke
	case drift.KindTrust:
		return w.assume
	case drift.KindSecret:
		if f.Rule == drift.RuleOrphan && w.invoke == nil {
			w.invoke = &pageStep{Hop: hopOpen, Does: "is rotated by", To: pageNode{"function", "none"}}
		}
		return w.invoke
	case drift.KindRole, drift.KindBoundary, drift.KindSecretPolicy, drift.KindKey, drift.KindOperator:
	}
	switch {
	case f.Rule == drift.RuleOrphan:
		return w.assume
	case f.Direction == policy.Excess:
		if w.beyond == nil {
			w.beyond = &pageStep{Hop: hopMore, Does: "may also call", To: pageNode{"beyond rotation", resourceName(resource)}}
		}
		return w.beyond
	case service == "kms" || f.Kind == drift.KindKey:
		return w.key
	case service == "ec2":
		if w.network == nil {
			w.network = &pageStep{Hop: hopOpen, Does: "connects to", To: networkNode}
		}
		return w.network
	case service == "rds" || f.Rule == drift.RuleMaster || service == "secretsmanager" && resource != "*" && resource != string(w.secret.ARN):
		if w.master == nil {
			w.layMaster(resource)
		}
		return w.master
	}
	return w.value
}

// path ends where something is gone: what would come after is not known.
func (w *way) path() *pagePath {
	p := &pagePath{From: pageNode{"secret", secretName(w.secret)}}
	for _, s := range []*pageStep{w.invoke, w.assume} {
		if s == nil {
			continue
		}
		p.Steps = append(p.Steps, s)
		if s.Hop == hopGone {
			return p
		}
	}
	for _, s := range []*pageStep{w.value, w.key, w.master, w.network, w.beyond} {
		if s != nil {
			p.Targets = append(p.Targets, s)
		}
	}
	return p
}

// note adds a text that is not there yet.
func note(texts []string, text string) []string {
	if text == "" || slices.Contains(texts, text) {
		return texts
	}
	return append(texts, text)
}

// actionName is what a finding denies, without the service.
func actionName(f *drift.Finding) string {
	if f.Witness == nil {
		return ""
	}
	return actionOf(f.Witness.Action)
}

// actionOf is an action without its service.
func actionOf(action string) string {
	_, name, _ := strings.Cut(action, ":")
	return inert(name)
}

// beyondText is what a finding allows beyond need: who, where a policy names who may, else the action.
func beyondText(f *drift.Finding) string {
	switch {
	case f.Witness == nil:
		return ""
	case f.Kind == drift.KindFunctionPolicy || f.Kind == drift.KindTrust:
		if f.Rule == drift.RulePublicInvoke {
			return "anyone"
		}
		if f.Witness.Principal != nil {
			return inert(strings.TrimPrefix(*f.Witness.Principal, "arn:aws:iam::"))
		}
		return ""
	}
	return inert(f.Witness.Action)
}

func roleName(arn rotation.ARN) string {
	if name := arn.RoleName(); name != "" {
		return inert(name)
	}
	return inert(string(arn))
}

// keyName is a key as people name it: the alias, or the id.
func keyName(id string) string {
	if id == "" {
		return "aws/secretsmanager"
	}
	return strings.TrimPrefix(resourceName(id), "key/")
}

// resourceName is the part of an ARN that names the resource.
func resourceName(arn string) string {
	if r := rotation.ARN(arn).Parts().Resource; r != "" {
		return inert(strings.TrimPrefix(r, "secret:"))
	}
	return inert(arn)
}
