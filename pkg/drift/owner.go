package drift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Tool is a way in which a fix can be written.
type Tool string

// The tools.
const (
	ToolJSON           Tool = "json"
	ToolCLI            Tool = "aws-cli"
	ToolCDK            Tool = "cdk"
	ToolCloudFormation Tool = "cloudformation"
	ToolTerraform      Tool = "terraform"
)

// Tools are all tools, in the order in which a reader is shown them.
func Tools() []Tool {
	return []Tool{ToolJSON, ToolCLI, ToolCDK, ToolCloudFormation, ToolTerraform}
}

// Owner is who makes a setup's role and function, as far as their tags and names tell.
type Owner struct {
	Tool    Tool
	Stack   string // the CloudFormation stack's name
	Certain bool   // a tag that CloudFormation itself sets says so; a name is only a guess
	Why     string
}

var (
	// terraformName is what Terraform's name_prefix and an omitted name make: a date with 26 digits at the end.
	// Source: hashicorp/terraform-plugin-sdk, helper/id, PrefixedUniqueId.
	terraformName = regexp.MustCompile(`(^|[-_])(terraform-)?20\d{6}\d{12,18}`)
	// cdkLogicalID ends in the eight characters of a hash that the CDK appends.
	// Source: AWS CDK Developer Guide, "Identifiers and the AWS CDK".
	cdkLogicalID = regexp.MustCompile(`^[A-Za-z0-9]+[0-9A-F]{8}$`)
)

// OwnerOf says who most likely made the setup's role and function. The zero Owner: nothing tells.
func OwnerOf(s *rotation.Setup) Owner {
	for _, tags := range []map[string]string{s.Role.Tags, s.Function.Tags} {
		stack := tags["aws:cloudformation:stack-name"]
		if stack == "" {
			continue
		}
		logical := tags["aws:cloudformation:logical-id"]
		if cdkLogicalID.MatchString(logical) && logical != "" {
			return Owner{Tool: ToolCDK, Stack: stack, Why: fmt.Sprintf("the stack %s made it; its logical id %s looks like the CDK's", rotation.OneLine(stack), rotation.OneLine(logical))}
		}
		return Owner{Tool: ToolCloudFormation, Stack: stack, Certain: true, Why: "the stack " + rotation.OneLine(stack) + " made it"}
	}
	for _, name := range []string{s.Role.ARN.RoleName(), functionName(s.Function.ARN)} {
		if terraformName.MatchString(name) {
			return Owner{Tool: ToolTerraform, Why: "the name " + rotation.OneLine(name) + " looks like one that Terraform made; a guess"}
		}
	}
	for i := range s.Role.Identity {
		if p := &s.Role.Identity[i]; terraformName.MatchString(p.Name) {
			return Owner{Tool: ToolTerraform, Why: "the policy name " + rotation.OneLine(p.Name) + " looks like one that Terraform made; a guess"}
		}
	}
	return Owner{}
}

func functionName(arn rotation.ARN) string {
	bare, _ := arn.SplitFunction()
	r := bare.Parts().Resource
	return r[strings.LastIndexByte(r, ':')+1:]
}

// FixIn writes a finding's fix for one tool. It is empty where the fix adds no statement, or the tool has no form for it.
func FixIn(tool Tool, f *Finding) string {
	if f.Fix == nil {
		return ""
	}
	if tool == ToolCLI {
		return f.Fix.Command
	}
	if f.Fix.Statement == "" || f.Direction != policy.Missing {
		return ""
	}
	text := f.Fix.Statement
	if !strings.Contains(text, `"Statement"`) {
		text = `{"Version":"2012-10-17","Statement":[` + text + `]}`
	}
	document, err := policy.Parse("fix", []byte(text))
	if err != nil || len(document.Statements) == 0 {
		return ""
	}
	w := fixWriter{f: f, document: document, statement: &document.Statements[0], place: placeOf(f)}
	switch tool {
	case ToolJSON:
		return indented(document.String())
	case ToolCDK:
		return w.cdk()
	case ToolCloudFormation:
		return w.cloudFormation()
	case ToolTerraform:
		return w.terraform()
	default:
		return ""
	}
}

// placeOf says in which document a fix adds its statement.
func placeOf(f *Finding) rotation.PolicySource {
	switch where := f.Fix.Where; {
	case strings.HasPrefix(where, "function policy"):
		return rotation.PolicyFunction
	case strings.HasPrefix(where, "trust policy"):
		return rotation.PolicyTrust
	case strings.HasPrefix(where, "key policy"):
		return rotation.PolicyKey
	case strings.HasPrefix(where, "secret policy"):
		return rotation.PolicySecret
	case strings.HasPrefix(where, "permissions boundary"):
		return rotation.PolicyBoundary
	default:
		return rotation.PolicyInline
	}
}

type fixWriter struct {
	f         *Finding
	document  *policy.Document
	statement *policy.Statement
	place     rotation.PolicySource
}

// sourceAccount is the account in an invoke grant.
func (w *fixWriter) sourceAccount() string {
	for _, c := range w.statement.Conditions {
		if strings.EqualFold(c.Key, "aws:SourceAccount") && len(c.Values) == 1 {
			return c.Values[0]
		}
	}
	return ""
}

// cdk is TypeScript for a stack that holds the construct.
func (w *fixWriter) cdk() string {
	statement := indented(w.statement.String())
	from := "iam.PolicyStatement.fromJson(" + statement + ")"
	switch w.place {
	case rotation.PolicyFunction:
		return "rotationFunction.addPermission('SecretsManagerRotation', {\n  principal: new iam.ServicePrincipal('secretsmanager.amazonaws.com'),\n  action: 'lambda:InvokeFunction',\n  sourceAccount: '" +
			w.sourceAccount() + "',\n});"
	case rotation.PolicyTrust:
		return "rotationRole.assumeRolePolicy?.addStatements(" + from + ");"
	case rotation.PolicyKey:
		return "key.addToResourcePolicy(" + from + ");"
	case rotation.PolicySecret:
		return "secret.addToResourcePolicy(" + from + ");"
	case rotation.PolicyBoundary:
		return "boundary.addStatements(" + from + ");"
	default:
		return "rotationRole.addToPrincipalPolicy(" + from + ");"
	}
}

// cloudFormation is a resource of a template, or the statement for the property that holds the document.
func (w *fixWriter) cloudFormation() string {
	switch w.place {
	case rotation.PolicyFunction:
		return fmt.Sprintf("{\n  \"SecretsManagerRotationPermission\": {\n    \"Type\": \"AWS::Lambda::Permission\",\n    \"Properties\": {\n      \"FunctionName\": %q,\n      \"Action\": \"lambda:InvokeFunction\",\n"+
			"      \"Principal\": \"secretsmanager.amazonaws.com\",\n      \"SourceAccount\": %q\n    }\n  }\n}", string(w.f.Subject), w.sourceAccount())
	case rotation.PolicyInline:
		return fmt.Sprintf("{\n  \"RotationPolicy\": {\n    \"Type\": \"AWS::IAM::RolePolicy\",\n    \"Properties\": {\n      \"RoleName\": %q,\n      \"PolicyName\": \"rotation\",\n      \"PolicyDocument\": %s\n    }\n  }\n}",
			w.f.Subject.RoleName(), indent(indented(w.document.String()), 6))
	case rotation.PolicySecret:
		return fmt.Sprintf("{\n  \"SecretPolicy\": {\n    \"Type\": \"AWS::SecretsManager::ResourcePolicy\",\n    \"Properties\": {\n      \"SecretId\": %q,\n      \"ResourcePolicy\": %s\n    }\n  }\n}",
			string(w.f.Subject), indent(indented(w.document.String()), 6))
	case rotation.PolicyTrust:
		return "add to the role's AssumeRolePolicyDocument:\n" + indented(w.statement.String())
	case rotation.PolicyKey:
		return "add to the key's KeyPolicy:\n" + indented(w.statement.String())
	default:
		return "add to the managed policy's PolicyDocument:\n" + indented(w.statement.String())
	}
}

// terraform is a resource of the AWS provider.
func (w *fixWriter) terraform() string {
	document := "jsonencode(" + indent(hcl(indented(w.document.String())), 2) + ")"
	switch w.place {
	case rotation.PolicyFunction:
		function, qualifier := w.f.Subject.SplitFunction()
		text := fmt.Sprintf("resource \"aws_lambda_permission\" \"secrets_manager_rotation\" {\n  statement_id   = \"SecretsManagerRotation\"\n  action         = \"lambda:InvokeFunction\"\n  function_name  = %q\n", string(function))
		if qualifier != "" {
			text += fmt.Sprintf("  qualifier      = %q\n", qualifier)
		}
		return text + fmt.Sprintf("  principal      = \"secretsmanager.amazonaws.com\"\n  source_account = %q\n}", w.sourceAccount())
	case rotation.PolicyInline:
		return fmt.Sprintf("resource \"aws_iam_role_policy\" \"rotation\" {\n  name   = \"rotation\"\n  role   = %q\n  policy = %s\n}", w.f.Subject.RoleName(), document)
	case rotation.PolicySecret:
		return fmt.Sprintf("resource \"aws_secretsmanager_secret_policy\" \"rotation\" {\n  secret_arn = %q\n  policy     = %s\n}", string(w.f.Subject), document)
	case rotation.PolicyTrust:
		return "# add to assume_role_policy of the role\n" + hcl(indented(w.statement.String()))
	case rotation.PolicyKey:
		return "# add to policy of aws_kms_key or aws_kms_key_policy\n" + hcl(indented(w.statement.String()))
	default:
		return "# add to policy of the boundary's aws_iam_policy\n" + hcl(indented(w.statement.String()))
	}
}

// indented lays JSON out over several lines.
func indented(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return text
	}
	return b.String()
}

// hcl is JSON as Terraform's language reads it: its templates begin with ${ and %{.
func hcl(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text)
}

func indent(text string, spaces int) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", spaces))
}

// RuleOf is the rule of docs/rules.md that a finding's rule belongs to.
func RuleOf(finding string) (ContractRule, bool) {
	for _, r := range contractRules {
		for _, name := range r.Findings {
			if name == finding {
				return r, true
			}
		}
	}
	return ContractRule{}, false
}
