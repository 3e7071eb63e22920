package trigger

import (
	"strings"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// moved is what an event names, as it names it.
type moved struct {
	functions []reference
	roles     []string // names
	policies  []rotation.ARN
	secrets   []string // names, ARNs or partial ARNs
	keys      []string // ids, ARNs or alias names
	fresh     bool     // the secrets may rotate although nothing is known of them yet
}

// reach says which qualifiers of a function a call bears on.
type reach string

// The reaches. Every version and alias has a policy of its own, and a version keeps the configuration it was published with. Source: Lambda
// Developer Guide, "Manage Lambda function versions", and Lambda API reference, AddPermission.
const (
	exact reach = "exact" // the qualifier that is named, or the function itself
	whole reach = "whole" // the function with all its versions and aliases
)

// reference is a function as a call names it.
type reference struct {
	name      string // name, partial ARN or ARN, without qualifier
	qualifier string
	reach     reach
}

// lambdaCalls are the calls that can change whether a function can be invoked or what it runs with. CloudTrail writes some with the date of
// their API behind the name. Source: Lambda Developer Guide, "Logging AWS Lambda API calls using AWS CloudTrail".
var lambdaCalls = map[string]reach{
	"AddPermission": exact, "RemovePermission": exact, "PutResourcePolicy": exact, "DeleteResourcePolicy": exact,
	"CreateFunction": whole, "DeleteFunction": whole, "UpdateFunctionConfiguration": exact,
	"CreateAlias": exact, "UpdateAlias": exact, "DeleteAlias": exact, "TagResource": whole, "UntagResource": whole,
}

// roleCalls and policyCalls are IAM's. Source: IAM API reference.
var (
	roleCalls = set("PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "UpdateAssumeRolePolicy",
		"PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "CreateRole", "DeleteRole", "TagRole", "UntagRole")
	policyCalls = set("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy")
)

// secretCalls and secretEvents are Secrets Manager's; keyCalls are KMS's. Source: Secrets Manager User Guide, "CloudTrail entries"; KMS API
// reference.
var (
	secretCalls = set("RotateSecret", "CancelRotateSecret", "UpdateSecret", "PutResourcePolicy", "DeleteResourcePolicy", "DeleteSecret",
		"RestoreSecret", "TagResource", "UntagResource")
	secretEvents = set("RotationFailed", "RotationAbandoned", "TestRotationFailed")
	keyCalls     = set("PutKeyPolicy", "DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "CreateGrant", "RetireGrant", "RevokeGrant")
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// read takes from a record what it names.
func (e *Event) read(r *record) moved {
	switch r.EventSource {
	case "lambda.amazonaws.com":
		return readLambda(r)
	case "iam.amazonaws.com":
		switch {
		case roleCalls[r.EventName]:
			return moved{roles: some(r.Request["rolename"])}
		case policyCalls[r.EventName]:
			if r.Request["setasdefault"] == "false" { // a version that is not in force
				return moved{}
			}
			return moved{policies: arns(r.Request["policyarn"])}
		}
	case "secretsmanager.amazonaws.com":
		if secretCalls[r.EventName] || secretEvents[r.EventName] {
			return moved{
				secrets: some(r.Response["arn"], r.Request["secretid"], r.Additional["secretid"]),
				fresh:   r.EventName == "RotateSecret" || secretEvents[r.EventName],
			}
		}
	case "kms.amazonaws.com":
		if keyCalls[r.EventName] {
			keys := some(r.Request["keyid"], r.Response["keyid"])
			for _, resource := range r.Resources {
				keys = append(keys, string(resource.ARN))
			}
			return moved{keys: keys}
		}
	}
	return moved{}
}

func readLambda(r *record) moved {
	name := r.EventName
	if i := strings.IndexAny(name, "0123456789"); i > 0 {
		name = name[:i]
	}
	reach, ok := lambdaCalls[name]
	if !ok {
		return moved{}
	}
	var m moved
	for _, named := range some(r.Request["functionname"], r.Request["resourcearn"], r.Request["resource"]) {
		f := reference{reach: reach}
		f.name, f.qualifier = cut(named)
		if q := r.Request["qualifier"]; q != "" {
			f.qualifier = q
		}
		if strings.HasSuffix(name, "Alias") {
			f.qualifier = r.Request["name"]
		}
		if name == "DeleteFunction" && f.qualifier != "" { // one version
			f.reach = exact
		}
		m.functions = append(m.functions, f)
	}
	return m
}

// cut takes a function's name apart: "name", "123456789012:function:name" or its ARN, each with or without a qualifier. Source: Lambda API
// reference, GetFunction, FunctionName.
func cut(named string) (name, qualifier string) {
	rest := named
	if i := strings.LastIndex(named, "function:"); i >= 0 {
		name, rest = named[:i+len("function:")], named[i+len("function:"):]
	}
	base, qualifier, _ := strings.Cut(rest, ":")
	return name + base, qualifier
}

func some(texts ...string) []string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

func arns(texts ...string) []rotation.ARN {
	var out []rotation.ARN
	for _, t := range some(texts...) {
		out = append(out, rotation.ARN(t))
	}
	return out
}
