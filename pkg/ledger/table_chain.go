package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// partSize is how many changed verdicts one item holds. An item of DynamoDB is at most 400 KB (DynamoDB Developer Guide, "Constraints"), and an
// ARN of a secret with its reason well below 1 KB.
const partSize = 300

// sealTries is how often a run is put at the end of a chain that somebody else was quicker to extend.
const sealTries = 10

// headHash is the head's hash as an attribute of its own, on which the next run is conditional.
const headHash = "hash"

// stored is a run as an item: what of it is too much for one is in parts.
type stored struct {
	Run
	Parts int `json:"parts,omitempty"`
}

// SealRun implements Ledger: run and head are one transaction, on condition that the head is still the one that the run follows.
func (t *Table) SealRun(ctx context.Context, r Run) (Run, error) {
	for range sealTries {
		item, err := t.get(ctx, itemHead)
		if err != nil {
			return r, err
		}
		var head Head
		if item != nil {
			if err := t.decode(item, &head); err != nil {
				return r, err
			}
		}
		sealed, next, err := seal(r, head)
		if err != nil {
			return r, t.explain(err)
		}
		err = t.putSealed(ctx, sealed, next, head)
		var cancelled *types.TransactionCanceledException
		if errors.As(err, &cancelled) && slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool {
			return aws.ToString(r.Code) == "ConditionalCheckFailed" || aws.ToString(r.Code) == "TransactionConflict"
		}) {
			continue
		}
		if err != nil {
			return r, err
		}
		for chunk := range slices.Chunk(sealed.Changed, atOnce) {
			if err := t.putVerdicts(ctx, records(sealed.Started, chunk)); err != nil {
				return sealed, err
			}
		}
		return sealed, nil
	}
	return r, t.explain(fmt.Errorf("run %s: other runs ended at the same time again and again", r.ID))
}

func (t *Table) putSealed(ctx context.Context, r Run, next, head Head) error {
	expires := r.Started.Add(Retention)
	s := stored{Run: r}
	if len(r.Changed) > partSize {
		for chunk := range slices.Chunk(r.Changed, partSize) {
			encoded, err := t.encode(fmt.Sprintf("%s%s#%05d", itemPart, r.ID, s.Parts), chunk, &expires)
			if err != nil {
				return err
			}
			if err := t.write(ctx, []types.WriteRequest{{PutRequest: &types.PutRequest{Item: encoded}}}); err != nil {
				return err
			}
			s.Parts++
		}
		s.Changed = nil
	}
	run, err := t.encode(itemRun+r.ID, s, &expires)
	if err != nil {
		return err
	}
	end, err := t.encode(itemHead, next, nil)
	if err != nil {
		return err
	}
	end[headHash] = text(next.Hash)
	put := &types.Put{TableName: &t.name, Item: end, ConditionExpression: aws.String("attribute_not_exists(" + PartitionKey + ")")}
	if head.Number > 0 {
		put.ConditionExpression = aws.String("#h = :was")
		put.ExpressionAttributeNames = map[string]string{"#h": headHash}
		put.ExpressionAttributeValues = map[string]types.AttributeValue{":was": text(head.Hash)}
	}
	_, err = t.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: put}, {Put: &types.Put{TableName: &t.name, Item: run}},
	}})
	if err != nil {
		return t.explain(err)
	}
	return nil
}

func (t *Table) putVerdicts(ctx context.Context, records []VerdictRecord) error {
	ids, values := make([]string, len(records)), make([]any, len(records))
	for i, v := range records {
		ids[i], values[i] = v.Secret, v
	}
	requests, err := t.puts(itemVerdict, ids, values)
	if err != nil {
		return err
	}
	return t.write(ctx, requests)
}

// Runs implements Ledger.
func (t *Table) Runs(ctx context.Context, limit int) ([]Run, error) {
	return t.RunsSince(ctx, time.Time{}, limit)
}

// RunsSince implements Ledger.
func (t *Table) RunsSince(ctx context.Context, since time.Time, limit int) ([]Run, error) {
	parts := map[string]int{}
	var runs []Run
	err := t.query(ctx, itemRun, false, func(i item) (bool, error) {
		var s stored
		if err := t.decode(i, &s); err != nil {
			return false, err
		}
		if s.Started.Before(since.Add(-skew)) {
			return false, nil
		}
		if !s.Started.Before(since) {
			runs, parts[s.ID] = append(runs, s.Run), s.Parts
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	runs = newest(runs, limit)
	for i := range runs {
		if parts[runs[i].ID] == 0 {
			continue
		}
		chunks, err := allOf[[]VerdictChange](ctx, t, itemPart+runs[i].ID+"#")
		if err != nil {
			return nil, err
		}
		runs[i].Changed = slices.Concat(chunks...)
	}
	return runs, nil
}

// Head implements Ledger.
func (t *Table) Head(ctx context.Context) (Head, error) {
	var h Head
	i, err := t.get(ctx, itemHead)
	if err != nil || i == nil {
		return h, err
	}
	return h, t.decode(i, &h)
}

// Verdicts implements Ledger.
func (t *Table) Verdicts(ctx context.Context) ([]VerdictRecord, error) {
	records, err := allOf[VerdictRecord](ctx, t, itemVerdict)
	slices.SortFunc(records, func(a, b VerdictRecord) int { return strings.Compare(a.Secret, b.Secret) })
	return records, err
}
