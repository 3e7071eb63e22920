package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"

	"github.com/rotationguard/rotationguard/pkg/config"
)

// Settings is what a deployment is made of. What rotationguard.yaml says is the same for the command, the function and
// this app; what only a deployment knows comes from CDK context (cdk.json or --context NAME=VALUE).
type Settings struct {
	// From rotationguard.yaml.
	Config         string        // its path (context config); "" deploys the defaults
	Mode           string        // report, repair or enforce
	Architecture   string        // arm64 or amd64
	Roles          []string      // repair.roles: role ARNs or paths that the writer may change
	Functions      []string      // repair.functions: function ARNs that the writer may change
	TargetBoundary string        // repair.target_boundary
	Templates      []string      // templates: files, from the config's folder
	Member         config.Member // member: the role of other accounts that is read with
	GetFunction    bool          // use_get_function: read functions with GetFunction too
	Ledger         string        // ledger.table: the name of the ledger's table; "" lets CloudFormation name it
	SecurityHub    bool          // alerts.security_hub: import findings into Security Hub

	// From context, by the name beside each.
	Schedule       string            // schedule: a rate(...) or cron(...) expression
	Window         int               // window: minutes within which the schedule may start, so that accounts do not all start at once
	LogDays        int               // logDays: how long the function's log is kept
	Memory         int               // memory: the function's, in MB
	Subscriptions  []string          // subscriptions: an email address, an https URL or the ARN of an SQS queue each
	Key            string            // key: ARN of a KMS key to encrypt with instead of a new one
	Topic          string            // topic: ARN of a topic to publish to instead of a new one
	Table          string            // table: ARN of a DynamoDB table to remember in instead of a new one
	Bucket         string            // bucket: ARN of a bucket to keep reports in instead of a new one
	BucketName     string            // bucketName: the new bucket's name; "" lets CloudFormation name it
	Bus            string            // bus: name or ARN of an event bus to tell on; "" tells on none
	Slack          string            // slack: WORKSPACE/CHANNEL, ids of a Slack channel to tell
	ChatTopic      string            // chatTopic: ARN of a topic that chat channels are subscribed to, instead of a new one
	Boundary       string            // boundary: ARN of a managed policy to put on our own roles as permissions boundary
	Tags           map[string]string // tags: NAME=VALUE each, put on everything that takes tags
	Qualifier      string            // qualifier: the synthesizer's, of a bootstrap of one's own
	Tracing        bool              // tracing: X-Ray follows the function
	VPC            string            // vpc, subnets, securityGroups: ids of a network that the function runs in
	Subnets        []string
	SecurityGroups []string
	Region         string // region: the Region that is swept, "current" for the CDK's; named, IAM's events are sent there from their home Region
	DestroyData    bool   // destroyData: key, ledger and reports go with the stack
	Dist           string // dist: the folder that "make build" wrote
	Fleet          string // fleet: a targets.yaml, whose accounts and Regions a stack of its own sweeps
	SelfContained  bool   // selfContained: a template that takes the function's code by parameters and needs no CDK to deploy
}

const (
	modeReport  = "report"
	modeRepair  = "repair"
	modeEnforce = "enforce"
)

func defaultSettings() Settings {
	s := Settings{Schedule: "rate(6 hours)", Window: 30, LogDays: 90, Memory: 512, Dist: "dist"}
	s.fromConfig(config.Default())
	return s
}

// fromContext reads what only a deployment knows; a value of another form is an error that names it.
func (s *Settings) fromContext(node constructs.Node) error {
	c := contextReader{node: node}
	c.text("config", &s.Config)
	c.text("schedule", &s.Schedule)
	c.number("window", &s.Window)
	c.number("logDays", &s.LogDays)
	c.number("memory", &s.Memory)
	c.list("subscriptions", &s.Subscriptions)
	c.text("key", &s.Key)
	c.text("topic", &s.Topic)
	c.text("table", &s.Table)
	c.text("bucket", &s.Bucket)
	c.text("bucketName", &s.BucketName)
	c.text("bus", &s.Bus)
	c.text("slack", &s.Slack)
	c.text("chatTopic", &s.ChatTopic)
	c.text("boundary", &s.Boundary)
	c.pairs("tags", &s.Tags)
	c.text("qualifier", &s.Qualifier)
	c.truth("tracing", &s.Tracing)
	c.text("vpc", &s.VPC)
	c.list("subnets", &s.Subnets)
	c.list("securityGroups", &s.SecurityGroups)
	c.text("region", &s.Region)
	c.truth("destroyData", &s.DestroyData)
	c.text("dist", &s.Dist)
	c.text("fleet", &s.Fleet)
	c.truth("selfContained", &s.SelfContained)
	return c.err
}

var (
	arnPattern      = regexp.MustCompile(`^arn:aws[a-z-]*:`)
	roleARN         = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/(.+)$`)
	functionARN     = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:([^:]+)(:.+)?$`)
	rolePath        = regexp.MustCompile(`^/([\x21-\x7e]+/)+$`)
	scheduleFormat  = regexp.MustCompile(`^(rate|cron)\(.+\)$`)
	tableARN        = regexp.MustCompile(`^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}$`)
	queueARN        = regexp.MustCompile(`^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:.+$`)
	bucketARN       = regexp.MustCompile(`^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketName      = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	busName         = regexp.MustCompile(`^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[/.\-_A-Za-z0-9]{1,256}$`)
	slackChannel    = regexp.MustCompile(`^T[A-Z0-9]+/[A-Z0-9]+$`)
	regionFormat    = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)
	qualifierFormat = regexp.MustCompile(`^[A-Za-z0-9_-]{1,10}$`)
	emailFormat     = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	onlyWildcards   = regexp.MustCompile(`^[*?/]*$`)
)

// validate says the first thing that would deploy something else than was meant.
func (s *Settings) validate() error {
	switch {
	case s.Mode != modeReport && s.Mode != modeRepair && s.Mode != modeEnforce:
		return fmt.Errorf("mode %q: it is report, repair or enforce", s.Mode)
	case s.Architecture != "arm64" && s.Architecture != "amd64":
		return fmt.Errorf("architecture %q: it is arm64 or amd64", s.Architecture)
	case !scheduleFormat.MatchString(s.Schedule):
		return fmt.Errorf("context schedule %q: it is rate(...) or cron(...)", s.Schedule)
	case s.Window < 0 || s.Window > 1440:
		return fmt.Errorf("context window %d: it is 0 to 1440 minutes", s.Window)
	case s.Memory < 128 || s.Memory > 10240: // Lambda quotas, "Function memory allocation"
		return fmt.Errorf("context memory %d: it is 128 to 10240 MB", s.Memory)
	case retention[s.LogDays] == "":
		return fmt.Errorf("context logDays %d: CloudWatch Logs keeps one of %v days", s.LogDays, slices.Sorted(maps.Keys(retention)))
	}
	for name, arn := range map[string]string{"key": s.Key, "topic": s.Topic, "chatTopic": s.ChatTopic, "boundary": s.Boundary} {
		if arn != "" && !arnPattern.MatchString(arn) {
			return fmt.Errorf("context %s %q: it is an ARN", name, arn)
		}
	}
	if s.Table != "" && !tableARN.MatchString(s.Table) {
		return fmt.Errorf("context table %q: it is the ARN of a DynamoDB table", s.Table)
	}
	if s.Qualifier != "" && !qualifierFormat.MatchString(s.Qualifier) {
		return fmt.Errorf("context qualifier %q: it is at most 10 letters and digits", s.Qualifier)
	}
	if s.Region != "" && !regionFormat.MatchString(s.Region) {
		return fmt.Errorf("context region %q: it is a Region such as eu-west-1, or current where the CDK's command line knows one", s.Region)
	}
	if err := cmp.Or(s.validateTelling(), s.validateNetwork()); err != nil {
		return err
	}
	for _, to := range s.Subscriptions {
		if !emailFormat.MatchString(to) && !strings.HasPrefix(to, "https://") && !queueARN.MatchString(to) {
			return fmt.Errorf("context subscriptions %q: it is an email address, an https URL or the ARN of an SQS queue", to)
		}
	}
	for _, file := range s.Templates {
		if !filepath.IsLocal(file) {
			return fmt.Errorf("templates %q: what is deployed lies in the config's folder or below", file)
		}
	}
	if s.Mode == modeReport {
		return nil
	}
	return s.validateWriter()
}

// validateTelling refuses what would be deployed and tell nobody: a FIFO topic delivers to queues alone (SNS Developer Guide, "Message delivery for
// FIFO topics").
func (s *Settings) validateTelling() error {
	switch {
	case s.Bucket != "" && !bucketARN.MatchString(s.Bucket):
		return fmt.Errorf("context bucket %q: it is the ARN of an S3 bucket", s.Bucket)
	case s.Bucket != "" && s.BucketName != "":
		return errors.New("context bucket and bucketName: name either a bucket that is there or a new one")
	case s.BucketName != "" && !bucketName.MatchString(s.BucketName):
		return fmt.Errorf("context bucketName %q: it is 3 to 63 lower case letters, digits, dots and hyphens", s.BucketName)
	case s.Bus != "" && !busName.MatchString(s.Bus):
		return fmt.Errorf("context bus %q: it is the name or the ARN of an event bus", s.Bus)
	case s.Slack != "" && !slackChannel.MatchString(s.Slack):
		return fmt.Errorf("context slack %q: it is the ids of a workspace and a channel, as T0123ABCD/C0123ABCD", s.Slack)
	case strings.HasSuffix(s.ChatTopic, fifo):
		return fmt.Errorf("context chatTopic %q: chat channels cannot be told by a FIFO topic", s.ChatTopic)
	}
	if strings.HasSuffix(s.Topic, fifo) {
		for _, to := range s.Subscriptions {
			if !queueARN.MatchString(to) {
				return fmt.Errorf("context subscriptions %q: the FIFO topic %s delivers to queues alone", to, s.Topic)
			}
		}
	}
	return nil
}

// fifo ends the name of a FIFO topic.
const fifo = ".fifo"

// validateWriter holds that the writer is limited: no control of IAM limits what a policy document says, so whoever
// controls the writer controls every role that it may write to.
func (s *Settings) validateWriter() error {
	if len(s.Roles) == 0 || len(s.Functions) == 0 {
		return fmt.Errorf("mode %s needs repair.roles and repair.functions: the role ARNs and the function ARNs that may be changed", s.Mode)
	}
	for _, role := range s.Roles {
		var name string
		switch m := roleARN.FindStringSubmatch(role); {
		case m != nil:
			name = m[1]
		case rolePath.MatchString(role):
			name = role
		default:
			return fmt.Errorf("repair.roles %q: it is a role's ARN with account and name, or a path such as /rotation/", role)
		}
		if onlyWildcards.MatchString(name) {
			return fmt.Errorf("repair.roles %q names every role of the account: name roles or paths", role)
		}
	}
	for _, function := range s.Functions {
		m := functionARN.FindStringSubmatch(function)
		if m == nil {
			return fmt.Errorf("repair.functions %q: it is a function's ARN with Region, account and name", function)
		}
		if onlyWildcards.MatchString(m[1]) {
			return fmt.Errorf("repair.functions %q names every function of the account: name functions", function)
		}
	}
	if s.TargetBoundary != "" && !arnPattern.MatchString(s.TargetBoundary) {
		return fmt.Errorf("repair.target_boundary %q: it is the ARN of a managed policy", s.TargetBoundary)
	}
	return nil
}
