package deployed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Stack is a deployed stack.
type Stack struct {
	Name    string
	Outputs map[string]string
	cfg     aws.Config
	client  *cloudformation.Client
}

// codeBucket holds the function's zip, as docs/deploy.md has it for users without the CDK.
const codeBucket = "rotationguard-code"

// Deploy deploys what "make template" wrote into folder, by change set: it makes the stack, or updates it.
func (m *Ministack) Deploy(ctx context.Context, name, folder string) (*Stack, error) {
	s := &Stack{Name: name, cfg: m.Config()}
	s.client = cloudformation.NewFromConfig(s.cfg)
	template, err := os.ReadFile(filepath.Join(folder, "Rotationguard.template.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	key, err := s.upload(ctx, filepath.Join(folder, "Rotationguard.zip"))
	if err != nil {
		return nil, err
	}
	kind := types.ChangeSetTypeCreate
	if _, err := s.describe(ctx); err == nil {
		kind = types.ChangeSetTypeUpdate
	}
	change := "to-" + time.Now().UTC().Format("150405.000")
	change = strings.ReplaceAll(change, ".", "-")
	if _, err := s.client.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: &name, ChangeSetName: &change, ChangeSetType: kind, TemplateBody: aws.String(string(template)), Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Parameters: []types.Parameter{
			{ParameterKey: aws.String("CodeBucket"), ParameterValue: aws.String(codeBucket)}, {ParameterKey: aws.String("CodeKey"), ParameterValue: &key},
		},
	}); err != nil {
		return nil, fmt.Errorf("making the change set of %s: %w", name, err)
	}
	if err := cloudformation.NewChangeSetCreateCompleteWaiter(s.client, func(o *cloudformation.ChangeSetCreateCompleteWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).
		Wait(ctx, &cloudformation.DescribeChangeSetInput{StackName: &name, ChangeSetName: &change}, time.Minute); err != nil {
		return nil, fmt.Errorf("making the change set of %s: %w", name, err)
	}
	if _, err := s.client.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &name, ChangeSetName: &change}); err != nil {
		return nil, fmt.Errorf("executing the change set of %s: %w", name, err)
	}
	return s, s.settle(ctx)
}

// upload puts the zip where the template's parameters say, under a key of its own for each content: an update must see that it is other code.
func (s *Stack) upload(ctx context.Context, file string) (string, error) {
	client := s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(codeBucket), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
		LocationConstraint: s3types.BucketLocationConstraint(s.cfg.Region),
	}})
	var there *s3types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &there) {
		return "", fmt.Errorf("making the bucket for the code: %w", err)
	}
	code, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading the code: %w", err)
	}
	defer code.Close()
	key := time.Now().UTC().Format("20060102T150405.000") + ".zip"
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(codeBucket), Key: &key, Body: code}); err != nil {
		return "", fmt.Errorf("uploading the code: %w", err)
	}
	return key, nil
}

func (s *Stack) describe(ctx context.Context) (types.Stack, error) {
	out, err := s.client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.Name})
	if err != nil {
		return types.Stack{}, fmt.Errorf("describing stack %s: %w", s.Name, err)
	}
	if len(out.Stacks) != 1 {
		return types.Stack{}, fmt.Errorf("describing stack %s: %d of that name", s.Name, len(out.Stacks))
	}
	return out.Stacks[0], nil
}

// settle waits until a change of the stack has come to its end, and reads its outputs.
func (s *Stack) settle(ctx context.Context) error {
	for {
		stack, err := s.describe(ctx)
		if err != nil {
			return err
		}
		switch stack.StackStatus {
		case types.StackStatusCreateComplete, types.StackStatusUpdateComplete:
			s.Outputs = map[string]string{}
			for _, o := range stack.Outputs {
				s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
			}
			return nil
		case types.StackStatusCreateInProgress, types.StackStatusUpdateInProgress, types.StackStatusUpdateCompleteCleanupInProgress, types.StackStatusReviewInProgress:
		default:
			return fmt.Errorf("deploying %s: %s %s%s", s.Name, stack.StackStatus, aws.ToString(stack.StackStatusReason), s.failures(ctx))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("deploying %s: %w", s.Name, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// failures are the reasons that resources give.
func (s *Stack) failures(ctx context.Context) string {
	out, err := s.client.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &s.Name})
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, e := range out.StackEvents {
		if strings.HasSuffix(string(e.ResourceStatus), "_FAILED") {
			fmt.Fprintf(&text, "; %s: %s", aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceStatusReason))
		}
	}
	return text.String()
}

// Resources are the physical ids of the stack's resources of a type.
func (s *Stack) Resources(ctx context.Context, typ string) ([]string, error) {
	out, err := s.client.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &s.Name})
	if err != nil {
		return nil, fmt.Errorf("listing the resources of %s: %w", s.Name, err)
	}
	var ids []string
	for _, r := range out.StackResources {
		if aws.ToString(r.ResourceType) == typ {
			ids = append(ids, aws.ToString(r.PhysicalResourceId))
		}
	}
	return ids, nil
}

// Destroy deletes the stack and waits until it is gone.
func (s *Stack) Destroy(ctx context.Context) error {
	if _, err := s.client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &s.Name}); err != nil {
		return fmt.Errorf("destroying %s: %w", s.Name, err)
	}
	return cloudformation.NewStackDeleteCompleteWaiter(s.client, func(o *cloudformation.StackDeleteCompleteWaiterOptions) { o.MinDelay = 200 * time.Millisecond }).
		Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &s.Name}, time.Minute)
}
