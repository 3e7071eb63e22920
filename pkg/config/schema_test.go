package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaNode is as much of the schema as is compared with the Go types.
type schemaNode struct {
	Ref                  string                `json:"$ref"`
	Type                 any                   `json:"type"`
	Properties           map[string]schemaNode `json:"properties"`
	Items                *schemaNode           `json:"items"`
	AdditionalProperties json.RawMessage       `json:"additionalProperties"`
	Enum                 []string              `json:"enum"`
	Default              any                   `json:"default"`
	Defs                 map[string]schemaNode `json:"$defs"`
}

func TestSchemaHasEveryFieldOfTheTypeAndNoOther(t *testing.T) {
	var root schemaNode
	if err := json.Unmarshal(Schema, &root); err != nil {
		t.Fatal(err)
	}
	compareType(t, root.Defs, reflect.TypeFor[Config](), root, "")
}

func compareType(t *testing.T, defs map[string]schemaNode, goType reflect.Type, n schemaNode, path string) {
	t.Helper()
	if n.Ref != "" {
		n = defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
	}
	switch {
	case goType.Kind() == reflect.Slice && goType.Elem().Kind() == reflect.Struct:
		if n.Items == nil {
			t.Errorf("%s is a list in Go and none in the schema", path)
			return
		}
		compareType(t, defs, goType.Elem(), *n.Items, path+"[]")
	case goType.Kind() == reflect.Struct && goType.NumField() > 0 && goType.Field(0).Tag.Get("yaml") != "":
		if string(n.AdditionalProperties) != "false" {
			t.Errorf("%s: the schema takes unknown fields", path)
		}
		var fields []string
		for i := range goType.NumField() {
			tag := goType.Field(i).Tag.Get("yaml")
			if tag == "" {
				continue
			}
			for name := range strings.SplitSeq(tag, ",") {
				fields = append(fields, name)
				child, ok := n.Properties[name]
				if !ok {
					t.Errorf("%s.%s is not in the schema", path, name)
					continue
				}
				compareType(t, defs, goType.Field(i).Type, child, path+"."+name)
			}
		}
		for name := range n.Properties {
			if !slices.Contains(fields, name) {
				t.Errorf("%s.%s is in the schema and not in Go", path, name)
			}
		}
	}
}

func TestSchemaNamesTheSameSetsAndDefaults(t *testing.T) {
	var root schemaNode
	if err := json.Unmarshal(Schema, &root); err != nil {
		t.Fatal(err)
	}
	rotation := root.Properties["rotations"].Items.Properties
	operator := root.Properties["operators"].Items.Properties
	for name, sets := range map[string][2][]string{
		"mode": {modes, root.Properties["mode"].Enum}, "architecture": {architectures, root.Properties["architecture"].Enum},
		"strategy": {slices.Concat(strategies, otherWords), rotation["strategy"].Enum}, "may": {permissions, operator["may"].Enum},
	} {
		if !slices.Equal(sets[0], sets[1]) {
			t.Errorf("%s: Go has %v, the schema %v", name, sets[0], sets[1])
		}
	}
	d, repair := Default(), root.Properties["repair"].Properties
	for field, values := range map[string][2]any{
		"mode": {d.Mode, root.Properties["mode"].Default}, "architecture": {d.Architecture, root.Properties["architecture"].Default},
		"repair.max_changes":        {float64(d.Repair.MaxChanges), repair["max_changes"].Default},
		"repair.max_change_percent": {float64(d.Repair.MaxChangePercent), repair["max_change_percent"].Default},
		"repair.settle":             {strings.TrimSuffix(d.Repair.Settle.String(), "0m0s"), repair["settle"].Default},
		"repair.enforce_after":      {strings.TrimSuffix(d.Repair.EnforceAfter.String(), "0m0s"), repair["enforce_after"].Default},
		"alerts.remind_after":       {strings.TrimSuffix(d.Alerts.RemindAfter.String(), "0m0s"), root.Properties["alerts"].Properties["remind_after"].Default},
		"repair.trust_tags":         {d.Repair.TrustTags, repair["trust_tags"].Default},
		"repair.edit_owned":         {d.Repair.EditOwned, repair["edit_owned"].Default},
		"repair.add_source_account": {d.Repair.AddSourceAccount, repair["add_source_account"].Default},
	} {
		if values[0] != values[1] {
			t.Errorf("%s: the default is %v in Go, %v in the schema", field, values[0], values[1])
		}
	}
}

// TestSchemaAndParserAgree holds that what the one refuses the other does too, wherever a schema can say it.
func TestSchemaAndParserAgree(t *testing.T) {
	schema := compileSchema(t)
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"the whole file", strings.Replace(whole, "templates: {single-user: single.json}", "", 1), true},
		{"nothing", "", true},
		{"null sections", "repair:\nrotations:\nledger: {table: }\n", true},
		{"an unknown field", "repairs: {}", false},
		{"an unknown field inside", "repair: {settel: 1h}", false},
		{"a mode", "mode: dry-run", false},
		{"a strategy", "rotations: [{match: {name: a}, strategy: master}]", false},
		{"a rule that declares nothing", "rotations: [{match: {name: a}}]", false},
		{"a match of nothing", "rotations: [{match: {}, strategy: custom}]", false},
		{"a master that is a name", "rotations: [{match: {name: a}, master_secret: admin}]", false},
		{"text for a number", "repair: {max_changes: many}", false},
		{"a number for a duration", "repair: {settle: 24}", false},
		{"a duration in days", "repair: {settle: 1d}", false},
		{"no duration", "repair: {settle: 0}", true},
		{"an exemption for ever", "exemptions: [{rule: logs, owner: a, reason: b}]", false},
		{"an exemption of nothing", "exemptions: [{owner: a, reason: b, expires: 2027-01-01}]", false},
		{"an operator's set", "operators: [{principal: \"arn:aws:iam::111122223333:role/dba\", may: all}]", false},
		{"a Deny among what is allowed", "rotations: [{match: {name: a}, allow: [{Effect: Deny, Action: \"a:b\", Resource: \"*\"}]}]", false},
		{"percent above all", "repair: {max_change_percent: 101}", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("c.yaml", []byte(tt.text))
			if (err == nil) != tt.ok {
				t.Errorf("Parse = %v, want an error: %t", err, !tt.ok)
			}
			if err := schema.Validate(asJSON(t, tt.text)); (err == nil) != tt.ok {
				t.Errorf("the schema says %v, want an error: %t", err, !tt.ok)
			}
		})
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("rotationguard.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("rotationguard.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func asJSON(t *testing.T, text string) any {
	t.Helper()
	converted, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.TrimSpace(converted)) == 0 {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(converted))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
