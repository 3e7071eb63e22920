package rotation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// maxInlinePolicy is what the inline policies of one role may hold together, white space aside. Source: IAM quotas.
const maxInlinePolicy = 10240

// check says why a template cannot be used: AWS would reject it, or rotation could not work with it. It is tried on a specimen.
func (t Templates) check(name string) error {
	v := specimenValues()
	filled, err := t.fill(name, v)
	if err != nil {
		return err
	}
	text := filled.print()
	document, err := policy.Parse(name, text)
	if err != nil {
		return err
	}
	if size := nonSpace(string(text)); size > maxInlinePolicy {
		return fmt.Errorf("it has %d characters, a role's inline policies hold %d", size, maxInlinePolicy)
	}
	if err := checkShape(name, document); err != nil {
		return err
	}
	return checkEnough(name, document)
}

func nonSpace(s string) int {
	n := 0
	for _, r := range s {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// checkShape: a function policy names a principal, a policy of a role or user names none.
func checkShape(name string, document *policy.Document) error {
	resource := name == TemplateFunction || name == TemplateFunctionScoped
	sids := map[string]bool{}
	for i, s := range document.Statements {
		named := len(s.Principals)+len(s.NotPrincipals) > 0
		switch {
		case resource && !named:
			return fmt.Errorf("statement %d: a function policy's statement needs a Principal", i)
		case !resource && named:
			return fmt.Errorf("statement %d: an identity policy's statement has no Principal", i)
		case !resource && len(s.Resources)+len(s.NotResources) == 0:
			return fmt.Errorf("statement %d: an identity policy's statement needs a Resource", i)
		case s.Sid != "" && sids[s.Sid]:
			return fmt.Errorf("statement %d: the Sid %q comes twice", i, s.Sid)
		}
		sids[s.Sid] = true
	}
	return nil
}

// checkEnough evaluates what the template is for on the specimen.
func checkEnough(name string, document *policy.Document) error {
	setup := specimen(name == TemplateExternal)
	var lacking []string
	switch name {
	case TemplateTrigger:
		lacking = deniedOperator(document, Trigger)
	case TemplateConfigure:
		lacking = deniedOperator(document, Configure)
	default:
		set := policy.Set{Identity: []*policy.Document{document}}
		if name == TemplateFunction || name == TemplateFunctionScoped {
			set = policy.Set{Relation: policy.ResourceOnly, Resource: set.Identity}
		}
		targets := templateTargets(name)
		contract := NewContract(setup, nil)
		for i := range contract.Required {
			r := &contract.Required[i]
			if strings.Contains(targets, " "+string(r.Target)+" ") && policy.Evaluate(&set, &r.Request).Outcome != policy.Allowed {
				lacking = append(lacking, fmt.Sprintf("%s on %s", r.Request.Action, r.Request.Resource))
			}
		}
	}
	if len(lacking) > 0 {
		return errors.New("it does not allow what rotation needs: " + strings.Join(dedupe(lacking), ", "))
	}
	return nil
}

func deniedOperator(document *policy.Document, may Permission) []string {
	var denied []string
	setup := specimen(false)
	operator := Operator{Principal: "arn:aws:iam::111122223333:role/operator", May: may, Presence: Present}
	set := policy.Set{Identity: []*policy.Document{document}}
	for r := range OperatorRequired(&operator, Operated{Secrets: slices.Values(setup.Checked()), Functions: []ARN{setup.Function.ARN}, Roles: []ARN{setup.Role.ARN}}) {
		if !r.Advice && policy.Evaluate(&set, &r.Request).Outcome != policy.Allowed {
			denied = append(denied, r.Request.Action)
		}
	}
	return denied
}

func dedupe(sorted []string) []string {
	var out []string
	for _, s := range sorted {
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

// templateTargets are the required requests that a template must allow by itself, between spaces.
func templateTargets(name string) string {
	switch name {
	case TemplateMasterUser, TemplateMasterUserScoped:
		return " secret account master "
	case TemplateNetwork:
		return " network "
	case TemplateKMS, TemplateKMSScoped:
		return " key "
	case TemplateFunction, TemplateFunctionScoped:
		return " function "
	default:
		return " secret account "
	}
}

const specimenSecret = ARN("arn:aws:secretsmanager:us-east-1:111122223333:secret:db-AbCdEf")

func specimenValues() Values {
	v := NewValues("arn:aws:lambda:us-east-1:111122223333:function:rotate", []ARN{specimenSecret})
	v.Masters = []ARN{"arn:aws:secretsmanager:us-east-1:111122223333:secret:admin-AbCdEf"}
	v.Keys = []ARN{"arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"}
	v.VPC = true
	return v
}

// specimen is a master-user setup in a VPC with a customer key, or an external one, on which templates are tried.
func specimen(external bool) Setup {
	v := specimenValues()
	key := Key{ID: string(v.Keys[0]), ARN: v.Keys[0], Presence: Present, Manager: "CUSTOMER"}
	secret := Secret{ARN: specimenSecret, Name: "db", Kind: KindLambda, FunctionARN: v.Function, KMSKeyID: key.ID,
		Declaration: Declaration{Strategy: MasterUser, StrategySource: SourceConfig, Master: v.Masters[0], MasterSource: SourceConfig}}
	s := Setup{
		Account: v.Account, Region: v.Region, Partition: v.Partition,
		Function: Function{ARN: v.Function, Presence: Present, VPC: "vpc-1", Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
		Role:     Role{ARN: "arn:aws:iam::111122223333:role/rotate", Presence: Present},
		Masters:  map[ARN]Secret{v.Masters[0]: {ARN: v.Masters[0], Name: "admin"}},
		Keys:     map[string]Key{key.ID: key},
	}
	if external {
		s.Function = Function{}
		secret.Kind, secret.FunctionARN, secret.ExternalRole, secret.Type = KindExternal, "", s.Role.ARN, "SalesforceClientSecret"
		secret.Declaration = Declaration{}
	}
	s.Secrets = []Secret{secret}
	return s
}
