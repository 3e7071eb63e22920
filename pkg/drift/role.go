package drift

import (
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// judgeRole finds what the role that the setups share may do beyond the union of their contracts, and who may assume it.
func judgeRole(judges []*judge, listed *rotation.Listing) roleJudgement {
	var out roleJudgement
	var checked []*judge
	var expected []string
	for _, j := range judges {
		if j.setup.Role.ARN == "" || j.orphan() || len(j.setup.Checked()) == 0 {
			continue
		}
		checked = append(checked, j)
		service := lambdaService
		if j.setup.External() {
			service = secretsManager
		}
		expected = append(expected, service)
	}
	if len(checked) == 0 {
		return out
	}
	out.findings = trustFindings(checked[0], expected)
	if logs := missingLogs(checked); logs != nil {
		out.findings = append(out.findings, logs)
	}
	findings, unsure := roleExcess(checked, listed)
	out.findings, out.unsure = append(out.findings, findings...), unsure
	return out
}

// missingLogs: without these actions a failing rotation cannot be looked into; it rotates all the same.
func missingLogs(judges []*judge) *Finding {
	for _, j := range judges {
		if j.setup.Function.ARN == "" {
			continue
		}
		for _, r := range rotation.LogRequirements(j.setup) {
			a := j.decider.Decide(&r)
			if !a.Denied() {
				continue
			}
			f := &Finding{
				Rule: RuleLogs, Kind: KindRole, Direction: policy.Missing, Severity: Info, Subject: j.setup.Role.ARN, Request: &r.Request, Witness: newWitness(&r.Request, &a.Set),
				Explanation: r.Request.Action + " is denied: the function's log, in which a failing rotation explains itself, is not written",
				Fix: &Fix{
					By: ByPerson, Summary: "Attach AWSLambdaBasicExecutionRole", Where: string(j.setup.Role.ARN),
					Command: command("aws", "iam", "attach-role-policy", "--role-name", j.setup.Role.ARN.RoleName(), "--policy-arn",
						"arn:"+j.setup.Partition+":iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
				},
			}
			return f.identify(j.setup.Account, "logs")
		}
	}
	return nil
}
