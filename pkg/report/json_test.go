package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

func TestJSONIsAsItsSchemaSays(t *testing.T) {
	schema := compile(t, Schema)
	for name, o := range situations() {
		t.Run(name, func(t *testing.T) {
			text := asJSON(t, &o)
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if err := schema.Validate(value); err != nil {
				t.Error(err)
			}
			golden(t, name+".json", text)
		})
	}
}

// TestSchemaHasEveryField holds that no field is printed that the schema does not describe.
func TestSchemaHasEveryField(t *testing.T) {
	var root struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Defs       map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &root); err != nil {
		t.Fatal(err)
	}
	for def, goType := range map[string]reflect.Type{
		"secret": reflect.TypeFor[secretJSON](), "finding": reflect.TypeFor[drift.Finding](), "statement": reflect.TypeFor[policy.StatementRef](),
		"witness": reflect.TypeFor[drift.Witness](), "fix": reflect.TypeFor[drift.Fix](), "operator": reflect.TypeFor[Operator](),
		"error": reflect.TypeFor[Error](), "left": reflect.TypeFor[repair.Left](), "breaker": reflect.TypeFor[repair.Breaker](),
	} {
		for i := range goType.NumField() {
			name, _, _ := strings.Cut(goType.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if _, ok := root.Defs[def].Properties[name]; !ok {
				t.Errorf("%s.%s is printed and not in the schema", def, name)
			}
		}
	}
	o := situations()["broken"]
	var printed map[string]json.RawMessage
	if err := json.Unmarshal(asJSON(t, &o), &printed); err != nil {
		t.Fatal(err)
	}
	for name := range printed {
		if _, ok := root.Properties[name]; !ok {
			t.Errorf("%s is printed and not in the schema", name)
		}
	}
}

func TestSameInputSameBytesInWhateverOrderItCame(t *testing.T) {
	for name, o := range situations() {
		t.Run(name, func(t *testing.T) {
			want := asJSON(t, &o)
			slices.Reverse(o.Secrets)
			slices.Reverse(o.Errors)
			slices.Reverse(o.Operators)
			o.Errors = append(o.Errors, o.Errors...)
			o.Sort()
			if got := asJSON(t, &o); !bytes.Equal(got, want) {
				t.Errorf("the same outcome in another order:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestJSONHasNothingThatATerminalActsOn(t *testing.T) {
	o := situations()["hostile"]
	text := asJSON(t, &o)
	for _, r := range string(text) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("the JSON holds %U", r)
		}
	}
	var read struct {
		Secrets []struct{ Name string } `json:"secrets"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Secrets[0].Name != nasty {
		t.Errorf("the name reads back as %q, want %q", read.Secrets[0].Name, nasty)
	}
}

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func asJSON(t *testing.T, o *Outcome) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := o.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
