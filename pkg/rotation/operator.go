package rotation

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// Permission is one of the two user permission sets.
type Permission string

// The permission sets.
const (
	Configure Permission = "configure" // full rotation administration
	Trigger   Permission = "trigger"   // only secretsmanager:RotateSecret
)

// Operator is a principal that an operator of the account has declared to configure or to trigger rotation, as it was read.
type Operator struct {
	Principal ARN               `json:"principal"` // a role, a user or a group
	May       Permission        `json:"may"`
	Presence  Presence          `json:"presence"`
	Identity  []Policy          `json:"identity,omitempty"` // inline and attached, of a user those of its groups too
	Boundary  *Policy           `json:"boundary,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Gaps      []Gap             `json:"gaps,omitempty"`
}

// Operated is what operators act on: the rotating secrets with their functions, and the functions' roles.
type Operated struct {
	Secrets   iter.Seq[*Secret] // those that rotate; ARN, FunctionARN, Tags, Type and Policy count
	Functions []ARN             // without qualifiers
	Roles     []ARN
}

// OperatorRequest is one request that a permission set must allow; it is missing when it is denied on everything that it could be made
// on. Advice is one whose absence is only worth a word.
type OperatorRequest struct {
	Request policy.Request
	Secret  *Secret // that it is made on; nil where it is made on something else
	Advice  bool
}

// OperatorRequired gives the requests that a permission set must allow, made by the operator.
// Source: Secrets Manager User Guide, "Permissions for rotation"; API reference, RotateSecret, required permissions; the AWS managed
// policies SecretsManagerReadWrite and IAMFullAccess.
func OperatorRequired(o *Operator, on Operated) iter.Seq[OperatorRequest] {
	return func(yield func(OperatorRequest) bool) {
		for s := range on.Secrets {
			actions := []string{"RotateSecret"}
			if o.May == Configure {
				actions = append(actions, "CancelRotateSecret", "DescribeSecret")
			}
			for _, action := range actions {
				if !yield(OperatorRequest{Request: o.onSecret(action, s), Secret: s}) {
					return
				}
			}
		}
		for _, f := range on.Functions {
			actions, advice := []string{"lambda:AddPermission", "lambda:GetPolicy", "lambda:InvokeFunction"}, false
			if o.May == Trigger {
				actions, advice = actions[2:], true
			}
			for _, action := range actions {
				if !yield(OperatorRequest{Request: o.request(action, string(f)), Advice: advice}) {
					return
				}
			}
		}
		if o.May != Configure {
			return
		}
		for _, role := range on.Roles {
			r := o.request("iam:PassRole", string(role))
			r.Context["iam:PassedToService"] = []string{lambdaPrincipal}
			if !yield(OperatorRequest{Request: r}) {
				return
			}
		}
	}
}

// Reconfigures is the call by which a holder of RotateSecret gives a secret another rotation function.
func (o *Operator) Reconfigures(s *Secret) policy.Request {
	r := o.onSecret("RotateSecret", s)
	p := s.ARN.Parts()
	r.Context["secretsmanager:RotationLambdaARN"] = []string{"arn:" + p.Partition + ":lambda:" + p.Region + ":" + p.Account + ":function:another"}
	return r
}

// caller is the operator as a caller: a role's session, a user, or whoever is in a group.
func (o *Operator) caller() policy.Caller {
	p := o.Principal.Parts()
	if len(p.Resource) > 5 && p.Resource[:5] == "role/" {
		return policy.Caller{
			Kind: policy.CallerRole, ARN: string(o.Principal),
			Session: "arn:" + p.Partition + ":sts::" + p.Account + ":assumed-role/" + o.Principal.RoleName() + "/session",
		}
	}
	return policy.Caller{Kind: policy.CallerUser, ARN: string(o.Principal)}
}

// request is a call of the operator by hand: from where, when and with which session nobody knows.
func (o *Operator) request(action, resource string) policy.Request {
	p := ARN(resource).Parts()
	ctx := map[string][]string{
		"aws:PrincipalArn": {string(o.Principal)}, "aws:PrincipalAccount": {o.Principal.Parts().Account},
		"aws:PrincipalIsAWSService": {"false"}, "aws:ViaAWSService": {"false"}, "aws:SecureTransport": {"true"},
	}
	if p.Region != "" {
		ctx["aws:RequestedRegion"] = []string{p.Region}
	}
	unknown := slices.Concat(alwaysUnknown, endpointKeys, []string{
		"aws:SourceVpc", "aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:userid", "aws:username", "aws:PrincipalType",
		"aws:SourceIdentity", "aws:ResourceAccount", "aws:ResourceTag/*", "aws:FederatedProvider",
	})
	var tags []policy.Tags
	switch {
	case strings.HasPrefix(o.Principal.Parts().Resource, "group/"): // who of the group calls is not known
		delete(ctx, "aws:PrincipalArn")
		unknown = append(unknown, "aws:PrincipalArn", "aws:PrincipalTag/*")
	case o.Presence == Present && len(o.Gaps) == 0:
		tags = tagsOf(o.Tags, principalTag)
	default:
		unknown = append(unknown, "aws:PrincipalTag/*")
	}
	return policy.Request{Caller: o.caller(), Action: action, Resource: resource, Context: ctx, Tags: tags, Unknown: unknown}
}

func (o *Operator) onSecret(action string, s *Secret) policy.Request {
	r := o.request("secretsmanager:"+action, string(s.ARN))
	r.Unknown = slices.DeleteFunc(r.Unknown, func(k string) bool { return k == "aws:ResourceTag/*" })
	ctx := maps.Clone(r.Context)
	ctx["secretsmanager:SecretId"] = []string{string(s.ARN)}
	ctx["secretsmanager:SecretPrimaryRegion"] = []string{s.ARN.Parts().Region}
	if s.FunctionARN != "" {
		ctx[AllowRotationKey] = []string{string(s.FunctionARN)}
	}
	if s.Type != "" {
		ctx["secretsmanager:resource/Type"] = []string{s.Type}
	}
	r.Context, r.Tags = ctx, slices.Concat(r.Tags, tagsOf(s.Tags, resourceTag, secretTag))
	return r
}
