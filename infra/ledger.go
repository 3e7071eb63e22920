package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// The table's attributes, as package ledger names them.
const (
	ledgerPartitionKey = "pk"
	ledgerSortKey      = "sk"
	ledgerExpiry       = "expires"
)

// newLedger is the table that remembers since when a secret names its function, what was found, and every write with what was there
// before. It outlives the stack: without it nothing can be rolled back. A table given by ARN keeps its own settings.
func newLedger(stack awscdk.Stack, s Settings, key awskms.IKey) awsdynamodb.ITable {
	if s.Table != "" {
		return awsdynamodb.Table_FromTableArn(stack, jsii.String("Ledger"), &s.Table)
	}
	attribute := func(name string) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: &name, Type: awsdynamodb.AttributeType_STRING}
	}
	props := &awsdynamodb.TableProps{
		PartitionKey:        attribute(ledgerPartitionKey),
		SortKey:             attribute(ledgerSortKey),
		TimeToLiveAttribute: jsii.String(ledgerExpiry),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		Encryption:    awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey: key,
		RemovalPolicy: kept(s),
	}
	if s.Ledger != "" {
		props.TableName = &s.Ledger
	}
	return awsdynamodb.NewTable(stack, jsii.String("Ledger"), props)
}

// grantLedger lets the function make the calls of package ledger that its mode makes. DynamoDB uses the table's key in the caller's name
// (DynamoDB Developer Guide, "DynamoDB encryption at rest: usage notes"), and through nothing but DynamoDB.
func grantLedger(stack awscdk.Stack, s Settings, reader awsiam.Role, table awsdynamodb.ITable, key awskms.IKey) {
	calls := []string{"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}
	if s.Mode != modeReport { // the lease of the one writer, and the journal that hangs on it
		calls = append(calls, "dynamodb:UpdateItem")
	}
	reader.AddToPolicy(statement("Remember", awsiam.Effect_ALLOW, calls, []string{*table.TableArn()}, nil))
	useKey(stack, reader, "RememberEncrypted", key, "dynamodb", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
}
