package awstest

import (
	"maps"
	"slices"
	"time"
)

// Function is a Lambda function with its versions, aliases and policies.
type Function struct {
	Name string
	FunctionConfig
	Versions []FunctionVersion // published ones, oldest first; each keeps its own configuration
	Aliases  []Alias
	Tags     map[string]string
	Policies map[string]string // the policy document by qualifier; "" is the function itself
	Location string            // the code's URL in GetFunction
}

// FunctionConfig is the configuration of $LATEST or of one version.
type FunctionConfig struct {
	Role        string // ARN
	Description string
	Runtime     string
	Handler     string
	KMSKeyArn   string
	Environment map[string]string
	VPC         *VPC // nil for a function that was never in one
	Layers      []string
	Tracing     string // Active or PassThrough

	// What AddFunction leaves as it is; empty State and LastUpdateStatus are Active and Successful.
	State, StateReason, StateReasonCode                                  string
	LastUpdateStatus, LastUpdateStatusReason, LastUpdateStatusReasonCode string

	Modified time.Time
	Revision string // RevisionId of the configuration
}

// VPC is a function's VpcConfig. One with empty lists is what a function keeps that has left its VPC.
type VPC struct {
	ID             string   `json:"VpcId"`
	Subnets        []string `json:"SubnetIds"`
	SecurityGroups []string `json:"SecurityGroupIds"`
}

// FunctionVersion is a published version.
type FunctionVersion struct {
	Number string
	FunctionConfig
}

// Alias points to a version.
type Alias struct {
	Name        string
	Version     string
	Description string
	Weights     map[string]float64 // of a second version
	Revision    string
}

func (c FunctionConfig) clone() FunctionConfig {
	c.Environment = maps.Clone(c.Environment)
	c.Layers = slices.Clone(c.Layers)
	if c.VPC != nil {
		c.VPC = &VPC{ID: c.VPC.ID, Subnets: slices.Clone(c.VPC.Subnets), SecurityGroups: slices.Clone(c.VPC.SecurityGroups)}
	}
	return c
}

func (f *Function) clone() *Function {
	c := *f
	c.FunctionConfig = f.FunctionConfig.clone()
	c.Versions = slices.Clone(f.Versions)
	for i := range c.Versions {
		c.Versions[i].FunctionConfig = f.Versions[i].FunctionConfig.clone()
	}
	c.Aliases = slices.Clone(f.Aliases)
	for i := range c.Aliases {
		c.Aliases[i].Weights = maps.Clone(f.Aliases[i].Weights)
	}
	c.Tags = maps.Clone(f.Tags)
	c.Policies = maps.Clone(f.Policies)
	return &c
}

// version gives a published version by its number.
func (f *Function) version(number string) *FunctionVersion {
	for i := range f.Versions {
		if f.Versions[i].Number == number {
			return &f.Versions[i]
		}
	}
	return nil
}

// alias gives an alias by its name.
func (f *Function) alias(name string) *Alias {
	for i := range f.Aliases {
		if f.Aliases[i].Name == name {
			return &f.Aliases[i]
		}
	}
	return nil
}

// functionStore holds a Region's functions. The policies are apart: they change alone, with a revision each.
type functionStore struct {
	cells map[string]*functionCell
	names []string // sorted
}

type functionCell struct {
	fn       *Function // without Policies; replaced when it changes
	policies map[string]*lagged[functionPolicy]
}

type functionPolicy struct {
	document string
	revision string
}

func (s *functionStore) find(name string) *functionCell { return s.cells[name] }

func (s *functionStore) put(c *functionCell) {
	if s.cells == nil {
		s.cells = map[string]*functionCell{}
	}
	name := c.fn.Name
	if at, found := slices.BinarySearch(s.names, name); !found {
		s.names = slices.Insert(s.names, at, name)
	}
	s.cells[name] = c
}

func (s *functionStore) remove(name string) {
	if at, found := slices.BinarySearch(s.names, name); found {
		s.names = slices.Delete(s.names, at, at+1)
	}
	delete(s.cells, name)
}

// AddFunction puts a function into this Region and gives its unqualified ARN. One of the same name is replaced.
func (a *Account) AddFunction(f Function) string {
	r, unlock := a.lock()
	defer unlock()
	c := &functionCell{policies: map[string]*lagged[functionPolicy]{}}
	a.srv.setFunction(a.state, c, f.clone())
	r.functions.put(c)
	return a.state.functionARN(r, f.Name, "")
}

// setFunction completes a function and makes it the cell's, with those policies that differ from what the cell has.
func (s *server) setFunction(a *account, c *functionCell, f *Function) {
	s.completeConfig(&f.FunctionConfig)
	for i := range f.Versions {
		s.completeConfig(&f.Versions[i].FunctionConfig)
	}
	for i := range f.Aliases {
		if f.Aliases[i].Revision == "" {
			f.Aliases[i].Revision = s.uuid()
		}
	}
	lag := a.weather.lag.FunctionPolicies
	for qualifier, doc := range sorted(f.Policies) {
		p := c.policy(qualifier)
		if p.now == nil || p.now.document != doc {
			p.set(&functionPolicy{document: doc, revision: s.uuid()}, s.now(), lag)
		}
	}
	for qualifier, p := range sorted(c.policies) {
		if _, ok := f.Policies[qualifier]; !ok && p.now != nil {
			p.set(nil, s.now(), lag)
		}
	}
	f.Policies = nil
	c.fn = f
}

func (s *server) completeConfig(c *FunctionConfig) {
	if c.State == "" {
		c.State = "Active"
	}
	if c.LastUpdateStatus == "" {
		c.LastUpdateStatus = "Successful"
	}
	if c.Runtime == "" {
		c.Runtime = "python3.12"
	}
	if c.Handler == "" {
		c.Handler = "lambda_function.lambda_handler"
	}
	if c.Modified.IsZero() {
		c.Modified = s.now()
	}
	if c.Revision == "" {
		c.Revision = s.uuid()
	}
}

func (c *functionCell) policy(qualifier string) *lagged[functionPolicy] {
	p, ok := c.policies[qualifier]
	if !ok {
		p = &lagged[functionPolicy]{}
		c.policies[qualifier] = p
	}
	return p
}

// value is the function with its policies, as they stand.
func (c *functionCell) value() *Function {
	f := c.fn.clone()
	f.Policies = map[string]string{}
	for qualifier, p := range c.policies {
		if p.now != nil {
			f.Policies[qualifier] = p.now.document
		}
	}
	return f
}

// Function gives a function of this Region as it stands, whatever the lag.
func (a *Account) Function(name string) (Function, bool) {
	r, unlock := a.lock()
	defer unlock()
	c := r.functions.find(name)
	if c == nil {
		return Function{}, false
	}
	return *c.value(), true
}

// Functions gives all functions of this Region, sorted by name.
func (a *Account) Functions() []Function {
	r, unlock := a.lock()
	defer unlock()
	out := make([]Function, 0, len(r.functions.names))
	for _, name := range r.functions.names {
		out = append(out, *r.functions.cells[name].value())
	}
	return out
}

// UpdateFunction changes a function in place and says whether there is one. A policy that changes gets a new revision.
func (a *Account) UpdateFunction(name string, change func(*Function)) bool {
	r, unlock := a.lock()
	defer unlock()
	c := r.functions.find(name)
	if c == nil {
		return false
	}
	f := c.value()
	change(f)
	f.Name = name
	a.srv.setFunction(a.state, c, f)
	return true
}

// RemoveFunction deletes a function with its versions, aliases and policies, and says whether there was one.
func (a *Account) RemoveFunction(name string) bool {
	r, unlock := a.lock()
	defer unlock()
	found := r.functions.find(name) != nil
	r.functions.remove(name)
	return found
}

// functionARN is the ARN of a function, or of one of its versions or aliases.
func (a *account) functionARN(r *region, name, qualifier string) string {
	arn := a.arn("lambda", r.name, "function:"+name)
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}
