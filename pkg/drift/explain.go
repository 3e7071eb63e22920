package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// refText names a statement in a sentence: `statement 2 ("AllowInvoke") of the function policy`. People count from one.
func refText(ref policy.StatementRef) string {
	sid := ""
	if ref.Sid != "" {
		sid = fmt.Sprintf(" (%q)", rotation.OneLine(ref.Sid))
	}
	return fmt.Sprintf("statement %d%s of the %s", ref.Index+1, sid, rotation.OneLine(ref.Document))
}

// requestText names a request in a sentence.
func requestText(r *policy.Request) string {
	text := r.Action + " on " + rotation.OneLine(r.Resource)
	if r.Resource == "*" {
		text = r.Action
	}
	if stage := r.Context["secretsmanager:VersionStage"]; len(stage) == 1 && strings.HasSuffix(r.Action, ":GetSecretValue") {
		text += " at " + stage[0]
	}
	return text
}

// list writes up to four values and says how many more there are.
func list(values []string) string {
	const most = 4
	shown := make([]string, 0, most)
	for _, v := range values[:min(len(values), most)] {
		shown = append(shown, rotation.OneLine(v))
	}
	text := strings.Join(shown, ", ")
	if more := len(values) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// nearText says why the statement that almost grants the request does not.
func nearText(near policy.Near, r *policy.Request) string {
	var reasons []string
	for _, f := range near.Fails {
		reasons = append(reasons, failText(&f, r))
	}
	return refText(near.Ref) + " comes nearest: " + strings.Join(reasons, "; ")
}

// failText says one failing test in a sentence, with the point behind it where there is one that people miss.
func failText(f *policy.Failure, r *policy.Request) string {
	switch f.Element {
	case policy.ElementAction:
		return "its Action does not list " + r.Action
	case policy.ElementNotAction:
		return "its NotAction leaves " + r.Action + " out"
	case policy.ElementPrincipal, policy.ElementNotPrincipal:
		text := fmt.Sprintf("its %s is %s, the caller is %s", f.Element, list(f.Want), list(f.Have))
		if slices.ContainsFunc(f.Want, func(id string) bool { return strings.HasPrefix(id, "AROA") }) {
			text += " (an id beginning with AROA is left when the role that was named has been deleted; a role made again with its name is another principal)"
		}
		return text
	case policy.ElementResource, policy.ElementNotResource:
		return fmt.Sprintf("its %s %s does not match %s%s", f.Element, list(f.Want), rotation.OneLine(r.Resource), resourceHint(f.Want, r))
	default:
		return conditionText(f, r)
	}
}

// resourceHint names the reason behind a resource that almost matches.
func resourceHint(want []string, r *policy.Request) string {
	have := rotation.ARN(r.Resource)
	p := have.Parts()
	for _, w := range want {
		wp := rotation.ARN(w).Parts()
		switch {
		case r.Resource == "*":
			return " (the action has no resource type: only * grants it)"
		case p.Service == "kms" && strings.HasPrefix(wp.Resource, "alias/"):
			return " (an alias in Resource does not authorize the key behind it: the key's own ARN must be there)"
		case wp.Service != p.Service:
			continue
		case p.Service == "secretsmanager" && wp.Region != p.Region && wp.Region != "" && !strings.ContainsAny(wp.Region, "*?"):
			return " (it names another Region)"
		case p.Service == "secretsmanager" && wp.Account != p.Account && wp.Account != "" && !strings.ContainsAny(wp.Account, "*?"):
			return " (it names another account)"
		case p.Service == "secretsmanager":
			name, _, ok := have.SecretName()
			wantName, _, complete := rotation.ARN(w).SecretName()
			switch {
			case ok && wp.Resource == "secret:"+name:
				return " (it is a partial ARN: the dash and the six characters at its end are missing)"
			case ok && complete && wantName == name:
				return " (it has the suffix of an earlier secret of the same name)"
			}
		case p.Service == "lambda":
			function, qualifier := have.SplitFunction()
			other, otherQualifier := rotation.ARN(w).SplitFunction()
			if function == other && qualifier != otherQualifier {
				return " (it names another qualifier of the function)"
			}
		}
	}
	return ""
}

// neverCarried are keys that only a service sets when it calls on behalf of a resource. Source: IAM User Guide, "AWS global
// condition context keys".
func neverCarried(key string) bool {
	switch strings.ToLower(key) {
	case "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths":
		return true
	}
	return false
}

func conditionText(f *policy.Failure, r *policy.Request) string {
	key := rotation.OneLine(f.Key)
	switch {
	case f.Unknown:
		return fmt.Sprintf("its condition %s on %s cannot be decided from here", f.Operator, key)
	case f.Absent && neverCarried(f.Key) && r.Caller.Kind == policy.CallerRole:
		return fmt.Sprintf("its condition on %s voids it: only a service that calls on behalf of a resource sends that key, the function's own calls do not", key)
	case f.Absent && r.Action == "secretsmanager:GetRandomPassword":
		return fmt.Sprintf("its condition on %s voids it: GetRandomPassword has no condition keys of a secret", key)
	case f.Absent && strings.EqualFold(f.Key, rotation.AllowRotationKey):
		return fmt.Sprintf("its condition wants %s to be %s, and the secret names no rotation function", key, list(f.Want))
	case f.Absent:
		return fmt.Sprintf("its condition %s on %s fails: the call carries no such key", f.Operator, key)
	case strings.EqualFold(f.Key, rotation.AllowRotationKey):
		return fmt.Sprintf("its condition wants %s to be %s, the secret stores %s%s", key, list(f.Want), list(f.Have), functionHint(f))
	default:
		return fmt.Sprintf("its condition %s wants %s to be %s, it is %s", f.Operator, key, list(f.Want), list(f.Have))
	}
}

// functionHint tells how the function that a condition names differs from the one stored on the secret.
func functionHint(f *policy.Failure) string {
	if len(f.Have) != 1 {
		return ""
	}
	function, qualifier := rotation.ARN(f.Have[0]).SplitFunction()
	for _, w := range f.Want {
		other, otherQualifier := rotation.ARN(w).SplitFunction()
		p, op := function.Parts(), other.Parts()
		switch {
		case function == other && qualifier != otherQualifier:
			return " (the qualifier counts: the ARN is compared as it is stored)"
		case p.Resource == op.Resource && p.Region != op.Region:
			return " (it names the function of another Region)"
		case p.Resource == op.Resource && p.Account != op.Account:
			return " (it names the function of another account)"
		}
	}
	return ""
}

// gapText says what could not be read and how to let it be read.
func gapText(g rotation.Gap) string {
	text := rotation.OneLine(g.Call) + " on " + rotation.OneLine(g.Resource) + ": " + rotation.OneLine(g.Code)
	if g.Message != "" {
		text += ", " + rotation.OneLine(g.Message)
	}
	if g.Permission != "" && (strings.Contains(g.Code, "Denied") || strings.Contains(g.Code, "Unauthorized")) {
		text += " (allow " + rotation.OneLine(g.Permission) + " to read it)"
	}
	return text
}
