package main

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

var (
	vpcID           = regexp.MustCompile(`^vpc-[0-9a-f]{8,17}$`)
	subnetID        = regexp.MustCompile(`^subnet-[0-9a-f]{8,17}$`)
	securityGroupID = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)
)

// validateNetwork holds that a network is named whole: the function has subnets and a security group of the operator's or no network at all.
func (s *Settings) validateNetwork() error {
	if s.VPC == "" && len(s.Subnets) == 0 && len(s.SecurityGroups) == 0 {
		return nil
	}
	if !vpcID.MatchString(s.VPC) || len(s.Subnets) == 0 || len(s.SecurityGroups) == 0 {
		return fmt.Errorf("context vpc %q: a network is a VPC's id with subnets and securityGroups", s.VPC)
	}
	for _, id := range s.Subnets {
		if !subnetID.MatchString(id) {
			return fmt.Errorf("context subnets %q: it is a subnet's id", id)
		}
	}
	for _, id := range s.SecurityGroups {
		if !securityGroupID.MatchString(id) {
			return fmt.Errorf("context securityGroups %q: it is a security group's id", id)
		}
	}
	return nil
}

// inNetwork puts the function into the operator's network, if one is named. Lambda makes the network interfaces in the role's name.
func inNetwork(stack awscdk.Stack, s Settings, props *awslambda.FunctionProps, role awsiam.Role) {
	if s.VPC == "" {
		return
	}
	props.Vpc = awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Vpc"), &awsec2.VpcAttributes{
		VpcId: &s.VPC, AvailabilityZones: jsii.Strings("unknown"), // only subnets by id are used
	})
	var subnets []awsec2.ISubnet
	for _, id := range s.Subnets {
		subnets = append(subnets, awsec2.Subnet_FromSubnetId(stack, jsii.String("Subnet "+id), &id))
	}
	props.VpcSubnets = &awsec2.SubnetSelection{Subnets: &subnets}
	var groups []awsec2.ISecurityGroup
	for _, id := range s.SecurityGroups {
		groups = append(groups, awsec2.SecurityGroup_FromSecurityGroupId(stack, jsii.String("SecurityGroup "+id), &id, nil))
	}
	props.SecurityGroups = &groups
	// The calls of AWSLambdaVPCAccessExecutionRole without its logs. Source: Lambda Developer Guide, "Giving Lambda functions access to resources in an
	// Amazon VPC".
	role.AddToPolicy(statement("NetworkInterfaces", awsiam.Effect_ALLOW, []string{
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:UnassignPrivateIpAddresses",
	}, []string{"*"}, nil))
}

// keepNetworkFromCode denies to the function's own code what Lambda does with its role. Source: Lambda Developer Guide, "Giving Lambda functions access to
// resources in an Amazon VPC", "Security best practices". Like the right to continue it is a policy of its own.
func keepNetworkFromCode(stack awscdk.Stack, s Settings, function awslambda.Function, role awsiam.Role) {
	if s.VPC == "" {
		return
	}
	awsiam.NewPolicy(stack, jsii.String("Network"), &awsiam.PolicyProps{
		Roles: &[]awsiam.IRole{role},
		Statements: &[]awsiam.PolicyStatement{statement("NoNetworkForCode", awsiam.Effect_DENY, []string{
			"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
			"ec2:DetachNetworkInterface", "ec2:UnassignPrivateIpAddresses",
		}, []string{"*"}, map[string]any{"ArnEquals": map[string]any{"lambda:SourceFunctionArn": function.FunctionArn()}})},
	})
}
