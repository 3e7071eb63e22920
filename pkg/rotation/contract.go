package rotation

import "github.com/rotationguard/rotationguard/pkg/policy"

// Target says which policies decide a required request.
type Target string

// The targets.
const (
	TargetAccount   Target = "account" // the role alone: an action without a resource of ours (GetRandomPassword)
	TargetSecret    Target = "secret"  // the role and the secret's resource policy
	TargetMaster    Target = "master"  // the role and the master secret's resource policy
	TargetKey       Target = "key"     // the role and the key policy and grants of the secret's customer key
	TargetMasterKey Target = "master-key"
	TargetNetwork   Target = "network"  // the role alone: the network interfaces that Lambda makes in its VPC
	TargetDatabase  Target = "database" // the role alone: rds:Describe* for a master that RDS owns
	TargetFunction  Target = "function" // the function policy at the qualifier
	TargetTrust     Target = "trust"    // the role's trust policy
)

// Step is the rotation step at which a missing request is felt. Source: Secrets Manager User Guide, "How rotation works".
type Step string

// The steps, in order.
const (
	StepInvoke Step = "invoke" // Secrets Manager invokes the function, Lambda assumes its role
	StepCreate Step = "createSecret"
	StepSet    Step = "setSecret"
	StepTest   Step = "testSecret"
	StepFinish Step = "finishSecret"
)

// Requirement is one concrete request that rotation needs to be allowed.
type Requirement struct {
	Name    string // short and stable: "GetSecretValue AWSPENDING"
	Step    Step   // the first step that makes the request
	Target  Target
	Secret  ARN // the secret whose rotation needs it; empty when every secret of the function does
	Subject ARN // the secret, master, key, function or role on which it is made
	Request policy.Request
	Latent  bool   // a denial bites later, not at the next rotation (ENI rights of an active function)
	Assumed bool   // Request.Resource stands for one that cannot be seen from here (which database RDS runs for a master)
	KeyID   string // for the key targets: the key as the secret or master names it, in Setup.Keys
}

// Contract is what rotation of a setup's secrets needs and may have.
type Contract struct {
	Function ARN // as stored
	Role     ARN
	Required []Requirement
	// Ceiling is what the role may hold, as identity policy documents: wider than the template, never narrower.
	Ceiling []*policy.Document
}
