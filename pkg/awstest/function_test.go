package awstest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

const functionARN = "arn:aws:lambda:us-east-1:123456789012:function:f"

// versioned is a function whose versions run with roles of their own.
func versioned() awstest.Function {
	return awstest.Function{
		Name: "f",
		FunctionConfig: awstest.FunctionConfig{
			Role: "arn:aws:iam::123456789012:role/latest", Environment: map[string]string{"SECRETS_MANAGER_ENDPOINT": "https://x"},
			VPC:   &awstest.VPC{ID: "vpc-1", Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
			State: "Inactive", StateReasonCode: "Idle", StateReason: "The function is idle",
		},
		Versions: []awstest.FunctionVersion{{Number: "1", FunctionConfig: awstest.FunctionConfig{Role: "arn:aws:iam::123456789012:role/one"}}},
		Aliases:  []awstest.Alias{{Name: "live", Version: "1"}},
		Tags:     map[string]string{"team": "pay"},
	}
}

func TestFunctionConfigurationAtTheQualifier(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	tests := map[string]struct {
		name, qualifier, role, version, arn string
	}{
		"the function itself":       {"f", "", "latest", "$LATEST", functionARN},
		"$LATEST by name":           {"f", "$LATEST", "latest", "$LATEST", functionARN + ":$LATEST"},
		"a version keeps its role":  {"f", "1", "one", "1", functionARN + ":1"},
		"an alias resolves":         {"f", "live", "one", "1", functionARN + ":live"},
		"a qualified name":          {"f:live", "", "one", "1", functionARN + ":live"},
		"a qualified ARN":           {functionARN + ":1", "", "one", "1", functionARN + ":1"},
		"a partial ARN":             {"123456789012:function:f", "", "latest", "$LATEST", functionARN},
		"both qualifiers the same":  {functionARN + ":live", "live", "one", "1", functionARN + ":live"},
		"an ARN and a qualifier":    {functionARN, "1", "one", "1", functionARN + ":1"},
		"a partial ARN with one":    {"123456789012:function:f:live", "", "one", "1", functionARN + ":live"},
		"a name that has a keyword": {"function:f", "", "latest", "$LATEST", functionARN},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := &lambda.GetFunctionConfigurationInput{FunctionName: &tt.name}
			if tt.qualifier != "" {
				in.Qualifier = &tt.qualifier
			}
			got := ok(c.lambda.GetFunctionConfiguration(t.Context(), in))(t)
			if !strings.HasSuffix(*got.Role, "/"+tt.role) || *got.Version != tt.version || *got.FunctionArn != tt.arn {
				t.Errorf("role %s, version %s, ARN %s", *got.Role, *got.Version, *got.FunctionArn)
			}
		})
	}
	got := ok(c.lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: str("f")}))(t)
	if got.State != types.StateInactive || got.StateReasonCode != types.StateReasonCodeIdle || got.LastUpdateStatus != "Successful" ||
		*got.VpcConfig.VpcId != "vpc-1" || got.Environment.Variables["SECRETS_MANAGER_ENDPOINT"] == "" {
		t.Errorf("GetFunctionConfiguration = %+v", got)
	}
}

func TestFunctionsThatAreNotThere(t *testing.T) {
	a, c := start(t)
	a.AddFunction(versioned())
	tests := map[string]struct {
		name, qualifier, code string
		status                int
	}{
		"no function":       {"g", "", "ResourceNotFoundException", notFound},
		"no version":        {"f", "9", "ResourceNotFoundException", notFound},
		"no alias":          {"f", "dead", "ResourceNotFoundException", notFound},
		"another Region":    {strings.Replace(functionARN, "us-east-1", "eu-west-1", 1), "", "ResourceNotFoundException", notFound},
		"another account":   {strings.Replace(functionARN, "123456789012", "210987654321", 1), "", "AccessDeniedException", forbidden},
		"two qualifiers":    {"f:live", "1", "InvalidParameterValueException", badRequest},
		"not a name at all": {"a/b", "", "ValidationException", badRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in := &lambda.GetFunctionConfigurationInput{FunctionName: &tt.name}
			if tt.qualifier != "" {
				in.Qualifier = &tt.qualifier
			}
			_, err := c.lambda.GetFunctionConfiguration(t.Context(), in)
			wantCode(t, err, tt.code, tt.status)
		})
	}
}

func TestGetFunctionAndTags(t *testing.T) {
	a, c := start(t)
	f := versioned()
	f.Location = "https://code.example/canary"
	a.AddFunction(f)
	got := ok(c.lambda.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: str("f")}))(t)
	if *got.Code.Location != f.Location || got.Tags["team"] != "pay" || *got.Configuration.FunctionArn != functionARN {
		t.Errorf("GetFunction = %+v", got)
	}
	if tags := ok(c.lambda.ListTags(t.Context(), &lambda.ListTagsInput{Resource: str(functionARN)}))(t).Tags; tags["team"] != "pay" {
		t.Errorf("ListTags = %v", tags)
	}
	_, err := c.lambda.ListTags(t.Context(), &lambda.ListTagsInput{Resource: str(functionARN + ":live")})
	wantCode(t, err, "InvalidParameterValueException", badRequest)
	if got := ok(c.lambda.GetAlias(t.Context(), &lambda.GetAliasInput{FunctionName: str("f"), Name: str("live")}))(t); *got.FunctionVersion != "1" {
		t.Errorf("GetAlias = %+v", got)
	}
	_, err = c.lambda.GetAlias(t.Context(), &lambda.GetAliasInput{FunctionName: str("f"), Name: str("dead")})
	wantCode(t, err, "ResourceNotFoundException", notFound)
}

func TestListFunctionsPagesByFifty(t *testing.T) {
	a, c := start(t)
	for i := range 120 {
		f := versioned()
		f.Name = fmt.Sprintf("f%03d", i)
		a.AddFunction(f)
	}
	count := func(in *lambda.ListFunctionsInput) (n, pages int) {
		for p := lambda.NewListFunctionsPaginator(c.lambda, in); p.HasMorePages(); pages++ {
			page := ok(p.NextPage(t.Context()))(t)
			n += len(page.Functions)
			for _, f := range page.Functions {
				if f.State != "" || f.LastUpdateStatus != "" || f.Role == nil {
					t.Fatalf("a listed function shows its state: %+v", f)
				}
				if qualified := strings.HasSuffix(*f.FunctionArn, ":"+*f.Version); qualified != (in.FunctionVersion == "ALL") {
					t.Fatalf("listed as %s", *f.FunctionArn)
				}
			}
		}
		return n, pages
	}
	if n, pages := count(&lambda.ListFunctionsInput{MaxItems: aws.Int32(1000)}); n != 120 || pages != 3 {
		t.Errorf("%d functions in %d pages, want 120 in 3", n, pages)
	}
	if n, _ := count(&lambda.ListFunctionsInput{FunctionVersion: types.FunctionVersionAll}); n != 240 {
		t.Errorf("%d with their versions, want 240", n)
	}
	versions := ok(c.lambda.ListVersionsByFunction(t.Context(), &lambda.ListVersionsByFunctionInput{FunctionName: str("f007")}))(t).Versions
	if len(versions) != 2 || *versions[0].Version != "$LATEST" || !strings.HasSuffix(*versions[1].Role, "/one") {
		t.Errorf("ListVersionsByFunction = %+v", versions)
	}
	aliases := ok(c.lambda.ListAliases(t.Context(), &lambda.ListAliasesInput{FunctionName: str("f007"), FunctionVersion: str("1")}))(t).Aliases
	if len(aliases) != 1 || *aliases[0].Name != "live" {
		t.Errorf("ListAliases = %+v", aliases)
	}
	_, err := c.lambda.ListFunctions(t.Context(), &lambda.ListFunctionsInput{Marker: str("x")})
	wantCode(t, err, "InvalidParameterValueException", badRequest)
}

func TestFunctionLifeThroughTheSDK(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	role := "arn:aws:iam::123456789012:role/service-role/r"
	create := &lambda.CreateFunctionInput{
		FunctionName: str("f"), Role: &role, Runtime: "python3.12", Handler: str("h.h"), Code: &types.FunctionCode{ZipFile: []byte("zip")},
		VpcConfig: &types.VpcConfig{SubnetIds: []string{"subnet-1"}}, Environment: &types.Environment{Variables: map[string]string{"k": "canary"}},
	}
	ok(c.lambda.CreateFunction(ctx, create))(t)
	_, err := c.lambda.CreateFunction(ctx, create)
	wantCode(t, err, "ResourceConflictException", conflict)
	ok(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: str("f")}))(t)
	ok(c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: str("f"), Name: str("live"), FunctionVersion: str("1")}))(t)
	_, err = c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: str("f"), Name: str("live"), FunctionVersion: str("1")})
	wantCode(t, err, "ResourceConflictException", conflict)
	ok(c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: str("f"), Role: str(role + "2")}))(t)
	_, err = c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: str("f"), RevisionId: str("old")})
	wantCode(t, err, "PreconditionFailedException", http.StatusPreconditionFailed)
	f, _ := a.Function("f")
	if f.Role != role+"2" || f.Versions[0].Role != role || f.VPC.ID == "" || f.Aliases[0].Version != "1" {
		t.Errorf("function = %+v", f)
	}
	ok(c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: str("f")}))(t)
	if _, there := a.Function("f"); there {
		t.Error("the function outlived its deletion")
	}
	for _, call := range a.Calls() {
		if strings.Contains(fmt.Sprint(call.Params), "canary") {
			t.Errorf("environment values were kept: %v", call.Params)
		}
	}
}

func TestUpdateFunctionKeepsRevisionsOfPoliciesThatStay(t *testing.T) {
	a, c := start(t)
	f := versioned()
	f.Policies = map[string]string{"": `{"Statement":[]}`, "live": `{"Statement":[]}`}
	a.AddFunction(f)
	revision := func(q *string) string {
		return *ok(c.lambda.GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: str("f"), Qualifier: q}))(t).RevisionId
	}
	own, live := revision(nil), revision(str("live"))
	a.UpdateFunction("f", func(f *awstest.Function) { f.Policies["live"] = `{"Statement":[ ]}` })
	if revision(nil) != own || revision(str("live")) == live {
		t.Error("only the policy that changed gets a new revision")
	}
	names := []string{}
	for _, f := range a.Functions() {
		names = append(names, f.Name)
	}
	if !slices.Equal(names, []string{"f"}) {
		t.Errorf("functions = %v", names)
	}
	if !a.RemoveFunction("f") || a.RemoveFunction("f") {
		t.Error("a function is removed once")
	}
}
