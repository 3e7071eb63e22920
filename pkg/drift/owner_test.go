package drift_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

func TestOwnerOf(t *testing.T) {
	stack := func(logical string) map[string]string {
		return map[string]string{"aws:cloudformation:stack-name": "orders", "aws:cloudformation:logical-id": logical}
	}
	tests := []struct {
		name    string
		setup   rotation.Setup
		want    drift.Tool
		certain bool
	}{
		{"a stack's tag", rotation.Setup{Role: rotation.Role{Tags: stack("RotationRole")}}, drift.ToolCloudFormation, true},
		{"a logical id of the CDK", rotation.Setup{Role: rotation.Role{Tags: stack("RotationServiceRole1A2B3C4D")}}, drift.ToolCDK, false},
		{"the function's stack", rotation.Setup{Function: rotation.Function{Tags: stack("Rotation")}}, drift.ToolCloudFormation, true},
		{"a name of Terraform", rotation.Setup{Role: rotation.Role{ARN: "arn:aws:iam::111122223333:role/rotation-20240131120000123400000001"}}, drift.ToolTerraform, false},
		{"nothing tells", rotation.Setup{Role: rotation.Role{ARN: "arn:aws:iam::111122223333:role/rotation"}}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := drift.OwnerOf(&tt.setup)
			if got.Tool != tt.want || got.Certain != tt.certain {
				t.Errorf("OwnerOf = %+v, want %s, certain %t", got, tt.want, tt.certain)
			}
		})
	}
}

// TestFixInEveryTool holds that every fix that adds a statement can be written for every tool.
func TestFixInEveryTool(t *testing.T) {
	written := 0
	for _, c := range loadSetups(t) {
		for _, j := range drift.Judge(c.Group, c.Options) {
			for _, s := range j.Secrets {
				for _, f := range s.Findings {
					if f.Direction != policy.Missing || f.Fix == nil || f.Fix.Statement == "" {
						continue
					}
					for _, tool := range drift.Tools() {
						text := drift.FixIn(tool, f)
						if text == "" && tool != drift.ToolCLI {
							t.Errorf("%s: the fix of %s has no form for %s", c.Name, f.Rule, tool)
						}
						if strings.HasPrefix(text, "{") && !json.Valid([]byte(text)) {
							t.Errorf("%s: the fix of %s for %s is no JSON:\n%s", c.Name, f.Rule, tool, text)
						}
						written++
					}
				}
			}
		}
	}
	if written == 0 {
		t.Error("no fix was written")
	}
}

func TestFixInTerraform(t *testing.T) {
	c := setup(t, "invoke-wrong-qualifier")
	f := drift.Judge(c.Group, c.Options)[0].Secrets[0].Findings[0]
	const want = `resource "aws_lambda_permission" "secrets_manager_rotation" {
  statement_id   = "SecretsManagerRotation"
  action         = "lambda:InvokeFunction"
  function_name  = "arn:aws:lambda:eu-west-1:111122223333:function:rotate-db"
  qualifier      = "live"
  principal      = "secretsmanager.amazonaws.com"
  source_account = "111122223333"
}`
	if got := drift.FixIn(drift.ToolTerraform, f); got != want {
		t.Errorf("FixIn =\n%s\nwant\n%s", got, want)
	}
}

func TestRuleOf(t *testing.T) {
	r, ok := drift.RuleOf(drift.RuleRandomPassword)
	if !ok || r.ID != "3" || len(r.Sources) == 0 {
		t.Errorf("RuleOf = %+v, %t, want rule 3 with its source", r, ok)
	}
	if _, ok := drift.RuleOf("nothing"); ok {
		t.Error("a finding that no rule makes has a rule")
	}
}
