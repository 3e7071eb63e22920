package rotation

import "time"

// Kind says how a secret is rotated, if at all.
type Kind string

// The kinds of secret.
const (
	KindLambda   Kind = "lambda"   // a Lambda function rotates it (also: rotation is on, and nothing that could rotate it is left)
	KindManaged  Kind = "managed"  // another service owns and rotates it (OwningService)
	KindExternal Kind = "external" // Secrets Manager rotates it with a partner, through ExternalSecretRotationRoleArn
	KindReplica  Kind = "replica"  // rotation is set on the primary
	KindOff      Kind = "off"      // rotation is not enabled
)

// Strategy says which of the documented templates a secret's rotation needs.
type Strategy string

// The strategies.
const (
	SingleUser Strategy = "single-user"
	MasterUser Strategy = "master-user"
	Custom     Strategy = "custom"
)

// Source says where a strategy or a master comes from, strongest first.
type Source string

// The sources of a declaration.
const (
	SourceConfig  Source = "config"  // a rotations: rule of the configuration
	SourceTag     Source = "tag"     // a tag on the secret, which whoever may tag it controls
	SourceStack   Source = "stack"   // the parameters of the CloudFormation stack that made the function
	SourceDefault Source = "default" // nothing was declared: judged as single-user
)

// Declaration is what is known about how a secret is rotated, and how it is known.
type Declaration struct {
	Strategy       Strategy `json:"strategy"`
	StrategySource Source   `json:"strategy_source"`
	Master         ARN      `json:"master,omitempty"` // as declared; Setup.Masters has it resolved
	MasterSource   Source   `json:"master_source,omitempty"`
	Allow          []Grant  `json:"allow,omitempty"`    // statements that the role may hold beyond the template
	Evidence       []string `json:"evidence,omitempty"` // one line each: where it comes from, what disagreed and lost
	Problem        string   `json:"problem,omitempty"`  // why the declaration cannot be used: the secret is unknown
}

// Grant is one Allow statement of an operator's `allow:`.
type Grant struct {
	Actions    []string                       `json:"actions"`
	Resources  []string                       `json:"resources"`
	Conditions map[string]map[string][]string `json:"conditions,omitempty"`
}

// Secret is a secret's metadata. Its value is no part of it and is never read.
type Secret struct {
	ARN           ARN                 `json:"arn"`
	Name          string              `json:"name"`
	Kind          Kind                `json:"kind"`
	FunctionARN   ARN                 `json:"function_arn,omitempty"` // RotationLambdaARN exactly as stored
	ExternalRole  ARN                 `json:"external_role_arn,omitempty"`
	OwningService string              `json:"owning_service,omitempty"`
	Type          string              `json:"type,omitempty"`
	PrimaryRegion string              `json:"primary_region,omitempty"`
	KMSKeyID      string              `json:"kms_key_id,omitempty"` // as stored: id, ARN or alias; empty for aws/secretsmanager
	Deleting      bool                `json:"deleting,omitempty"`
	Tags          map[string]string   `json:"tags,omitempty"`
	NextRotation  *time.Time          `json:"next_rotation,omitempty"`
	LastRotated   *time.Time          `json:"last_rotated,omitempty"`
	LastChanged   *time.Time          `json:"last_changed,omitempty"`
	VersionStages map[string][]string `json:"version_stages,omitempty"` // version id → staging labels
	Policy        Policy              `json:"policy"`                   // the default resource policy
	Declaration   Declaration         `json:"declaration"`
	Excluded      string              `json:"excluded,omitempty"` // the reason of the exclude: rule that covers it
	Gaps          []Gap               `json:"gaps,omitempty"`
}
