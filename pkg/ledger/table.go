package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// tableAPI is what a ledger in a DynamoDB table takes.
type tableAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// The attributes of the table: PartitionKey and SortKey are its key, both strings, and ExpiryAttribute its time to live.
const (
	PartitionKey    = "pk"
	SortKey         = "sk"
	ExpiryAttribute = "expires"
	dataAttribute   = "data" // the value as JSON
)

// The sort keys: a kind and an id, or one of the single items.
const (
	itemSecret    = "secret#"
	itemFunction  = "function#"
	itemFinding   = "finding#"
	itemRun       = "run#"
	itemJournal   = "journal#"
	itemExemption = "exemption#"
	itemVerdict   = "verdict#"
	itemPart      = "part#" // verdicts of a run that one item cannot hold
	itemSchema    = "schema"
	itemPause     = "pause"
	itemLease     = "lease"
	itemHead      = "head"
)

// What DynamoDB takes in one call. Source: DynamoDB API, BatchWriteItem and BatchGetItem.
const (
	writesAtOnce = 25
	readsAtOnce  = 100
)

// Table is a ledger in a DynamoDB table, which command and Lambda share. One table can hold the ledgers of many accounts and
// Regions, each under its scope. The lease is an item with a counter; a journal entry is stored in one transaction with the
// condition that the counter is still the holder's.
type Table struct {
	api         tableAPI
	name, scope string
}

// OpenTable opens the ledger of a scope ("<account>/<region>") in a table that exists. One of a newer schema is an error.
func OpenTable(ctx context.Context, api tableAPI, name, scope string) (*Table, error) {
	t := &Table{api: api, name: name, scope: scope}
	item, err := t.get(ctx, itemSchema)
	if err != nil {
		return nil, err
	}
	if item == nil {
		err := t.put(ctx, itemSchema, Schema, nil, aws.String("attribute_not_exists("+PartitionKey+")"))
		if err != nil && !conditionFailed(err) {
			return nil, err
		}
		return t, nil
	}
	schema := 0
	if err := t.decode(item, &schema); err != nil {
		return nil, err
	}
	if schema > Schema {
		return nil, t.explain(fmt.Errorf("%w: it has schema %d, this program knows %d", ErrSchema, schema, Schema))
	}
	if schema < Schema {
		// What is new since is items of kinds that an older ledger has none of.
		return t, t.put(ctx, itemSchema, Schema, nil, nil)
	}
	return t, nil
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (t *Table) key(sort string) item { return item{PartitionKey: text(t.scope), SortKey: text(sort)} }

// explain names the table.
func (t *Table) explain(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		err = fmt.Errorf("%s: %s (%w)", api.ErrorCode(), oneLine(api.ErrorMessage()), err)
		if api.ErrorCode() == "ResourceNotFoundException" {
			return fmt.Errorf("ledger table %s: the table does not exist in this account and Region", t.name)
		}
	}
	return fmt.Errorf("ledger table %s: %w", t.name, err)
}

func oneLine(s string) string {
	out := []byte(s)
	for i, b := range out {
		if b < 0x20 {
			out[i] = ' '
		}
	}
	return string(out)
}

func conditionFailed(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

func (t *Table) get(ctx context.Context, sort string) (item, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: t.key(sort), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, t.explain(err)
	}
	return out.Item, nil
}

// decode reads an item's value.
func (t *Table) decode(i item, into any) error {
	data, ok := i[dataAttribute].(*types.AttributeValueMemberS)
	if !ok {
		return t.explain(fmt.Errorf("%w: an item has no data", ErrCorrupt))
	}
	if err := json.Unmarshal([]byte(data.Value), into); err != nil {
		return t.explain(fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return nil
}

// encode makes an item; expires nil keeps it for good.
func (t *Table) encode(sort string, value any, expires *time.Time) (item, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, t.explain(err)
	}
	i := t.key(sort)
	i[dataAttribute] = text(string(data))
	if expires != nil {
		i[ExpiryAttribute] = number(expires.Unix())
	}
	return i, nil
}

func (t *Table) put(ctx context.Context, sort string, value any, expires *time.Time, condition *string) error {
	i, err := t.encode(sort, value, expires)
	if err != nil {
		return err
	}
	if _, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.name, Item: i, ConditionExpression: condition}); err != nil {
		return t.explain(err)
	}
	return nil
}

// query visits the items of a kind, in the order of their ids or against it, until visit says stop.
func (t *Table) query(ctx context.Context, kind string, forward bool, visit func(item) (more bool, err error)) error {
	pages := dynamodb.NewQueryPaginator(t.api, &dynamodb.QueryInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(forward),
		KeyConditionExpression:    aws.String("#p = :scope AND begins_with(#s, :kind)"),
		ExpressionAttributeNames:  map[string]string{"#p": PartitionKey, "#s": SortKey},
		ExpressionAttributeValues: item{":scope": text(t.scope), ":kind": text(kind)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return t.explain(err)
		}
		for _, i := range page.Items {
			more, err := visit(i)
			if err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// allOf decodes every item of a kind.
func allOf[T any](ctx context.Context, t *Table, kind string) ([]T, error) {
	var values []T
	err := t.query(ctx, kind, true, func(i item) (bool, error) {
		var v T
		if err := t.decode(i, &v); err != nil {
			return false, err
		}
		values = append(values, v)
		return true, nil
	})
	return values, err
}

// write puts and deletes many items. What DynamoDB has not processed is sent again.
func (t *Table) write(ctx context.Context, requests []types.WriteRequest) error {
	for wait := 50 * time.Millisecond; len(requests) > 0; {
		n := min(len(requests), writesAtOnce)
		out, err := t.api.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{t.name: requests[:n]}})
		if err != nil {
			return t.explain(err)
		}
		left := out.UnprocessedItems[t.name]
		requests = append(left, requests[n:]...)
		if len(left) > 0 {
			if err := pause(ctx, wait); err != nil {
				return t.explain(err)
			}
			wait = min(2*wait, 2*time.Second)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (t *Table) puts(kind string, ids []string, values []any) ([]types.WriteRequest, error) {
	requests := make([]types.WriteRequest, len(ids))
	for i, id := range ids {
		encoded, err := t.encode(kind+id, values[i], nil)
		if err != nil {
			return nil, err
		}
		requests[i] = types.WriteRequest{PutRequest: &types.PutRequest{Item: encoded}}
	}
	return requests, nil
}
