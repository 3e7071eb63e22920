package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Close implements Ledger.
func (t *Table) Close() error { return nil }

// ObserveSecrets implements Ledger. A run that saw only some secrets reads only theirs.
func (t *Table) ObserveSecrets(ctx context.Context, at time.Time, seen []Naming, complete bool) ([]SecretRecord, error) {
	var stored []SecretRecord
	var err error
	if complete || len(seen) > readsAtOnce {
		stored, err = t.Secrets(ctx)
	} else {
		stored, err = t.someSecrets(ctx, seen)
	}
	if err != nil {
		return nil, err
	}
	records, store, forget := observeSecrets(stored, at.UTC(), seen, complete)
	for chunk := range slices.Chunk(store, atOnce) {
		ids, values := make([]string, len(chunk)), make([]any, len(chunk))
		for i, r := range chunk {
			ids[i], values[i] = r.Secret, r
		}
		requests, err := t.puts(itemSecret, ids, values)
		if err != nil {
			return nil, err
		}
		if err := t.write(ctx, requests); err != nil {
			return nil, err
		}
	}
	var requests []types.WriteRequest
	for _, secret := range forget {
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: t.key(itemSecret + secret)}})
	}
	return records, t.write(ctx, requests)
}

// someSecrets are the stored records of the secrets seen, at most readsAtOnce.
func (t *Table) someSecrets(ctx context.Context, seen []Naming) ([]SecretRecord, error) {
	var keys []item
	done := map[string]bool{}
	for _, n := range seen {
		if !done[n.Secret] {
			done[n.Secret] = true
			keys = append(keys, t.key(itemSecret+n.Secret))
		}
	}
	var records []SecretRecord
	for wait := 50 * time.Millisecond; len(keys) > 0; wait *= 2 {
		out, err := t.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			t.name: {Keys: keys, ConsistentRead: aws.Bool(true)},
		}})
		if err != nil {
			return nil, t.explain(err)
		}
		for _, i := range out.Responses[t.name] {
			var r SecretRecord
			if err := t.decode(i, &r); err != nil {
				return nil, err
			}
			records = append(records, r)
		}
		if keys = out.UnprocessedKeys[t.name].Keys; len(keys) > 0 {
			if err := pause(ctx, wait); err != nil {
				return nil, t.explain(err)
			}
		}
	}
	return records, nil
}

// Secrets implements Ledger.
func (t *Table) Secrets(ctx context.Context) ([]SecretRecord, error) {
	return allOf[SecretRecord](ctx, t, itemSecret)
}

// ObserveFunctions implements Ledger.
func (t *Table) ObserveFunctions(ctx context.Context, seen []FunctionRecord, complete bool) error {
	stored, err := t.Functions(ctx)
	if err != nil {
		return err
	}
	store, forget := observeFunctions(stored, seen, complete)
	ids, values := make([]string, len(store)), make([]any, len(store))
	for i, r := range store {
		ids[i], values[i] = r.Function, r
	}
	requests, err := t.puts(itemFunction, ids, values)
	if err != nil {
		return err
	}
	for _, function := range forget {
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: t.key(itemFunction + function)}})
	}
	return t.write(ctx, requests)
}

// Functions implements Ledger.
func (t *Table) Functions(ctx context.Context) ([]FunctionRecord, error) {
	return allOf[FunctionRecord](ctx, t, itemFunction)
}

// ObserveFindings implements Ledger.
func (t *Table) ObserveFindings(ctx context.Context, s Sighting) ([]Transition, error) {
	s.At = s.At.UTC()
	records, err := t.Findings(ctx)
	if err != nil {
		return nil, err
	}
	store, tell := s.sight(byFinding(records))
	return tell, t.putFindings(ctx, store)
}

func (t *Table) putFindings(ctx context.Context, records []FindingRecord) error {
	ids, values := make([]string, len(records)), make([]any, len(records))
	for i, r := range records {
		ids[i], values[i] = r.Finding.ID, r
	}
	requests, err := t.puts(itemFinding, ids, values)
	if err != nil {
		return err
	}
	return t.write(ctx, requests)
}

// Told implements Ledger.
func (t *Table) Told(ctx context.Context, at time.Time, told []Transition) error {
	if len(told) == 0 {
		return nil
	}
	records, err := t.Findings(ctx)
	if err != nil {
		return err
	}
	return t.putFindings(ctx, tell(byFinding(records), at.UTC(), told))
}

// Findings implements Ledger.
func (t *Table) Findings(ctx context.Context) ([]FindingRecord, error) {
	return allOf[FindingRecord](ctx, t, itemFinding)
}

// PutRun implements Ledger. The table's time to live drops it after Retention.
func (t *Table) PutRun(ctx context.Context, r Run) error {
	expires := r.Started.Add(Retention)
	return t.put(ctx, itemRun+r.ID, r, &expires, nil)
}

// Pause implements Ledger.
func (t *Table) Pause(ctx context.Context, p Pause) error {
	err := t.put(ctx, itemPause, p, nil, aws.String("attribute_not_exists("+PartitionKey+")"))
	if conditionFailed(err) {
		return nil
	}
	return err
}

// Resume implements Ledger.
func (t *Table) Resume(ctx context.Context) error {
	if _, err := t.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: t.key(itemPause)}); err != nil {
		return t.explain(err)
	}
	return nil
}

// Paused implements Ledger.
func (t *Table) Paused(ctx context.Context) (*Pause, error) {
	i, err := t.get(ctx, itemPause)
	if err != nil || i == nil {
		return nil, err
	}
	var p Pause
	return &p, t.decode(i, &p)
}

// PutExemption implements Ledger.
func (t *Table) PutExemption(ctx context.Context, e Exemption) error {
	return t.put(ctx, itemExemption+e.ID, e, nil, nil)
}

// DeleteExemption implements Ledger.
func (t *Table) DeleteExemption(ctx context.Context, id string) error {
	_, err := t.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &t.name, Key: t.key(itemExemption + id), ConditionExpression: aws.String("attribute_exists(" + PartitionKey + ")"),
	})
	if conditionFailed(err) {
		return fmt.Errorf("exemption %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return t.explain(err)
	}
	return nil
}

// Exemptions implements Ledger.
func (t *Table) Exemptions(ctx context.Context) ([]Exemption, error) {
	return allOf[Exemption](ctx, t, itemExemption)
}

// The lease's attributes: it is an item of its own shape, so that conditions can look at them.
const (
	leaseNumber = "leasenumber"
	leaseHolder = "holder"
	leaseUntil  = "until" // milliseconds
	leaseHeld   = "held"
	leaseSeq    = "seq" // of the last journal entry
)

// Acquire implements Ledger.
func (t *Table) Acquire(ctx context.Context, holder string, at time.Time, ttl time.Duration) (Lease, error) {
	until := at.Add(ttl).UTC()
	out, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: t.key(itemLease), ReturnValues: types.ReturnValueAllNew,
		UpdateExpression:    aws.String("SET #n = if_not_exists(#n, :zero) + :one, #q = if_not_exists(#q, :zero), #h = :holder, #u = :until, #d = :yes"),
		ConditionExpression: aws.String("attribute_not_exists(#n) OR #d = :no OR #u <= :now"),
		ExpressionAttributeNames: map[string]string{
			"#n": leaseNumber, "#q": leaseSeq, "#h": leaseHolder, "#u": leaseUntil, "#d": leaseHeld,
		},
		ExpressionAttributeValues: item{
			":zero": number(0), ":one": number(1), ":holder": text(holder), ":until": number(until.UnixMilli()), ":now": number(at.UnixMilli()),
			":yes": &types.AttributeValueMemberBOOL{Value: true}, ":no": &types.AttributeValueMemberBOOL{},
		},
	})
	if conditionFailed(err) {
		other, _ := t.get(ctx, itemLease)
		name, _ := other[leaseHolder].(*types.AttributeValueMemberS)
		if name == nil {
			return Lease{}, t.explain(ErrHeld)
		}
		return Lease{}, t.explain(fmt.Errorf("%w: %s", ErrHeld, name.Value))
	}
	if err != nil {
		return Lease{}, t.explain(err)
	}
	n, err := t.counter(out.Attributes, leaseNumber)
	return Lease{Number: n, Holder: holder, Until: until}, err
}

func (t *Table) counter(i item, name string) (uint64, error) {
	n, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, t.explain(fmt.Errorf("%w: the lease has no %s", ErrCorrupt, name))
	}
	v, err := strconv.ParseUint(n.Value, 10, 64)
	if err != nil {
		return 0, t.explain(fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return v, nil
}

// changeLease updates the lease item on condition that the lease is still the holder's.
func (t *Table) changeLease(ctx context.Context, l Lease, update string, values item) error {
	values[":n"], values[":yes"] = number(int64(l.Number)), &types.AttributeValueMemberBOOL{Value: true} //nolint:gosec // a counter of runs
	names := map[string]string{"#n": leaseNumber, "#d": leaseHeld}
	if _, ok := values[":until"]; ok {
		names["#u"] = leaseUntil
	}
	_, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: t.key(itemLease), UpdateExpression: &update, ConditionExpression: aws.String("#n = :n AND #d = :yes"),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	if conditionFailed(err) {
		return t.explain(ErrLost)
	}
	if err != nil {
		return t.explain(err)
	}
	return nil
}

// Renew implements Ledger.
func (t *Table) Renew(ctx context.Context, l Lease, at time.Time, ttl time.Duration) (Lease, error) {
	l.Until = at.Add(ttl).UTC()
	return l, t.changeLease(ctx, l, "SET #u = :until", item{":until": number(l.Until.UnixMilli())})
}

// Release implements Ledger.
func (t *Table) Release(ctx context.Context, l Lease) error {
	err := t.changeLease(ctx, l, "SET #d = :no", item{":no": &types.AttributeValueMemberBOOL{}})
	if errors.Is(err, ErrLost) {
		return nil
	}
	return err
}

// appendTries is how often an entry is tried whose number somebody else was quicker to take: one holder's entries come one by one, so
// that more than once means that the lease is lost.
const appendTries = 3

// Append implements Ledger: the entry and the condition on the lease are one transaction.
func (t *Table) Append(ctx context.Context, l Lease, e Entry) (Entry, error) {
	for range appendTries {
		lease, err := t.get(ctx, itemLease)
		if err != nil {
			return e, err
		}
		if lease == nil {
			return e, t.explain(ErrLost)
		}
		seq, err := t.counter(lease, leaseSeq)
		if err != nil {
			return e, err
		}
		e.Seq, e.Lease, e.At = seq+1, l.Number, e.At.UTC()
		expires := e.At.Add(Retention)
		entry, err := t.encode(fmt.Sprintf("%s%020d", itemJournal, e.Seq), e, &expires)
		if err != nil {
			return e, err
		}
		_, err = t.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Update: &types.Update{
				TableName: &t.name, Key: t.key(itemLease), UpdateExpression: aws.String("SET #q = :next"),
				ConditionExpression:      aws.String("#n = :n AND #d = :yes AND #q = :seq"),
				ExpressionAttributeNames: map[string]string{"#n": leaseNumber, "#d": leaseHeld, "#q": leaseSeq},
				ExpressionAttributeValues: item{
					":n": number(int64(l.Number)), ":seq": number(int64(seq)), ":next": number(int64(e.Seq)), //nolint:gosec // counters
					":yes": &types.AttributeValueMemberBOOL{Value: true},
				},
			}},
			{Put: &types.Put{TableName: &t.name, Item: entry, ConditionExpression: aws.String("attribute_not_exists(" + PartitionKey + ")")}},
		}})
		if err == nil {
			return e, nil
		}
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			return e, t.explain(err)
		}
		if !slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool {
			return aws.ToString(r.Code) == "ConditionalCheckFailed" || aws.ToString(r.Code) == "TransactionConflict"
		}) {
			return e, t.explain(err)
		}
		if n, err := t.counter(lease, leaseNumber); err != nil || n != l.Number || !held(lease) {
			return e, t.explain(errors.Join(ErrLost, err))
		}
	}
	return e, t.explain(ErrLost)
}

func held(lease item) bool {
	h, ok := lease[leaseHeld].(*types.AttributeValueMemberBOOL)
	return ok && h.Value
}

// Entries implements Ledger.
func (t *Table) Entries(ctx context.Context, run string) ([]Entry, error) {
	entries, err := allOf[Entry](ctx, t, itemJournal)
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Run != run }), err
}

// EntriesSince implements Ledger.
func (t *Table) EntriesSince(ctx context.Context, since time.Time) ([]Entry, error) {
	var entries []Entry
	err := t.query(ctx, itemJournal, false, func(i item) (bool, error) {
		var e Entry
		if err := t.decode(i, &e); err != nil {
			return false, err
		}
		if e.At.Before(since.Add(-skew)) {
			return false, nil
		}
		if !e.At.Before(since) {
			entries = append(entries, e)
		}
		return true, nil
	})
	slices.Reverse(entries)
	return entries, err
}

var (
	_ Ledger = (*File)(nil)
	_ Ledger = (*Table)(nil)
)
