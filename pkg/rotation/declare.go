package rotation

import (
	"fmt"
	"regexp"
	"strings"
)

// The tags that declare how a secret is rotated. Whoever may tag the secret controls them: they decide verdicts, never
// what may be granted.
const (
	TagStrategy = "rotationguard:strategy"
	TagMaster   = "rotationguard:master-secret"
)

// Match picks secrets. Every field that is set must match; Name and ARN are globs with `*` and `?`, and so are the
// values of Tag.
type Match struct {
	Name string
	ARN  string
	Tag  map[string]string
}

// Matches says whether the match picks the secret.
func (m Match) Matches(s *Secret) bool {
	if m.Name != "" && !GlobMatch(m.Name, s.Name) || m.ARN != "" && !GlobMatch(m.ARN, string(s.ARN)) {
		return false
	}
	for key, want := range m.Tag {
		have, ok := s.Tags[key]
		if !ok || !GlobMatch(want, have) {
			return false
		}
	}
	return true
}

// Empty says whether the match names nothing at all.
func (m Match) Empty() bool { return m.Name == "" && m.ARN == "" && len(m.Tag) == 0 }

// covers says whether m certainly picks every secret that other picks.
func (m Match) covers(other Match) bool {
	if !globCovers(m.Name, other.Name) || !globCovers(m.ARN, other.ARN) {
		return false
	}
	for key, want := range m.Tag {
		have, ok := other.Tag[key]
		if !ok || !globCovers(want, have) {
			return false
		}
	}
	return true
}

// Rule is one entry of `rotations:`; the first that matches a secret decides.
type Rule struct {
	Where    string // where the entry stands, as messages name it: "rotations[0]"
	Match    Match
	Strategy string // as written; empty: not said
	Master   string
	Allow    []Grant
}

// Exclusion is one entry of `exclude:`.
type Exclusion struct {
	Match  Match
	Reason string
}

// Rules are an operator's declarations.
type Rules struct {
	Rotations []Rule
	Exclude   []Exclusion
}

// Validate says what is wrong with the rules themselves: an entry that picks by nothing, an unknown strategy, a master that
// is not a secret's ARN, or an entry that can never decide because an earlier one covers it.
func (r Rules) Validate() error {
	for i, rule := range r.Rotations {
		where := rule.where(i)
		if rule.Match.Empty() {
			return fmt.Errorf("%s: match names neither name, arn nor tag", where)
		}
		if rule.Strategy != "" {
			if _, err := ParseStrategy(rule.Strategy); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		}
		if rule.Master != "" {
			if err := checkMaster(rule.Master); err != nil {
				return fmt.Errorf("%s: master_secret: %w", where, err)
			}
		}
		if strategy, _ := ParseStrategy(rule.Strategy); strategy == SingleUser && rule.Master != "" {
			return fmt.Errorf("%s: a single-user rotation has no master_secret", where)
		}
		for _, grant := range rule.Allow {
			if len(grant.Actions) == 0 || len(grant.Resources) == 0 {
				return fmt.Errorf("%s: allow: a statement needs actions and resources", where)
			}
		}
		for j, earlier := range r.Rotations[:i] {
			if earlier.Match.covers(rule.Match) {
				return fmt.Errorf("%s can never match: %s covers it", where, earlier.where(j))
			}
		}
	}
	for i, e := range r.Exclude {
		if e.Match.Empty() {
			return fmt.Errorf("exclude[%d]: match names neither name, arn nor tag", i)
		}
	}
	return nil
}

func (r Rule) where(i int) string {
	if r.Where != "" {
		return r.Where
	}
	return fmt.Sprintf("rotations[%d]", i)
}

// Excluded is the reason of the first exclusion that covers the secret, or empty.
func (r Rules) Excluded(s *Secret) string {
	for _, e := range r.Exclude {
		if e.Match.Matches(s) {
			if e.Reason == "" {
				return "excluded by the configuration"
			}
			return e.Reason
		}
	}
	return ""
}

// ParseStrategy reads a strategy as people write it: alternating-users, superuser and multi-user are other words for
// master-user (Secrets Manager User Guide, "Lambda function rotation strategies").
func ParseStrategy(s string) (Strategy, error) {
	switch s {
	case string(SingleUser):
		return SingleUser, nil
	case string(MasterUser), "alternating-users", "superuser", "multi-user":
		return MasterUser, nil
	case string(Custom):
		return Custom, nil
	}
	return "", fmt.Errorf("unknown strategy %q: it is single-user, master-user or custom", OneLine(s))
}

// secretARN is a secret's ARN, the six characters at the end perhaps missing.
// Source: Secrets Manager API reference, CreateSecret, Name; the names of secrets that a service owns hold a "!".
var secretARN = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@!-]+$`)

// checkMaster says whether a declared master can name a secret. A partial ARN is resolved with DescribeSecret.
func checkMaster(s string) error {
	if !secretARN.MatchString(s) {
		return fmt.Errorf("%q is not a secret's ARN", OneLine(s))
	}
	return nil
}

// claim is one statement about a secret by one source.
type claim struct {
	source Source
	by     string // "rotations[0]", "the tag rotationguard:strategy", "the stack parameter masterSecretArn"
	value  string
}

// Declare says how a secret is rotated, from the strongest source that says so: a rule of the configuration, a tag on the
// secret, the parameters of the stack that made the function (superuserSecretArn, masterSecretArn). What a weaker
// source says differently is named once in Evidence and loses. stackParameters may be nil.
func Declare(rules Rules, s *Secret, stackParameters map[string]string) Declaration {
	var strategies, masters []claim
	d := Declaration{Strategy: SingleUser, StrategySource: SourceDefault}
	for i, rule := range rules.Rotations {
		if !rule.Match.Matches(s) {
			continue
		}
		strategies = appendClaim(strategies, SourceConfig, rule.where(i), rule.Strategy)
		masters = appendClaim(masters, SourceConfig, rule.where(i), rule.Master)
		d.Allow = rule.Allow
		break
	}
	strategies = appendClaim(strategies, SourceTag, "the tag "+TagStrategy, s.Tags[TagStrategy])
	masters = appendClaim(masters, SourceTag, "the tag "+TagMaster, s.Tags[TagMaster])
	for _, name := range []string{"superuserSecretArn", "masterSecretArn"} {
		masters = appendClaim(masters, SourceStack, "the stack parameter "+name, parameter(stackParameters, name))
	}
	d.decideStrategy(strategies, masters)
	d.decideMaster(masters)
	return d
}

func appendClaim(claims []claim, source Source, by, value string) []claim {
	if value = strings.TrimSpace(value); value != "" {
		claims = append(claims, claim{source, by, value})
	}
	return claims
}

// parameter finds a stack parameter without regard to case: the transform spells SuperuserSecretArn what the application
// spells superuserSecretArn.
func parameter(parameters map[string]string, name string) string {
	if v, ok := parameters[name]; ok {
		return v
	}
	for k, v := range parameters {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// decideStrategy takes the strongest claim. Who names a master without a strategy says master-user.
func (d *Declaration) decideStrategy(claims, masters []claim) {
	for _, source := range []Source{SourceConfig, SourceTag, SourceStack} {
		for _, c := range claims {
			if c.source == source {
				d.takeStrategy(c)
				d.disagree(claims, c, func(v string) string {
					s, err := ParseStrategy(v)
					if err != nil {
						return v
					}
					return string(s)
				})
				return
			}
		}
		for _, c := range masters {
			if c.source == source {
				d.Strategy, d.StrategySource = MasterUser, source
				d.note("master-user, because %s names a master secret", c.by)
				d.disagreeWith(claims, "master-user", c.by)
				return
			}
		}
	}
}

func (d *Declaration) takeStrategy(c claim) {
	strategy, err := ParseStrategy(c.value)
	if err != nil {
		d.Problem = fmt.Sprintf("%s: %v", c.by, err)
		d.StrategySource = c.source
		return
	}
	d.Strategy, d.StrategySource = strategy, c.source
	d.note("%s, declared by %s", strategy, c.by)
}

func (d *Declaration) decideMaster(claims []claim) {
	if len(claims) == 0 {
		return
	}
	c := claims[0]
	if d.Strategy == SingleUser && d.StrategySource != SourceDefault && stronger(d.StrategySource, c.source) {
		d.note("%s names the master secret %s; it is ignored, the strategy is single-user", c.by, OneLine(c.value))
		return
	}
	if err := checkMaster(c.value); err != nil {
		if d.Problem == "" {
			d.Problem = fmt.Sprintf("%s: the master secret %v", c.by, err)
		}
		return
	}
	d.Master, d.MasterSource = ARN(c.value), c.source
	d.note("master secret %s, declared by %s", c.value, c.by)
	d.disagree(claims, c, func(v string) string { return v })
}

// disagree names every claim that says something else than the one that was taken.
func (d *Declaration) disagree(claims []claim, taken claim, meaning func(string) string) {
	for _, c := range claims {
		if meaning(c.value) != meaning(taken.value) {
			d.note("%s says %s; %s wins", c.by, OneLine(c.value), taken.by)
		}
	}
}

func (d *Declaration) disagreeWith(claims []claim, strategy, by string) {
	for _, c := range claims {
		if s, err := ParseStrategy(c.value); err != nil || string(s) != strategy {
			d.note("%s says %s; %s wins", c.by, OneLine(c.value), by)
		}
	}
}

func (d *Declaration) note(format string, args ...any) {
	d.Evidence = append(d.Evidence, fmt.Sprintf(format, args...))
}

// stronger says whether a source decides over another.
func stronger(a, b Source) bool {
	rank := map[Source]int{SourceConfig: 3, SourceTag: 2, SourceStack: 1, SourceDefault: 0}
	return rank[a] >= rank[b]
}

// Declared says whether somebody said how the secret is rotated.
func (d Declaration) Declared() bool {
	return d.StrategySource != "" && d.StrategySource != SourceDefault && d.Problem == ""
}
