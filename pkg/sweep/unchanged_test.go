package sweep_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// longUnchanged is the demo's account with secrets that were last changed days ago.
func longUnchanged(t *testing.T) *awstest.Account {
	t.Helper()
	a := newAccount(t)
	for _, s := range a.Secrets() {
		a.UpdateSecret(s.ARN, func(s *awstest.Secret) { s.Changed = time.Now().AddDate(0, 0, -3) })
	}
	return a
}

func reported(t *testing.T, o report.Outcome) string {
	t.Helper()
	var text bytes.Buffer
	if err := o.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestAnUnchangedAccountIsNotReadAgainWhereThatIsProven(t *testing.T) {
	a := longUnchanged(t)
	s := newSweeper(t, a, "mode: report")
	first := reported(t, run(t, s, rotation.Scope{}))
	all := a.CallCounts()["secretsmanager:GetResourcePolicy"]
	a.ResetCalls()
	if second := reported(t, run(t, s, rotation.Scope{})); second != first {
		t.Errorf("an unchanged account is reported differently:\n%s\n%s", first, second)
	}
	again, policies := a.CallCounts()["secretsmanager:GetResourcePolicy"], 0
	for _, s := range a.Secrets() {
		if s.Policy != "" {
			policies++
		}
	}
	if all < 10 || again > policies {
		t.Errorf("%d secret policies are read, and again %d of secrets of which %d have one", all, again, policies)
	}
	a.ResetCalls()
	s.Repair.Mode = "repair"
	if _, _, err := s.Plan(t.Context(), rotation.Scope{}); err != nil {
		t.Fatal(err)
	}
	if n := a.CallCounts()["secretsmanager:GetResourcePolicy"]; n < all {
		t.Errorf("who may write reads %d secret policies, want all %d", n, all)
	}
}

// TestWhatIsNotReadAgainChangesNoAnswer changes an account between sweeps, and holds each sweep that goes by marks to one that knows none.
func TestWhatIsNotReadAgainChangesNoAnswer(t *testing.T) {
	a := longUnchanged(t)
	s := newSweeper(t, a, "mode: report")
	client := secretsmanager.NewFromConfig(a.Config())
	var names []string
	for _, secret := range a.Secrets() {
		if secret.RotationEnabled != nil && *secret.RotationEnabled && secret.RotationLambdaARN != "" && secret.Deleted.IsZero() {
			names = append(names, secret.ARN)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	ctx := t.Context()
	saved := 0
	for round := range 12 {
		for range random.IntN(4) {
			change(ctx, t, a, client, random, names[random.IntN(len(names))])
		}
		now := time.Now()
		s.Now = func() time.Time { return now }
		a.ResetCalls()
		got := reported(t, run(t, s, rotation.Scope{}))
		read := a.CallCounts()["secretsmanager:GetResourcePolicy"]
		plain := newSweeper(t, a, "mode: report")
		plain.Now = s.Now
		a.ResetCalls()
		want := reported(t, run(t, plain, rotation.Scope{}))
		saved += a.CallCounts()["secretsmanager:GetResourcePolicy"] - read
		if got != want {
			t.Fatalf("round %d: with marks\n%s\nwithout\n%s", round, got, want)
		}
	}
	if saved < 40 {
		t.Errorf("marks saved %d calls in 12 sweeps", saved)
	}
}

func change(ctx context.Context, t *testing.T, a *awstest.Account, client *secretsmanager.Client, random *rand.Rand, secret string) {
	t.Helper()
	var err error
	extra := []string{
		`{"Effect":"Allow","Action":"secretsmanager:RotateSecret","Resource":"*"}`, `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`,
		`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"secretsmanager:ResourceTag/round":"3"}}}`,
	}[random.IntN(3)]
	switch random.IntN(7) {
	case 5:
		a.UpdateRole(roleOf(ctx, t, a, secret), func(r *awstest.Role) {
			if r.Inline == nil {
				r.Inline = map[string]string{}
			}
			r.Inline["extra"] = `{"Version":"2012-10-17","Statement":[` + extra + `]}`
		})
	case 6:
		a.UpdateRole(roleOf(ctx, t, a, secret), func(r *awstest.Role) { delete(r.Inline, "extra") })
	case 0:
		_, err = client.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: &secret, ResourcePolicy: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:PutSecretValue","Resource":"*"}]}`)})
	case 1:
		_, err = client.DeleteResourcePolicy(ctx, &secretsmanager.DeleteResourcePolicyInput{SecretId: &secret})
	case 2:
		a.UpdateSecret(secret, func(s *awstest.Secret) { // long ago, as if it had been missed for days
			s.Policy, s.Changed = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:DescribeSecret","Resource":"*"}]}`, s.Changed.Add(time.Minute)
		})
	case 3:
		a.UpdateSecret(secret, func(s *awstest.Secret) { s.Policy, s.Changed = "", s.Changed.Add(time.Minute) })
	case 4:
		_, err = client.TagResource(ctx, &secretsmanager.TagResourceInput{SecretId: &secret, Tags: []types.Tag{{Key: aws.String("round"), Value: aws.String(fmt.Sprint(random.IntN(9)))}}})
	}
	if err != nil {
		t.Fatal(fmt.Errorf("changing %s: %w", secret, err))
	}
}

// roleOf is the name of the execution role of the function that rotates a secret, "" where it is gone.
func roleOf(ctx context.Context, t *testing.T, a *awstest.Account, secret string) string {
	t.Helper()
	for _, s := range a.Secrets() {
		if s.ARN != secret {
			continue
		}
		f, err := lambda.NewFromConfig(a.Config()).GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &s.RotationLambdaARN})
		if err != nil {
			return ""
		}
		return (*f.Role)[strings.LastIndexByte(*f.Role, '/')+1:]
	}
	return ""
}

// TestMarksThatAreDamagedProveNothing: what is stored is not believed where it is no mark of the secret as it is.
func TestMarksThatAreDamagedProveNothing(t *testing.T) {
	a := longUnchanged(t)
	s := newSweeper(t, a, "mode: report")
	l, err := ledger.OpenFile(filepath.Join(t.TempDir(), "other.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.Ledger = l
	if err := l.PutMarks(t.Context(), ledger.MarksRead, bytes.Repeat([]byte{7}, 3*ledger.MarkSize+5)); err != nil {
		t.Fatal(err)
	}
	want := reported(t, run(t, newSweeper(t, a, "mode: report"), rotation.Scope{}))
	if got := reported(t, run(t, s, rotation.Scope{})); got != want {
		t.Errorf("with damaged marks\n%s\nwant\n%s", got, want)
	}
}
