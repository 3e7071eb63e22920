package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// template is a synthesized template, or what of it tests look at.
type template struct {
	Resources  map[string]resource
	Parameters map[string]any
	Rules      map[string]any
	Outputs    map[string]any
}

type resource struct {
	Type           string
	Properties     map[string]any
	DeletionPolicy string
}

// stackFor makes the stack of settings around a binary that is only a name.
func stackFor(t *testing.T, s Settings) (awscdk.App, awscdk.Stack) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "bootstrap"), []byte("binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.validate(); err != nil {
		t.Fatal(err)
	}
	app := newApp(t.TempDir())
	return app, newSweepStack(app, "Rotationguard", s, Package{folder: folder})
}

// synth is the template of settings.
func synth(t *testing.T, s Settings) template {
	t.Helper()
	app, _ := stackFor(t, s)
	app.Synth(nil)
	return readTemplate(t, filepath.Join(*app.Outdir(), "Rotationguard.template.json"))
}

func readTemplate(t *testing.T, path string) template {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var decoded template
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// only is the template's one resource of a type.
func (tm template) only(t *testing.T, typ string) map[string]any {
	t.Helper()
	found := tm.ofType(typ)
	if len(found) != 1 {
		t.Fatalf("%d resources of type %s, want 1", len(found), typ)
	}
	return tm.Resources[found[0]].Properties
}

func (tm template) ofType(typ string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(tm.Resources)) {
		if tm.Resources[id].Type == typ {
			ids = append(ids, id)
		}
	}
	return ids
}

// named is the one logical id that is name and its generated suffix.
func (tm template) named(t *testing.T, name string) string {
	t.Helper()
	for id := range tm.Resources {
		if strings.HasPrefix(id, name) && len(id) == len(name)+8 {
			return id
		}
	}
	t.Fatalf("no resource %s in the template", name)
	return ""
}

// grant is one statement of a role's policy, its ARNs written as text.
type grant struct {
	Sid, Effect                    string
	Actions, NotActions, Resources []string
	Condition                      map[string]any
}

// grants are the statements of every policy attached to the role with that logical id.
func (tm template) grants(t *testing.T, role string) []grant {
	t.Helper()
	var found []grant
	for _, id := range tm.ofType("AWS::IAM::Policy") {
		properties := tm.Resources[id].Properties
		if !strings.Contains(fmt.Sprint(properties["Roles"]), role) {
			continue
		}
		for _, s := range properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			s := s.(map[string]any)
			g := grant{Effect: s["Effect"].(string), Actions: texts(s["Action"]), NotActions: texts(s["NotAction"]), Resources: texts(s["Resource"])}
			g.Sid, _ = s["Sid"].(string)
			g.Condition, _ = s["Condition"].(map[string]any)
			found = append(found, g)
		}
	}
	if len(found) == 0 {
		t.Fatalf("role %s has no policy", role)
	}
	return found
}

// texts writes a value or a list of values as texts, with CloudFormation's functions resolved as far as names go.
func texts(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, texts(item)...)
		}
		return all
	case string:
		return []string{v}
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return []string{"<" + strings.TrimPrefix(ref, "AWS::") + ">"}
		}
		if att, ok := v["Fn::GetAtt"].([]any); ok {
			return []string{fmt.Sprintf("<%s.%s>", att...)}
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			return []string{strings.Join(texts(join[1]), join[0].(string))}
		}
	}
	return []string{fmt.Sprint(v)}
}
