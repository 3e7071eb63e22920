package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// client is DynamoDB on an emulator.
func client(url string) *dynamodb.Client {
	return dynamodb.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func makeTable(t *testing.T, api *dynamodb.Client, name string) {
	t.Helper()
	_, err := api.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(ledger.PartitionKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(ledger.SortKey), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(ledger.PartitionKey), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(ledger.SortKey), KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTableOnMinistack(t *testing.T) {
	api := client(emulator.For(t)(emulator.StartMinistack(t.Context())).URL)
	makeTable(t, api, "ledger")
	conformTable(t, api)
	t.Run("of many that want the lease one gets it", func(t *testing.T) { raceForLease(t, api) })
	t.Run("runs that end at once have a place each", func(t *testing.T) {
		raceForTheEnd(t, func() ledger.Ledger { return openTable(t, api, "ends") })
	})
}

// raceForLease has many want the lease at once: one gets it. Moto looks at a condition and writes in two steps that are not one, so that this is for
// an emulator that answers one call after the other.
func raceForLease(t *testing.T, api *dynamodb.Client) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := 0
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l, err := ledger.OpenTable(t.Context(), api, "ledger", "race")
			if err == nil {
				_, err = l.Acquire(t.Context(), fmt.Sprint(i), noon, time.Minute)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got++
			} else if !errors.Is(err, ledger.ErrHeld) {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if got != 1 {
		t.Errorf("%d got the lease", got)
	}
}

// conformTable runs the conformance suite on a table, each rule in a scope of its own.
func conformTable(t *testing.T, api *dynamodb.Client) {
	scopes := 0
	conform(t, func(t *testing.T) func() ledger.Ledger {
		scopes++
		scope := fmt.Sprintf("123456789012/region-%d", scopes)
		return func() ledger.Ledger { return openTable(t, api, scope) }
	})
}

func TestTableOnMoto(t *testing.T) {
	api := client(emulator.For(t)(emulator.StartMoto(t.Context())).URL)
	makeTable(t, api, "ledger")
	t.Run("conforms", func(t *testing.T) { conformTable(t, api) })
	t.Run("a lease whose time is over is taken over, and its holder writes no more", func(t *testing.T) {
		mine, theirs := openTable(t, api, "takeover"), openTable(t, api, "takeover")
		first := must[ledger.Lease](t)(mine.Acquire(t.Context(), "me", noon, time.Minute))
		must[ledger.Entry](t)(mine.Append(t.Context(), first, ledger.Entry{Run: "r", At: noon}))
		second := must[ledger.Lease](t)(theirs.Acquire(t.Context(), "them", noon.Add(61*time.Second), time.Minute))
		if _, err := mine.Append(t.Context(), first, ledger.Entry{Run: "r", At: noon}); !errors.Is(err, ledger.ErrLost) {
			t.Errorf("an entry on a lease that was taken over: %v, want ErrLost", err)
		}
		must[ledger.Entry](t)(theirs.Append(t.Context(), second, ledger.Entry{Run: "s", At: noon}))
	})
	t.Run("a table that is missing is one clear line", func(t *testing.T) {
		_, err := ledger.OpenTable(t.Context(), api, "nowhere", "s")
		if err == nil || !strings.Contains(err.Error(), "nowhere: the table does not exist") || strings.Contains(err.Error(), "\n") {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("a newer schema is refused", func(t *testing.T) {
		if _, err := api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("ledger"), Item: map[string]types.AttributeValue{
			ledger.PartitionKey: &types.AttributeValueMemberS{Value: "future"}, ledger.SortKey: &types.AttributeValueMemberS{Value: "schema"},
			"data": &types.AttributeValueMemberS{Value: "99"},
		}}); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.OpenTable(t.Context(), api, "ledger", "future"); !errors.Is(err, ledger.ErrSchema) {
			t.Errorf("error = %v, want ErrSchema", err)
		}
	})
	t.Run("an endpoint that does not answer is an error", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ledger.OpenTable(ctx, client("http://127.0.0.1:1"), "ledger", "s"); err == nil {
			t.Error("no error")
		}
	})
}

func openTable(t *testing.T, api *dynamodb.Client, scope string) *ledger.Table {
	t.Helper()
	l, err := ledger.OpenTable(t.Context(), api, "ledger", scope)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
