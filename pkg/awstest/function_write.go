package awstest

import (
	"net/http"
	"regexp"
	"strconv"
)

// configInput is what CreateFunction and UpdateFunctionConfiguration share.
type configInput struct {
	FunctionName  string
	Role          *string
	Description   *string
	Runtime       *string
	Handler       *string
	KMSKeyArn     *string
	Environment   *environment
	VpcConfig     *vpcInput
	Tags          map[string]string
	Publish       bool
	TracingConfig *tracing
	RevisionID    string `json:"RevisionId"`
}

type vpcInput struct {
	SubnetIDs        []string `json:"SubnetIds"`
	SecurityGroupIDs []string `json:"SecurityGroupIds"`
}

var roleARN = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-/]+$`)

func (in configInput) apply(x *exchange, c *FunctionConfig) error {
	for to, from := range map[*string]*string{
		&c.Role: in.Role, &c.Description: in.Description, &c.Runtime: in.Runtime, &c.Handler: in.Handler, &c.KMSKeyArn: in.KMSKeyArn,
	} {
		if from != nil {
			*to = *from
		}
	}
	if !roleARN.MatchString(c.Role) {
		return bad("ValidationException", "1 validation error detected: Value '%s' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", c.Role, roleARN)
	}
	if in.Environment != nil {
		c.Environment = in.Environment.Variables
	}
	if in.TracingConfig != nil {
		c.Tracing = in.TracingConfig.Mode
	}
	if in.VpcConfig != nil {
		c.VPC = &VPC{Subnets: in.VpcConfig.SubnetIDs, SecurityGroups: in.VpcConfig.SecurityGroupIDs}
		if len(c.VPC.Subnets) > 0 {
			c.VPC.ID = "vpc-0a1b2c3d4e5f67890"
		}
	}
	c.Modified, c.Revision = x.now, x.srv.uuid()
	return nil
}

func createFunction(x *exchange) (any, error) {
	in, err := decode[configInput](x)
	if err != nil {
		return nil, err
	}
	t, err := targetOf(x)
	if err != nil {
		return nil, err
	}
	if x.reg.functions.find(t.name) != nil {
		return nil, failure(http.StatusConflict, "ResourceConflictException", "Function already exist: %s", t.name)
	}
	f := &Function{Name: t.name, Tags: in.Tags}
	if err := in.apply(x, &f.FunctionConfig); err != nil {
		return nil, err
	}
	if in.Publish {
		f.publish()
	}
	c := &functionCell{policies: map[string]*lagged[functionPolicy]{}}
	x.srv.setFunction(x.acct, c, f)
	x.reg.functions.put(c)
	return configurationOf(t.name, x.acct.functionARN(x.reg, t.name, ""), "$LATEST", &c.fn.FunctionConfig, false), nil
}

func updateFunctionConfiguration(x *exchange) (any, error) {
	in, err := decode[configInput](x)
	if err != nil {
		return nil, err
	}
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	if in.RevisionID != "" && in.RevisionID != r.config.Revision {
		return nil, staleRevision()
	}
	f := r.cell.fn.clone()
	if err := in.apply(x, &f.FunctionConfig); err != nil {
		return nil, err
	}
	r.cell.fn = f
	return configurationOf(r.name, x.acct.functionARN(x.reg, r.name, ""), "$LATEST", &f.FunctionConfig, false), nil
}

// publish makes a version of the configuration as it is and gives its number.
func (f *Function) publish() string {
	number := strconv.Itoa(len(f.Versions) + 1)
	f.Versions = append(f.Versions, FunctionVersion{Number: number, FunctionConfig: f.FunctionConfig.clone()})
	return number
}

func publishVersion(x *exchange) (any, error) {
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	f := r.cell.fn.clone()
	number := f.publish()
	r.cell.fn = f
	return configurationOf(r.name, x.acct.functionARN(x.reg, r.name, number), number, &f.version(number).FunctionConfig, false), nil
}

func createAlias(x *exchange) (any, error) {
	in, err := decode[struct{ Name, FunctionVersion, Description string }](x)
	if err != nil {
		return nil, err
	}
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	if r.cell.fn.alias(in.Name) != nil {
		return nil, failure(http.StatusConflict, "ResourceConflictException", "Alias already exists: %s", x.acct.functionARN(x.reg, r.name, in.Name))
	}
	if in.FunctionVersion != "$LATEST" && r.cell.fn.version(in.FunctionVersion) == nil {
		return nil, notFunction(x, target{r.name, in.FunctionVersion})
	}
	f := r.cell.fn.clone()
	a := Alias{Name: in.Name, Version: in.FunctionVersion, Description: in.Description, Revision: x.srv.uuid()}
	f.Aliases = append(f.Aliases, a)
	r.cell.fn = f
	return a.shape(x, r.name), nil
}

func deleteFunction(x *exchange) (any, error) {
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	x.reg.functions.remove(r.name)
	return nil, nil
}
