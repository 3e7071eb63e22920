package rotation

import (
	"slices"
	"strings"
)

// NewContract is the contract of one setup: the requests that rotating its secrets needs, and the ceiling of what its role may
// hold. Secrets that nothing rotates here (managed, replica, off, to be deleted) add nothing. listed, which may be nil,
// names the other secrets of the account: a prefix that no other secret matches is inside the ceiling.
//
// The required requests are read off the published function sources
// (aws-samples/aws-secrets-manager-rotation-lambdas) and the Secrets Manager User Guide, "Permissions for rotation".
func NewContract(setup Setup, listed *Listing) Contract {
	return Templates{}.NewContract(setup, listed)
}

// NewContract is NewContract with the operator's own templates, which widen the ceiling and change nothing that is required.
func (t Templates) NewContract(setup Setup, listed *Listing) Contract {
	c := Contract{Function: setup.Function.ARN, Role: setup.Role.ARN}
	if setup.Role.ARN == "" {
		return c
	}
	b := &builder{setup: &setup, calls: newCalls(&setup), contract: &c}
	b.require()
	c.Ceiling = ceiling(&setup, listed, t)
	return c
}

// Checked are the secrets of the setup that a function or an external rotation role rotates.
func (s *Setup) Checked() []*Secret {
	var checked []*Secret
	for i := range s.Secrets {
		if s.Secrets[i].Checked() {
			checked = append(checked, &s.Secrets[i])
		}
	}
	return checked
}

// Checked says whether the secret has a contract at all: a function or an external rotation role rotates it.
func (s *Secret) Checked() bool {
	return !s.Deleting && (s.Kind == KindLambda && s.FunctionARN != "" || s.Kind == KindExternal && s.ExternalRole != "")
}

// External says whether Secrets Manager itself rotates with the setup's role.
func (s *Setup) External() bool { return s.Function.ARN == "" && s.Role.ARN != "" }

// builder collects the required requests of one setup.
type builder struct {
	setup    *Setup
	calls    *calls
	contract *Contract
}

func (b *builder) require() {
	checked := b.setup.Checked()
	if len(checked) == 0 {
		return
	}
	external := b.setup.External()
	if !external {
		b.add(Requirement{Name: "AssumeRole", Step: StepInvoke, Target: TargetTrust, Subject: b.setup.Role.ARN, Request: b.calls.assume()})
		b.network()
	}
	all := !slices.ContainsFunc(checked, func(s *Secret) bool { return s.Declaration.ownPassword() })
	if all {
		b.randomPassword("")
	}
	for _, s := range checked {
		if external {
			b.add(Requirement{Name: "AssumeRole", Step: StepInvoke, Target: TargetTrust, Secret: s.ARN, Subject: b.setup.Role.ARN, Request: b.calls.assumeExternal(s)})
		} else {
			b.add(Requirement{Name: "InvokeFunction", Step: StepInvoke, Target: TargetFunction, Secret: s.ARN, Subject: s.FunctionARN, Request: b.calls.invoke(s)})
		}
		b.secret(s)
		if !all && !s.Declaration.ownPassword() {
			b.randomPassword(s.ARN)
		}
		if !external {
			b.master(s)
		}
	}
}

func (b *builder) add(r Requirement) { b.contract.Required = append(b.contract.Required, r) }

// ownPassword says whether the function may draw its own password: a custom one, or one whose strategy cannot be read.
func (d Declaration) ownPassword() bool {
	return d.Strategy == Custom || d.Problem != ""
}

func (b *builder) randomPassword(secret ARN) {
	b.add(Requirement{Name: "GetRandomPassword", Step: StepCreate, Target: TargetAccount, Secret: secret, Subject: b.setup.Role.ARN, Request: b.calls.randomPassword()})
}

func (b *builder) secret(s *Secret) {
	on := func(name string, step Step, action, stage string) {
		b.add(Requirement{Name: name, Step: step, Target: TargetSecret, Secret: s.ARN, Subject: s.ARN, Request: b.calls.onSecret(action, s, stage)})
	}
	on("DescribeSecret", StepCreate, "DescribeSecret", "")
	on("GetSecretValue AWSCURRENT", StepCreate, "GetSecretValue", "AWSCURRENT")
	on("GetSecretValue AWSPENDING", StepCreate, "GetSecretValue", "AWSPENDING")
	b.key(s, TargetKey, "Decrypt", s.ARN)
	on("PutSecretValue", StepCreate, "PutSecretValue", "")
	b.key(s, TargetKey, "GenerateDataKey", s.ARN)
	on("UpdateSecretVersionStage", StepFinish, "UpdateSecretVersionStage", "AWSCURRENT")
}

// key requires one action on the customer key of a secret or master. The AWS managed key asks for nothing in its own account.
func (b *builder) key(s *Secret, target Target, action string, rotated ARN) {
	key, ok := b.setup.CustomerKey(s)
	if !ok {
		return
	}
	step := StepCreate
	if target == TargetMasterKey {
		step = StepSet
	}
	b.add(Requirement{
		Name: action, Step: step, Target: target, Secret: rotated, Subject: key.ARN, KeyID: key.ID,
		Request: b.calls.onKey(action, &key, s.ARN),
	})
}

// CustomerKey is the key that a secret is encrypted with, when policies decide about its use: a customer's, or the AWS managed
// one asked for from another account, which can never use it (Secrets Manager User Guide, "Access from a different account").
// A key that was not read keeps the id by which the secret names it, as its ARN where it is one.
func (s *Setup) CustomerKey(secret *Secret) (Key, bool) {
	id := secret.KMSKeyID
	foreign := secret.ARN.Parts().Account != s.Role.ARN.Parts().Account && s.Role.ARN != ""
	if id == "" || strings.HasSuffix(id, "alias/aws/secretsmanager") {
		if !foreign {
			return Key{}, false
		}
		return Key{ID: id, ARN: awsManagedKey(secret.ARN), Presence: Present, Manager: "AWS"}, true
	}
	key, ok := s.Keys[id]
	if !ok {
		key = Key{ID: id, Presence: NotRead}
	}
	if key.ID == "" {
		key.ID = id
	}
	if key.Manager == "AWS" && !foreign {
		return Key{}, false
	}
	if key.ARN == "" && key.Presence != Absent {
		key.ARN = keyARN(id, secret.ARN)
	}
	return key, true
}

// keyARN is the ARN of the key that a secret names by its id or ARN; empty for an alias, which only DescribeKey resolves.
// Source: Secrets Manager API reference, KmsKeyId.
func keyARN(id string, secret ARN) ARN {
	if strings.HasPrefix(ARN(id).Parts().Resource, "key/") {
		return ARN(id)
	}
	if strings.Contains(id, "alias/") || strings.Contains(id, ":") {
		return ""
	}
	p := secret.Parts()
	return ARN("arn:" + p.Partition + ":kms:" + p.Region + ":" + p.Account + ":key/" + strings.TrimPrefix(id, "key/"))
}

// awsManagedKey names the key aws/secretsmanager of the secret's account by its alias.
func awsManagedKey(secret ARN) ARN {
	p := secret.Parts()
	return ARN("arn:" + p.Partition + ":kms:" + p.Region + ":" + p.Account + ":alias/aws/secretsmanager")
}

// master requires reading the master secret, its key, and for a master that RDS owns what the published functions ask RDS.
func (b *builder) master(s *Secret) {
	if s.Declaration.Master == "" || s.Declaration.Problem != "" {
		return
	}
	m := b.setup.Master(s)
	on := func(action, stage string) {
		b.add(Requirement{Name: "master " + action, Step: StepSet, Target: TargetMaster, Secret: s.ARN, Subject: m.ARN, Request: b.calls.onSecret(action, m, stage)})
	}
	on("GetSecretValue", "AWSCURRENT")
	b.key(m, TargetMasterKey, "Decrypt", s.ARN)
	if m.OwningService != "rds" && !strings.HasPrefix(m.Name, "rds!") {
		return
	}
	on("DescribeSecret", "")
	for _, d := range databases(m) {
		b.add(Requirement{
			Name: d.action, Step: StepSet, Target: TargetDatabase, Secret: s.ARN, Subject: ARN(d.resource), Assumed: d.assumed,
			Request: b.calls.onDatabase(d.action, d.resource),
		})
	}
}

// Master is the secret's master as it was resolved. One that was not carries a Gap.
func (s *Setup) Master(secret *Secret) *Secret {
	declared := secret.Declaration.Master
	if m, ok := s.Masters[declared]; ok {
		if m.ARN == "" {
			m.ARN = declared
		}
		return &m
	}
	return &Secret{ARN: declared, Gaps: []Gap{{
		Call: "secretsmanager:DescribeSecret", Resource: string(declared), Code: "NotRead", Message: "the master secret was not described",
	}}}
}

// database is what a function asks RDS to find a master's endpoint.
type database struct {
	action, resource string
	assumed          bool
}

// databases: RDS tags the secrets that it owns with the instance or the cluster, and names them rds!db-… and rds!cluster-….
// Source: aws-samples/aws-secrets-manager-rotation-lambdas, get_connection_params_from_rds_api of the multi-user functions.
func databases(master *Secret) []database {
	if arn := master.Tags["aws:rds:primaryDBInstanceArn"]; arn != "" {
		return []database{{"DescribeDBInstances", arn, false}}
	}
	if arn := master.Tags["aws:rds:primaryDBClusterArn"]; arn != "" {
		return []database{{"DescribeDBClusters", arn, false}}
	}
	p := master.ARN.Parts()
	arn := func(kind string) string {
		return "arn:" + p.Partition + ":rds:" + p.Region + ":" + p.Account + ":" + kind + ":database"
	}
	instance := database{"DescribeDBInstances", arn("db"), true}
	cluster := database{"DescribeDBClusters", arn("cluster"), true}
	switch {
	case strings.HasPrefix(master.Name, "rds!db"):
		return []database{instance}
	case strings.HasPrefix(master.Name, "rds!cluster"):
		return []database{cluster}
	default:
		return []database{instance, cluster}
	}
}

// network requires the interfaces of a function with subnets. CreateNetworkInterface is authorized on the interface and on each
// subnet and security group (Service Authorization Reference, Amazon EC2).
func (b *builder) network() {
	f := &b.setup.Function
	if len(f.Subnets) == 0 {
		return
	}
	p := f.ARN.Parts()
	arn := func(kind, id string) string {
		return "arn:" + p.Partition + ":ec2:" + p.Region + ":" + p.Account + ":" + kind + "/" + id
	}
	on := func(action, resource string) {
		b.add(Requirement{
			Name: action, Step: StepInvoke, Target: TargetNetwork, Subject: b.setup.Role.ARN, Latent: !f.networkLost(),
			Request: b.calls.onNetwork(action, resource),
		})
	}
	on("CreateNetworkInterface", arn("network-interface", "*"))
	for _, id := range f.Subnets {
		on("CreateNetworkInterface", arn("subnet", id))
	}
	for _, id := range f.SecurityGroups {
		on("CreateNetworkInterface", arn("security-group", id))
	}
	on("DeleteNetworkInterface", arn("network-interface", "eni-0123456789abcdef0"))
	on("DescribeNetworkInterfaces", "*")
}

// networkLost says whether the function's state tells that Lambda must make its interfaces anew before it can run, or could not.
// Source: Lambda Developer Guide, "Lambda function states"; Lambda API, StateReasonCode.
func (f *Function) networkLost() bool {
	switch f.State {
	case "Inactive", "Failed":
		return true
	}
	return f.LastUpdateStatus == "Failed" && f.LastUpdateReason == "InsufficientRolePermissions"
}

// StopsInvocation says whether the function cannot be invoked in the state that it is in, whatever its policies say.
// Pending ends by itself; an invocation of an Inactive function starts its restoration and is retried.
func (f *Function) StopsInvocation() bool {
	switch f.State {
	case "Failed", "Deactivated", "Deactivating", "ActiveNonInvocable", "Deleting":
		return true
	}
	return false
}

// LogRequirements are the requests by which the function writes its log: allowed, never required (CloudWatch Logs explain a failed
// rotation; they do not carry it).
func LogRequirements(s *Setup) []Requirement {
	c := newCalls(s)
	var out []Requirement
	for _, action := range []string{"CreateLogStream", "PutLogEvents"} {
		out = append(out, Requirement{Name: action, Step: StepInvoke, Target: TargetAccount, Subject: s.Role.ARN, Assumed: true, Request: c.onLogs(action)})
	}
	return out
}
