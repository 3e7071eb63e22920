package drift

import (
	"fmt"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// orphan says whether what rotates the setup's secrets is gone.
func (j *judge) orphan() bool {
	return j.setup.Function.Presence == rotation.Absent || j.setup.Role.Presence == rotation.Absent
}

// orphanFinding says what is gone that should rotate the secret, or is nil.
func (j *judge) orphanFinding(s *rotation.Secret) *Finding {
	f := &Finding{Rule: RuleOrphan, Direction: policy.Missing, Severity: Critical, Secret: s.ARN, Function: s.FunctionARN}
	role := j.setup.Role.ARN
	switch {
	case s.Kind == rotation.KindLambda && s.FunctionARN == "":
		f.Kind, f.Subject = KindSecret, s.ARN
		f.Explanation = "Rotation is enabled, but the secret names no function, no owning service and no external rotation role: nothing rotates it"
	case j.setup.Function.Presence == rotation.Absent:
		_, qualifier := j.setup.Function.ARN.SplitFunction()
		what := "the rotation function " + rotation.OneLine(string(s.FunctionARN)) + " does not exist"
		if qualifier != "" {
			what = "the rotation function, or its version or alias " + rotation.OneLine(qualifier) + ", does not exist: " + rotation.OneLine(string(s.FunctionARN))
		}
		f.Kind, f.Subject = KindFunction, s.FunctionARN
		f.Explanation = upperFirst(what) + "; the secret still names it"
		f.Request = &policy.Request{Caller: policy.Caller{Kind: policy.CallerService, Service: secretsManager}, Action: "lambda:InvokeFunction", Resource: string(s.FunctionARN)}
	case j.setup.Role.Presence == rotation.Absent && role != "":
		f.Kind, f.Subject = KindRole, role
		what, service := "the execution role", lambdaService
		if s.Kind == rotation.KindExternal {
			what, service = "the rotation role", secretsManager
		}
		f.Explanation = fmt.Sprintf("%s %s does not exist; a role made again with its name is another principal in key and secret policies", upperFirst(what), rotation.OneLine(string(role)))
		f.Request = &policy.Request{Caller: policy.Caller{Kind: policy.CallerService, Service: service}, Action: "sts:AssumeRole", Resource: string(role)}
	default:
		return nil
	}
	f.Fix = &Fix{
		By: ByPerson, Where: "secret " + rotation.OneLine(string(s.ARN)), Summary: "Point the secret to a function that exists, make the missing one again, or turn rotation off",
		Command: command("aws", "secretsmanager", "cancel-rotate-secret", "--region", s.ARN.Parts().Region, "--secret-id", string(s.ARN)),
	}
	if f.Request != nil {
		f.Witness = newWitness(f.Request, &policy.Set{})
	}
	return f.identify(j.setup.Account, "gone")
}

// upperFirst begins a sentence; an ARN or an action at its head keeps its spelling.
func upperFirst(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if s == "" || s[0] < 'a' || s[0] > 'z' || strings.Contains(word, ":") {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// functionRegion: Secrets Manager knows the functions of its own Region only.
// Source: Secrets Manager User Guide, "Understanding and customizing your Lambda rotation function".
func (j *judge) functionRegion(t *tally) []*Finding {
	fn := j.setup.Function.ARN
	region := fn.Parts().Region
	if region == "" || region == j.setup.Region {
		return nil
	}
	f := &Finding{
		Rule: RuleFunctionRegion, Kind: KindFunction, Direction: policy.Missing, Severity: Critical, Subject: fn, Function: fn,
		Explanation: fmt.Sprintf("The function is in %s, the secret in %s: Secrets Manager finds only functions of its own Region", rotation.OneLine(region), j.setup.Region),
		Request:     &policy.Request{Caller: policy.Caller{Kind: policy.CallerService, Service: secretsManager}, Action: "lambda:InvokeFunction", Resource: string(fn)},
		Fix:         &Fix{By: ByPerson, Where: "secret", Summary: "Make the function in " + j.setup.Region + " and point the secret to it"},
	}
	f.Witness = newWitness(f.Request, &policy.Set{})
	t.denied = append(t.denied, fmt.Sprintf("the function is in another Region, %s", rotation.OneLine(region)))
	return []*Finding{f.identify(j.setup.Account, region)}
}

// functionState is what the function's own state says of the next rotation.
// Source: Lambda Developer Guide, "Lambda function states"; Lambda API, State and LastUpdateStatus.
func (j *judge) functionState(t *tally) []*Finding {
	fn := &j.setup.Function
	if fn.Presence != rotation.Present {
		return nil
	}
	f := &Finding{
		Rule: RuleFunctionState, Kind: KindFunction, Direction: policy.Missing, Subject: fn.ARN, Function: fn.ARN,
		Fix: &Fix{By: ByPerson, Where: "function " + rotation.OneLine(string(fn.ARN)), Summary: "Mend what the reason names and update the function's configuration",
			Command: command("aws", "lambda", "get-function-configuration", "--region", j.setup.Region, "--function-name", string(fn.ARN), "--query", "[State,StateReason,LastUpdateStatus,LastUpdateStatusReason]")},
	}
	switch {
	case fn.StopsInvocation():
		f.Severity = Critical
		f.Explanation = fmt.Sprintf("The function is in the state %s%s: it cannot be invoked", rotation.OneLine(fn.State), reasonText(fn.StateReason))
		f.Request = &policy.Request{Caller: policy.Caller{Kind: policy.CallerService, Service: secretsManager}, Action: "lambda:InvokeFunction", Resource: string(fn.ARN)}
		f.Witness = newWitness(f.Request, &policy.Set{})
		t.denied = append(t.denied, fmt.Sprintf("the function is in the state %s%s", rotation.OneLine(fn.State), reasonText(fn.StateReason)))
	case fn.State == "Inactive":
		f.Severity = Info
		f.Explanation = "The function is Inactive" + reasonText(fn.StateReason) + ": the first invocation fails while Lambda restores it, and Secrets Manager tries again"
	case fn.LastUpdateStatus == "Failed":
		f.Severity = Info
		f.Explanation = "The function's last update failed" + reasonText(fn.LastUpdateReason) + ": it runs with the configuration that it had before"
	default:
		return nil
	}
	return []*Finding{f.identify(j.setup.Account, fn.State, fn.LastUpdateStatus)}
}

func reasonText(code string) string {
	if code == "" {
		return ""
	}
	return " (" + rotation.OneLine(code) + ")"
}
