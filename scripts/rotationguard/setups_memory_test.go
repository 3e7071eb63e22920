package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift/setups"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// memberRole is assumed to read another account.
const memberRole = "rotationguard-reader"

// TestSetupsInMemory puts every setup of the library into an account in memory of its own.
func TestSetupsInMemory(t *testing.T) {
	path, all := build(t), loadLibrary(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := loadCase(t, name, all[name])
			a := fillMemory(t, c)
			member := memberRole
			if slices.ContainsFunc(c.Held.Gaps, func(g setups.Gap) bool { return g.Code == "NoMemberRole" }) || len(a.Accounts()) < 2 {
				member = ""
			}
			var args []string
			if config := configOf(t, c, member); config != "" {
				args = append(args, "--config", config)
			}
			if c.Options.AllQualifiers {
				args = append(args, "--all-qualifiers")
			}
			r := sweepWith(t, path, a.Environ(), args...)
			wantAnswers(t, c, r)
			wantOperator(t, c, r)
			if writes := a.Writes(); len(writes) > 0 {
				t.Errorf("a sweep wrote %v", writes)
			}
		})
	}
	t.Logf("%d setups", len(all))
}

// fillMemory puts a setup into an account in memory, with the reads that fail.
func fillMemory(t *testing.T, c *setups.Case) *awstest.Account {
	t.Helper()
	home := c.Held.Secrets[0].ARN.Parts()
	a := awstest.New(t, awstest.Options{ID: home.Account, Region: home.Region})
	f := memoryFiller{t: t, c: c, home: a}
	f.secrets()
	f.role()
	f.operator()
	f.functions()
	for i := range c.Held.Keys {
		f.key(&c.Held.Keys[i])
	}
	for _, g := range c.Held.Gaps {
		if g.Code == "NoMemberRole" {
			continue
		}
		service, operation, _ := strings.Cut(g.Call, ":")
		m := awstest.Match{Service: service, Operation: operation, Count: -1}
		if strings.HasPrefix(g.Resource, "arn:") {
			m.Resource = g.Resource
		}
		a.Fail(m, awstest.Fault{Code: g.Code, Message: g.Message})
	}
	return a
}

type memoryFiller struct {
	t    *testing.T
	c    *setups.Case
	home *awstest.Account
}

// in is the account and Region of an ARN.
func (f *memoryFiller) in(arn rotation.ARN) *awstest.Account {
	p, a := arn.Parts(), f.home
	if p.Account != "" && p.Account != a.ID() {
		a = a.Peer(p.Account)
		a.AddRole(awstest.Role{Name: memberRole, Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:` + p.Partition + `:iam::` + f.home.ID() + `:root"},"Action":"sts:AssumeRole"}]}`})
	}
	if p.Region != "" {
		a = a.In(p.Region)
	}
	return a
}

// secrets are as DescribeSecret answers, not as the library reads the answer: a function that is no longer in use is still named.
func (f *memoryFiller) secrets() {
	policies := map[rotation.ARN]string{}
	for _, s := range append(slices.Clone(f.c.Held.Secrets), f.c.Held.Masters...) {
		policies[s.ARN] = s.Policy.Text
	}
	for _, file := range f.c.Archive.Files {
		if stem, _, _ := strings.Cut(strings.TrimSuffix(file.Name, ".json"), "-"); stem != "secret" && stem != "master" || strings.Contains(file.Name, "-policy") {
			continue
		}
		var d struct {
			ARN, KmsKeyId, RotationLambdaARN, OwningService, Type, PrimaryRegion, ExternalSecretRotationRoleArn string
			RotationEnabled                                                                                     *bool
			RotationRules                                                                                       *awstest.RotationRules
			DeletedDate, NextRotationDate, LastRotatedDate                                                      time.Time
			Tags                                                                                                []awstest.Tag
			VersionIdsToStages                                                                                  map[string][]string
		}
		if err := json.Unmarshal(file.Data, &d); err != nil {
			f.t.Fatal(err)
		}
		arn := rotation.ARN(d.ARN)
		f.in(arn).AddSecret(awstest.Secret{
			ARN: d.ARN, KmsKeyID: d.KmsKeyId, Type: d.Type, OwningService: d.OwningService, PrimaryRegion: d.PrimaryRegion, RotationEnabled: d.RotationEnabled,
			RotationLambdaARN: d.RotationLambdaARN, RotationRules: d.RotationRules, ExternalSecretRotationRoleArn: d.ExternalSecretRotationRoleArn,
			Deleted: d.DeletedDate, NextRotation: d.NextRotationDate, Rotated: d.LastRotatedDate, Tags: d.Tags, Versions: d.VersionIdsToStages, Policy: policies[arn],
		})
	}
	for _, arn := range f.c.Held.Others {
		f.in(arn).AddSecret(awstest.Secret{ARN: string(arn)})
	}
}

func (f *memoryFiller) role() {
	r := &f.c.Held.Role
	if r.ARN == "" {
		return
	}
	a, p := f.in(r.ARN), r.ARN.Parts()
	role := awstest.Role{
		Name: r.ARN.RoleName(), Path: strings.TrimPrefix(strings.TrimSuffix(p.Resource, r.ARN.RoleName()), "role"), ARN: string(r.ARN), ID: r.ID,
		Trust: r.Trust.Text, Inline: map[string]string{}, Tags: tagsOf(r.Tags),
	}
	role.Inline, role.Attached, role.Boundary = holdings(a, r.Identity, r.Boundary)
	a.AddRole(role)
}

// holdings are the policies of a principal as the account takes them; managed ones are put into it.
func holdings(a *awstest.Account, identity []rotation.Policy, bounded *rotation.Policy) (inline map[string]string, attached []string, boundary string) {
	managed := func(policy *rotation.Policy) string {
		a.AddPolicy(awstest.Policy{ARN: string(policy.ARN), Document: policy.Text})
		return string(policy.ARN)
	}
	inline = map[string]string{}
	for i := range identity {
		if policy := &identity[i]; policy.Source == rotation.PolicyInline {
			inline[policy.Name] = policy.Text
		} else {
			attached = append(attached, managed(policy))
		}
	}
	if bounded != nil {
		boundary = managed(bounded)
	}
	return inline, attached, boundary
}

func (f *memoryFiller) operator() {
	o := f.c.Held.Operator
	if o == nil {
		return
	}
	a, name := f.in(o.Principal), o.Principal.RoleName()
	inline, attached, boundary := holdings(a, o.Identity, o.Boundary)
	var groups []string
	for policy, text := range inline {
		if group, own, ok := strings.Cut(policy, "/"); ok { // a user's group has it
			groups = append(groups, group)
			a.AddGroup(awstest.Group{Name: group, Inline: map[string]string{own: text}})
			delete(inline, policy)
		}
	}
	switch kind, _, _ := strings.Cut(o.Principal.Parts().Resource, "/"); kind {
	case "role":
		a.AddRole(awstest.Role{Name: name, Inline: inline, Attached: attached, Boundary: boundary, Tags: tagsOf(o.Tags)})
	case "user":
		a.AddUser(awstest.User{Name: name, Inline: inline, Attached: attached, Boundary: boundary, Tags: tagsOf(o.Tags), Groups: groups})
	case "group":
		a.AddGroup(awstest.Group{Name: name, Inline: inline, Attached: attached})
	}
}

func tagsOf(m map[string]string) []awstest.Tag {
	var tags []awstest.Tag
	for _, key := range slices.Sorted(maps.Keys(m)) {
		tags = append(tags, awstest.Tag{Key: key, Value: m[key]})
	}
	return tags
}

// functions puts together what the file says of one function at several qualifiers.
func (f *memoryFiller) functions() {
	whole := map[rotation.ARN]*awstest.Function{}
	for i := range f.c.Held.Functions {
		fn := &f.c.Held.Functions[i]
		bare, qualifier := fn.ARN.SplitFunction()
		if whole[bare] == nil {
			whole[bare] = &awstest.Function{Name: bare.Parts().Resource[len("function:"):], Tags: fn.Tags, Policies: map[string]string{}}
		}
		config := awstest.FunctionConfig{
			Role: string(fn.Role), State: fn.State, StateReasonCode: fn.StateReason, LastUpdateStatus: fn.LastUpdateStatus, LastUpdateStatusReasonCode: fn.LastUpdateReason,
		}
		if fn.VPC != "" {
			config.VPC = &awstest.VPC{ID: fn.VPC, Subnets: fn.Subnets, SecurityGroups: fn.SecurityGroups}
		}
		put(whole[bare], qualifier, config, fn.Policy.Text)
		for _, p := range fn.OtherPolicies {
			put(whole[bare], p.Name, config, p.Text)
		}
		if len(f.c.Held.Stack) > 0 && fn.Tags["aws:cloudformation:stack-name"] != "" {
			f.in(fn.ARN).AddStack(awstest.Stack{Name: fn.Tags["aws:cloudformation:stack-name"], ID: fn.Tags["aws:cloudformation:stack-id"], Parameters: f.c.Held.Stack})
		}
	}
	for arn, fn := range whole {
		f.in(arn).AddFunction(*fn)
	}
}

// put gives a function a configuration and a policy at a qualifier: itself, a version, or an alias of a version of its own.
func put(fn *awstest.Function, qualifier string, config awstest.FunctionConfig, policy string) {
	if policy != "" {
		fn.Policies[qualifier] = policy
	}
	if fn.Role == "" || qualifier == "" {
		fn.FunctionConfig = config
	}
	if qualifier == "" {
		return
	}
	number := qualifier
	if strings.Trim(qualifier, "0123456789") != "" {
		number = "1"
		fn.Aliases = append(fn.Aliases, awstest.Alias{Name: qualifier, Version: number})
	}
	fn.Versions = append(fn.Versions, awstest.FunctionVersion{Number: number, FunctionConfig: config})
}

func (f *memoryFiller) key(k *rotation.Key) {
	if k.ARN == "" {
		return
	}
	key := awstest.Key{ID: k.ARN.Parts().Resource[len("key/"):], ARN: string(k.ARN), Manager: k.Manager, State: k.State, Policy: k.Policy.Text}
	if strings.HasPrefix(k.ID, "alias/") {
		key.Aliases = []string{k.ID}
	}
	for _, g := range k.Grants {
		key.Grants = append(key.Grants, awstest.Grant{GranteePrincipal: g.Grantee, Operations: g.Operations, ContextEquals: g.ContextEquals, ContextSubset: g.ContextSubset})
	}
	f.in(k.ARN).AddKey(key)
}
