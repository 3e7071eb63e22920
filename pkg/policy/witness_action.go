package policy

import (
	_ "embed"
	"strings"
	"sync"
)

// actionsText lists actions that exist, a service a line.
//
//go:embed actions.txt
var actionsText string

// actionLines are the lines of actionsText by service: the actions without the service, with spaces between.
var actionLines = sync.OnceValue(func() map[string]string {
	lines := make(map[string]string, 512)
	for line := range strings.Lines(actionsText) {
		if service, names, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok && service != "#" {
			lines[service] = names
		}
	}
	return lines
})

// actionNames are the actions of a service without the service, with spaces between.
func actionNames(service string) string { return actionLines()[service] }

// realServices are the services that an action is taken from when any will do.
var realServices = []string{"secretsmanager", "iam", "kms", "s3", "lambda", "sts", "ec2", "logs", "dynamodb", "sqs", "sns", "ssm", "rds"}

// tellingActions are the ones that a reader wants to see when a wildcard grants many.
var tellingActions = []string{
	"secretsmanager:getsecretvalue", "secretsmanager:batchgetsecretvalue", "secretsmanager:putsecretvalue",
	"secretsmanager:putresourcepolicy", "secretsmanager:rotatesecret", "secretsmanager:deletesecret", "iam:passrole",
	"iam:putrolepolicy", "iam:attachrolepolicy", "iam:createaccesskey", "kms:decrypt", "lambda:updatefunctioncode",
	"lambda:invokefunction", "sts:assumerole", "s3:getobject", "s3:putobject",
}

// spellAction is an action as IAM spells it. One that is not known here is left as it is written.
func spellAction(written string) string {
	service, name, ok := strings.Cut(written, ":")
	if !ok || looksSpelled(name) && lowerASCII(service) == service {
		return written
	}
	service = lowerASCII(service)
	for names := actionNames(service); names != ""; {
		var known string
		known, names, _ = strings.Cut(names, " ")
		if len(known) == len(name) && equalFold(known, name) {
			return service + ":" + known
		}
	}
	return written
}

// looksSpelled says whether the name of an action is written like IAM's: a capital, then letters of which some are small.
func looksSpelled(name string) bool {
	return len(name) > 1 && 'A' <= name[0] && name[0] <= 'Z' && strings.IndexFunc(name, func(c rune) bool { return 'a' <= c && c <= 'z' }) > 0
}

// titleAction writes the name of a made-up action with a capital, as IAM's are.
func titleAction(lower string) string {
	service, name, ok := strings.Cut(lower, ":")
	if !ok || name == "" {
		return lower
	}
	return service + ":" + strings.ToUpper(name[:1]) + name[1:]
}

// actionHasNoResource says whether an action is known to take no resource, only "*".
func actionHasNoResource(action string) bool {
	service, name, _ := strings.Cut(action, ":")
	switch service {
	case "ec2":
		return strings.HasPrefix(name, "Describe")
	case "secretsmanager":
		return name == "GetRandomPassword" || name == "ListSecrets" || name == "BatchGetSecretValue"
	case "sts":
		return name == "GetCallerIdentity"
	case "s3":
		return name == "ListAllMyBuckets"
	case "iam", "lambda", "kms", "rds", "logs", "sns", "sqs", "dynamodb":
		return strings.HasPrefix(name, "List") && (strings.HasSuffix(name, "s") && service != "sqs" && service != "sns")
	}
	return false
}
