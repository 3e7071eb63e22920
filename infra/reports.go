package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// What lies in the reports' bucket: the reports of runs, and what a sweep that ran out of time hands to its continuation.
const (
	runsPrefix     = "runs/"
	continuePrefix = "continue/"
)

// newReports is the bucket that keeps full reports. It outlives the stack: reports are evidence. A bucket given by ARN keeps its own settings.
func newReports(stack awscdk.Stack, s Settings, key awskms.IKey) awss3.IBucket {
	if s.Bucket != "" {
		return awss3.Bucket_FromBucketArn(stack, jsii.String("Reports"), &s.Bucket)
	}
	props := &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		Encryption:        awss3.BucketEncryption_KMS,
		EncryptionKey:     key,
		BucketKeyEnabled:  jsii.Bool(true),
		Versioned:         jsii.Bool(true),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		RemovalPolicy:     kept(s),
		LifecycleRules: &[]*awss3.LifecycleRule{
			{
				Id: jsii.String("Forget"), Expiration: awscdk.Duration_Days(jsii.Number(400)), NoncurrentVersionExpiration: awscdk.Duration_Days(jsii.Number(30)),
				AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(1)),
			},
			{
				Id: jsii.String("ForgetContinuations"), Prefix: jsii.String(continuePrefix),
				Expiration: awscdk.Duration_Days(jsii.Number(1)), NoncurrentVersionExpiration: awscdk.Duration_Days(jsii.Number(1)),
			},
		},
	}
	if s.DestroyData && !s.SelfContained { // S3 deletes no bucket that holds anything
		props.AutoDeleteObjects = jsii.Bool(true)
	}
	if s.BucketName != "" {
		props.BucketName = &s.BucketName
	}
	return awss3.NewBucket(stack, jsii.String("Reports"), props)
}

// grantReports lets the function write reports and what it continues from, and read both; HeadObject takes the right to GetObject (Amazon S3 API
// reference, HeadObject).
func grantReports(stack awscdk.Stack, reader awsiam.Role, bucket awss3.IBucket, key awskms.IKey) {
	reader.AddToPolicy(statement("KeepReports", awsiam.Effect_ALLOW, []string{"s3:GetObject", "s3:PutObject"},
		[]string{*bucket.BucketArn() + "/" + runsPrefix + "*", *bucket.BucketArn() + "/" + continuePrefix + "*"}, nil))
	useKey(stack, reader, "KeepReportsEncrypted", key, "s3", "kms:Decrypt", "kms:GenerateDataKey")
}

// useKey lets a role use a key through one service and nothing else. Source: KMS Developer Guide, "kms:ViaService".
func useKey(stack awscdk.Stack, role awsiam.Role, sid string, key awskms.IKey, service string, actions ...string) {
	via := strings.Join([]string{service, *stack.Region(), *stack.UrlSuffix()}, ".")
	role.AddToPolicy(statement(sid, awsiam.Effect_ALLOW, actions, []string{*key.KeyArn()},
		map[string]any{"StringEquals": map[string]any{"kms:ViaService": via}}))
}
