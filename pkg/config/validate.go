package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// validator finds what is well typed and still cannot be meant.
type validator struct {
	*binder
	folder string
}

// The sets that operators choose from.
var (
	modes         = []string{"report", "repair", "enforce"}
	strategies    = []string{"single-user", "master-user", "custom"}
	otherWords    = []string{"alternating-users", "superuser", "multi-user"} // read as master-user
	permissions   = []string{"trigger", "configure"}
	architectures = []string{"arm64", "amd64"}
)

// The forms of ARNs, after the Service Authorization Reference of each service and the IAM API reference (RoleName: the characters of a name).
var (
	secretARN     = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$`)
	roleARN       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7e]+$`)
	principalARN  = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user|group)/[\x21-\x7e]+$`)
	policyARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\x21-\x7e]+$`)
	roleName      = regexp.MustCompile(`^/?([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}$`)
	rolePath      = regexp.MustCompile(`^/([\x21-\x7e]+/)?$`)
	tableName     = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
	externalID    = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]{2,1000}$`)
	onlyWildcards = regexp.MustCompile(`^[*?/]+$`)
	// IAM and Secrets Manager API references, Tag; what an attribute's name has no place for becomes _.
	tagKey         = regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]{1,128}$`)
	notInAttribute = regexp.MustCompile(`[^A-Za-z0-9_-]`)
	// Secrets Manager API reference, CreateSecret: Name may hold letters, digits and /_+=.@-.
	nameGlob = regexp.MustCompile(`^[A-Za-z0-9/_+=.@*?-]+$`)
	arnGlob  = regexp.MustCompile(`^(arn:|[*?])[A-Za-z0-9/_+=.,@:$*?-]*$`)
)

func (v *validator) validate(c *Config) {
	v.oneOf("mode", c.Mode, modes)
	v.oneOf("architecture", c.Architecture, architectures)
	v.rotations(c.Rotations)
	for i, o := range c.Operators {
		field := fmt.Sprintf("operators[%d]", i)
		v.form(field+".principal", o.Principal, principalARN, "the ARN of a role, user or group")
		v.oneOf(field+".may", o.May, permissions)
	}
	for i, e := range c.Exclude {
		v.match(fmt.Sprintf("exclude[%d]", i), e.Match)
	}
	for i, e := range c.Exemptions {
		v.exemption(fmt.Sprintf("exemptions[%d]", i), e)
	}
	v.repair(c)
	if c.Ledger.Table != "" {
		v.form("ledger.table", c.Ledger.Table, tableName, "the name of a DynamoDB table")
	}
	if c.Member.Role != "" {
		v.form("member.role", c.Member.Role, roleName, "a role's name, with its path if it has one (it is the same in every account)")
	}
	if c.Member.ExternalID != "" {
		v.form("member.external_id", c.Member.ExternalID, externalID, "letters, digits and _+=,.@:/-")
		if c.Member.Role == "" {
			v.problemAt("member.external_id", "there is no member.role that it could be sent to")
		}
	}
	if c.Member.WriterRole != "" {
		v.form("member.writer_role", c.Member.WriterRole, roleName, "a role's name, with its path if it has one (it is the same in every account)")
		if c.Member.Role == "" {
			v.problemAt("member.writer_role", "there is no member.role that could assume it")
		}
	}
	v.templates(c.Templates)
	v.alerts(c.Alerts)
	v.pace(c)
}

// quotaNames are the request quotas that a sweep draws on.
var quotaNames = []string{"secretsmanager_list", "secretsmanager_resource_policy", "lambda_get_policy", "lambda_get_function", "lambda_control_plane", "iam", "kms"}

func (v *validator) pace(c *Config) {
	if c.QuotaShare <= 0 || c.QuotaShare > 1 {
		v.problemAt("quota_share", "%g is not a part of a quota: it is more than 0 and at most 1", c.QuotaShare)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rates)) {
		field := "rates." + name
		if !slices.Contains(quotaNames, name) {
			v.problemAt(field, "unknown quota %q: it is %s", name, orList(quotaNames))
		} else if c.Rates[name] <= 0 {
			v.problemAt(field, "%g is not a rate: it is more than 0 calls a second", c.Rates[name])
		}
	}
}

// The attributes of an alert that are always there, and how many a secret's tags may add: a message has at most 10. Source: Amazon SNS Developer
// Guide, "Amazon SNS message attributes" (names, and with raw delivery to Amazon SQS at most 10).
var alertAttributes = []string{"event", "verdict", "severity", "account", "region"}

const maxAlertTags = 5

func (v *validator) alerts(a Alerts) {
	if len(a.Tags) > maxAlertTags {
		v.problemAt("alerts.tags", "%d keys: an alert has room for %d beside %s", len(a.Tags), maxAlertTags, strings.Join(alertAttributes, ", "))
	}
	named := map[string]string{}
	for i, key := range a.Tags {
		field := fmt.Sprintf("alerts.tags[%d]", i)
		name := notInAttribute.ReplaceAllString(key, "_")
		switch twice, known := named[name]; {
		case !tagKey.MatchString(key):
			v.problemAt(field, "%q is not a tag's key: it is 1 to 128 letters, digits, spaces and _.:/=+@-", key)
		case slices.Contains(alertAttributes, strings.ToLower(name)):
			v.problemAt(field, "every alert has an attribute %s already", strings.ToLower(name))
		case known:
			v.problemAt(field, "%q and %q are the same attribute, %s", twice, key, name)
		}
		named[name] = key
	}
}

func (v *validator) oneOf(field, value string, known []string) {
	if slices.Contains(known, value) {
		return
	}
	if value == "" {
		v.problemAt(field, "missing: it is %s", orList(known))
		return
	}
	v.problemAt(field, "unknown %s %q: it is %s", field[strings.LastIndexByte(field, '.')+1:], value, orList(known))
}

func orList(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
}

func (v *validator) form(field, value string, form *regexp.Regexp, what string) {
	switch {
	case value == "":
		v.problemAt(field, "missing: it is %s", what)
	case !form.MatchString(value):
		v.problemAt(field, "%q is not %s", value, what)
	}
}

func (v *validator) rotations(rotations []Rotation) {
	for i, r := range rotations {
		field := fmt.Sprintf("rotations[%d]", i)
		v.match(field, r.Match)
		if r.Strategy != "" && !slices.Contains(otherWords, r.Strategy) {
			v.oneOf(field+".strategy", r.Strategy, strategies)
		}
		if r.MasterSecret != "" {
			v.form(field+".master_secret", r.MasterSecret, secretARN, "a secret's ARN")
			if r.Strategy == "single-user" {
				v.problemAt(field+".master_secret", "a single-user rotation has no master secret: remove it, or write strategy: master-user")
			}
		}
		if r.Strategy == "" && r.MasterSecret == "" && len(r.Allow) == 0 {
			v.problemAt(field, "declares nothing: add strategy, master_secret or allow")
		}
		for j, s := range r.Allow {
			v.statement(fmt.Sprintf("%s.allow[%d]", field, j), s)
		}
		for j, earlier := range rotations[:i] {
			if earlier.Match.covers(r.Match) {
				v.problemAt(field, "can never match: rotations[%d] comes first and covers it; put the narrower entry first", j)
				break
			}
		}
	}
}

func (v *validator) match(field string, m Match) {
	if m.Name == "" && m.ARN == "" && len(m.Tag) == 0 {
		v.problemAt(field+".match", "picks nothing: give name, arn or tag")
		return
	}
	if m.Name != "" && !nameGlob.MatchString(m.Name) {
		v.problemAt(field+".match.name", "%q matches no secret: names hold letters, digits and /_+=.@-, and the wildcards are * and ?", m.Name)
	}
	if m.ARN != "" && !arnGlob.MatchString(m.ARN) {
		v.problemAt(field+".match.arn", "%q matches no ARN: write arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME with the wildcards * and ?", m.ARN)
	}
	for key := range m.Tag {
		if key == "" || len(key) > 128 {
			v.problemAt(field+".match.tag", "a tag's key has 1 to 128 characters")
		}
	}
}

func (v *validator) statement(field string, s Statement) {
	if s.Effect != "" && s.Effect != "Allow" {
		v.problemAt(field+".Effect", "%q: what may be held beyond the template is an Allow", s.Effect)
	}
	if len(s.Actions) == 0 {
		v.problemAt(field+".Action", "missing: the actions that the role may hold")
	}
	for i, a := range s.Actions {
		if service, action, ok := strings.Cut(a, ":"); a != "*" && (!ok || service == "" || action == "" || strings.ContainsAny(a, " \t")) {
			v.problemAt(fmt.Sprintf("%s.Action[%d]", field, i), "%q is not an action: write SERVICE:ACTION, such as rds:ModifyDBInstance", a)
		}
	}
	if len(s.Resources) == 0 {
		v.problemAt(field+".Resource", "missing: the ARNs that the actions may be used on, or *")
	}
	for i, r := range s.Resources {
		if r != "*" && !strings.HasPrefix(r, "arn:") {
			v.problemAt(fmt.Sprintf("%s.Resource[%d]", field, i), "%q is neither an ARN nor *", r)
		}
	}
}

func (v *validator) exemption(field string, e Exemption) {
	named := 0
	for _, value := range []string{e.Finding, e.Secret, e.Function, e.Rule} {
		if value != "" {
			named++
		}
	}
	if named == 0 {
		v.problemAt(field, "exempts nothing: give finding, secret, function or rule")
	}
	if e.Secret != "" && !arnGlob.MatchString(e.Secret) && !nameGlob.MatchString(e.Secret) {
		v.problemAt(field+".secret", "%q matches no secret: give its ARN or name", e.Secret)
	}
	if e.Function != "" && !arnGlob.MatchString(e.Function) {
		v.problemAt(field+".function", "%q matches no function: give its ARN; the wildcards are * and ?", e.Function)
	}
	if strings.TrimSpace(e.Owner) == "" {
		v.problemAt(field+".owner", "missing: who answers for the exemption")
	}
	if strings.TrimSpace(e.Reason) == "" {
		v.problemAt(field+".reason", "missing: why it is safe to live with")
	}
	if e.Expires.IsZero() {
		v.problemAt(field+".expires", "missing: the day until which it holds, such as 2027-01-31")
	}
}

func (v *validator) repair(c *Config) {
	r := c.Repair
	for i, role := range r.Roles {
		v.roleGlob(fmt.Sprintf("repair.roles[%d]", i), role)
	}
	for i, function := range r.Functions {
		v.functionGlob(fmt.Sprintf("repair.functions[%d]", i), function)
	}
	if r.TargetBoundary != "" {
		v.form("repair.target_boundary", r.TargetBoundary, policyARN, "the ARN of a managed policy")
	}
	if r.WriterRole != "" {
		v.form("repair.writer_role", r.WriterRole, roleARN, "the ARN of a role")
	}
	if r.MaxChanges < 0 {
		v.problemAt("repair.max_changes", "%d is less than none", r.MaxChanges)
	}
	if r.MaxChangePercent < 0 || r.MaxChangePercent > 100 {
		v.problemAt("repair.max_change_percent", "%d is not between 0 and 100", r.MaxChangePercent)
	}
	for i, k := range r.Keep {
		if strings.TrimSpace(k) == "" {
			v.problemAt(fmt.Sprintf("repair.keep[%d]", i), "empty: it is a Sid or the name of a policy")
		}
	}
}

// roleGlob: no control of IAM limits what a policy document says, so what may be written to is named, never everything.
func (v *validator) roleGlob(field, glob string) {
	const want = "write a role's ARN with account and name (arn:aws:iam::111122223333:role/rotation/*), or a path such as /rotation/"
	if rolePath.MatchString(glob) && !onlyWildcards.MatchString(glob) {
		return
	}
	_, name, found := strings.Cut(glob, ":role/")
	switch {
	case !arnGlob.MatchString(glob) || !found || !strings.HasPrefix(glob, "arn:"):
		v.problemAt(field, "%q is no role: %s", glob, want)
	case onlyWildcards.MatchString(name):
		v.problemAt(field, "%q names every role: %s", glob, want)
	}
}

func (v *validator) functionGlob(field, glob string) {
	const want = "write a function's ARN with Region, account and name (arn:aws:lambda:eu-west-1:111122223333:function:rotate-*)"
	_, name, found := strings.Cut(glob, ":function:")
	name, _, _ = strings.Cut(name, ":")
	switch {
	case !arnGlob.MatchString(glob) || !found || !strings.HasPrefix(glob, "arn:"):
		v.problemAt(field, "%q is no function: %s", glob, want)
	case onlyWildcards.MatchString(name):
		v.problemAt(field, "%q names every function: %s", glob, want)
	}
}

// templates reads the files, so that a config that loads is whole. What is in them is judged by whoever compares with it.
func (v *validator) templates(templates map[string]Template) {
	if folder, ok := templates[wholeFolder]; ok {
		delete(templates, wholeFolder)
		v.templateFolder(templates, folder.File)
	}
	for name, t := range templates {
		field := "templates." + name
		if _, ok := v.at[field]; !ok {
			v.at[field] = v.at["templates"] // one of a folder's
		}
		if t.File == "" {
			v.problemAt(field, "missing: the file with the policy")
			continue
		}
		path := t.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(v.folder, path)
		}
		text, err := readFile(path, maxSize)
		var p *Problem
		if errors.As(err, &p) {
			v.problemAt(field, "%s: %s", p.File, p.Message)
			continue
		}
		t.Text = text
		templates[name] = t
	}
}

// templateFolder names the files NAME.json of a folder.
func (v *validator) templateFolder(templates map[string]Template, folder string) {
	path := folder
	if !filepath.IsAbs(path) {
		path = filepath.Join(v.folder, path)
	}
	entries, err := os.ReadDir(path)
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if err != nil {
		v.problemAt("templates", "%s: %v", folder, err)
		return
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && name != "" && !e.IsDir() {
			templates[name] = Template{File: filepath.Join(folder, e.Name())}
		}
	}
	if len(templates) == 0 {
		v.problemAt("templates", "%s: the folder holds no NAME.json", folder)
	}
}

// Expired are the exemptions that no longer hold at a moment, as sentences. They exempt nothing and stop nothing: a run must not
// end because a day has come.
func (c *Config) Expired(now time.Time) []string {
	var expired []string
	for i, e := range c.Exemptions {
		if !now.Before(e.Expires) {
			field := fmt.Sprintf("exemptions[%d]", i)
			p := c.ProblemAt(field, fmt.Errorf("expired at %s and exempts nothing; renew or remove it", e.Expires.UTC().Format(time.RFC3339)))
			expired = append(expired, p.Error())
		}
	}
	return expired
}
