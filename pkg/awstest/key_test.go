package awstest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

func TestKeyIDs(t *testing.T) {
	a, c := start(t)
	arn := a.AddKey(awstest.Key{ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Aliases: []string{"alias/db"}, State: "Disabled"})
	for name, id := range map[string]string{
		"key id": "1234abcd-12ab-34cd-56ef-1234567890ab", "key ARN": arn, "alias": "alias/db",
		"alias ARN": "arn:aws:kms:us-east-1:123456789012:alias/db",
	} {
		t.Run(name, func(t *testing.T) {
			k := ok(c.kms.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id}))(t).KeyMetadata
			if *k.Arn != arn || k.KeyState != types.KeyStateDisabled || k.Enabled || k.KeyManager != types.KeyManagerTypeCustomer {
				t.Errorf("%s is %+v", id, k)
			}
		})
	}
	if k := ok(c.kms.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: str("alias/aws/secretsmanager")}))(t).KeyMetadata; k.KeyManager != types.KeyManagerTypeAws {
		t.Errorf("the key of Secrets Manager is managed by %s", k.KeyManager)
	}
	for name, id := range map[string]string{
		"no such key": "none", "no such alias": "alias/none", "another Region": strings.Replace(arn, "us-east-1", "eu-west-1", 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.kms.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
			wantCode(t, err, "NotFoundException", badRequest)
		})
	}
	_, err := c.kms.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: str(strings.Replace(arn, "123456789012", "210987654321", 1))})
	wantCode(t, err, "AccessDeniedException", badRequest)
	_, err = c.kms.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: str("alias/db")})
	wantCode(t, err, "NotFoundException", badRequest)
}

func TestKeyPolicyAndGrants(t *testing.T) {
	a, c := start(t)
	ctx := t.Context()
	id := *ok(c.kms.CreateKey(ctx, &kms.CreateKeyInput{Description: str("d")}))(t).KeyMetadata.KeyId
	ok(c.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: str("alias/x"), TargetKeyId: &id}))(t)
	_, err := c.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: str("alias/x"), TargetKeyId: &id})
	wantCode(t, err, "AlreadyExistsException", badRequest)
	p := ok(c.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id}))(t)
	if *p.PolicyName != "default" || !strings.Contains(*p.Policy, "arn:aws:iam::123456789012:root") {
		t.Errorf("key policy = %+v", p)
	}
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/r"},"Action":"kms:*","Resource":"*"}]}`
	ok(c.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, Policy: &doc}))(t)
	if k, _ := a.Key("alias/x"); k.Policy != doc {
		t.Errorf("key policy = %s", k.Policy)
	}
	_, err = c.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, Policy: str("{}")})
	wantCode(t, err, "MalformedPolicyDocumentException", badRequest)
	for i := range 60 {
		ok(c.kms.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: str(fmt.Sprint("arn:aws:iam::123456789012:role/r", i%2)), Operations: []types.GrantOperation{"Decrypt"},
			Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"SecretARN": "x"}}}))(t)
	}
	n, pages := 0, 0
	for p := kms.NewListGrantsPaginator(c.kms, &kms.ListGrantsInput{KeyId: &id}); p.HasMorePages(); pages++ {
		n += len(ok(p.NextPage(ctx))(t).Grants)
	}
	if n != 60 || pages != 2 {
		t.Errorf("%d grants in %d pages, want 60 in 2", n, pages)
	}
	some := ok(c.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &id, GranteePrincipal: str("arn:aws:iam::123456789012:role/r1"), Limit: aws.Int32(100)}))(t).Grants
	if len(some) != 30 || some[0].Constraints.EncryptionContextEquals["SecretARN"] != "x" || some[0].Operations[0] != "Decrypt" {
		t.Errorf("%d grants of one principal", len(some))
	}
	_, err = c.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &id, Marker: str("x")})
	wantCode(t, err, "InvalidMarkerException", badRequest)
	if aliases := ok(c.kms.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &id}))(t).Aliases; *aliases[0].AliasName != "alias/x" {
		t.Errorf("aliases = %+v", aliases)
	}
	ok(c.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))(t)
	ok(c.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}))(t)
	ok(c.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)}))(t)
	k := ok(c.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id}))(t).KeyMetadata
	if k.KeyState != types.KeyStatePendingDeletion || k.DeletionDate == nil {
		t.Errorf("key = %+v", k)
	}
	_, err = c.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, Policy: &doc})
	wantCode(t, err, "KMSInvalidStateException", badRequest)
}
