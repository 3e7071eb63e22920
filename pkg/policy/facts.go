package policy

import (
	_ "embed"
	"sync"
	"sync/atomic"
)

// Facts is what a comparison may take for granted about requests: what services do, and which resources there are. It
// narrows the requests that are compared to those that can occur; the facts themselves are not checked against anything.
//
// A Facts value is made ready on its first use and must not be changed afterwards; it may be shared by comparisons.
type Facts struct {
	// Complete are services of which Actions names every action: there are no others.
	Complete  []string       `json:"complete,omitempty"`
	Actions   []ActionFact   `json:"actions,omitempty"`
	Keys      []KeyFact      `json:"keys,omitempty"`
	Resources []ResourceFact `json:"resources,omitempty"`
	Universe  []UniverseFact `json:"universe,omitempty"`

	base  *Facts
	ready atomic.Pointer[factIndex]
}

// ActionFact says what every request for some actions is like.
type ActionFact struct {
	// Actions are names or patterns, "secretsmanager:GetRandomPassword", "ec2:Describe*".
	Actions []string `json:"actions"`
	// NoResource says that the actions have no resource type: the request's resource is "*".
	NoResource bool `json:"no_resource,omitempty"`
	// Resources are patterns, one of which the request's resource matches; none means any.
	Resources []string `json:"resources,omitempty"`
	// Absent are condition keys that the request never carries. "secretsmanager:*" and "aws:ResourceTag/*" name families.
	Absent []string `json:"absent,omitempty"`
	// Present are condition keys that the request always carries, with whatever value.
	Present []string `json:"present,omitempty"`
	// Source is the page that says so.
	Source string `json:"source,omitempty"`
}

// KeyFact says what is known of a condition key, whatever the action.
type KeyFact struct {
	// Key is a condition key or a family, "aws:PrincipalTag/*".
	Key string `json:"key"`
	// Values says whether a request may carry several values of the key; empty leaves it to the operators that test it.
	Values Cardinality `json:"values,omitempty"`
	// Type is the type of the values; empty leaves it to the operators that test the key.
	Type ValueType `json:"type,omitempty"`
	// AbsentFor are the kinds of callers whose requests never carry the key. The caller of identity documents is a role or
	// a user: for it the key is absent when it is absent for both.
	AbsentFor []CallerKind `json:"absent_for,omitempty"`
	// PresentFor are the kinds of callers whose requests always carry the key.
	PresentFor []CallerKind `json:"present_for,omitempty"`
	// Source is the page that says so.
	Source string `json:"source,omitempty"`
}

// Cardinality says how many values a condition key may carry.
type Cardinality string

// The cardinalities.
const (
	SingleValued Cardinality = "single"
	MultiValued  Cardinality = "multi"
)

// ValueType is the type of a condition key's values, as the Service Authorization Reference names it.
type ValueType string

// The types of values.
const (
	TypeString    ValueType = "String"
	TypeARN       ValueType = "ARN"
	TypeNumeric   ValueType = "Numeric"
	TypeDate      ValueType = "Date"
	TypeBool      ValueType = "Bool"
	TypeIPAddress ValueType = "IPAddress"
)

// ResourceFact is a resource at hand with the condition keys that every request on it carries.
type ResourceFact struct {
	ARN string `json:"arn"`
	// Keys are the keys with their values; an empty list says that the key is absent.
	Keys map[string][]string `json:"keys,omitempty"`
	// Only are families of keys, "aws:ResourceTag/*", of which requests carry just those in Keys.
	Only []string `json:"only,omitempty"`
}

// UniverseFact says what resources there are besides those at hand.
type UniverseFact struct {
	// Resources are patterns, "arn:aws:secretsmanager:us-east-1:111122223333:secret:*".
	Resources []string `json:"resources"`
	// Closed says that only resources at hand match the patterns.
	Closed bool `json:"closed,omitempty"`
	// Without are values of condition keys that no request on a resource matches which is not at hand:
	// {"secretsmanager:resource/AllowRotationLambdaArn": [the function's ARN]} when every secret of a function is at hand.
	Without map[string][]string `json:"without,omitempty"`
}

// With is f with more facts. f is shared, not copied, so that a large set of resources is made ready only once.
func (f *Facts) With(more *Facts) *Facts {
	if f == nil {
		return more
	}
	return &Facts{Complete: more.Complete, Actions: more.Actions, Keys: more.Keys, Resources: more.Resources, Universe: more.Universe, base: f}
}

//go:embed facts_builtin.json
var builtinFacts []byte

// BuiltinFacts is what the Service Authorization Reference and the IAM User Guide say of the services that rotation
// touches: which actions take no resource, which resource types and which condition keys the others come with, and which
// global condition keys are single-valued, multi-valued, or never sent by a principal's own calls. The value is shared.
func BuiltinFacts() *Facts { return readBuiltinFacts() }

// A test reads the embedded file. Should it be broken all the same, no facts only make a comparison assume less.
var readBuiltinFacts = sync.OnceValue(func() *Facts {
	f, _, err := readFacts(builtinFacts)
	if err != nil {
		return &Facts{}
	}
	return f
})
