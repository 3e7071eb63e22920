package awstest

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// lambdaRoute names the operation of a request and what its path holds. The paths are those of the API model.
func lambdaRoute(method, escaped string) (string, map[string]string, bool) {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i := range parts {
		text, err := url.PathUnescape(parts[i])
		if err != nil {
			return "", nil, false
		}
		parts[i] = text
	}
	shape := method + " "
	vars := map[string]string{}
	switch {
	case len(parts) == 2 && parts[0] == "2015-03-31" && parts[1] == "functions":
		shape += "functions"
	case len(parts) == 2 && parts[0] == "2026-07-09" && parts[1] == "resource-policy", len(parts) == 3 && parts[0] == "2026-07-09":
		shape += "resource-policy"
		vars["ResourceArn"] = parts[len(parts)-1]
	case len(parts) == 3 && parts[0] == "2017-03-31" && parts[1] == "tags":
		shape += "tags"
		vars["Resource"] = parts[2]
	case len(parts) == 2 && parts[0] == "2016-08-19" && parts[1] == "account-settings":
		shape += "account-settings"
	case len(parts) >= 3 && parts[0] == "2015-03-31" && parts[1] == "functions":
		vars["FunctionName"] = parts[2]
		shape += "function"
		if len(parts) > 3 {
			shape += "/" + parts[3]
		}
		if len(parts) == 5 {
			shape += "/*"
			vars[map[string]string{"policy": "StatementId", "aliases": "Name"}[parts[3]]] = parts[4]
		}
		if len(parts) > 5 {
			return "", nil, false
		}
	}
	name, ok := lambdaRoutes[shape]
	return name, vars, ok
}

var lambdaRoutes = map[string]string{
	"GET functions":              "ListFunctions",
	"POST functions":             "CreateFunction",
	"GET function":               "GetFunction",
	"DELETE function":            "DeleteFunction",
	"GET function/configuration": "GetFunctionConfiguration",
	"PUT function/configuration": "UpdateFunctionConfiguration",
	"GET function/versions":      "ListVersionsByFunction",
	"POST function/versions":     "PublishVersion",
	"GET function/aliases":       "ListAliases",
	"POST function/aliases":      "CreateAlias",
	"GET function/aliases/*":     "GetAlias",
	"GET function/policy":        "GetPolicy",
	"POST function/policy":       "AddPermission",
	"DELETE function/policy/*":   "RemovePermission",
	"GET resource-policy":        "GetResourcePolicy",
	"PUT resource-policy":        "PutResourcePolicy",
	"DELETE resource-policy":     "DeleteResourcePolicy",
	"GET tags":                   "ListTags",
	"GET account-settings":       "GetAccountSettings",
}

func functionOperations() []*operation {
	op := func(name string, run func(*exchange) (any, error)) *operation {
		return &operation{service: "lambda", name: name, resource: functionResource, run: run}
	}
	write := func(name string, status int, run func(*exchange) (any, error)) *operation {
		o := op(name, run)
		o.write, o.status = true, status
		return o
	}
	list := op("ListFunctions", listFunctions)
	list.resource = nil
	settings := op("GetAccountSettings", getAccountSettings)
	settings.resource = nil
	return []*operation{
		list, settings,
		op("GetFunction", getFunction),
		op("GetFunctionConfiguration", getFunctionConfiguration),
		op("ListVersionsByFunction", listVersions),
		op("ListAliases", listAliases),
		op("GetAlias", getAlias),
		op("ListTags", listFunctionTags),
		write("CreateFunction", http.StatusCreated, createFunction),
		write("UpdateFunctionConfiguration", http.StatusOK, updateFunctionConfiguration),
		write("PublishVersion", http.StatusCreated, publishVersion),
		write("CreateAlias", http.StatusCreated, createAlias),
		write("DeleteFunction", http.StatusNoContent, deleteFunction),
	}
}

// functionName is the pattern of FunctionName in the API model: a name, a partial ARN or an ARN, each with a qualifier or
// without.
var functionName = regexp.MustCompile(`^(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?(?:(?P<region>[a-z]{2,4}(?:-[a-z]+)*-[a-z]+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?$`)

// target is what a request names: a function and the version or alias of it, "" for the function itself.
type target struct {
	name      string
	qualifier string
}

// targetOf reads the name and the qualifier of a request.
func targetOf(x *exchange) (target, error) {
	text := x.params["FunctionName"]
	for _, other := range []string{"ResourceArn", "Resource"} {
		if text == "" {
			text = x.params[other]
		}
	}
	m := functionName.FindStringSubmatch(text)
	if m == nil || x.params["FunctionName"] == "" && !strings.HasPrefix(text, "arn:") {
		return target{}, bad("ValidationException", "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", text, functionName)
	}
	region, account := m[2], m[3]
	t := target{name: m[4], qualifier: m[5]}
	if q := x.params["Qualifier"]; q != "" {
		if t.qualifier != "" && t.qualifier != q {
			return target{}, bad("InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier.")
		}
		t.qualifier = q
	}
	if region != "" && region != x.reg.name {
		return target{}, failure(http.StatusNotFound, "ResourceNotFoundException", "Functions from '%s' are not reachable in this region ('%s')", region, x.reg.name)
	}
	if account != "" && account != x.acct.id {
		return target{}, restProtocol{}.denied(x.who, x.op, text, "because no resource-based policy allows the lambda:"+x.op.name+" action")
	}
	return t, nil
}

// functionResource is the ARN that the call names, whether or not there is such a function.
func functionResource(x *exchange) string {
	t, err := targetOf(x)
	if err != nil {
		return x.params["FunctionName"]
	}
	return x.acct.functionARN(x.reg, t.name, t.qualifier)
}

func notFunction(x *exchange, t target) *callFailure {
	return failure(http.StatusNotFound, "ResourceNotFoundException", "Function not found: %s", x.acct.functionARN(x.reg, t.name, t.qualifier))
}

// resolved is a function with the version that a qualifier leads to.
type resolved struct {
	target
	cell    *functionCell
	version string // $LATEST or a number
	config  *FunctionConfig
}

// resolve finds what the request names.
func resolve(x *exchange) (resolved, error) {
	t, err := targetOf(x)
	if err != nil {
		return resolved{}, err
	}
	c := x.reg.functions.find(t.name)
	if c == nil {
		return resolved{}, notFunction(x, t)
	}
	r := resolved{target: t, cell: c, version: t.qualifier, config: &c.fn.FunctionConfig}
	if t.qualifier == "" || t.qualifier == "$LATEST" {
		r.version = "$LATEST"
		return r, nil
	}
	if a := c.fn.alias(t.qualifier); a != nil {
		r.version = a.Version
	}
	if r.version == "$LATEST" {
		return r, nil
	}
	v := c.fn.version(r.version)
	if v == nil {
		return resolved{}, notFunction(x, t)
	}
	r.config = &v.FunctionConfig
	return r, nil
}

// configuration is FunctionConfiguration.
type configuration struct {
	FunctionName               string
	FunctionArn                string
	Runtime                    string
	Role                       string
	Handler                    string
	CodeSize                   int64
	Description                string
	Timeout                    int
	LastModified               string
	CodeSha256                 string
	Version                    string
	VpcConfig                  *VPC         `json:",omitempty"`
	Environment                *environment `json:",omitempty"`
	KMSKeyArn                  string       `json:",omitempty"`
	TracingConfig              tracing
	RevisionID                 string  `json:"RevisionId"`
	Layers                     []layer `json:",omitempty"`
	State                      string  `json:",omitempty"`
	StateReason                string  `json:",omitempty"`
	StateReasonCode            string  `json:",omitempty"`
	LastUpdateStatus           string  `json:",omitempty"`
	LastUpdateStatusReason     string  `json:",omitempty"`
	LastUpdateStatusReasonCode string  `json:",omitempty"`
	PackageType                string
	MemorySize                 int
	Architectures              []string
}

type environment struct{ Variables map[string]string }

type tracing struct{ Mode string }

type layer struct{ Arn string }

// configurationOf writes a configuration out. Lists leave out the states (API reference, ListFunctions).
func configurationOf(name, arn, version string, c *FunctionConfig, listed bool) configuration {
	out := configuration{
		FunctionName: name, FunctionArn: arn, Version: version, Runtime: c.Runtime, Role: c.Role, Handler: c.Handler,
		Description: c.Description, KMSKeyArn: c.KMSKeyArn, VpcConfig: c.VPC, RevisionID: c.Revision,
		LastModified: c.Modified.UTC().Format("2006-01-02T15:04:05.000-0700"),
		CodeSize:     1024, CodeSha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Timeout: 30, MemorySize: 128,
		PackageType: "Zip", Architectures: []string{"x86_64"}, TracingConfig: tracing{Mode: "PassThrough"},
	}
	if c.Environment != nil {
		out.Environment = &environment{c.Environment}
	}
	if c.Tracing != "" {
		out.TracingConfig.Mode = c.Tracing
	}
	for _, arn := range c.Layers {
		out.Layers = append(out.Layers, layer{arn})
	}
	if !listed {
		out.State, out.StateReason, out.StateReasonCode = c.State, c.StateReason, c.StateReasonCode
		out.LastUpdateStatus, out.LastUpdateStatusReason = c.LastUpdateStatus, c.LastUpdateStatusReason
		out.LastUpdateStatusReasonCode = c.LastUpdateStatusReasonCode
	}
	return out
}

func (r resolved) configuration(x *exchange) configuration {
	return configurationOf(r.name, x.acct.functionARN(x.reg, r.name, r.qualifier), r.version, r.config, false)
}

func getFunctionConfiguration(x *exchange) (any, error) {
	r, err := resolve(x)
	if err != nil {
		return nil, err
	}
	return r.configuration(x), nil
}

type code struct{ RepositoryType, Location string }

func getFunction(x *exchange) (any, error) {
	r, err := resolve(x)
	if err != nil {
		return nil, err
	}
	location := r.cell.fn.Location
	if location == "" {
		location = "https://awslambda-" + x.reg.name + "-tasks.s3." + x.reg.name + ".amazonaws.com/snapshots/" + x.acct.id + "/" + r.name
	}
	return struct {
		Configuration configuration
		Code          code
		Tags          map[string]string `json:",omitempty"`
	}{r.configuration(x), code{"S3", location}, r.cell.fn.Tags}, nil
}

// maxFunctionPage is the most that Lambda's lists give at once, whatever MaxItems says.
const maxFunctionPage = 50

// page cuts a list by MaxItems and Marker. The marker is the place in the list, as text.
func page[T any](x *exchange, all []T) ([]T, string, error) {
	size, at := maxFunctionPage, 0
	if text := x.query.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10_000 {
			return nil, "", bad("ValidationException", "1 validation error detected: Value '%s' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 10000", text)
		}
		size = min(n, maxFunctionPage)
	}
	if text := x.query.Get("Marker"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, "", bad("InvalidParameterValueException", "Invalid Marker")
		}
		at = min(n, len(all))
	}
	end := min(at+size, len(all))
	next := ""
	if end < len(all) {
		next = strconv.Itoa(end)
	}
	return all[at:end], next, nil
}

func listFunctions(x *exchange) (any, error) {
	every := x.query.Get("FunctionVersion") == "ALL"
	if v := x.query.Get("FunctionVersion"); v != "" && !every {
		return nil, bad("ValidationException", "1 validation error detected: Value '%s' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]", v)
	}
	type entry struct{ name, version string }
	var all []entry
	for _, name := range x.reg.functions.names {
		all = append(all, entry{name, "$LATEST"})
		if every {
			for _, v := range x.reg.functions.cells[name].fn.Versions {
				all = append(all, entry{name, v.Number})
			}
		}
	}
	some, next, err := page(x, all)
	if err != nil {
		return nil, err
	}
	out := struct {
		Functions  []configuration
		NextMarker string `json:",omitempty"`
	}{[]configuration{}, next}
	for _, e := range some {
		f := x.reg.functions.cells[e.name].fn
		config, qualifier := &f.FunctionConfig, ""
		if v := f.version(e.version); v != nil {
			config = &v.FunctionConfig
		}
		if every {
			qualifier = e.version
		}
		out.Functions = append(out.Functions, configurationOf(e.name, x.acct.functionARN(x.reg, e.name, qualifier), e.version, config, true))
	}
	return out, nil
}

// getAccountSettings counts the functions. The limits are those of an account that asked for no others (Lambda Developer Guide, "Lambda
// quotas").
func getAccountSettings(x *exchange) (any, error) {
	type limit struct{ TotalCodeSize, CodeSizeUnzipped, CodeSizeZipped, ConcurrentExecutions, UnreservedConcurrentExecutions int64 }
	type usage struct{ TotalCodeSize, FunctionCount int64 }
	n := int64(len(x.reg.functions.names))
	return struct {
		AccountLimit limit
		AccountUsage usage
	}{limit{80 << 30, 250 << 20, 50 << 20, 1000, 1000}, usage{n << 10, n}}, nil
}

// unqualified finds the function of a request that must not name a version.
func unqualified(x *exchange) (resolved, error) {
	r, err := resolve(x)
	if err == nil && r.qualifier != "" {
		err = bad("InvalidParameterValueException", "Invalid function name: a version or alias cannot be named here")
	}
	return r, err
}

func listVersions(x *exchange) (any, error) {
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	f := r.cell.fn
	all := []configuration{configurationOf(f.Name, x.acct.functionARN(x.reg, f.Name, "$LATEST"), "$LATEST", &f.FunctionConfig, true)}
	for i := range f.Versions {
		v := &f.Versions[i]
		all = append(all, configurationOf(f.Name, x.acct.functionARN(x.reg, f.Name, v.Number), v.Number, &v.FunctionConfig, true))
	}
	some, next, err := page(x, all)
	if err != nil {
		return nil, err
	}
	return struct {
		Versions   []configuration
		NextMarker string `json:",omitempty"`
	}{some, next}, nil
}

// aliasShape is AliasConfiguration.
type aliasShape struct {
	AliasArn        string
	Name            string
	FunctionVersion string
	Description     string
	RevisionID      string        `json:"RevisionId"`
	RoutingConfig   *aliasRouting `json:",omitempty"`
}

type aliasRouting struct{ AdditionalVersionWeights map[string]float64 }

func (a *Alias) shape(x *exchange, function string) aliasShape {
	out := aliasShape{
		AliasArn: x.acct.functionARN(x.reg, function, a.Name), Name: a.Name, FunctionVersion: a.Version,
		Description: a.Description, RevisionID: a.Revision,
	}
	if len(a.Weights) > 0 {
		out.RoutingConfig = &aliasRouting{a.Weights}
	}
	return out
}

func listAliases(x *exchange) (any, error) {
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	all := []aliasShape{}
	for i := range r.cell.fn.Aliases {
		a := &r.cell.fn.Aliases[i]
		if v := x.query.Get("FunctionVersion"); v == "" || v == a.Version {
			all = append(all, a.shape(x, r.name))
		}
	}
	slices.SortFunc(all, func(a, b aliasShape) int { return strings.Compare(a.Name, b.Name) })
	some, next, err := page(x, all)
	if err != nil {
		return nil, err
	}
	return struct {
		Aliases    []aliasShape
		NextMarker string `json:",omitempty"`
	}{some, next}, nil
}

func getAlias(x *exchange) (any, error) {
	r, err := unqualified(x)
	if err != nil {
		return nil, err
	}
	a := r.cell.fn.alias(x.path["Name"])
	if a == nil {
		return nil, failure(http.StatusNotFound, "ResourceNotFoundException", "Cannot find alias arn: %s", x.acct.functionARN(x.reg, r.name, x.path["Name"]))
	}
	return a.shape(x, r.name), nil
}

func listFunctionTags(x *exchange) (any, error) {
	r, err := resolve(x)
	if err != nil {
		return nil, err
	}
	if r.qualifier != "" {
		return nil, bad("InvalidParameterValueException", "Tags on function aliases and versions are not supported. Please specify either a function ARN or an event source mapping ARN.")
	}
	tags := maps.Clone(r.cell.fn.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	return struct{ Tags map[string]string }{tags}, nil
}
