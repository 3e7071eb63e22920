package drift

import (
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// ForecastStep is one step of the next rotation with the calls that it makes.
type ForecastStep struct {
	Step  rotation.Step  `json:"step"`
	Calls []ForecastCall `json:"calls"`
}

// ForecastCall is what one call of the next rotation gets. Reached is false when an earlier call fails: the rotation ends there.
type ForecastCall struct {
	Name    string               `json:"name"`
	Request string               `json:"request"` // the action, the resource and the version stage, as text
	Outcome policy.Outcome       `json:"outcome"`
	By      *policy.StatementRef `json:"by,omitempty"` // the statement that allows or denies it
	Why     string               `json:"why,omitempty"`
	Reached bool                 `json:"reached"`
}

// steps are the steps in order with the calls that the published functions make in each, by the names of requirements. A
// requirement is felt at the first.
// Source: aws-samples/aws-secrets-manager-rotation-lambdas, lambda_function.py of each template.
var steps = []struct {
	step  rotation.Step
	calls []string
}{
	{rotation.StepInvoke, []string{"InvokeFunction", "AssumeRole", "CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"}},
	{rotation.StepCreate, []string{"DescribeSecret", "GetSecretValue AWSCURRENT", "Decrypt", "GetSecretValue AWSPENDING", "GetRandomPassword", "PutSecretValue", "GenerateDataKey"}},
	{rotation.StepSet, []string{"DescribeSecret", "GetSecretValue AWSPENDING", "GetSecretValue AWSCURRENT", "master GetSecretValue", "master Decrypt", "master DescribeSecret", "DescribeDBInstances", "DescribeDBClusters"}},
	{rotation.StepTest, []string{"DescribeSecret", "GetSecretValue AWSPENDING"}},
	{rotation.StepFinish, []string{"DescribeSecret", "UpdateSecretVersionStage"}},
}

// Forecast says call by call what would happen at the next rotation of one secret of a judged setup. It is empty for a secret that is
// not checked.
func Forecast(j *Judgement, secret rotation.ARN) []ForecastStep {
	decider := rotation.NewDecider(&j.Setup)
	byName := map[string][]*rotation.Requirement{}
	for i := range j.Contract.Required {
		r := &j.Contract.Required[i]
		if r.Secret == "" || r.Secret == secret {
			name := r.Name
			if r.Target == rotation.TargetMasterKey {
				name = "master " + name
			}
			byName[name] = append(byName[name], r)
		}
	}
	if len(byName["InvokeFunction"])+len(byName["AssumeRole"]) == 0 {
		return nil
	}
	judged := &judge{setup: &j.Setup, contract: &j.Contract, decider: decider, opts: &Options{}}
	var out []ForecastStep
	reached := !judged.orphan() && !j.Setup.Function.StopsInvocation()
	for _, s := range steps {
		step := ForecastStep{Step: s.step}
		for _, name := range s.calls {
			for _, r := range byName[name] {
				call, goesOn := judged.forecast(name, r, reached)
				step.Calls = append(step.Calls, call)
				reached = reached && goesOn
			}
		}
		if len(step.Calls) > 0 {
			out = append(out, step)
		}
	}
	return out
}

// forecast answers one call. A latent denial does not end the rotation.
func (j *judge) forecast(name string, r *rotation.Requirement, reached bool) (ForecastCall, bool) {
	a := j.decider.Decide(r)
	call := ForecastCall{Name: name, Request: requestText(&r.Request), Outcome: a.Outcome, Reached: reached}
	if len(a.By) > 0 {
		call.By = &a.By[0]
	}
	switch {
	case a.Denied():
		f := j.missing(r, &a)
		call.Why, call.By = f.Explanation, f.Statement
		return call, r.Latent
	case a.Outcome == policy.Undecided:
		call.Why = countText(undecidedText(r, &a))
	}
	return call, true
}
