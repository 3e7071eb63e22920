package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/rotationguard/rotationguard/pkg/config"
)

// Fleet is what the fleet's stack is made of: a targets file, and the member role that it and the config name.
type Fleet struct {
	File    string // its path (context fleet)
	Targets config.Targets
	Member  config.Member
}

// newFleet reads the targets file; what a deployed fleet cannot do without is an error that names it.
func newFleet(s Settings) (Fleet, error) {
	t, err := config.LoadTargets(s.Fleet)
	if err != nil {
		return Fleet{}, err
	}
	member, err := t.Member(s.Member)
	switch {
	case err != nil:
		return Fleet{}, err
	case member.ExternalID == "":
		return Fleet{}, t.ProblemAt("external_id", fmt.Errorf("missing: the member roles of a deployed fleet ask for one"))
	case !t.Listed() && len(t.Organization.OUs) == 0:
		return Fleet{}, t.ProblemAt("organization.ous", fmt.Errorf("missing: name the organization's root (r-…), or units, for the stack set that gives the member roles"))
	case s.SelfContained:
		return Fleet{}, fmt.Errorf("context fleet: a fleet is deployed with the CDK; leave selfContained out")
	case s.Mode != modeReport && member.WriterRole == "":
		return Fleet{}, fmt.Errorf("mode %s: name the role that changes are written with in each account as member.writer_role", s.Mode)
	}
	return Fleet{File: s.Fleet, Targets: t, Member: member}, nil
}

// fleetStack is what the parts of the fleet's stack share.
type fleetStack struct {
	stack    awscdk.Stack
	settings Settings
	fleet    Fleet
	code     map[string]Package // by function
	key      awskms.IKey
	bucket   awss3.Bucket
	topic    awssns.ITopic
	ledger   awsdynamodb.ITable
}

// newFleetStack sweeps many accounts and Regions: a schedule starts a state machine, which lists the targets, sweeps each with its member role,
// and gathers the reports into one.
func newFleetStack(scope constructs.Construct, id string, s Settings, f Fleet, code map[string]Package) (awscdk.Stack, error) {
	own := awscdk.NewStack(scope, &id, stackProps(s, "rotationguard: sweeps the accounts and Regions of a fleet"))
	stack := &fleetStack{stack: own, settings: s, fleet: f, code: code}
	stack.key = newKey(own, s)
	stack.topic = newTopic(own, s, stack.key)
	stack.ledger = newLedger(own, s, stack.key)
	stack.bucket = stack.newBucket()

	targets, sweep, digest := stack.targets(), stack.sweep(), stack.digest()
	machine := stack.newMachine(targets, sweep, digest)
	stack.newSchedule(machine)
	stack.newAlarms(machine)
	if err := stack.newMembers(sweep.Role()); err != nil {
		return nil, err
	}
	output(own, "StateMachineArn", machine.AttrArn(), "start it by hand for a sweep of the fleet now")
	output(own, "ReportsBucket", stack.bucket.BucketName(), "runs/RUN/fleet.html is the report of a run")
	output(own, "TopicArn", stack.topic.TopicArn(), "subscribe to the fleet's alerts here")
	output(own, "LedgerTable", stack.ledger.TableName(), "what runs remember of each target; as ledger.table the command shares it")
	output(own, "FleetRoleArn", sweep.Role().RoleArn(), "the member roles trust this role and no other")
	return own, nil
}

// newBucket keeps the reports and the map runs' results. It outlives the stack: reports are evidence.
func (f *fleetStack) newBucket() awss3.Bucket {
	return awss3.NewBucket(f.stack, jsii.String("Reports"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		Encryption:        awss3.BucketEncryption_KMS,
		EncryptionKey:     f.key,
		BucketKeyEnabled:  jsii.Bool(true),
		Versioned:         jsii.Bool(true),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		RemovalPolicy:     kept(f.settings),
		AutoDeleteObjects: jsii.Bool(f.settings.DestroyData), // S3 deletes no bucket that holds anything
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id: jsii.String("Forget"), Expiration: awscdk.Duration_Days(jsii.Number(400)), NoncurrentVersionExpiration: awscdk.Duration_Days(jsii.Number(30)),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(1)),
		}, {
			Id: jsii.String("ForgetContinuations"), Prefix: jsii.String(continuePrefix),
			Expiration: awscdk.Duration_Days(jsii.Number(1)), NoncurrentVersionExpiration: awscdk.Duration_Days(jsii.Number(1)),
		}},
	})
}

// function is one of the fleet's functions with a role of its own, which may write its log and use the bucket's key through S3.
func (f *fleetStack) function(name, package_, description string, memory int, environment map[string]*string) (awslambda.Function, awsiam.Role) { //nolint:revive // package is a keyword
	role := awsiam.NewRole(f.stack, jsii.String(name+"Role"), &awsiam.RoleProps{
		Description: jsii.String("rotationguard " + description),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	role.AddToPolicy(denySecretValues())
	f.useKey(role)
	log := awslogs.NewLogGroup(f.stack, jsii.String(name+"Log"), &awslogs.LogGroupProps{
		Retention: retention[f.settings.LogDays], RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	log.GrantWrite(role)
	environment["ROTATIONGUARD_REPORTS_BUCKET"] = f.bucket.BucketName()
	environment["ROTATIONGUARD_TARGETS"] = jsii.String(targetsInPackage)
	if f.settings.Config != "" {
		environment["ROTATIONGUARD_CONFIG"] = jsii.String(configInPackage)
	}
	folder := f.code[package_].folder
	return awslambda.NewFunction(f.stack, jsii.String(name), &awslambda.FunctionProps{
		Description:   jsii.String("rotationguard: " + description),
		Runtime:       awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:  architecture(f.settings),
		Handler:       jsii.String("bootstrap"),
		Code:          awslambda.Code_FromAsset(&folder, nil),
		Role:          role,
		LogGroup:      log,
		LoggingFormat: awslambda.LoggingFormat_JSON,
		Environment:   &environment,
		MemorySize:    jsii.Number(memory),
		Timeout:       awscdk.Duration_Minutes(jsii.Number(15)),
	}), role
}

// useKey lets a role use the stack's key for what it keeps in S3, and through nothing but S3: for reading and writing, and with more calls where more is named.
func (f *fleetStack) useKey(role awsiam.Role, more ...string) {
	role.AddToPolicy(statement("UseKeyThroughS3", awsiam.Effect_ALLOW, append([]string{"kms:Decrypt", "kms:GenerateDataKey"}, more...), []string{*f.key.KeyArn()},
		map[string]any{"StringEquals": map[string]any{"kms:ViaService": "s3." + *f.stack.Region() + "." + *f.stack.UrlSuffix()}}))
}

// objects lets a role make calls on the reports' bucket under a prefix.
func (f *fleetStack) objects(role awsiam.Role, sid string, under []string, actions ...string) {
	arns := make([]string, len(under))
	for i, prefix := range under {
		arns[i] = *f.bucket.BucketArn() + "/" + prefix
	}
	role.AddToPolicy(statement(sid, awsiam.Effect_ALLOW, actions, arns, nil))
}

// targets lists the accounts and Regions.
func (f *fleetStack) targets() awslambda.Function {
	function, role := f.function("Targets", "targets", "lists the accounts and Regions of the fleet", 256, map[string]*string{})
	f.objects(role, "WriteList", []string{"runs/*"}, "s3:PutObject")
	if !f.fleet.Targets.Listed() {
		// The reading calls of Organizations that the walk makes; Account Management's takes any member account. Neither can be limited to
		// resources that are known here: Service Authorization Reference, AWS Organizations and AWS Account Management.
		role.AddToPolicy(statement("ListOrganization", awsiam.Effect_ALLOW, []string{
			"organizations:ListAccounts", "organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent", "organizations:ListRoots",
			"organizations:ListTagsForResource", "account:ListRegions",
		}, []string{"*"}, nil))
	}
	return function
}

// sweep is the same function as a single account's, for one target at a time.
func (f *fleetStack) sweep() awslambda.Function {
	function, role := f.function("Sweep", "sweep", "sweeps one account and Region of the fleet", 512, map[string]*string{
		"ROTATIONGUARD_LEDGER_TABLE": f.ledger.TableName(),
	})
	f.objects(role, "WriteReports", []string{runsPrefix + "*", continuePrefix + "*"}, "s3:PutObject", "s3:GetObject") // GetObject is what HeadObject needs
	grantLedger(f.stack, f.settings, role, f.ledger, f.key)
	f.assumeMembers(role)
	return function
}

// namedRoom is how many characters of a policy may name accounts one by one: a role's inline policies may have 10,240 together (IAM User Guide, "IAM and AWS STS quotas").
const namedRoom = 6000

// assumeMembers lets the fleet's role assume the member role and no other: with the external id, in accounts of the organization, and where
// few accounts are listed in those alone. Sessions carry the two tags of package fleet.
func (f *fleetStack) assumeMembers(role awsiam.Role) {
	accounts, organization := []string{"*"}, f.fleet.Targets.Organization.ID
	if f.fleet.Targets.Listed() {
		organization = "${aws:PrincipalOrgID}"
	}
	// Two statements name each role.
	if one := len("\"arn:aws-us-gov:iam::111122223333:role/\",") + len(f.fleet.Member.Role); f.fleet.Targets.Listed() && 2*one*len(f.fleet.Targets.Targets) <= namedRoom {
		accounts = nil
		for _, t := range f.fleet.Targets.Targets {
			accounts = append(accounts, t.Account)
		}
	}
	arns := make([]string, len(accounts))
	for i, account := range accounts {
		arns[i] = "arn:" + *f.stack.Partition() + ":iam::" + account + ":role/" + f.fleet.Member.Role
	}
	member := map[string]any{"aws:ResourceOrgID": organization, "sts:ExternalId": f.fleet.Member.ExternalID}
	role.AddToPolicy(statement("AssumeMembers", awsiam.Effect_ALLOW, []string{"sts:AssumeRole"}, arns, map[string]any{"StringEquals": member}))
	role.AddToPolicy(statement("TagMemberSessions", awsiam.Effect_ALLOW, []string{"sts:TagSession"}, arns, map[string]any{
		"StringEquals": member, "ForAllValues:StringEquals": map[string]any{"aws:TagKeys": sessionTags},
	}))
}

// sessionTags are the tags that package fleet gives a session in a member account.
var sessionTags = []string{"rotationguard-run", "rotationguard-mode"}

// digest gathers the reports and tells of them.
func (f *fleetStack) digest() awslambda.Function {
	function, role := f.function("Digest", "digest", "makes one report and one alert of the fleet's", 2048, map[string]*string{
		"ROTATIONGUARD_TOPIC_ARN": f.topic.TopicArn(), "ROTATIONGUARD_LEDGER_TABLE": f.ledger.TableName(),
	})
	remembers := f.settings
	remembers.Mode = modeReport // it writes nothing but what was told
	grantLedger(f.stack, remembers, role, f.ledger, f.key)
	f.objects(role, "GatherReports", []string{"runs/*"}, "s3:GetObject", "s3:PutObject")
	// Without the right to list, S3 answers a missing object as if it were denied.
	role.AddToPolicy(statement("ListReports", awsiam.Effect_ALLOW, []string{"s3:ListBucket"}, []string{*f.bucket.BucketArn()},
		map[string]any{"StringLike": map[string]any{"s3:prefix": "runs/*"}}))
	f.topic.GrantPublish(role)
	return function
}
