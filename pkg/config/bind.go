package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// binder puts a YAML tree into Go values without converting: a number is no text, and a field that the type does not have is a
// problem. It remembers where every field stands.
type binder struct {
	file     string
	at       map[string]position
	anchors  map[string]ast.Node
	problems Problems
}

// maxDepth is deeper than any field of Config or Targets lies; aliases could make a tree endless.
const maxDepth = 16

func (b *binder) problem(n ast.Node, field, format string, args ...any) {
	p := positionOf(n)
	b.problems = append(b.problems, &Problem{File: b.file, Line: p.line, Column: p.column, Field: field, Message: fmt.Sprintf(format, args...)})
}

// problemAt is a problem of a field that has been bound, or of the nearest one around it.
func (b *binder) problemAt(field, format string, args ...any) {
	p := &Problem{File: b.file, Field: field, Message: fmt.Sprintf(format, args...)}
	for near := field; near != ""; near = parentField(near) {
		if at, ok := b.at[near]; ok {
			p.Line, p.Column = at.line, at.column
			break
		}
	}
	b.problems = append(b.problems, p)
}

func parentField(field string) string {
	return field[:max(strings.LastIndexByte(field, '.'), strings.LastIndexByte(field, '['), 0)]
}

func positionOf(n ast.Node) position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return position{}
	}
	return position{n.GetToken().Position.Line, n.GetToken().Position.Column}
}

// bind binds a document into what into points to.
func (b *binder) bind(into any, root ast.Node) {
	b.anchors = map[string]ast.Node{}
	b.value(reflect.ValueOf(into).Elem(), root, "", 0)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	templateType = reflect.TypeFor[Template]()
	setType      = reflect.TypeFor[map[string]Template]()
)

// wholeFolder stands for a folder among the templates until it has been read.
const wholeFolder = ""

// value binds one node. A null leaves what is there, which is the default.
func (b *binder) value(into reflect.Value, n ast.Node, field string, depth int) {
	n = b.resolve(n, field)
	if n == nil {
		return
	}
	if depth > maxDepth {
		b.problem(n, field, "nested too deeply")
		return
	}
	switch {
	case n.Type() == ast.NullType:
		return
	case into.Type() == durationType:
		b.duration(into, n, field)
	case into.Type() == timeType:
		b.day(into, n, field)
	case into.Type() == templateType:
		b.text(into.FieldByName("File"), n, field)
	case into.Type() == setType && n.Type() == ast.StringType:
		var folder string
		b.text(reflect.ValueOf(&folder).Elem(), n, field)
		into.Set(reflect.ValueOf(map[string]Template{wholeFolder: {File: folder}}))
	case into.Kind() == reflect.Struct:
		b.structure(into, n, field, depth)
	case into.Kind() == reflect.Map:
		b.mapping(into, n, field, depth)
	case into.Kind() == reflect.Slice:
		b.list(into, n, field, depth)
	case into.Kind() == reflect.String:
		b.text(into, n, field)
	case into.Kind() == reflect.Bool:
		if v, ok := n.(*ast.BoolNode); ok {
			into.SetBool(v.Value)
			return
		}
		b.wrongType(n, field, "true or false")
	case into.Kind() == reflect.Float64:
		b.fraction(into, n, field)
	case into.Kind() == reflect.Int:
		b.number(into, n, field)
	}
}

// resolve follows anchors, aliases and tags to the value behind them.
func (b *binder) resolve(n ast.Node, field string) ast.Node {
	for range maxDepth {
		switch v := n.(type) {
		case *ast.AnchorNode:
			b.anchors[v.Name.GetToken().Value] = v.Value
			n = v.Value
		case *ast.AliasNode:
			name := v.Value.GetToken().Value
			target, ok := b.anchors[name]
			if !ok {
				b.problem(n, field, "no anchor &%s comes before it", name)
				return nil
			}
			n = target
		case *ast.TagNode:
			b.problem(n, field, "a YAML tag (%s) has no meaning here", v.Start.Value)
			return nil
		default:
			return n
		}
	}
	b.problem(n, field, "an alias that leads to itself")
	return nil
}

func (b *binder) wrongType(n ast.Node, field, want string) {
	have := "a " + strings.ToLower(strings.ReplaceAll(n.Type().YAMLName(), "!!", ""))
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		have = "a mapping"
	case ast.SequenceType:
		have = "a list"
	case ast.StringType, ast.LiteralType:
		have = "text"
	case ast.IntegerType, ast.FloatType:
		have = "a number"
	case ast.BoolType:
		have = "true or false"
	default:
	}
	b.problem(n, field, "it is %s, not %s", want, have)
}

// entries are the members of a mapping.
func (b *binder) entries(n ast.Node, field string) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	b.wrongType(n, field, "a mapping")
	return nil, false
}

// key is the text of a member's key; only plain and quoted text is one.
func (b *binder) key(e *ast.MappingValueNode, field string) (string, bool) {
	switch k := e.Key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.MergeKeyNode:
		b.problem(e.Key, field, "<< is not supported: write the fields out, or use an alias for a whole value")
	default:
		b.problem(e.Key, field, "a field's name is text, not %s", e.Key.GetToken().Value)
	}
	return "", false
}

func (b *binder) structure(into reflect.Value, n ast.Node, field string, depth int) {
	entries, ok := b.entries(n, field)
	if !ok {
		return
	}
	names := map[string]int{}
	var known []string
	for i := range into.NumField() {
		if tag := into.Type().Field(i).Tag.Get("yaml"); tag != "" {
			for j, name := range strings.Split(tag, ",") {
				names[name] = i
				if j == 0 {
					known = append(known, name)
				}
			}
		}
	}
	seen := map[int]string{}
	for _, e := range entries {
		name, ok := b.key(e, field)
		if !ok {
			continue
		}
		i, ok := names[name]
		if !ok {
			b.problem(e.Key, join(field, name), "unknown field%s", suggestion(name, known))
			continue
		}
		if earlier, twice := seen[i]; twice {
			b.problem(e.Key, join(field, name), "given twice, as %s too", earlier)
			continue
		}
		seen[i] = name
		path := join(field, strings.Split(into.Type().Field(i).Tag.Get("yaml"), ",")[0])
		b.at[path] = positionOf(e.Key)
		b.value(into.Field(i), e.Value, path, depth+1)
	}
}

func (b *binder) mapping(into reflect.Value, n ast.Node, field string, depth int) {
	entries, ok := b.entries(n, field)
	if !ok {
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, e := range entries {
		name, ok := b.key(e, field)
		if !ok {
			continue
		}
		path := join(field, name)
		b.at[path] = positionOf(e.Key)
		v := reflect.New(into.Type().Elem()).Elem()
		b.value(v, e.Value, path, depth+1)
		into.SetMapIndex(reflect.ValueOf(name), v)
	}
}

// list binds a sequence. Where a list of texts is wanted one text will do, as in a policy.
func (b *binder) list(into reflect.Value, n ast.Node, field string, depth int) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		if into.Type().Elem().Kind() == reflect.String && (n.Type() == ast.StringType || n.Type() == ast.LiteralType) {
			into.Set(reflect.MakeSlice(into.Type(), 1, 1))
			b.at[field+"[0]"] = positionOf(n)
			b.text(into.Index(0), n, field+"[0]")
			return
		}
		b.wrongType(n, field, "a list")
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		path := field + "[" + strconv.Itoa(i) + "]"
		b.at[path] = positionOf(item)
		if item.Type() == ast.NullType {
			b.problem(item, path, "an empty entry: remove it or fill it in")
			continue
		}
		b.value(into.Index(i), item, path, depth+1)
	}
}

func (b *binder) text(into reflect.Value, n ast.Node, field string) {
	switch v := n.(type) {
	case *ast.StringNode:
		into.SetString(v.Value)
	case *ast.LiteralNode:
		into.SetString(v.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		b.problem(n, field, "it is text: put it in quotes, \"%s\"", n.GetToken().Value)
	default:
		b.wrongType(n, field, "text")
	}
}

func (b *binder) number(into reflect.Value, n ast.Node, field string) {
	if v, ok := n.(*ast.IntegerNode); ok {
		switch i := v.Value.(type) {
		case int64:
			into.SetInt(i)
			return
		case uint64:
			if i < 1<<31 {
				into.SetInt(int64(i))
				return
			}
		}
	}
	b.wrongType(n, field, "a whole number")
}

// fraction takes a number with or without a fraction.
func (b *binder) fraction(into reflect.Value, n ast.Node, field string) {
	var text string
	switch n := n.(type) {
	case *ast.IntegerNode:
		text = n.GetToken().Value
	case *ast.FloatNode:
		text = n.GetToken().Value
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		b.problem(n, field, "not a number")
		return
	}
	into.SetFloat(f)
}

func (b *binder) duration(into reflect.Value, n ast.Node, field string) {
	v, ok := n.(*ast.StringNode)
	if i, isNumber := n.(*ast.IntegerNode); isNumber && i.Token.Value == "0" {
		into.SetInt(0)
		return
	}
	if !ok {
		b.problem(n, field, "it is a duration such as 24h or 90m, not %s", n.GetToken().Value)
		return
	}
	d, err := time.ParseDuration(v.Value)
	if err != nil || d < 0 {
		b.problem(n, field, "%q is not a duration: write hours and minutes, such as 24h or 1h30m", v.Value)
		return
	}
	into.SetInt(int64(d))
}

// day binds a date, which lasts until its end in UTC, or a moment.
func (b *binder) day(into reflect.Value, n ast.Node, field string) {
	v, ok := n.(*ast.StringNode)
	if !ok {
		b.wrongType(n, field, "a date such as 2027-01-31")
		return
	}
	if day, err := time.Parse(time.DateOnly, v.Value); err == nil {
		into.Set(reflect.ValueOf(day.AddDate(0, 0, 1)))
		return
	}
	moment, err := time.Parse(time.RFC3339, v.Value)
	if err != nil {
		b.problem(n, field, "%q is not a date: write it as 2027-01-31 or 2027-01-31T12:00:00Z", v.Value)
		return
	}
	into.Set(reflect.ValueOf(moment.UTC()))
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

// suggestion names the field that was probably meant, or all of them where there are few.
func suggestion(name string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	known = slices.Sorted(slices.Values(known))
	return "; there are " + strings.Join(known, ", ")
}

// editDistance counts the insertions, deletions and substitutions that make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
