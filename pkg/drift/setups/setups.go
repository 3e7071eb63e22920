// Package setups reads the library of rotation setups, testdata/setups/*.txtar at the root of the repository: one file a rule, readable
// as its documentation. A setup is what an account's API answers, so the same file can be judged, put into an emulator, or
// read by a person.
//
// The comment of a file says in prose what it shows, and in lines of its own what must come out:
//
//	verdict: broken             of every secret, or "NAME: broken" for one of several, by name
//	findings: secret-access     the rules of the findings above info, sorted; none when the line is empty
//	notes: logs                 the rules of the findings at info, where they matter
//	rules: 1 16                 the rules of docs/rules.md that it shows
//	operator: drifted           the verdict of operator.json
//	operator-findings: …        the rules of all its findings, sorted
//
// Its members are:
//
//	secret*.json            DescribeSecret's answer, one member a secret; OwningService, Type and ReplicationStatus where they matter
//	secret-policy*.json     the resource policy of the secret whose member has the same ending
//	function*.json          GetFunctionConfiguration's answer at the qualifier (FunctionArn is the qualified ARN), with Tags of ListTags
//	function-policy*.json   GetPolicy's policy at the qualifier of the function whose member has the same ending
//	other-policy@Q.json     GetPolicy's policy at another qualifier Q of the first function ("@" alone: of the function itself)
//	role.json               GetRole's Role, its AssumeRolePolicyDocument as JSON
//	inline/NAME.json        an inline policy of the role
//	attached/NAME.json      a managed policy attached to the role; an empty member is the AWS managed policy of that name
//	boundary/NAME.json      the permissions boundary
//	key*.json               DescribeKey's KeyMetadata, with Aliases of ListAliases
//	key-policy*.json        the key policy of the key whose member has the same ending
//	key-grants*.json        ListGrants' Grants of that key
//	master*.json            DescribeSecret's answer for a master secret
//	master-policy*.json     its resource policy
//	stack.json              the Parameters of DescribeStacks for the stack that made the functions
//	account.json            Secrets (ARNs of others that ListSecrets shows)
//	operator.json           a declared principal: Principal, May, Tags as GetRole or GetUser answers, Groups of a user
//	operator-inline/NAME.json, operator-attached/NAME.json, operator-boundary/NAME.json
//	                        its policies, as a role's; a user's group has its inline policies in operator-group/GROUP/NAME.json
//	config.json             rotations, exclude, exemptions, allQualifiers as the configuration says them
//	gaps.txt                one line a read that fails: CALL CODE [RESOURCE [MESSAGE]]
//	want.txt                every verdict and finding in full, written by go test ./pkg/drift -update
package setups

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Case is one setup of the library.
type Case struct {
	Name    string
	Title   string            // the first line of the comment
	Expect  map[string]string // the lines of the comment, by their word; verdicts by the secret's name, or "" for all
	Shows   []string          // the rules of docs/rules.md
	Group   rotation.Group
	Config  Config
	Rules   rotation.Rules
	Options drift.Options
	Want    string
	Archive *txtar.Archive
	Held    Held
}

// Held is what the file's account holds, referred to or not.
type Held struct {
	Role      rotation.Role // empty: there is none
	Functions []rotation.Function
	Secrets   []rotation.Secret
	Masters   []rotation.Secret
	Others    []rotation.ARN // secrets of account.json
	Keys      []rotation.Key // ID is the first alias, or the key's id
	Operator  *rotation.Operator
	Stack     map[string]string
	Gaps      []Gap
}

// Gap is a line of gaps.txt: a call that fails.
type Gap struct{ Call, Code, Resource, Message string }

// Config is config.json.
type Config struct {
	Rotations []struct {
		Match        Match            `json:"match"`
		Strategy     string           `json:"strategy"`
		MasterSecret string           `json:"master_secret"`
		Allow        []rotation.Grant `json:"allow"`
	} `json:"rotations"`
	Exclude []struct {
		Match  Match  `json:"match"`
		Reason string `json:"reason"`
	} `json:"exclude"`
	Exemptions []struct {
		Finding  string `json:"finding"`
		Secret   string `json:"secret"`
		Function string `json:"function"`
		Rule     string `json:"rule"`
		Owner    string `json:"owner"`
		Reason   string `json:"reason"`
	} `json:"exemptions"`
	AllQualifiers bool `json:"allQualifiers"`
}

// Match is a match of the configuration.
type Match struct {
	Name string            `json:"name"`
	ARN  string            `json:"arn"`
	Tag  map[string]string `json:"tag"`
}

// managed answers the document of an AWS managed policy by name.
type managed func(name string) (string, error)

// Load reads one file of the library. awsManaged answers the documents of AWS managed policies.
func Load(name string, data []byte, awsManaged func(name string) (string, error)) (*Case, error) {
	c := &Case{Name: name, Archive: txtar.Parse(data), Expect: map[string]string{}}
	l := loader{c: c, managed: awsManaged, members: map[string][]byte{}, keys: map[string]rotation.Key{}, masters: map[rotation.ARN]rotation.Secret{}}
	for _, f := range c.Archive.Files {
		if _, twice := l.members[f.Name]; twice {
			return nil, fmt.Errorf("%s: the member %s comes twice", name, f.Name)
		}
		l.members[f.Name] = f.Data
		l.names = append(l.names, f.Name)
	}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

type loader struct {
	c       *Case
	managed managed
	members map[string][]byte
	names   []string
	rules   rotation.Rules
	stack   map[string]string
	gaps    []Gap
	role    rotation.Role
	held    map[rotation.ARN]rotation.Function
	keys    map[string]rotation.Key
	masters map[rotation.ARN]rotation.Secret
	secrets []rotation.Secret
}

func (l *loader) load() error {
	l.comment()
	for _, read := range []func() error{l.config, l.readGaps, l.readStack, l.readRole, l.readKeys, l.readMasters, l.readSecrets, l.readOperator, l.group} {
		if err := read(); err != nil {
			return err
		}
	}
	l.hold()
	return nil
}

func (l *loader) hold() {
	h := &l.c.Held
	h.Role, h.Secrets, h.Stack, h.Gaps = l.role, l.secrets, l.stack, l.gaps
	for _, arn := range slices.Sorted(maps.Keys(l.masters)) {
		h.Masters = append(h.Masters, l.masters[arn])
	}
	for _, arn := range slices.Sorted(maps.Keys(l.held)) {
		h.Functions = append(h.Functions, l.held[arn])
	}
	l.c.Rules = l.rules
}

func (l *loader) comment() {
	for i, line := range strings.Split(string(l.c.Archive.Comment), "\n") {
		if i == 0 {
			l.c.Title = line
			continue
		}
		word, rest, found := strings.Cut(line, ": ")
		if !found {
			word, rest, found = line, "", strings.HasSuffix(line, ":")
			word = strings.TrimSuffix(word, ":")
		}
		switch {
		case !found || strings.Contains(word, " "):
		case word == "rules":
			l.c.Shows = strings.Fields(rest)
		case word == "verdict":
			name, verdict, one := strings.Cut(rest, "=")
			if one {
				l.c.Expect["verdict "+strings.TrimSpace(name)] = strings.TrimSpace(verdict)
			} else {
				l.c.Expect["verdict "] = strings.TrimSpace(rest)
			}
		case word == "operator":
			l.c.Expect[word] = strings.TrimSpace(rest)
		case word == "findings" || word == "notes" || word == "operator-findings":
			fields := strings.Fields(rest)
			slices.Sort(fields)
			l.c.Expect[word] = strings.Join(fields, " ")
		}
	}
	l.c.Want = string(l.members["want.txt"])
}

func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	return d.Decode(into)
}

func (l *loader) config() error {
	data, ok := l.members["config.json"]
	if !ok {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&l.c.Config); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	match := func(m Match) rotation.Match { return rotation.Match{Name: m.Name, ARN: m.ARN, Tag: m.Tag} }
	for _, r := range l.c.Config.Rotations {
		l.rules.Rotations = append(l.rules.Rotations, rotation.Rule{Match: match(r.Match), Strategy: r.Strategy, Master: r.MasterSecret, Allow: r.Allow})
	}
	for _, e := range l.c.Config.Exclude {
		l.rules.Exclude = append(l.rules.Exclude, rotation.Exclusion{Match: match(e.Match), Reason: e.Reason})
	}
	for _, e := range l.c.Config.Exemptions {
		l.c.Options.Exemptions = append(l.c.Options.Exemptions, drift.Exemption{Finding: e.Finding, Secret: e.Secret, Function: e.Function, Rule: e.Rule, Owner: e.Owner, Reason: e.Reason})
	}
	l.c.Options.AllQualifiers = l.c.Config.AllQualifiers
	return l.rules.Validate()
}

func (l *loader) readGaps() error {
	for _, line := range strings.Split(string(l.members["gaps.txt"]), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) < 2 {
			return fmt.Errorf("gaps.txt: %q: a call and a code are needed", line)
		}
		g := Gap{Call: f[0], Code: f[1]}
		if len(f) > 2 {
			g.Resource, g.Message = f[2], strings.Join(f[3:], " ")
		}
		l.gaps = append(l.gaps, g)
	}
	return nil
}

// gap is the gap that gaps.txt puts on a call, or nil.
func (l *loader) gap(call, resource string) *rotation.Gap {
	for _, g := range l.gaps {
		if g.Call == call && (g.Resource == "" || g.Resource == "*" || g.Resource == resource) {
			made := &rotation.Gap{Call: call, Resource: resource, Code: g.Code, Message: g.Message}
			if strings.Contains(g.Code, "Denied") {
				made.Permission = call
			}
			return made
		}
	}
	return nil
}

func (l *loader) readStack() error {
	data, ok := l.members["stack.json"]
	if !ok {
		return nil
	}
	var stack struct {
		Parameters []struct{ ParameterKey, ParameterValue string }
	}
	if err := decode(data, &stack); err != nil {
		return fmt.Errorf("stack.json: %w", err)
	}
	l.stack = map[string]string{}
	for _, p := range stack.Parameters {
		l.stack[p.ParameterKey] = p.ParameterValue
	}
	return nil
}

// policy is a member as a policy; absent when there is no such member, unreadable when the call fails.
func (l *loader) policy(source rotation.PolicySource, name, member, call, resource string) rotation.Policy {
	if g := l.gap(call, resource); g != nil {
		return rotation.Policy{Source: source, Name: name, Presence: rotation.Unreadable, Gap: g}
	}
	data, ok := l.members[member]
	if !ok {
		return rotation.Policy{Source: source, Name: name, Presence: rotation.Absent}
	}
	return rotation.NewPolicy(source, name, strings.TrimSpace(string(data)))
}

func (l *loader) readRole() error {
	data, ok := l.members["role.json"]
	if !ok {
		return nil
	}
	var r struct {
		Arn, RoleId              string
		AssumeRolePolicyDocument json.RawMessage
		PermissionsBoundary      struct{ PermissionsBoundaryArn string }
		Tags                     []tag
	}
	if err := decode(data, &r); err != nil {
		return fmt.Errorf("role.json: %w", err)
	}
	l.role = rotation.Role{ARN: rotation.ARN(r.Arn), ID: r.RoleId, Presence: rotation.Present, Tags: tags(r.Tags)}
	if g := l.gap("iam:GetRole", r.Arn); g != nil {
		l.role.Gaps, l.role.Presence = append(l.role.Gaps, *g), rotation.Unreadable
		l.role.Trust = rotation.Policy{Source: rotation.PolicyTrust, Presence: rotation.Unreadable, Gap: g}
	} else {
		l.role.Trust = rotation.NewPolicy(rotation.PolicyTrust, "", string(r.AssumeRolePolicyDocument))
	}
	for _, call := range []string{"iam:ListRolePolicies", "iam:ListAttachedRolePolicies"} {
		if g := l.gap(call, r.Arn); g != nil {
			l.role.Gaps = append(l.role.Gaps, *g)
		}
	}
	return l.readPolicies(r.PermissionsBoundary.PermissionsBoundaryArn)
}

func (l *loader) readPolicies(boundary string) error {
	account := l.role.ARN.Parts().Account
	partition := l.role.ARN.Parts().Partition
	for _, name := range l.names {
		kind, policyName, found := strings.Cut(strings.TrimSuffix(name, ".json"), "/")
		if !found || strings.HasPrefix(kind, "operator-") {
			continue
		}
		switch kind {
		case "inline":
			l.role.Identity = append(l.role.Identity, l.policy(rotation.PolicyInline, policyName, name, "iam:GetRolePolicy", policyName))
		case "attached", "boundary":
			arn, err := l.managedMember(name, policyName, partition, account)
			if err != nil {
				return err
			}
			source := rotation.PolicyAttached
			if kind == "boundary" {
				source = rotation.PolicyBoundary
			}
			p := l.policy(source, policyName, name, "iam:GetPolicyVersion", policyName)
			p.ARN = arn
			if kind == "boundary" {
				if boundary != "" {
					p.ARN = rotation.ARN(boundary)
				}
				l.role.Boundary = &p
			} else {
				l.role.Identity = append(l.role.Identity, p)
			}
		default:
			return fmt.Errorf("unknown member %s", name)
		}
	}
	return nil
}

// managedMember is the ARN of the managed policy in a member, whose document an empty member takes from AWS's own.
func (l *loader) managedMember(member, name, partition, account string) (rotation.ARN, error) {
	if strings.TrimSpace(string(l.members[member])) != "" {
		return rotation.ARN("arn:" + partition + ":iam::" + account + ":policy/" + name), nil
	}
	document, err := l.managed(name)
	if err != nil {
		return "", err
	}
	l.members[member] = []byte(document)
	path := ""
	if strings.HasSuffix(name, "Role") || name == "AWSLambdaENIManagementAccess" {
		path = "service-role/"
	}
	return rotation.ARN("arn:" + partition + ":iam::aws:policy/" + path + name), nil
}

type tag struct{ Key, Value string }

func tags(list []tag) map[string]string {
	var out map[string]string
	for _, t := range list {
		if out == nil {
			out = map[string]string{}
		}
		out[t.Key] = t.Value
	}
	return out
}

// endings are the endings of the members secret.json, secret-2.json, … in order.
func (l *loader) endings(stem string) []string {
	var out []string
	for _, name := range l.names {
		rest, found := strings.CutPrefix(name, stem)
		if !found || !strings.HasSuffix(rest, ".json") {
			continue
		}
		rest = strings.TrimSuffix(rest, ".json")
		if rest == "" || strings.HasPrefix(rest, "-") && !strings.HasPrefix(rest, "-policy") && !strings.HasPrefix(rest, "-grants") {
			out = append(out, rest)
		}
	}
	return out
}

func (l *loader) readKeys() error {
	for _, ending := range l.endings("key") {
		var k struct {
			KeyId, Arn, KeyManager, KeyState string
			Aliases                          []string
		}
		if err := decode(l.members["key"+ending+".json"], &k); err != nil {
			return fmt.Errorf("key%s.json: %w", ending, err)
		}
		key := rotation.Key{ARN: rotation.ARN(k.Arn), Presence: rotation.Present, Manager: cmp.Or(k.KeyManager, "CUSTOMER"), State: cmp.Or(k.KeyState, "Enabled"), GrantsRead: true}
		key.Policy = l.policy(rotation.PolicyKey, "", "key-policy"+ending+".json", "kms:GetKeyPolicy", k.Arn)
		if err := l.readGrants(&key, ending); err != nil {
			return err
		}
		if g := l.gap("kms:DescribeKey", k.Arn); g != nil {
			key = rotation.Key{Presence: rotation.Unreadable, Gaps: []rotation.Gap{*g}}
		}
		held := key
		held.ID = k.KeyId
		if len(k.Aliases) > 0 {
			held.ID = k.Aliases[0]
		}
		l.c.Held.Keys = append(l.c.Held.Keys, held)
		p := rotation.ARN(k.Arn).Parts()
		for _, id := range append([]string{k.KeyId, k.Arn}, k.Aliases...) {
			named := key
			named.ID = id
			l.keys[id] = named
			if strings.HasPrefix(id, "alias/") {
				named.ID = "arn:" + p.Partition + ":kms:" + p.Region + ":" + p.Account + ":" + id
				l.keys[named.ID] = named
			}
		}
	}
	return nil
}

func (l *loader) readGrants(key *rotation.Key, ending string) error {
	if g := l.gap("kms:ListGrants", string(key.ARN)); g != nil {
		key.GrantsRead, key.Gaps = false, append(key.Gaps, *g)
		return nil
	}
	data, ok := l.members["key-grants"+ending+".json"]
	if !ok {
		return nil
	}
	var grants struct {
		Grants []struct {
			GranteePrincipal string
			Operations       []string
			Constraints      struct {
				EncryptionContextEquals, EncryptionContextSubset map[string]string
			}
		}
	}
	if err := decode(data, &grants); err != nil {
		return fmt.Errorf("key-grants%s.json: %w", ending, err)
	}
	for _, g := range grants.Grants {
		key.Grants = append(key.Grants, rotation.KeyGrant{
			Grantee: g.GranteePrincipal, Operations: g.Operations,
			ContextEquals: g.Constraints.EncryptionContextEquals, ContextSubset: g.Constraints.EncryptionContextSubset,
		})
	}
	return nil
}

// secretJSON is DescribeSecret's answer.
type secretJSON struct {
	ARN, Name, KmsKeyId, RotationLambdaARN, OwningService, Type, PrimaryRegion, ExternalSecretRotationRoleArn string
	RotationEnabled                                                                                           bool
	DeletedDate, NextRotationDate, LastRotatedDate                                                            *time.Time
	Tags                                                                                                      []tag
	VersionIdsToStages                                                                                        map[string][]string
}

func (l *loader) secret(member string) (rotation.Secret, error) {
	var d secretJSON
	if err := decode(l.members[member], &d); err != nil {
		return rotation.Secret{}, fmt.Errorf("%s: %w", member, err)
	}
	s := rotation.Secret{
		ARN: rotation.ARN(d.ARN), Name: d.Name, KMSKeyID: d.KmsKeyId, FunctionARN: rotation.ARN(d.RotationLambdaARN), OwningService: d.OwningService, Type: d.Type,
		PrimaryRegion: d.PrimaryRegion, ExternalRole: rotation.ARN(d.ExternalSecretRotationRoleArn), Deleting: d.DeletedDate != nil, Tags: tags(d.Tags),
		NextRotation: d.NextRotationDate, LastRotated: d.LastRotatedDate, VersionStages: d.VersionIdsToStages,
	}
	switch {
	case d.PrimaryRegion != "" && d.PrimaryRegion != s.ARN.Parts().Region:
		s.Kind = rotation.KindReplica
	case d.OwningService != "":
		s.Kind = rotation.KindManaged
	case !d.RotationEnabled:
		s.Kind = rotation.KindOff
	case d.RotationLambdaARN == "" && d.ExternalSecretRotationRoleArn != "":
		s.Kind = rotation.KindExternal
	default:
		s.Kind = rotation.KindLambda
	}
	if s.Kind != rotation.KindLambda {
		s.FunctionARN = ""
	}
	s.Policy = l.policy(rotation.PolicySecret, "", strings.Replace(strings.Replace(member, "secret", "secret-policy", 1), "master", "master-policy", 1),
		"secretsmanager:GetResourcePolicy", d.ARN)
	return s, nil
}

func (l *loader) readMasters() error {
	for _, ending := range l.endings("master") {
		s, err := l.secret("master" + ending + ".json")
		if err != nil {
			return err
		}
		l.masters[s.ARN] = s
	}
	return nil
}

func (l *loader) readSecrets() error {
	for _, ending := range l.endings("secret") {
		s, err := l.secret("secret" + ending + ".json")
		if err != nil {
			return err
		}
		s.Declaration = rotation.Declare(l.rules, &s, l.stack)
		s.Excluded = l.rules.Excluded(&s)
		l.secrets = append(l.secrets, s)
	}
	if len(l.secrets) == 0 {
		return errors.New("there is no secret.json")
	}
	slices.SortFunc(l.secrets, func(a, b rotation.Secret) int { return strings.Compare(string(a.ARN), string(b.ARN)) })
	return nil
}

// master resolves a declared master as DescribeSecret would: by its ARN, or by a partial one.
func (l *loader) master(declared rotation.ARN) rotation.Secret {
	if g := l.gap("secretsmanager:DescribeSecret", string(declared)); g != nil {
		return rotation.Secret{ARN: declared, Gaps: []rotation.Gap{*g}}
	}
	for _, all := range []map[rotation.ARN]rotation.Secret{l.masters, l.own()} {
		for arn, m := range all {
			name, _, _ := arn.SecretName()
			if arn == declared || rotation.ARN(strings.TrimSuffix(string(arn), arn.Parts().Resource)+"secret:"+name) == declared {
				return m
			}
		}
	}
	return rotation.Secret{ARN: declared, Gaps: []rotation.Gap{{Call: "secretsmanager:DescribeSecret", Resource: string(declared), Code: "ResourceNotFoundException"}}}
}

func (l *loader) own() map[rotation.ARN]rotation.Secret {
	out := map[rotation.ARN]rotation.Secret{}
	for _, s := range l.secrets {
		out[s.ARN] = s
	}
	return out
}

type functionJSON struct {
	FunctionArn, Role, State, StateReasonCode, LastUpdateStatus, LastUpdateStatusReasonCode string
	VpcConfig                                                                               struct {
		VpcId                       string
		SubnetIds, SecurityGroupIds []string
	}
	Tags map[string]string
}

// functions are the functions of the file, by their ARN.
func (l *loader) functions() (map[rotation.ARN]rotation.Function, error) {
	out := map[rotation.ARN]rotation.Function{}
	for _, ending := range l.endings("function") {
		var f functionJSON
		if err := decode(l.members["function"+ending+".json"], &f); err != nil {
			return nil, fmt.Errorf("function%s.json: %w", ending, err)
		}
		fn := rotation.Function{
			ARN: rotation.ARN(f.FunctionArn), Presence: rotation.Present, Role: rotation.ARN(f.Role), State: cmp.Or(f.State, "Active"), StateReason: f.StateReasonCode,
			LastUpdateStatus: cmp.Or(f.LastUpdateStatus, "Successful"), LastUpdateReason: f.LastUpdateStatusReasonCode,
			VPC: f.VpcConfig.VpcId, Subnets: f.VpcConfig.SubnetIds, SecurityGroups: f.VpcConfig.SecurityGroupIds, Tags: f.Tags,
			Policy: l.policy(rotation.PolicyFunction, "", "function-policy"+ending+".json", "lambda:GetPolicy", f.FunctionArn),
		}
		if f.Tags["aws:cloudformation:stack-id"] != "" {
			fn.Stack = l.stack
		}
		if len(out) == 0 {
			for _, name := range l.names {
				if qualifier, found := strings.CutPrefix(strings.TrimSuffix(name, ".json"), "other-policy@"); found {
					p := rotation.NewPolicy(rotation.PolicyFunction, qualifier, string(l.members[name]))
					fn.OtherPolicies = append(fn.OtherPolicies, p)
				}
			}
		}
		out[fn.ARN] = fn
	}
	return out, nil
}

// group puts the secrets to what rotates them.
func (l *loader) group() error {
	functions, err := l.functions()
	if err != nil {
		return err
	}
	l.held = functions
	byUnit := map[string]*rotation.Setup{}
	var order []string
	for _, s := range l.secrets {
		unit := string(s.FunctionARN)
		if s.Kind == rotation.KindExternal {
			unit = string(s.ExternalRole)
		}
		setup, ok := byUnit[unit]
		if !ok {
			p := s.ARN.Parts()
			setup = &rotation.Setup{Account: p.Account, Region: p.Region, Partition: p.Partition, Keys: l.keys, Masters: map[rotation.ARN]rotation.Secret{}}
			l.rotator(setup, &s, functions)
			byUnit[unit] = setup
			order = append(order, unit)
		}
		setup.Secrets = append(setup.Secrets, s)
		if m := s.Declaration.Master; m != "" {
			setup.Masters[m] = l.master(m)
		}
	}
	slices.Sort(order)
	for _, unit := range order {
		l.c.Group.Setups = append(l.c.Group.Setups, *byUnit[unit])
	}
	return l.listing()
}

// rotator puts the function and the role of a secret into its setup.
func (l *loader) rotator(setup *rotation.Setup, s *rotation.Secret, functions map[rotation.ARN]rotation.Function) {
	role := l.role
	switch {
	case s.FunctionARN != "":
		if g := l.gap("lambda:GetFunctionConfiguration", string(s.FunctionARN)); g != nil {
			setup.Function = rotation.Function{ARN: s.FunctionARN, Presence: rotation.Unreadable, Gaps: []rotation.Gap{*g}}
			return
		}
		f, ok := functions[s.FunctionARN]
		if !ok {
			setup.Function = rotation.Function{ARN: s.FunctionARN, Presence: rotation.Absent}
			return
		}
		setup.Function = f
		if role.ARN != f.Role {
			role = rotation.Role{ARN: f.Role, Presence: rotation.Absent}
		}
		setup.Role = role
	case s.ExternalRole != "" && s.Kind == rotation.KindExternal:
		if role.ARN != s.ExternalRole {
			role = rotation.Role{ARN: s.ExternalRole, Presence: rotation.Absent}
		}
		setup.Role = role
	}
}

func (l *loader) listing() error {
	listing := &rotation.Listing{Complete: true}
	for _, s := range l.secrets {
		listing.Secrets = append(listing.Secrets, s.ARN)
	}
	for arn := range l.masters {
		listing.Secrets = append(listing.Secrets, arn)
	}
	if data, ok := l.members["account.json"]; ok {
		var account struct{ Secrets []rotation.ARN }
		if err := decode(data, &account); err != nil {
			return fmt.Errorf("account.json: %w", err)
		}
		listing.Secrets = append(listing.Secrets, account.Secrets...)
		l.c.Held.Others = account.Secrets
	}
	slices.Sort(listing.Secrets)
	listing.Secrets = slices.Compact(listing.Secrets)
	l.c.Group.Listed = listing
	return nil
}
