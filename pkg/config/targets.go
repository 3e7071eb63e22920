package config

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// TargetsSchema is the JSON schema of a targets file.
//
//go:embed targets.schema.json
var TargetsSchema []byte

// Targets is one targets.yaml: which accounts and Regions a fleet sweep reads, and with which role. The accounts are listed, or they are
// those of an organization.
type Targets struct {
	RoleName     string       `yaml:"role_name"`   // the member role, path included, the same in every account; member.role of the config when left out
	ExternalID   string       `yaml:"external_id"` // member.external_id of the config when left out
	Regions      []string     `yaml:"regions"`     // of every target that has none of its own; an organization's accounts: those that are opted in
	Concurrency  int          `yaml:"concurrency"` // targets swept at the same time; 0: the default of whoever sweeps
	Tolerated    int          `yaml:"tolerated_failure_percentage"`
	TrustedRoles []string     `yaml:"trusted_roles"` // ARNs of roles that may assume the deployed member roles besides the fleet's own
	Targets      []Target     `yaml:"targets"`
	Organization Organization `yaml:"organization"`

	file string
	at   map[string]position
}

// Target is one listed account.
type Target struct {
	Account string   `yaml:"account"`
	Name    string   `yaml:"name"` // for people
	Regions []string `yaml:"regions"`
}

// Organization picks accounts of an organization. The fields narrow: an account must be under one of OUs, under none of ExcludeOUs, not in
// Exclude, and have all of Tags.
type Organization struct {
	ID                     string            `yaml:"id"`
	OUs                    []string          `yaml:"ous"` // organizational units or a root, with all below; the whole organization when left out
	ExcludeOUs             []string          `yaml:"exclude_ous"`
	Tags                   map[string]string `yaml:"tags"` // of the account; the values are globs with `*` and `?`
	Exclude                []string          `yaml:"exclude"`
	DelegatedAdministrator bool              `yaml:"delegated_administrator"` // the fleet's account is one, not the management account
}

// DefaultTargets is what a targets file leaves out.
func DefaultTargets() Targets { return Targets{Tolerated: 10} }

// The forms of ids. Sources: Organizations API reference, Organization, OrganizationalUnit, Root and Account; Regions as the AWS General Reference
// lists them.
var (
	accountID      = regexp.MustCompile(`^[0-9]{12}$`)
	organizationID = regexp.MustCompile(`^o-[a-z0-9]{10,32}$`)
	parentID       = regexp.MustCompile(`^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$`)
	trustedRole    = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}$`)
	regionName     = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
)

// maxConcurrency is the most targets at a time: Step Functions runs at most 10,000 child executions of a Map Run at once, and Lambda 1,000
// functions of an account by default. Sources: Step Functions Developer Guide, "Service quotas"; Lambda Developer Guide, "Lambda quotas".
const maxConcurrency = 1000

// maxTrusted is how many roles a member role's trust policy names besides the fleet's: it has 2,048 characters by default (IAM User Guide, "IAM and AWS STS quotas").
const maxTrusted = 5

// LoadTargets reads and validates the targets file at path. The error is a Problems when the file could be read at all.
func LoadTargets(path string) (Targets, error) {
	data, err := readFile(path, maxSize)
	if err != nil {
		return Targets{}, err
	}
	return ParseTargets(path, data)
}

// ParseTargets reads a targets file's text as LoadTargets does. path names it in messages.
func ParseTargets(path string, data []byte) (Targets, error) {
	t := DefaultTargets()
	t.file, t.at = path, map[string]position{}
	b := &binder{file: path, at: t.at}
	if root := b.parse(data); root != nil {
		b.bind(&t, root)
	}
	if len(b.problems) == 0 {
		v := &validator{binder: b}
		v.targets(&t)
	}
	if err := b.ordered(); err != nil {
		return Targets{}, err
	}
	return t, nil
}

// File is where the targets were read from.
func (t *Targets) File() string { return t.file }

// ProblemAt is an error about a field of the file, such as "role_name", that only whoever takes its value can find.
func (t *Targets) ProblemAt(field string, err error) error {
	at := t.at[field]
	return &Problem{File: t.file, Line: at.line, Column: at.column, Field: field, Message: err.Error()}
}

// Member is the member role that the file and a config name: either may, or both the same.
func (t *Targets) Member(c Member) (Member, error) {
	role, id := strings.TrimPrefix(cmp.Or(t.RoleName, c.Role), "/"), cmp.Or(t.ExternalID, c.ExternalID)
	switch {
	case role == "":
		return Member{}, t.ProblemAt("role_name", errors.New("missing: it is the name of the role to assume in every account (or member.role of the configuration)"))
	case c.Role != "" && strings.TrimPrefix(c.Role, "/") != role:
		return Member{}, t.ProblemAt("role_name", fmt.Errorf("%s is not the configured member role %s: no other role is assumed in a target", role, c.Role))
	case c.ExternalID != "" && c.ExternalID != id:
		return Member{}, t.ProblemAt("external_id", errors.New("it is not the configured member.external_id"))
	}
	return Member{Role: role, ExternalID: id, WriterRole: strings.TrimPrefix(c.WriterRole, "/")}, nil
}

// Listed says whether the accounts are listed; else they are an organization's.
func (t *Targets) Listed() bool { return t.Organization.ID == "" }

func (v *validator) targets(t *Targets) {
	if t.RoleName != "" {
		v.form("role_name", t.RoleName, roleName, "a role's name, with its path if it has one (it is the same in every account)")
	}
	if t.ExternalID != "" {
		v.form("external_id", t.ExternalID, externalID, "letters, digits and _+=,.@:/-")
	}
	v.regions("regions", t.Regions)
	if t.Concurrency < 0 || t.Concurrency > maxConcurrency {
		v.problemAt("concurrency", "%d is not between 0 and %d", t.Concurrency, maxConcurrency)
	}
	if t.Tolerated < 0 || t.Tolerated > 100 {
		v.problemAt("tolerated_failure_percentage", "%d is not between 0 and 100", t.Tolerated)
	}
	for i, role := range t.TrustedRoles {
		at := fmt.Sprintf("trusted_roles[%d]", i)
		v.form(at, role, trustedRole, "a role's ARN without wildcards")
		if slices.Contains(t.TrustedRoles[:i], role) {
			v.problemAt(at, "%s is in the list already", role)
		}
	}
	if n := len(t.TrustedRoles); n > maxTrusted {
		v.problemAt("trusted_roles", "%d roles: a trust policy has room for %d", n, maxTrusted)
	}
	_, organized := v.at["organization"]
	switch {
	case organized && len(t.Targets) > 0:
		v.problemAt("organization", "there are targets too: either list the accounts or name an organization")
	case organized:
		v.organization(t.Organization)
	case len(t.Targets) == 0:
		v.problemAt("targets", "no account: list targets, or name an organization")
	default:
		v.listed(t)
	}
}

func (v *validator) listed(t *Targets) {
	first := map[string]int{}
	for i, target := range t.Targets {
		field := fmt.Sprintf("targets[%d]", i)
		v.form(field+".account", target.Account, accountID, "an account's 12 digits, in quotes")
		v.regions(field+".regions", target.Regions)
		if len(target.Regions) == 0 && len(t.Regions) == 0 {
			v.problemAt(field, "no Region: give it regions, or give regions to all")
		}
		if j, twice := first[target.Account]; twice && target.Account != "" {
			v.problemAt(field+".account", "%s is targets[%d] already: put all its Regions there", target.Account, j)
			continue
		}
		first[target.Account] = i
	}
}

func (v *validator) regions(field string, regions []string) {
	for i, region := range regions {
		at := fmt.Sprintf("%s[%d]", field, i)
		v.form(at, region, regionName, "a Region's name, such as eu-central-1")
		if slices.Contains(regions[:i], region) {
			v.problemAt(at, "%s is in the list already", region)
		}
	}
}

func (v *validator) organization(o Organization) {
	v.form("organization.id", o.ID, organizationID, "an organization's id, such as o-a1b2c3d4e5")
	for field, ids := range map[string][]string{"organization.ous": o.OUs, "organization.exclude_ous": o.ExcludeOUs} {
		for i, id := range ids {
			v.form(fmt.Sprintf("%s[%d]", field, i), id, parentID, "the id of an organizational unit (ou-ab12-34cd56ef) or of a root (r-ab12)")
		}
	}
	for i, id := range o.Exclude {
		v.form(fmt.Sprintf("organization.exclude[%d]", i), id, accountID, "an account's 12 digits, in quotes")
	}
	for key := range o.Tags {
		if strings.TrimSpace(key) == "" || len(key) > 128 {
			v.problemAt("organization.tags", "a tag's key has 1 to 128 characters")
		}
	}
}
