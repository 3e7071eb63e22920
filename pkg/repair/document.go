package repair

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The condition keys of our statements, with rotation.AllowRotationKey.
const (
	keyViaService = "kms:ViaService"
	keySecretARN  = "kms:EncryptionContext:SecretARN"
)

// grant is the smallest thing that our inline policy can give: one action on one thing.
type grant struct {
	target rotation.Target
	action string       // canonical spelling
	on     rotation.ARN // the secret, master or key; empty for "*"
	secret rotation.ARN // of a key grant: the secret whose value the key protects
}

// grantable are the actions that repair may ever write, by what they are for: the built-in contract's, and no other.
// Source: Secrets Manager User Guide, "Permissions for rotation"; for the database, the published rotation functions.
var grantable = map[rotation.Target][]string{
	rotation.TargetAccount: {"secretsmanager:GetRandomPassword"},
	rotation.TargetSecret: {
		"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
	},
	rotation.TargetMaster:    {"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"},
	rotation.TargetKey:       {"kms:Decrypt", "kms:GenerateDataKey"},
	rotation.TargetMasterKey: {"kms:Decrypt"},
	rotation.TargetNetwork:   {"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"},
	rotation.TargetDatabase:  {"rds:DescribeDBClusters", "rds:DescribeDBInstances"},
}

// canonical is the spelling of an action that may be granted for a target.
func canonical(target rotation.Target, action string) (string, bool) {
	for _, a := range grantable[target] {
		if strings.EqualFold(a, action) {
			return a, true
		}
	}
	return "", false
}

// grants is what one inline policy of ours gives.
type grants map[grant]bool

func (g grants) sorted() []grant {
	return slices.SortedFunc(maps.Keys(g), func(a, b grant) int {
		return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.on, b.on), cmp.Compare(a.action, b.action), cmp.Compare(a.secret, b.secret))
	})
}

// jsonStatement is one of our statements as it is written.
type jsonStatement struct {
	Sid       string                         `json:"Sid,omitempty"`
	Effect    policy.Effect                  `json:"Effect"`
	Action    []string                       `json:"Action"`
	Resource  []string                       `json:"Resource"`
	Condition map[string]map[string][]string `json:"Condition,omitempty"`
}

// ours is the inline policy of one unit: which function it is for, and so its name, its Sids and its conditions.
type ours struct{ function rotation.ARN }

// sidPrefix starts every Sid of the unit's policy. IAM allows letters and digits only in the Sid of an identity policy.
func (o ours) sidPrefix() string { return "rotationguard" + hash(string(o.function))[:8] }

// names are the policy's name and the one to use when somebody else has taken it. IAM admits 128 characters of [\w+=,.@-].
func (o ours) names() []string {
	name := rotation.OwnPolicyName(o.function)
	const most, tail = 128, 9
	return []string{name, name[:min(len(name), most-tail)] + "-" + hash(string(o.function))[:8]}
}

// render writes grants as a policy document: the same grants give the same bytes.
func (o ours) render(g grants) (string, error) {
	var statements []jsonStatement
	add := func(what string, s jsonStatement) {
		s.Sid, s.Effect = o.sidPrefix()+what, policy.Allow
		statements = append(statements, s)
	}
	number := func(what string, i int) string { return fmt.Sprintf("%s%d", what, i+1) }

	for i, group := range g.group(rotation.TargetSecret) {
		add(number("Secrets", i), jsonStatement{Action: group.actions, Resource: group.on, Condition: equals(rotation.AllowRotationKey, string(o.function))})
	}
	if actions := g.actions(rotation.TargetAccount); len(actions) > 0 {
		add("RandomPassword", jsonStatement{Action: actions, Resource: []string{"*"}})
	}
	for i, group := range g.group(rotation.TargetMaster) {
		add(number("Masters", i), jsonStatement{Action: group.actions, Resource: group.on})
	}
	for i, k := range g.keys() {
		c := equals(keyViaService, viaService(k.key))
		c["StringEquals"][keySecretARN] = k.secrets
		add(number("Keys", i), jsonStatement{Action: k.actions, Resource: []string{string(k.key)}, Condition: c})
	}
	if actions := g.actions(rotation.TargetNetwork); len(actions) > 0 {
		add("NetworkInterfaces", jsonStatement{Action: actions, Resource: []string{"*"}})
	}
	if actions := g.actions(rotation.TargetDatabase); len(actions) > 0 {
		add("Database", jsonStatement{Action: actions, Resource: []string{"*"}})
	}
	data, err := json.MarshalIndent(struct {
		Version   policy.Version
		Statement []jsonStatement
	}{policy.Version2012, statements}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing our policy for %s: %w", o.function, err)
	}
	return string(data), nil
}

func equals(key string, values ...string) map[string]map[string][]string {
	return map[string]map[string][]string{"StringEquals": {key: values}}
}

// viaService is the value of kms:ViaService when Secrets Manager uses a key of this Region. Source: AWS KMS Developer Guide,
// "kms:ViaService". Where it is another one, the grant does not mend, which its proof shows: it is not written.
func viaService(key rotation.ARN) string {
	return "secretsmanager." + key.Parts().Region + ".amazonaws.com"
}

// actions are the actions granted for a target that has no resource.
func (g grants) actions(target rotation.Target) []string {
	var out []string
	for x := range g {
		if x.target == target {
			out = append(out, x.action)
		}
	}
	slices.Sort(out)
	return out
}

// actionGroup is the things that the same actions are granted on.
type actionGroup struct{ actions, on []string }

// group gathers the things of a target that the same actions are granted on, in the order of their first.
func (g grants) group(target rotation.Target) []actionGroup {
	byThing := map[string][]string{}
	for _, x := range g.sorted() {
		if x.target == target {
			byThing[string(x.on)] = append(byThing[string(x.on)], x.action)
		}
	}
	var out []actionGroup
	for _, thing := range slices.Sorted(maps.Keys(byThing)) {
		actions := byThing[thing]
		i := slices.IndexFunc(out, func(a actionGroup) bool { return slices.Equal(a.actions, actions) })
		if i < 0 {
			out = append(out, actionGroup{actions, []string{thing}})
			continue
		}
		out[i].on = append(out[i].on, thing)
	}
	return out
}

// keyGroup is the secrets for which the same actions are granted on a key.
type keyGroup struct {
	key              rotation.ARN
	actions, secrets []string
}

func (g grants) keys() []keyGroup {
	type use struct{ key, secret rotation.ARN }
	byUse := map[use][]string{}
	for _, x := range g.sorted() {
		if x.target == rotation.TargetKey || x.target == rotation.TargetMasterKey {
			u := use{x.on, x.secret}
			if !slices.Contains(byUse[u], x.action) {
				byUse[u] = append(byUse[u], x.action)
			}
		}
	}
	uses := slices.SortedFunc(maps.Keys(byUse), func(a, b use) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.secret, b.secret)) })
	var out []keyGroup
	for _, u := range uses {
		actions := slices.Sorted(slices.Values(byUse[u]))
		i := slices.IndexFunc(out, func(k keyGroup) bool { return k.key == u.key && slices.Equal(k.actions, actions) })
		if i < 0 {
			out = append(out, keyGroup{u.key, actions, []string{string(u.secret)}})
			continue
		}
		out[i].secrets = append(out[i].secrets, string(u.secret))
	}
	return out
}

// read takes a document apart into the grants that render writes. ok is false for a document that is not this unit's work to
// the last statement: somebody else's, or ours with something added.
func (o ours) read(doc *policy.Document) (g grants, ok bool) {
	if doc == nil || doc.Version != policy.Version2012 || len(doc.Statements) == 0 {
		return nil, false
	}
	g = grants{}
	for i := range doc.Statements {
		s := &doc.Statements[i]
		what, found := strings.CutPrefix(s.Sid, o.sidPrefix())
		if !found || s.Effect != policy.Allow || len(s.NotActions)+len(s.NotResources)+len(s.Principals)+len(s.NotPrincipals) > 0 {
			return nil, false
		}
		if !o.readStatement(g, strings.TrimRight(what, "0123456789"), s) {
			return nil, false
		}
	}
	return g, true
}

func (o ours) readStatement(g grants, what string, s *policy.Statement) bool {
	conditions := map[string][]string{}
	for _, c := range s.Conditions {
		if c.Operator != "StringEquals" || conditions[c.Key] != nil {
			return false
		}
		conditions[c.Key] = c.Values
	}
	add := func(target rotation.Target, on string, secret string) bool {
		for _, a := range s.Actions {
			action, ok := canonical(target, a)
			if !ok || action != a {
				return false
			}
			g[grant{target, action, rotation.ARN(on), rotation.ARN(secret)}] = true
		}
		return true
	}
	everywhere := func(target rotation.Target) bool {
		return len(conditions) == 0 && slices.Equal(s.Resources, []string{"*"}) && add(target, "", "")
	}
	onEach := func(target rotation.Target) bool {
		for _, on := range s.Resources {
			if _, _, complete := rotation.ARN(on).SecretName(); !complete || strings.ContainsAny(on, "*?") || !add(target, on, "") {
				return false
			}
		}
		return true
	}
	switch what {
	case "Secrets":
		return len(conditions) == 1 && slices.Equal(conditions[rotation.AllowRotationKey], []string{string(o.function)}) && onEach(rotation.TargetSecret)
	case "RandomPassword":
		return everywhere(rotation.TargetAccount)
	case "NetworkInterfaces":
		return everywhere(rotation.TargetNetwork)
	case "Database":
		return everywhere(rotation.TargetDatabase)
	case "Masters":
		return len(conditions) == 0 && onEach(rotation.TargetMaster)
	case "Keys":
		if len(conditions) != 2 || len(s.Resources) != 1 || len(conditions[keySecretARN]) == 0 ||
			!slices.Equal(conditions[keyViaService], []string{viaService(rotation.ARN(s.Resources[0]))}) {
			return false
		}
		for _, secret := range conditions[keySecretARN] {
			if !add(rotation.TargetKey, s.Resources[0], secret) {
				return false
			}
		}
		return true
	}
	return false
}
