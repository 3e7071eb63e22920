package rotation

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// FourActions are what a rotation function does with its secret. Source: Secrets Manager User Guide, "Lambda rotation
// function execution role permissions".
var FourActions = []string{
	"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
}

// networkActions is the union of the documented sets: the Secrets Manager page's (Create, Delete, Describe, later with Detach) and
// the AWS managed policy AWSLambdaVPCAccessExecutionRole.
var networkActions = []string{
	"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DetachNetworkInterface",
	"ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}

// keyActions are the uses of a secret's key that the published setups grant (Secrets Manager User Guide; the CDK's key policy).
var keyActions = []string{"kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"}

// harmlessActions are logging, tracing and the read-only metadata of the database services that published functions ask.
var harmlessActions = []string{
	"logs:*", "xray:*",
	"rds:Describe*", "rds:List*", "redshift:Describe*", "redshift:List*", "redshift-serverless:List*",
	"docdb-elastic:List*", "elasticache:Describe*", "elasticache:List*",
}

// ceiling is what the role of a setup may hold. It is wider than any template, because every documented generation and what
// common tools write beside them is as good: comparing with the narrowest would raise false alarms.
func ceiling(s *Setup, listed *Listing, templates Templates) []*policy.Document {
	c := &ceilingBuilder{setup: s, listed: listed}
	c.allow([]string{"*"}, "secretsmanager:GetRandomPassword")
	c.allow([]string{"*"}, networkActions...)
	c.allow([]string{"*"}, harmlessActions...)
	c.ownSecrets()
	c.otherFunctions()
	c.otherRegions()
	c.keys()
	document := &policy.Document{Name: "contract", Version: policy.Version2012, Statements: c.statements}
	documents := []*policy.Document{document}
	if widened := templates.ceiling(s); widened != nil {
		documents = append(documents, widened)
	}
	return documents
}

type ceilingBuilder struct {
	setup      *Setup
	listed     *Listing
	statements []policy.Statement
}

func (c *ceilingBuilder) allow(resources []string, actions ...string) {
	c.statements = append(c.statements, policy.Statement{Effect: policy.Allow, Actions: actions, Resources: resources})
}

func (c *ceilingBuilder) allowIf(resources, actions []string, conditions ...policy.Condition) {
	c.statements = append(c.statements, policy.Statement{Effect: policy.Allow, Actions: actions, Resources: resources, Conditions: conditions})
}

// ownSecrets: the four actions on the setup's secrets by ARN, on any suffix of the same name, on the name as a prefix while no
// other secret has it, and on whatever names this function; GetSecretValue and DescribeSecret on the masters; what the operator
// allows beside.
func (c *ceilingBuilder) ownSecrets() {
	var own, masters, functions, types []string
	for _, s := range c.setup.Checked() {
		own = append(own, c.forms(s.ARN)...)
		if s.FunctionARN != "" && plain(s.FunctionARN) && !slices.Contains(functions, string(s.FunctionARN)) {
			functions = append(functions, string(s.FunctionARN))
		}
		if s.Type != "" && c.setup.External() && !slices.Contains(types, s.Type) {
			types = append(types, s.Type)
		}
		if s.Declaration.Master != "" && s.Declaration.Problem == "" {
			masters = append(masters, c.forms(c.setup.Master(s).ARN)...)
		}
		for _, g := range s.Declaration.Allow {
			c.statements = append(c.statements, g.statement())
		}
	}
	if len(own) > 0 {
		c.allow(own, FourActions...)
	}
	if len(masters) > 0 {
		c.allow(masters, "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")
	}
	if len(functions) > 0 {
		c.allowIf([]string{"*"}, FourActions, policy.Condition{Operator: "StringEquals", Key: AllowRotationKey, Values: functions})
	}
	if len(types) > 0 {
		c.allowIf([]string{"*"}, FourActions, policy.Condition{Operator: "StringEquals", Key: "secretsmanager:resource/Type", Values: types})
	}
}

// statement is a grant in the policy language.
func (g Grant) statement() policy.Statement {
	s := policy.Statement{Effect: policy.Allow, Actions: g.Actions, Resources: g.Resources}
	for operator, keys := range g.Conditions {
		for key, values := range keys {
			s.Conditions = append(s.Conditions, policy.Condition{Operator: operator, Key: key, Values: values})
		}
	}
	slices.SortFunc(s.Conditions, func(a, b policy.Condition) int {
		return strings.Compare(a.Operator+" "+a.Key, b.Operator+" "+b.Key)
	})
	return s
}

// forms are the resources by which policies name one secret: its ARN, any suffix of its name, and the name with a star where
// no other secret of the account would be meant.
func (c *ceilingBuilder) forms(arn ARN) []string {
	if !plain(arn) {
		return nil
	}
	name, _, ok := arn.SecretName()
	if !ok {
		return []string{string(arn)}
	}
	prefix := strings.TrimSuffix(string(arn), arn.Parts().Resource) + "secret:" + name
	forms := []string{string(arn), prefix + "-??????"}
	if c.alone(ARN(prefix + "-")) {
		forms = append(forms, prefix+"-*")
	}
	return forms
}

// alone says whether every secret at hand whose ARN begins with prefix has the name that the prefix ends in.
func (c *ceilingBuilder) alone(prefix ARN) bool {
	other := func(arn ARN) bool {
		rest, found := strings.CutPrefix(string(arn), string(prefix))
		return found && len(rest) != 6
	}
	if c.listed != nil {
		i, _ := slices.BinarySearch(c.listed.Secrets, prefix)
		for ; i < len(c.listed.Secrets) && strings.HasPrefix(string(c.listed.Secrets[i]), string(prefix)); i++ {
			if other(c.listed.Secrets[i]) {
				return false
			}
		}
	}
	return !slices.ContainsFunc(c.setup.Secrets, func(s Secret) bool { return other(s.ARN) })
}

// otherFunctions: a statement that names another function's ARN in AllowRotationLambdaArn rotates that function's secrets; which
// functions share a role is not always visible from here. Only literal ARNs count: a pattern reaches every rotating secret. The same
// goes for the partner's type of secret in the role of managed external secrets.
func (c *ceilingBuilder) otherFunctions() {
	const typeKey = "secretsmanager:resource/Type"
	named := map[string][]string{}
	for _, statement := range c.granted() {
		for _, condition := range statement.Conditions {
			for _, v := range condition.Values {
				switch {
				case strings.EqualFold(condition.Key, AllowRotationKey) && plain(ARN(v)) && ARN(v).Parts().Service == "lambda":
					named[AllowRotationKey] = append(named[AllowRotationKey], v)
				case c.setup.External() && strings.EqualFold(condition.Key, typeKey) && !strings.ContainsAny(v, "*?$"):
					named[typeKey] = append(named[typeKey], v)
				}
			}
		}
	}
	for _, key := range []string{AllowRotationKey, typeKey} {
		if values := named[key]; len(values) > 0 {
			slices.Sort(values)
			c.allowIf([]string{"*"}, FourActions, policy.Condition{Operator: "StringEquals", Key: key, Values: slices.Compact(values)})
		}
	}
}

// otherRegions: a named secret in another Region is not visible from here. A role is global, so it may well rotate it there.
func (c *ceilingBuilder) otherRegions() {
	var named []string
	for _, statement := range c.granted() {
		for _, r := range statement.Resources {
			if c.namesOtherRegion(r) && !slices.Contains(named, r) {
				named = append(named, r)
			}
		}
	}
	if len(named) > 0 {
		c.allow(named, FourActions...)
	}
}

// namesOtherRegion says whether a resource names one secret of this account in another Region, its suffix aside.
func (c *ceilingBuilder) namesOtherRegion(resource string) bool {
	p := ARN(resource).Parts()
	name, found := strings.CutPrefix(p.Resource, "secret:")
	if p.Service != "secretsmanager" || !found || p.Region == c.setup.Region || strings.ContainsAny(p.Region, "*?$") || p.Account != c.setup.Account {
		return false
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, "-??????"), "-*")
	return name != "" && !strings.ContainsAny(name, "*?$")
}

// granted are the Allow statements of the role's own policies.
func (c *ceilingBuilder) granted() []*policy.Statement {
	var granted []*policy.Statement
	for i := range c.setup.Role.Identity {
		document := c.setup.Role.Identity[i].Document
		if document == nil {
			continue
		}
		for j := range document.Statements {
			if document.Statements[j].Effect == policy.Allow {
				granted = append(granted, &document.Statements[j])
			}
		}
	}
	return granted
}

// keys: every documented use of the keys of the setup's secrets and masters, and of any key in the encryption context of one of them.
func (c *ceilingBuilder) keys() {
	var keys, contexts []string
	add := func(s *Secret) {
		if name, _, ok := s.ARN.SecretName(); ok && plain(s.ARN) {
			contexts = append(contexts, strings.TrimSuffix(string(s.ARN), s.ARN.Parts().Resource)+"secret:"+name+"-??????")
		}
		if s.KMSKeyID == "" {
			return
		}
		arn := c.setup.Keys[s.KMSKeyID].ARN
		if arn == "" {
			arn = keyARN(s.KMSKeyID, s.ARN)
		}
		if arn == "" {
			// An alias that could not be resolved: which of the Region's keys it means is not known.
			p := s.ARN.Parts()
			arn = ARN("arn:" + p.Partition + ":kms:" + p.Region + ":" + p.Account + ":key/*")
		} else if !plain(arn) {
			return
		}
		if !slices.Contains(keys, string(arn)) {
			keys = append(keys, string(arn))
		}
	}
	for _, s := range c.setup.Checked() {
		add(s)
		if s.Declaration.Master != "" && s.Declaration.Problem == "" {
			add(c.setup.Master(s))
		}
	}
	if len(keys) > 0 {
		c.allow(keys, keyActions...)
	}
	if len(contexts) > 0 {
		c.allowIf([]string{"*"}, keyActions, policy.Condition{Operator: "StringLike", Key: "kms:EncryptionContext:SecretARN", Values: contexts})
	}
}

// plain says whether an ARN can stand in a policy as it is: no wildcard, no variable, nothing but an ARN.
func plain(arn ARN) bool {
	_, err := arn.Parse()
	return err == nil && !strings.ContainsAny(string(arn), "*?$ ")
}
