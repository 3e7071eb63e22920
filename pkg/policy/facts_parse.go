package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ParseFacts reads facts from JSON, strictly: unknown and repeated members, wrong types, anything after the object and values
// that mean nothing are errors that name the place. {"builtin": true} beside the other members adds BuiltinFacts.
func ParseFacts(name string, data []byte) (*Facts, error) {
	f, builtin, err := readFacts(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if builtin {
		return BuiltinFacts().With(f), nil
	}
	return f, nil
}

func readFacts(data []byte) (f *Facts, builtin bool, err error) {
	if len(data) > maxFactsSize {
		return nil, false, fmt.Errorf("has %d bytes, more than %d", len(data), maxFactsSize)
	}
	if err := checkMembers(data); err != nil {
		return nil, false, err
	}
	var read struct {
		Builtin bool `json:"builtin"`
		*Facts
	}
	read.Facts = &Facts{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return nil, false, err
	}
	return read.Facts, read.Builtin, read.Facts.check()
}

// maxFactsSize bounds a facts file; 100,000 secrets with their tags stay below it.
const maxFactsSize = 256 << 20

// checkMembers refuses a repeated member, which encoding/json would read as the last one, and anything but one object.
func checkMembers(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		object bool
		value  bool // a member's value comes next
		seen   map[string]bool
	}
	var stack []level
	for {
		t, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			if len(stack) > 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil {
			return err
		}
		if len(stack) == 0 && t != json.Delim('{') {
			return errors.New("must be one JSON object")
		}
		var top *level
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		switch d, isDelim := t.(json.Delim); {
		case isDelim && (d == '{' || d == '['):
			if top != nil {
				top.value = false
			}
			if len(stack) > 16 {
				return errors.New("is nested too deeply")
			}
			stack = append(stack, level{object: d == '{', seen: map[string]bool{}})
		case isDelim:
			stack = stack[:len(stack)-1]
			if len(stack) == 0 && decoder.More() {
				return errors.New("something follows the object")
			}
		case top.object && !top.value:
			key := t.(string)
			if top.seen[key] {
				return fmt.Errorf("member %q occurs twice", key)
			}
			top.seen[key] = true
			top.value = true
		default:
			top.value = false
		}
	}
}

// check says what is wrong with the facts.
func (f *Facts) check() error {
	for i, service := range f.Complete {
		if service == "" || strings.Trim(service, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("complete[%d]: %q is no service", i, service)
		}
	}
	for i := range f.Actions {
		a := &f.Actions[i]
		at := fmt.Sprintf("actions[%d]", i)
		if len(a.Actions) == 0 {
			return fmt.Errorf("%s.actions: names no action", at)
		}
		for _, text := range a.Actions {
			if service, name, ok := strings.Cut(text, ":"); !ok || service == "" || name == "" {
				return fmt.Errorf("%s.actions: %q is no action", at, text)
			}
		}
		if a.NoResource && len(a.Resources) > 0 {
			return fmt.Errorf("%s: has both no_resource and resources", at)
		}
		if err := checkPatterns(at+".resources", a.Resources); err != nil {
			return err
		}
		for _, list := range [...]struct {
			name string
			keys []string
		}{{"absent", a.Absent}, {"present", a.Present}} {
			for _, key := range list.keys {
				if err := checkKey(at+"."+list.name, key, true); err != nil {
					return err
				}
			}
		}
	}
	for i := range f.Keys {
		k := &f.Keys[i]
		at := fmt.Sprintf("keys[%d]", i)
		if err := checkKey(at+".key", k.Key, true); err != nil {
			return err
		}
		switch k.Values {
		case "", SingleValued, MultiValued:
		default:
			return fmt.Errorf("%s.values: %q is neither %s nor %s", at, k.Values, SingleValued, MultiValued)
		}
		if _, ok := familyOfType(k.Type); !ok {
			return fmt.Errorf("%s.type: %q is no type of a condition key", at, k.Type)
		}
		for _, kind := range slices.Concat(k.AbsentFor, k.PresentFor) {
			switch kind {
			case CallerRole, CallerUser, CallerAccount, CallerService, CallerFederated, CallerAnonymous:
			default:
				return fmt.Errorf("%s: %q is no kind of caller", at, kind)
			}
		}
	}
	seen := make(map[string]bool, len(f.Resources))
	for i := range f.Resources {
		r := &f.Resources[i]
		at := fmt.Sprintf("resources[%d]", i)
		if _, ok := splitARN(r.ARN); !ok || strings.ContainsAny(r.ARN, "*?") {
			return fmt.Errorf("%s.arn: %q is not the ARN of a resource", at, r.ARN)
		}
		if seen[r.ARN] {
			return fmt.Errorf("%s.arn: %s occurs twice", at, r.ARN)
		}
		seen[r.ARN] = true
		folded := map[string]bool{}
		for key := range r.Keys {
			if err := checkKey(at+".keys", key, false); err != nil {
				return err
			}
			if folded[lowerASCII(key)] {
				return fmt.Errorf("%s.keys: %q occurs twice", at, key)
			}
			folded[lowerASCII(key)] = true
		}
		for _, key := range r.Only {
			if err := checkKey(at+".only", key, true); err != nil {
				return err
			}
		}
	}
	for i := range f.Universe {
		u := &f.Universe[i]
		at := fmt.Sprintf("universe[%d]", i)
		if len(u.Resources) == 0 {
			return fmt.Errorf("%s.resources: names no resource", at)
		}
		if err := checkPatterns(at+".resources", u.Resources); err != nil {
			return err
		}
		if !u.Closed && len(u.Without) == 0 {
			return fmt.Errorf("%s: needs closed or without", at)
		}
		for key := range u.Without {
			if err := checkKey(at+".without", key, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPatterns(at string, patterns []string) error {
	for _, text := range patterns {
		if !strings.HasPrefix(text, "arn:") {
			return fmt.Errorf("%s: %q is not the pattern of an ARN", at, text)
		}
	}
	return nil
}

// checkKey says what is wrong with a condition key, or with a family of them.
func checkKey(at, key string, family bool) error {
	name := key
	if family {
		name = strings.TrimSuffix(key, "*")
		if name != key && !strings.HasSuffix(name, ":") && !strings.HasSuffix(name, "/") {
			return fmt.Errorf("%s: the family %q does not end in :* or /*", at, key)
		}
	}
	if service, rest, ok := strings.Cut(name, ":"); !ok || service == "" || rest == "" && name == key || strings.ContainsAny(name, "*?") {
		return fmt.Errorf("%s: %q is no condition key", at, key)
	}
	return nil
}

// familyOfType is how values of a type are told apart.
func familyOfType(t ValueType) (family, bool) {
	switch t {
	case "":
		return familyNone, true
	case TypeString:
		return familyText, true
	case TypeARN:
		return familyARN, true
	case TypeNumeric:
		return familyNumber, true
	case TypeDate:
		return familyDate, true
	case TypeBool:
		return familyBoolean, true
	case TypeIPAddress:
		return familyAddress, true
	}
	return familyNone, false
}
