package awstest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Stack is a CloudFormation stack.
type Stack struct {
	Name       string
	ID         string // ARN; made when empty
	Parameters map[string]string
	Outputs    map[string]string
	Tags       map[string]string
	Status     string // CREATE_COMPLETE when empty
	Parent     string // the id of the stack that it is nested in
	Created    time.Time
}

// AddStack puts a stack into this Region and gives its id. One of the same name is replaced.
func (a *Account) AddStack(s Stack) string {
	r, unlock := a.lock()
	defer unlock()
	s.Parameters, s.Outputs, s.Tags = maps.Clone(s.Parameters), maps.Clone(s.Outputs), maps.Clone(s.Tags)
	s.ID = cmp.Or(s.ID, a.state.arn("cloudformation", r.name, "stack/"+s.Name+"/"+a.srv.uuid()))
	s.Status = cmp.Or(s.Status, "CREATE_COMPLETE")
	if s.Created.IsZero() {
		s.Created = a.srv.now()
	}
	r.stacks = slices.DeleteFunc(r.stacks, func(old Stack) bool { return old.Name == s.Name })
	r.stacks = append(r.stacks, s)
	return s.ID
}

// RemoveStack deletes a stack by its name and says whether there was one.
func (a *Account) RemoveStack(name string) bool {
	r, unlock := a.lock()
	defer unlock()
	n := len(r.stacks)
	r.stacks = slices.DeleteFunc(r.stacks, func(s Stack) bool { return s.Name == name })
	return len(r.stacks) < n
}

func stackOperations() []*operation {
	return []*operation{{
		service: "cloudformation", name: "DescribeStacks", run: describeStacks,
		resource: func(x *exchange) string {
			if name := x.form.Get("StackName"); name != "" {
				if s := x.reg.stack(name); s != nil {
					return s.ID
				}
				return x.acct.arn("cloudformation", x.reg.name, "stack/"+name+"/*")
			}
			return "*"
		},
	}}
}

func (r *region) stack(name string) *Stack {
	for i := range r.stacks {
		if r.stacks[i].Name == name || r.stacks[i].ID == name {
			return &r.stacks[i]
		}
	}
	return nil
}

type stackParameter struct{ ParameterKey, ParameterValue string }

type stackOutput struct{ OutputKey, OutputValue string }

type stackShape struct {
	StackName       string
	StackID         string `xml:"StackId"`
	CreationTime    *string
	StackStatus     string
	DisableRollback bool
	ParentID        string `xml:"ParentId,omitempty"`
	Parameters      members[stackParameter]
	Outputs         members[stackOutput]
	Tags            members[Tag]
}

func (s *Stack) shape() stackShape {
	out := stackShape{StackName: s.Name, StackID: s.ID, CreationTime: stamp(s.Created), StackStatus: s.Status, ParentID: s.Parent}
	for k, v := range sorted(s.Parameters) {
		out.Parameters.Member = append(out.Parameters.Member, stackParameter{k, v})
	}
	for k, v := range sorted(s.Outputs) {
		out.Outputs.Member = append(out.Outputs.Member, stackOutput{k, v})
	}
	for k, v := range sorted(s.Tags) {
		out.Tags.Member = append(out.Tags.Member, Tag{k, v})
	}
	return out
}

// maxStackPage is how many stacks DescribeStacks gives at once.
const maxStackPage = 100

func describeStacks(x *exchange) (any, error) {
	out := struct {
		Stacks    members[stackShape]
		NextToken string `xml:",omitempty"`
	}{}
	if name := x.form.Get("StackName"); name != "" {
		s := x.reg.stack(name)
		if s == nil {
			return nil, bad("ValidationError", "Stack with id %s does not exist", name)
		}
		out.Stacks.Member = append(out.Stacks.Member, s.shape())
		return out, nil
	}
	at := 0
	if text := x.form.Get("NextToken"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, bad("ValidationError", "Invalid NextToken")
		}
		at = min(n, len(x.reg.stacks))
	}
	end := min(at+maxStackPage, len(x.reg.stacks))
	for i := at; i < end; i++ {
		out.Stacks.Member = append(out.Stacks.Member, x.reg.stacks[i].shape())
	}
	if end < len(x.reg.stacks) {
		out.NextToken = strconv.Itoa(end)
	}
	return out, nil
}
