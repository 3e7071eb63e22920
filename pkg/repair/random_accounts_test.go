package repair_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// addRandom puts up to four rotations into the account, each broken or widened in random ways, and says how.
func (b *bench) addRandom(r *rand.Rand) []string {
	var what []string
	n := 1 + r.IntN(4)
	sharing := ""
	for i := range n {
		s := working(fmt.Sprintf("f%d", i))
		if r.IntN(4) == 0 {
			s.qualifier = "live"
			s.inline["rotate"], s.policy = roleGrant(s.function()), document(invokeGrant(s.function()))
		}
		for k := range r.IntN(3) {
			s.secrets = append(s.secrets, fmt.Sprintf("f%d-more-%d", i, k))
		}
		if sharing != "" && r.IntN(3) == 0 {
			s.role = sharing
		}
		var done []string
		for range r.IntN(5) {
			m := mutations[r.IntN(len(mutations))]
			m.change(r, s)
			done = append(done, m.name)
		}
		b.add(s)
		role := s.role
		if role == "" {
			role = s.name + "-role"
			sharing = role
		} else {
			b.UpdateRole(role, func(x *awstest.Role) {
				for name, doc := range s.inline {
					if x.Inline == nil {
						x.Inline = map[string]string{}
					}
					x.Inline[name+"-of-"+s.name] = doc
				}
			})
		}
		for range r.IntN(3) {
			m := surroundings[r.IntN(len(surroundings))]
			m.change(b, r, s, role)
			done = append(done, m.name)
		}
		what = append(what, s.name+": "+strings.Join(done, ", "))
	}
	for range r.IntN(2) {
		m := decisions[r.IntN(len(decisions))]
		m.change(b, r)
		what = append(what, m.name)
	}
	return what
}

// mutations change what a setup's own documents say.
var mutations = []struct {
	name   string
	change func(r *rand.Rand, s *setup)
}{
	{"no function policy", func(_ *rand.Rand, s *setup) { s.policy = "" }},
	{"public", func(_ *rand.Rand, s *setup) { s.policy = appended(s.policy, publicGrant("everybody", s.function())) }},
	{"only public", func(_ *rand.Rand, s *setup) { s.policy = document(publicGrant("everybody", s.function())) }},
	{"foreign account", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, invoker("other", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()))
	}},
	{"another service", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, invoker("events", `{"Service":"events.amazonaws.com"}`, s.function()))
	}},
	{"wrong principal", func(_ *rand.Rand, s *setup) {
		s.policy = document(invoker("typo", `{"Service":"secretmanager.amazonaws.com"}`, s.function()))
	}},
	{"source of another secret", func(_ *rand.Rand, s *setup) {
		s.policy = document(strings.TrimSuffix(invokeGrant(s.function()), "}") + `,"Condition":{"ArnLike":{"AWS:SourceArn":"` + string(secretARN("another")) + `"}}}`)
	}},
	{"denied invoke", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, `{"Sid":"stop","Effect":"Deny","Principal":"*","Action":"lambda:InvokeFunction","Resource":"`+string(s.function())+`"}`)
	}},
	{"no inline policy", func(_ *rand.Rand, s *setup) { s.inline = map[string]string{} }},
	{"an action short", func(r *rand.Rand, s *setup) {
		all := strings.Split(fourActions, ",")
		all = slices.Delete(all, r.IntN(4), 4)
		if len(all) == 0 {
			all = []string{`"secretsmanager:DescribeSecret"`}
		}
		s.inline["rotate"] = strings.Replace(roleGrant(s.function()), fourActions, strings.Join(all, ","), 1)
	}},
	{"old function named", func(_ *rand.Rand, s *setup) { s.inline["rotate"] = roleGrant(functionARN("old")) }},
	{"all secrets", func(_ *rand.Rand, s *setup) { s.inline["wide"] = document(allow(`"secretsmanager:*"`, "*")) }},
	{"admin", func(_ *rand.Rand, s *setup) { s.inline["admin"] = document(allow(`"*"`, "*")) }},
	{"other services", func(_ *rand.Rand, s *setup) {
		s.inline["extra"] = document(allow(`"s3:*","logs:*"`, "*"), allow(`"dynamodb:GetItem"`, "*"))
	}},
	{"denied secrets", func(_ *rand.Rand, s *setup) {
		s.inline["no"] = document(`{"Effect":"Deny","Action":"secretsmanager:PutSecretValue","Resource":"*"}`)
	}},
	{"not iam", func(_ *rand.Rand, s *setup) {
		s.inline["most"] = document(`{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`)
	}},
	{"all but one bucket", func(_ *rand.Rand, s *setup) {
		s.inline["but"] = document(`{"Effect":"Allow","Action":["s3:*","secretsmanager:GetSecretValue"],"NotResource":["arn:aws:s3:::private/*"]}`)
	}},
	{"own secrets by their ARNs", func(_ *rand.Rand, s *setup) {
		s.inline["rotate"] = document(allow(fourActions, string(secretARN(s.secrets[0]))), allow(`"secretsmanager:GetRandomPassword"`, "*"))
	}},
	{"own secret by any suffix", func(_ *rand.Rand, s *setup) {
		s.inline["rotate"] = document(allow(fourActions, strings.TrimSuffix(string(secretARN(s.secrets[0])), "AbCdEf")+"??????"), allow(`"secretsmanager:GetRandomPassword"`, "*"))
	}},
	{"own secret without its suffix", func(_ *rand.Rand, s *setup) {
		s.inline["rotate"] = document(allow(fourActions, strings.TrimSuffix(string(secretARN(s.secrets[0])), "-AbCdEf")), allow(`"secretsmanager:GetRandomPassword"`, "*"))
	}},
	{"secrets by prefix", func(_ *rand.Rand, s *setup) {
		s.inline["prefix"] = document(allow(fourActions, "arn:aws:secretsmanager:us-east-1:123456789012:secret:f*"))
	}},
	{"random password under the condition", func(_ *rand.Rand, s *setup) {
		s.inline["rotate"] = document(`{"Effect":"Allow","Action":[` + fourActions + `,"secretsmanager:GetRandomPassword"],"Resource":"*","Condition":{"StringEquals":{"secretsmanager:resource/AllowRotationLambdaArn":"` + string(s.function()) + `"}}}`)
	}},
	{"a condition that the function's calls do not carry", func(_ *rand.Rand, s *setup) {
		s.inline["rotate"] = document(`{"Effect":"Allow","Action":[` + fourActions + `],"Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}}`)
	}},
	{"changes of the own secret", func(_ *rand.Rand, s *setup) {
		s.inline["own"] = document(allow(`"secretsmanager:UpdateSecret","secretsmanager:DeleteSecret"`, string(secretARN(s.secrets[0]))))
	}},
	{"a secret of another Region beside more", func(_ *rand.Rand, s *setup) {
		s.inline["far"] = document(`{"Effect":"Allow","Action":["secretsmanager:*"],"Resource":["arn:aws:secretsmanager:eu-west-1:123456789012:secret:far-AbCdEf","arn:aws:secretsmanager:us-east-1:123456789012:secret:near-AbCdEf"]}`)
	}},
	{"a policy variable", func(_ *rand.Rand, s *setup) {
		s.inline["variable"] = document(allow(`"secretsmanager:GetSecretValue"`, "arn:aws:secretsmanager:us-east-1:123456789012:secret:${aws:PrincipalTag/team}/*"))
	}},
	{"a Deny that meets no rotation", func(_ *rand.Rand, s *setup) {
		s.inline["eni"] = document(`{"Effect":"Deny","Action":"ec2:CreateNetworkInterface","Resource":"*","Condition":{"ArnLike":{"lambda:SourceFunctionArn":"arn:aws:lambda:*"}}}`)
	}},
	{"laid out by hand, in another script", func(_ *rand.Rand, s *setup) {
		s.inline["by-hand"] = "{\n\t\"Version\" : \"2012-10-17\",\r\n  \"Statement\":\n" + allow(`"s3:*","logs:*"`, "arn:aws:s3:::b\\u00fcro-ü/*") + "\n}"
	}},
	{"our names are taken", func(_ *rand.Rand, s *setup) {
		s.inline[rotation.OwnPolicyName(s.function())] = document(allow(`"logs:PutLogEvents"`, "*"))
		s.policy = appended(s.policy, invoker(rotation.OwnSid(s.function(), accountID), `{"Service":"s3.amazonaws.com"}`, s.function()))
	}},
	{"everybody without a Sid", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, strings.Replace(publicGrant("", s.function()), `"Sid":"",`, "", 1))
	}},
	{"everybody in AWS, and an account beside", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, invoker("all", `{"AWS":["*","210987654321"]}`, s.function()))
	}},
	{"one Sid twice", func(_ *rand.Rand, s *setup) {
		s.policy = appended(appended(s.policy, invoker("twice", `{"AWS":"arn:aws:iam::310987654321:root"}`, s.function())), invoker("twice", `{"AWS":"arn:aws:iam::210987654321:root"}`, s.function()))
	}},
	{"Secrets Manager for another account", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, strings.TrimSuffix(invoker("theirs", `{"Service":"secretsmanager.amazonaws.com"}`, s.function()), "}")+`,"Condition":{"StringEquals":{"AWS:SourceAccount":"210987654321"}}}`)
	}},
	{"a function URL", func(_ *rand.Rand, s *setup) {
		s.policy = appended(s.policy, `{"Sid":"url","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl","Resource":"`+string(s.function())+`","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}}`)
	}},
}

// decisions are what an operator has decided for all of the account.
var decisions = []struct {
	name   string
	change func(b *bench, r *rand.Rand)
}{
	{"kept", func(b *bench, _ *rand.Rand) { b.opts.Keep = []string{"extra", "everybody", "wide", "twice"} }},
	{"exempt", func(b *bench, r *rand.Rand) {
		rules := []string{drift.RuleOtherServices, drift.RuleAllSecrets, drift.RuleForeignInvoke, drift.RulePublicInvoke, drift.RuleOtherSecrets}
		b.exemptions = []drift.Exemption{{ID: "e-1", Rule: rules[r.IntN(len(rules))], Secret: string(secretARN("f0-secret")), Owner: "ana", Reason: "known"}}
		if r.IntN(2) == 0 {
			b.exemptions[0].Secret = ""
		}
	}},
	{"excluded", func(b *bench, _ *rand.Rand) {
		b.rules.Exclude = []rotation.Exclusion{{Match: rotation.Match{Name: "f0-secret"}, Reason: "moves out"}}
	}},
	{"source account wanted", func(b *bench, _ *rand.Rand) { b.opts.AddSourceAccount = true }},
	{"undeclared", func(b *bench, _ *rand.Rand) { b.rules.Rotations = nil }},
	{"custom", func(b *bench, _ *rand.Rand) { b.rules.Rotations[0].Strategy = "custom" }},
	{"out of scope", func(b *bench, _ *rand.Rand) { b.opts.Functions = []string{string(functionARN("f0")) + "*"} }},
	{"roles out of scope", func(b *bench, _ *rand.Rand) { b.opts.Roles = []string{string(roleARN("f1-role"))} }},
	{"a master in the configuration", func(b *bench, _ *rand.Rand) {
		key := b.AddKey(awstest.Key{ID: "99999999-2222-3333-4444-555555555555"})
		b.AddSecret(awstest.Secret{ARN: string(secretARN("master")), KmsKeyID: key})
		b.rules.Rotations = slices.Insert(slices.Clone(b.rules.Rotations), 0, rotation.Rule{Match: rotation.Match{Name: "f0-*"}, Strategy: "master-user", Master: string(secretARN("master"))})
	}},
	{"a master that only a tag names", func(b *bench, r *rand.Rand) {
		b.AddSecret(awstest.Secret{ARN: string(secretARN("master"))})
		b.rules.Rotations = nil
		b.opts.TrustTags = r.IntN(2) == 0
		b.UpdateSecret(string(secretARN("f0-secret")), func(x *awstest.Secret) {
			x.Tags = []awstest.Tag{{Key: rotation.TagStrategy, Value: "master-user"}, {Key: rotation.TagMaster, Value: string(secretARN("master"))}}
		})
	}},
}

// surroundings change what stands around a setup.
var surroundings = []struct {
	name   string
	change func(b *bench, r *rand.Rand, s *setup, role string)
}{
	{"key", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		key := b.AddKey(awstest.Key{ID: "11111111-2222-3333-4444-555555555555"})
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) { x.KmsKeyID = key })
	}},
	{"network", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		b.UpdateFunction(s.name, func(f *awstest.Function) {
			f.VPC = &awstest.VPC{ID: "vpc-0123456789abcdef0", Subnets: []string{"subnet-0123456789abcdef0"}, SecurityGroups: []string{"sg-0123456789abcdef0"}}
			for i := range f.Versions {
				f.Versions[i].VPC = f.VPC
			}
		})
	}},
	{"attached wide", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			if !slices.Contains(x.Attached, wideARN) {
				x.Attached = append(x.Attached, wideARN)
			}
		})
	}},
	{"boundary", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		arn := b.AddPolicy(awstest.Policy{Name: "limit", Document: document(allow(`"secretsmanager:GetSecretValue","logs:*"`, "*"))})
		b.UpdateRole(role, func(x *awstest.Role) { x.Boundary = arn })
	}},
	{"secret policy denies", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) {
			x.Policy = document(`{"Effect":"Deny","Principal":"*","Action":"secretsmanager:UpdateSecretVersionStage","Resource":"*"}`)
		})
	}},
	{"secret policy allows", func(b *bench, _ *rand.Rand, s *setup, role string) {
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) {
			x.Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + string(roleARN(role)) + `"},"Action":[` + fourActions + `],"Resource":"*"}`)
		})
	}},
	{"trust", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			x.Trust = document(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`)
		})
	}},
	{"second function", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.AddFunction(awstest.Function{Name: "other-" + role, FunctionConfig: awstest.FunctionConfig{Role: string(roleARN(role))}})
	}},
	{"a key whose policy lets nobody's policies count", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		key := b.AddKey(awstest.Key{ID: "22222222-2222-3333-4444-555555555555", Policy: document(
			`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/somebody"},"Action":"kms:*","Resource":"*"}`)})
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) { x.KmsKeyID = key })
	}},
	{"a key whose policy grants it", func(b *bench, _ *rand.Rand, s *setup, role string) {
		key := b.AddKey(awstest.Key{ID: "33333333-2222-3333-4444-555555555555", Policy: document(
			`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`,
			`{"Effect":"Allow","Principal":{"AWS":"`+string(roleARN(role))+`"},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*"}`)})
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) { x.KmsKeyID = key })
	}},
	{"attached with several statements", func(b *bench, r *rand.Rand, s *setup, role string) {
		statements := []string{allow(`"iam:PassRole"`, "*"), allow(`"logs:*"`, "*"), allow(fourActions, string(secretARN(s.secrets[0]))), allow(`"s3:GetObject"`, "arn:aws:s3:::templates/*"),
			`{"Sid":"extra","Effect":"Allow","Action":"sqs:*","Resource":"*"}`, allow(`"secretsmanager:GetSecretValue"`, string(secretARN("another"))),
			allow(`"secretsmanager:GetSecretValue"`, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:far-AbCdEf"), allow(`"*"`, "*")}
		r.Shuffle(len(statements), func(i, k int) { statements[i], statements[k] = statements[k], statements[i] })
		arn := b.AddPolicy(awstest.Policy{Name: "team-" + s.name, Document: document(statements[:1+r.IntN(4)]...)})
		b.UpdateRole(role, func(x *awstest.Role) {
			if !slices.Contains(x.Attached, arn) {
				x.Attached = append(x.Attached, arn)
			}
		})
	}},
	{"owned by a stack", func(b *bench, _ *rand.Rand, s *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			x.Tags = []awstest.Tag{{Key: "aws:cloudformation:stack-id", Value: "arn:aws:cloudformation:us-east-1:123456789012:stack/app/1"}}
		})
		b.UpdateFunction(s.name, func(f *awstest.Function) {
			f.Tags = map[string]string{"aws:cloudformation:stack-id": "arn:aws:cloudformation:us-east-1:123456789012:stack/app/1"}
		})
	}},
	{"used in another Region", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) { x.LastUsed, x.LastUsedRegion = b.now, "eu-west-1" })
	}},
	{"others may take the role", func(b *bench, _ *rand.Rand, _ *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			x.Trust = document(`{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}`)
		})
	}},
	{"rotating", func(b *bench, _ *rand.Rand, s *setup, _ string) {
		b.UpdateSecret(string(secretARN(s.secrets[0])), func(x *awstest.Secret) {
			x.Versions = map[string][]string{"11111111-1111-1111-1111-111111111111": {"AWSCURRENT"}, "22222222-2222-2222-2222-222222222222": {"AWSPENDING"}}
		})
	}},
	{"the function is gone", func(b *bench, _ *rand.Rand, s *setup, _ string) { b.RemoveFunction(s.name) }},
	{"inline policies that are nearly full", func(b *bench, _ *rand.Rand, s *setup, role string) {
		b.UpdateRole(role, func(x *awstest.Role) {
			if x.Inline == nil {
				x.Inline = map[string]string{}
			}
			x.Inline["big"] = document(allow(`"logs:PutLogEvents"`, "arn:aws:logs:us-east-1:123456789012:"+strings.Repeat("x", 8000)))
		})
	}},
}

// appended is a policy with one more statement.
func appended(doc, statement string) string {
	if doc == "" {
		return document(statement)
	}
	if strings.Contains(doc, statement) {
		return doc
	}
	end := strings.LastIndex(doc, "]") // of the statements, however the document is laid out
	return doc[:end] + "," + statement + "]}"
}
