package policy

import (
	_ "embed"
	"strings"
)

// actionsText lists actions that exist, a service a line.
//
//go:embed actions.txt
var actionsText string

// actionNames is the line of a service: its actions without the service, with spaces between. The lines are sorted.
func actionNames(service string) string {
	low, high := 0, len(actionsText)
	for low < high {
		start := strings.LastIndexByte(actionsText[:(low+high)/2], '\n') + 1
		line, _, _ := strings.Cut(actionsText[start:], "\n")
		name, names, _ := strings.Cut(line, " ")
		switch {
		case name == service:
			return names
		case name < service:
			low = start + len(line) + 1
		default:
			high = start
		}
	}
	return ""
}

// realActions lists actions of a service, those that expose most first.
func realActions(service string) []string {
	names := strings.Fields(actionNames(service))
	for i, n := range names {
		names[i] = service + ":" + n
	}
	return names
}

// realServices are the services that an action is taken from when any will do.
var realServices = []string{"secretsmanager", "iam", "kms", "s3", "lambda", "sts", "ec2", "logs", "dynamodb", "sqs", "sns", "ssm", "rds"}

// tellingActions are the ones that a reader wants to see when a wildcard grants many.
var tellingActions = []string{
	"secretsmanager:getsecretvalue", "secretsmanager:batchgetsecretvalue", "secretsmanager:putsecretvalue",
	"secretsmanager:putresourcepolicy", "secretsmanager:rotatesecret", "secretsmanager:deletesecret", "iam:passrole",
	"iam:putrolepolicy", "iam:attachrolepolicy", "iam:createaccesskey", "kms:decrypt", "lambda:updatefunctioncode",
	"lambda:invokefunction", "sts:assumerole", "s3:getobject", "s3:putobject",
}

// spellAction is a lower-case action as IAM spells it; written is the spelling to keep when the action is not known here.
func spellAction(lower, written string) string {
	service, name, ok := strings.Cut(lower, ":")
	if !ok {
		return written
	}
	for names := actionNames(service); names != ""; {
		var known string
		known, names, _ = strings.Cut(names, " ")
		if len(known) == len(name) && equalFold(known, name) {
			return service + ":" + known
		}
	}
	return written
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
