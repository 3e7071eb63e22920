package rotation

import (
	"maps"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// The services that take part in a rotation.
const (
	secretsManagerPrincipal = "secretsmanager.amazonaws.com"
	lambdaPrincipal         = "lambda.amazonaws.com"
)

// AllowRotationKey is the condition key that names the rotation function of a secret.
const AllowRotationKey = "secretsmanager:resource/AllowRotationLambdaArn"

// calls makes the requests of a rotation with the context that each carries. A key is in the context, certainly absent,
// or named in Unknown; which of the three follows from who makes the call.
// Source: IAM User Guide, "AWS global condition context keys", Availability of each key; Service Authorization Reference for
// Secrets Manager, KMS, EC2, Lambda and STS.
type calls struct {
	setup    *Setup
	function ARN // without its qualifier
	caller   policy.Caller
	role     map[string][]string // what every call with the role's credentials carries
	own      map[string][]string // what the function's own calls carry besides
	unknown  []string
	network  []string      // keys of the way into AWS that a function with subnets leaves open
	tags     []policy.Tags // of the role
}

// alwaysUnknown are keys that every call carries, or may carry, with a value that cannot be known beforehand: the time, the
// client, the address, the organization.
var alwaysUnknown = []string{
	"aws:CurrentTime", "aws:EpochTime", "aws:UserAgent", "aws:SourceIp",
	"aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:ResourceOrgID", "aws:ResourceOrgPaths",
}

// endpointKeys are present only on calls through a VPC endpoint; with subnets there may be one.
var endpointKeys = []string{"aws:SourceVpce", "aws:SourceVpcArn", "aws:VpcSourceIp", "aws:VpceAccount", "aws:VpceOrgID", "aws:VpceOrgPaths"}

func newCalls(s *Setup) *calls {
	function, _ := s.Function.ARN.SplitFunction()
	c := &calls{setup: s, function: function}
	role := s.Role.ARN.Parts()
	c.caller = policy.Caller{Kind: policy.CallerRole, ARN: string(s.Role.ARN)}
	c.role = map[string][]string{
		"aws:PrincipalArn":           {string(s.Role.ARN)},
		"aws:PrincipalAccount":       {role.Account},
		"aws:PrincipalType":          {"AssumedRole"},
		"aws:PrincipalIsAWSService":  {"false"},
		"aws:SecureTransport":        {"true"},
		"aws:MultiFactorAuthPresent": {"false"},
	}
	c.unknown = slices.Clone(alwaysUnknown)
	c.unknown = append(c.unknown, "aws:TokenIssueTime")
	// Lambda names the session after the function, as its CloudTrail records show.
	session := resourceName(function)
	if s.Role.ID != "" && session != "" {
		c.role["aws:userid"] = []string{s.Role.ID + ":" + session}
	} else {
		c.unknown = append(c.unknown, "aws:userid")
	}
	if session != "" {
		c.caller.Session = "arn:" + role.Partition + ":sts::" + role.Account + ":assumed-role/" + s.Role.ARN.RoleName() + "/" + session
	}
	if s.Role.tagsRead() {
		c.tags = tagsOf(s.Role.Tags, principalTag)
	} else {
		c.unknown = append(c.unknown, "aws:PrincipalTag/*")
	}
	c.own = maps.Clone(c.role)
	c.own["aws:ViaAWSService"] = []string{"false"}
	if function != "" {
		// Lambda Developer Guide, "Working with Lambda execution environment credentials": the unqualified ARN.
		c.own["lambda:SourceFunctionArn"] = []string{string(function)}
	}
	if len(s.Function.Subnets) > 0 {
		c.network = endpointKeys
		if s.Function.VPC != "" {
			c.own["aws:SourceVpc"] = []string{s.Function.VPC}
		} else {
			c.network = append(slices.Clone(endpointKeys), "aws:SourceVpc")
		}
	}
	return c
}

// tagsRead says whether the role's tags are known: GetRole and GetAccountAuthorizationDetails answer with them.
func (r *Role) tagsRead() bool {
	return r.Presence == Present && !slices.ContainsFunc(r.Gaps, func(g Gap) bool { return g.Call == "iam:ListRoleTags" || g.Call == "iam:GetRole" })
}

// resourceName is what follows "function:" in a function's ARN.
func resourceName(function ARN) string {
	r := function.Parts().Resource
	return r[strings.LastIndexByte(r, ':')+1:]
}

// The families of condition keys whose values are tags.
const (
	resourceTag  = "aws:ResourceTag/"
	secretTag    = "secretsmanager:ResourceTag/"
	principalTag = "aws:PrincipalTag/"
)

// tagsOf are the tags of one thing, as requests carry them.
func tagsOf(tags map[string]string, families ...string) []policy.Tags {
	var out []policy.Tags
	for _, family := range families {
		if len(tags) > 0 {
			out = append(out, policy.Tags{Family: family, Of: tags})
		}
	}
	return out
}

// onSecret is a call of the function on a secret. versionStage is empty for a call that takes none.
func (c *calls) onSecret(action string, s *Secret, versionStage string) policy.Request {
	p := s.ARN.Parts()
	ctx := maps.Clone(c.own)
	ctx["aws:RequestedRegion"] = []string{p.Region}
	ctx["aws:ResourceAccount"] = []string{p.Account}
	ctx["secretsmanager:SecretId"] = []string{string(s.ARN)}
	region := s.PrimaryRegion
	if region == "" {
		region = p.Region
	}
	ctx["secretsmanager:SecretPrimaryRegion"] = []string{region}
	if s.FunctionARN != "" {
		ctx[AllowRotationKey] = []string{string(s.FunctionARN)}
	}
	if s.Type != "" {
		ctx["secretsmanager:resource/Type"] = []string{s.Type}
	}
	families := []string{resourceTag, secretTag}
	unknown := slices.Concat(c.unknown, c.network)
	if !s.Described() {
		// A master that could not be described: nothing of its metadata is known.
		for key := range ctx {
			if strings.HasPrefix(key, "secretsmanager:") && key != "secretsmanager:SecretId" {
				delete(ctx, key)
			}
		}
		families = families[:1]
		unknown = append(unknown, "aws:ResourceTag/*", "secretsmanager:ResourceTag/*", AllowRotationKey, "secretsmanager:resource/Type", "secretsmanager:SecretPrimaryRegion")
	}
	if versionStage != "" {
		ctx["secretsmanager:VersionStage"] = []string{versionStage}
	}
	if versionStage == "AWSPENDING" {
		unknown = append(unknown, "secretsmanager:VersionId")
	}
	return policy.Request{Caller: c.caller, Action: "secretsmanager:" + action, Resource: string(s.ARN), Context: ctx, Tags: slices.Concat(c.tags, tagsOf(s.Tags, families...)), Unknown: unknown}
}

// Described says whether the secret's metadata was read.
func (s *Secret) Described() bool {
	return !slices.ContainsFunc(s.Gaps, func(g Gap) bool {
		return g.Call == "secretsmanager:DescribeSecret" || g.Call == "secretsmanager:ListSecrets"
	})
}

// randomPassword has no resource and none of the secret's keys (Service Authorization Reference).
func (c *calls) randomPassword() policy.Request {
	ctx := maps.Clone(c.own)
	ctx["aws:RequestedRegion"] = []string{c.setup.Region}
	unknown := slices.Concat(c.unknown, c.network, []string{"aws:ResourceAccount"})
	return policy.Request{Caller: c.caller, Action: "secretsmanager:GetRandomPassword", Resource: "*", Context: ctx, Tags: c.tags, Unknown: unknown}
}

// onKey is a call that Secrets Manager makes to KMS with the function's credentials (Secrets Manager User Guide, "Secret
// encryption and decryption": the encryption context holds SecretARN and SecretVersionId). It is a forward access session, so
// aws:ViaAWSService is true; what else of the first call it carries is not documented.
func (c *calls) onKey(action string, key *Key, secret ARN) policy.Request {
	p := secret.Parts()
	ctx := maps.Clone(c.role)
	ctx["aws:RequestedRegion"] = []string{p.Region}
	ctx["aws:ViaAWSService"] = []string{"true"}
	ctx["kms:CallerAccount"] = []string{c.setup.Role.ARN.Parts().Account}
	ctx["kms:EncryptionContext:SecretARN"] = []string{string(secret)}
	ctx["kms:EncryptionContextKeys"] = []string{"SecretARN", "SecretVersionId"}
	ctx["kms:EncryptionAlgorithm"] = []string{"SYMMETRIC_DEFAULT"}
	ctx["kms:KeySpec"] = []string{"SYMMETRIC_DEFAULT"}
	ctx["kms:KeyUsage"] = []string{"ENCRYPT_DECRYPT"}
	if account := key.ARN.Parts().Account; account != "" {
		ctx["aws:ResourceAccount"] = []string{account}
	}
	unknown := slices.Concat(c.unknown, endpointKeys, []string{
		"aws:SourceVpc", "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "lambda:SourceFunctionArn",
		"aws:ResourceTag/*", "kms:EncryptionContext:SecretVersionId", "kms:RequestAlias", "kms:ResourceAliases",
		"kms:KeyOrigin", "kms:MultiRegion", "kms:MultiRegionKeyType", "kms:PrimaryRegion",
	})
	// The table of service names of the KMS Developer Guide ("kms:ViaService") writes amazonaws.com; what the value is where endpoints
	// have another suffix is not documented.
	if p.Partition == "aws" || p.Partition == "aws-us-gov" {
		ctx["kms:ViaService"] = []string{"secretsmanager." + p.Region + ".amazonaws.com"}
	} else {
		unknown = append(unknown, "kms:ViaService")
	}
	return policy.Request{Caller: c.caller, Action: "kms:" + action, Resource: string(key.ARN), Context: ctx, Tags: c.tags, Unknown: unknown}
}

// onNetwork is a call that Lambda makes with the role for the function's network interfaces: not the function's own, so neither
// lambda:SourceFunctionArn nor aws:SourceVpc is there (Lambda Developer Guide, "Giving Lambda functions access to a VPC").
func (c *calls) onNetwork(action, resource string) policy.Request {
	p := c.function.Parts()
	ctx := maps.Clone(c.role)
	ctx["aws:RequestedRegion"] = []string{p.Region}
	ctx["ec2:Region"] = []string{p.Region}
	if vpc := c.setup.Function.VPC; vpc != "" && resource != "*" {
		ctx["ec2:Vpc"] = []string{"arn:" + p.Partition + ":ec2:" + p.Region + ":" + p.Account + ":vpc/" + vpc}
	}
	unknown := slices.Concat(c.unknown, []string{
		"aws:ViaAWSService", "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "aws:ResourceAccount",
		"ec2:Subnet", "ec2:SubnetID", "ec2:VpcID", "ec2:SecurityGroupID", "ec2:NetworkInterfaceID", "ec2:AvailabilityZone", "ec2:AvailabilityZoneId",
		"ec2:ResourceTag/*", "aws:ResourceTag/*", "aws:RequestTag/*", "aws:TagKeys", "ec2:AuthorizedUser", "ec2:AuthorizedService", "ec2:Permission",
	})
	return policy.Request{Caller: c.caller, Action: "ec2:" + action, Resource: resource, Context: ctx, Tags: c.tags, Unknown: unknown}
}

// onDatabase is a call of the function that finds the database of a master that RDS owns.
func (c *calls) onDatabase(action, resource string) policy.Request {
	p := ARN(resource).Parts()
	ctx := maps.Clone(c.own)
	ctx["aws:RequestedRegion"] = []string{p.Region}
	unknown := slices.Concat(c.unknown, c.network, []string{
		"aws:ResourceAccount", "aws:ResourceTag/*", "rds:db-tag/*", "rds:cluster-tag/*", "rds:DatabaseEngine", "rds:DatabaseName", "rds:DatabaseClass",
	})
	return policy.Request{Caller: c.caller, Action: "rds:" + action, Resource: resource, Context: ctx, Tags: c.tags, Unknown: unknown}
}

// onLogs is a call that Lambda's runtime makes with the function's role.
func (c *calls) onLogs(action string) policy.Request {
	p := c.function.Parts()
	ctx := maps.Clone(c.role)
	ctx["aws:RequestedRegion"] = []string{p.Region}
	group := "arn:" + p.Partition + ":logs:" + p.Region + ":" + p.Account + ":log-group:/aws/lambda/" + resourceName(c.function)
	unknown := slices.Concat(c.unknown, []string{"aws:ViaAWSService", "aws:ResourceAccount", "aws:ResourceTag/*", "lambda:SourceFunctionArn"})
	if action == "CreateLogStream" {
		group += ":log-stream:"
	} else {
		group += ":log-stream:instance"
	}
	return policy.Request{Caller: c.caller, Action: "logs:" + action, Resource: group, Context: ctx, Tags: c.tags, Unknown: unknown}
}

// byService is a call that a service makes itself. Source and account of the resource on whose behalf it calls are sent with it; no
// key of a VPC is, and none of a principal of an account.
func (c *calls) byService(service, action, resource string, sourceAccount string, sourceARN ARN) policy.Request {
	ctx := map[string][]string{
		"aws:PrincipalIsAWSService":    {"true"},
		"aws:PrincipalServiceName":     {service},
		"aws:SourceAccount":            {sourceAccount},
		"aws:SourceArn":                {string(sourceARN)},
		"aws:SecureTransport":          {"true"},
		"aws:ViaAWSService":            {"false"},
		"aws:ResourceAccount":          {ARN(resource).Parts().Account},
		"aws:RequestedRegion":          {sourceARN.Parts().Region},
		"lambda:InvokedViaFunctionUrl": {"false"},
	}
	if !strings.HasPrefix(action, "lambda:") {
		delete(ctx, "lambda:InvokedViaFunctionUrl")
	}
	return policy.Request{
		Caller: policy.Caller{Kind: policy.CallerService, Service: service}, Action: action, Resource: resource, Context: ctx,
		Unknown: []string{
			"aws:CurrentTime", "aws:EpochTime", "aws:UserAgent", "aws:SourceIp", "aws:SourceOrgID", "aws:SourceOrgPaths",
			"aws:ResourceOrgID", "aws:ResourceOrgPaths", "aws:PrincipalServiceNamesList", "aws:ResourceTag/*", "sts:RoleSessionName",
		},
	}
}

// invoke is Secrets Manager's call of the function at the qualifier on behalf of one secret.
func (c *calls) invoke(s *Secret) policy.Request {
	r := c.byService(secretsManagerPrincipal, "lambda:InvokeFunction", string(s.FunctionARN), s.ARN.Parts().Account, s.ARN)
	if len(c.setup.Function.Tags) > 0 {
		r.Tags = tagsOf(c.setup.Function.Tags, resourceTag)
		r.Unknown = slices.DeleteFunc(r.Unknown, func(k string) bool { return k == "aws:ResourceTag/*" })
	}
	return r
}

// assume is the call by which Lambda takes the function's role. That aws:SourceArn is the unqualified function is observed, not
// documented (Lambda Developer Guide, "Defining Lambda function permissions with an execution role").
func (c *calls) assume() policy.Request {
	r := c.byService(lambdaPrincipal, "sts:AssumeRole", string(c.setup.Role.ARN), c.function.Parts().Account, c.function)
	c.roleTags(&r)
	return r
}

// assumeExternal is the call by which Secrets Manager takes the rotation role of a managed external secret (Secrets Manager User
// Guide, "Security and permissions" of managed external secrets).
func (c *calls) assumeExternal(s *Secret) policy.Request {
	r := c.byService(secretsManagerPrincipal, "sts:AssumeRole", string(c.setup.Role.ARN), s.ARN.Parts().Account, s.ARN)
	c.roleTags(&r)
	return r
}

func (c *calls) roleTags(r *policy.Request) {
	if c.setup.Role.tagsRead() {
		r.Tags = tagsOf(c.setup.Role.Tags, resourceTag)
		r.Unknown = slices.DeleteFunc(r.Unknown, func(k string) bool { return k == "aws:ResourceTag/*" })
	}
}

// RoleRequest is a call that the setup's role can make as its function does, on anything: what is beyond rotation is measured with it.
func RoleRequest(s *Setup, action, resource string) policy.Request {
	c := newCalls(s)
	ctx := maps.Clone(c.own)
	for _, t := range c.tags { // in the context, which callers change
		for tag, value := range t.Of {
			ctx[t.Family+tag] = []string{value}
		}
	}
	region := ARN(resource).Parts().Region
	if region == "" {
		region = s.Region
	}
	ctx["aws:RequestedRegion"] = []string{region}
	if account := ARN(resource).Parts().Account; account != "" {
		ctx["aws:ResourceAccount"] = []string{account}
	}
	if strings.HasPrefix(action, "secretsmanager:") && resource != "*" {
		ctx["secretsmanager:SecretId"] = []string{resource}
		ctx["secretsmanager:SecretPrimaryRegion"] = []string{region}
	}
	return policy.Request{Caller: c.caller, Action: action, Resource: resource, Context: ctx, Unknown: slices.Concat(c.unknown, c.network)}
}
