// Package account is the demo's account: rotation setups as they occur in real ones, in sync and broken in different ways, each
// with the verdict that a sweep should give before and after a repair.
//
// The account is data. Seed makes it on an emulator through the SDK, as far as that emulator can hold it; Fill makes all of it in the
// account in memory, from which examples/account.json is written. Documents hold placeholders for what has no name yet:
// {account}, {region}, {function} (the ARN that the secrets store), {role}, {secret:NAME}, {secret:NAME:name} (its ARN without the
// six characters) and {key:NAME}.
package account

// Where the account is.
const (
	ID     = "123456789012" // moto's default account
	Region = "eu-central-1"
)

// Verdict is what a sweep says of a secret; the words are the report's.
type Verdict string

// The verdicts that the account shows.
const (
	InSync   Verdict = "in-sync"
	Drifted  Verdict = "drifted"
	Broken   Verdict = "broken"
	Orphaned Verdict = "orphaned"
	Skipped  Verdict = "skipped"
)

// Rotation is one rotation function with the secrets that name it.
type Rotation struct {
	Function string // name; empty for secrets that no function of ours rotates
	Story    string // what is special about it, in a few words
	Alias    string // the secrets name the function at this alias, of version 1
	VPC      bool
	Stack    map[string]string // parameters of the stack that made it, which its tags name
	State    State
	Grants   []Grant // the function policy; nil: Secrets Manager may invoke at the qualifier, for this account's secrets
	Ungrant  bool    // no function policy is left
	Role     Role
	Secrets  []Secret
	Gone     Gone
	Held     Held
}

// Gone says what has been deleted since the rotation was set up.
type Gone string

// What may be gone.
const (
	NothingGone  Gone = ""
	FunctionGone Gone = "function"
	RoleGone     Gone = "role"
)

// Held says whether moto can hold the rotation.
type Held string

// Why an emulator cannot.
const (
	Everywhere Held = ""
	// NotInMoto: moto has no managed external secrets, no function states, no policy of an alias's own.
	NotInMoto Held = "account.json only"
)

// State is a function's state when it is not Active.
type State struct {
	State, Reason string
}

// Grant is one statement of a function policy, as AddPermission makes it.
type Grant struct {
	Sid           string
	Principal     string // a service, an account's root, or *
	SourceAccount string
	SourceSecret  string // the name of the secret whose ARN is the SourceArn
	Unqualified   bool   // on the function, though the secrets name an alias
}

// Role is the function's execution role.
type Role struct {
	Name     string            // FUNCTION-role when empty; two rotations may share one
	Trust    string            // Lambda alone when empty
	Inline   map[string]string // nil: the documented single-user template
	Managed  []string          // names of AWS managed policies; nil: AWSLambdaBasicExecutionRole
	Customer map[string]string // customer managed policies
	Boundary string            // a document
}

// Secret is one secret and what a sweep should say of it.
type Secret struct {
	Name          string
	Key           string // the name of a key
	Tags          map[string]string
	Policy        string
	Owner         string // the service that owns it
	Type          string // of a managed external secret
	External      string // the name of its rotation role
	Replica       bool   // of a secret in another Region
	Off           bool   // rotation is not set up
	Deleting      bool
	Every         int // days between rotations; 30 when 0
	Before, After Verdict
}

// Key is a customer key.
type Key struct {
	Name   string
	Policy string // delegates to the account when empty
}

// Rotations are the account. Masters and keys that they name are in Masters and Keys.
func Rotations() []Rotation {
	var all []Rotation
	for _, some := range [][]Rotation{inSync(), mendable(), forPeople(), notChecked()} {
		all = append(all, some...)
	}
	return all
}

// Masters are the secrets whose users rotate others.
func Masters() []Secret {
	return []Secret{
		{Name: "demo/postgres/master", Off: true, Before: Skipped, After: Skipped},
		{Name: "demo/mysql/master", Off: true, Before: Skipped, After: Skipped},
	}
}

// Keys are the customer keys.
func Keys() []Key {
	return []Key{
		{Name: "delegating"},
		{Name: "by-key-policy", Policy: keyPolicy("{role:rotate-ledger-role}", true)},
		{Name: "closed", Policy: keyPolicy("arn:aws:iam::{account}:role/key-admin", false)},
	}
}
