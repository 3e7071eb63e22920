package config

import (
	_ "embed"
	"time"
)

// Schema is the JSON schema of the file.
//
//go:embed rotationguard.schema.json
var Schema []byte

// Config is one rotationguard.yaml.
type Config struct {
	Mode         string              `yaml:"mode"`
	Rotations    []Rotation          `yaml:"rotations"`
	Operators    []Operator          `yaml:"operators"`
	Exclude      []Exclusion         `yaml:"exclude"`
	Exemptions   []Exemption         `yaml:"exemptions"`
	Repair       Repair              `yaml:"repair"`
	Ledger       Ledger              `yaml:"ledger"`
	Alerts       Alerts              `yaml:"alerts"`
	Templates    map[string]Template `yaml:"templates"`
	Member       Member              `yaml:"member"`
	Architecture string              `yaml:"architecture"`
	QuotaShare   float64             `yaml:"quota_share"`
	Rates        map[string]float64  `yaml:"rates"`
	GetFunction  bool                `yaml:"use_get_function"`

	file string
	at   map[string]position
}

// Match picks secrets; every field that is set must match. Name, ARN and the values of Tag are globs with `*` and `?`.
type Match struct {
	Name string            `yaml:"name"`
	ARN  string            `yaml:"arn"`
	Tag  map[string]string `yaml:"tag"`
}

// Rotation declares how the secrets that it matches are rotated. The first entry that matches a secret decides.
type Rotation struct {
	Match        Match       `yaml:"match"`
	Strategy     string      `yaml:"strategy"`
	MasterSecret string      `yaml:"master_secret"`
	Allow        []Statement `yaml:"allow"`
}

// Statement is what a rotation function's role may hold beyond its template, spelled as in a policy or in lower case.
type Statement struct {
	Sid        string                         `yaml:"Sid,sid"`
	Effect     string                         `yaml:"Effect,effect"` // Allow, or left out
	Actions    []string                       `yaml:"Action,Actions,action,actions"`
	Resources  []string                       `yaml:"Resource,Resources,resource,resources"`
	Conditions map[string]map[string][]string `yaml:"Condition,Conditions,condition,conditions"`
}

// Operator declares which of the two user permission sets a role, user or group should hold.
type Operator struct {
	Principal string `yaml:"principal"`
	May       string `yaml:"may"` // trigger or configure
}

// Exclusion leaves secrets out of scope.
type Exclusion struct {
	Match  Match  `yaml:"match"`
	Reason string `yaml:"reason"`
}

// Exemption is a decision to live with findings until a day.
type Exemption struct {
	Finding  string    `yaml:"finding"`
	Secret   string    `yaml:"secret"`
	Function string    `yaml:"function"`
	Rule     string    `yaml:"rule"`
	Owner    string    `yaml:"owner"`
	Reason   string    `yaml:"reason"`
	Expires  time.Time `yaml:"expires"` // a day means its end, UTC
}

// Repair limits what is written.
type Repair struct {
	Functions        []string      `yaml:"functions"`
	Roles            []string      `yaml:"roles"`
	TargetBoundary   string        `yaml:"target_boundary"`
	WriterRole       string        `yaml:"writer_role"`
	MaxChanges       int           `yaml:"max_changes"`
	MaxChangePercent int           `yaml:"max_change_percent"`
	Settle           time.Duration `yaml:"settle"`
	EnforceAfter     time.Duration `yaml:"enforce_after"`
	TrustTags        bool          `yaml:"trust_tags"`
	EditOwned        bool          `yaml:"edit_owned"`
	AddSourceAccount bool          `yaml:"add_source_account"`
	Keep             []string      `yaml:"keep"`
}

// Ledger says where is remembered what runs must know of each other. Without a table it is a file.
type Ledger struct {
	Table string `yaml:"table"`
}

// Alerts says when news is repeated and what it carries.
type Alerts struct {
	RemindAfter time.Duration `yaml:"remind_after"` // 0 never
	Tags        []string      `yaml:"tags"`         // keys of secrets' tags by which subscriptions can filter
	SecurityHub bool          `yaml:"security_hub"`
}

// Template is one expected policy of the operator's own: the file as written, relative to the config, and what is in it.
type Template struct {
	File string
	Text []byte
}

// Member is the role that is assumed in another account, to read a function or key there that a secret of this account names.
type Member struct {
	Role       string `yaml:"role"` // its name, path included; the same in every account
	ExternalID string `yaml:"external_id"`
	// WriterRole is the name of the role that changes are written with in an account of a fleet; without it a fleet writes nothing.
	WriterRole string `yaml:"writer_role"`
}

// Default is the config of an empty file.
func Default() Config {
	return Config{
		Mode:         "report",
		Repair:       Repair{MaxChanges: 25, MaxChangePercent: 10, Settle: 24 * time.Hour, EnforceAfter: 168 * time.Hour},
		Alerts:       Alerts{RemindAfter: 168 * time.Hour},
		Architecture: "arm64",
		QuotaShare:   0.5,
	}
}

// File is where the config was read from; empty for the defaults.
func (c *Config) File() string { return c.file }
