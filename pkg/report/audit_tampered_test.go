package report

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	bolt "go.etcd.io/bbolt"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// store is what somebody sees who can write to where a ledger is kept, without the program.
type store interface {
	// change gives what is stored at a place to edit, which removes it by answering with nothing.
	change(t *testing.T, kind, id string, edit func(value []byte) []byte)
}

// boltStore is the file of the embedded database.
type boltStore struct{ path string }

func (s boltStore) change(t *testing.T, kind, id string, edit func([]byte) []byte) {
	t.Helper()
	db, err := bolt.Open(s.path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, key := tx.Bucket([]byte(kind)), []byte(id)
		if kind == "journal" {
			key, _ = b.Cursor().First()
		}
		value := b.Get(key)
		if value == nil {
			return errors.New("there is no " + kind + " " + id)
		}
		if value = edit(bytes.Clone(value)); value == nil {
			return b.Delete(key)
		}
		return b.Put(key, value)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// tableStore is a DynamoDB table.
type tableStore struct {
	api   *dynamodb.Client
	scope string
}

func (s tableStore) change(t *testing.T, kind, id string, edit func([]byte) []byte) {
	t.Helper()
	sort := map[string]string{"runs": "run#" + id, "journal": "journal#" + strings.Repeat("0", 19) + "1", "meta": id}[kind]
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: s.scope}, "sk": &types.AttributeValueMemberS{Value: sort}}
	out, err := s.api.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("ledger"), Key: key})
	if err != nil || out.Item == nil {
		t.Fatalf("there is no %s: %v", sort, err)
	}
	data, ok := out.Item["data"].(*types.AttributeValueMemberS)
	if !ok {
		t.Fatalf("data is %T", out.Item["data"])
	}
	value := edit([]byte(data.Value))
	if value == nil {
		_, err = s.api.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("ledger"), Key: key})
	} else {
		out.Item["data"] = &types.AttributeValueMemberS{Value: string(value)}
		_, err = s.api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("ledger"), Item: out.Item})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func remove([]byte) []byte { return nil }

func replace(old, with string) func([]byte) []byte {
	return func(value []byte) []byte { return bytes.ReplaceAll(value, []byte(old), []byte(with)) }
}

// TestWhoTampersWithALedgerIsFoundOut edits and removes behind the program's back, in the file and in the table.
func TestWhoTampersWithALedgerIsFoundOut(t *testing.T) {
	moto := emulator.For(t)(emulator.StartMoto(t.Context()))
	api := dynamodb.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &moto.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	if _, err := api.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("ledger"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(ledger.PartitionKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(ledger.SortKey), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(ledger.PartitionKey), KeyType: types.KeyTypeHash}, {AttributeName: aws.String(ledger.SortKey), KeyType: types.KeyTypeRange},
		},
	}); err != nil {
		t.Fatal(err)
	}
	ledgers := map[string]func(t *testing.T, scope string) (ledger.Ledger, store){
		"file": func(t *testing.T, _ string) (ledger.Ledger, store) {
			t.Helper()
			path := filepath.Join(t.TempDir(), "ledger.db")
			l, err := ledger.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return l, boltStore{path}
		},
		"table": func(t *testing.T, scope string) (ledger.Ledger, store) {
			t.Helper()
			l, err := ledger.OpenTable(t.Context(), api, "ledger", scope)
			if err != nil {
				t.Fatal(err)
			}
			return l, tableStore{api, scope}
		},
	}
	// The head of the chain that somebody writes who has removed the last run.
	back := func(l ledger.Ledger) func([]byte) []byte {
		runs, err := l.Runs(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		head, last := ledger.Head{}, ledger.Run{}
		for _, r := range runs {
			if r.Number == 4 {
				head = ledger.Head{Number: 4, Hash: r.Hash, Started: r.Started}
			}
			if r.Number == 5 {
				last = r
			}
		}
		return func(value []byte) []byte {
			value = bytes.Replace(value, []byte(`"number":5`), []byte(`"number":4`), 1)
			value = bytes.Replace(value, []byte(last.Hash), []byte(head.Hash), 1)
			return bytes.Replace(value, []byte(rfc3339(last.Started)), []byte(rfc3339(head.Started)), 1)
		}
	}
	tests := []struct {
		name   string
		tamper func(t *testing.T, l ledger.Ledger, s store)
		noted  bool
		want   string // what the first problem begins with; "" for none
	}{
		{"nobody", func(*testing.T, ledger.Ledger, store) {}, true, ""},
		{"a run in the middle is edited", func(t *testing.T, _ ledger.Ledger, s store) {
			s.change(t, "runs", "run--20", replace("by bob", "by eve"))
		}, false, "run run--20 (number 3): edited"},
		{"a verdict in a run is edited", func(t *testing.T, _ ledger.Ledger, s store) {
			s.change(t, "runs", "run--30", replace("broken", "in-sync"))
		}, false, "run run--30 (number 2): edited"},
		{"an exemption's owner in a run is edited", func(t *testing.T, _ ledger.Ledger, s store) {
			s.change(t, "runs", "run--120", replace(`"owner":"ana"`, `"owner":"eve"`))
		}, false, "run run--120 (number 1): edited"},
		{"a journal entry is edited", func(t *testing.T, _ ledger.Ledger, s store) { s.change(t, "journal", "1", replace("f-1", "f-9")) }, false, "run run--20 (number 3): its journal"},
		{"a journal entry is removed", func(t *testing.T, _ ledger.Ledger, s store) { s.change(t, "journal", "1", remove) }, false, "run run--20 (number 3): its journal"},
		{"a run in the middle is removed", func(t *testing.T, _ ledger.Ledger, s store) { s.change(t, "runs", "run--20", remove) }, false, "run number 3: removed"},
		{"the last run is removed", func(t *testing.T, _ ledger.Ledger, s store) { s.change(t, "runs", "run--5", remove) }, false, "run number 5: removed"},
		{"the last run is removed and the end of the chain put back", func(t *testing.T, l ledger.Ledger, s store) {
			head := back(l)
			s.change(t, "runs", "run--5", remove)
			s.change(t, "meta", "head", head)
		}, true, "run number 5: the ledger has no run with the hash that was noted"},
		// Nothing outside the ledger says that there was a fifth run: docs/evidence.md says so.
		{"the same, and nobody has noted the end", func(t *testing.T, l ledger.Ledger, s store) {
			head := back(l)
			s.change(t, "runs", "run--5", remove)
			s.change(t, "meta", "head", head)
		}, false, ""},
	}
	for kind, open := range ledgers {
		for _, tt := range tests {
			t.Run(kind+", "+tt.name, func(t *testing.T) {
				l, s := open(t, tt.name)
				keep(t, l, "")
				head, err := l.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var noted *NotedRun
				if tt.noted {
					noted = &NotedRun{head.Number, head.Hash}
				}
				tt.tamper(t, l, s)
				chain, err := VerifyLedger(t.Context(), l, noted, now)
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				if len(chain.Problems) > 0 {
					got = chain.Problems[0].String()
				}
				if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
					t.Errorf("first problem = %q, want %q", got, tt.want)
				}
				if a := readAudit(t, l, -365, 0); !tt.noted && a.Held() != (tt.want == "") {
					t.Errorf("the audit's problems = %v", a.Chain.Problems)
				}
			})
		}
	}
}
