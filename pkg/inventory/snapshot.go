package inventory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// SnapshotSchema names the form of a snapshot file. A file of another form is refused.
const SnapshotSchema = "rotationguard.snapshot/1"

// file is a snapshot as it is stored: what Groups gave, the list of secrets that goes with it, and nothing that Groups does not
// give. There is no field for a secret's value, a function's environment or code, or another stack parameter.
type file struct {
	Schema   string           `json:"schema"`
	Account  string           `json:"account"`
	Region   string           `json:"region"`
	Complete bool             `json:"complete"`
	Listed   []rotation.ARN   `json:"listed"`
	Groups   []rotation.Group `json:"groups"`
	// Operators are the principals that the configuration declared when the snapshot was made.
	Operators     []rotation.Operator `json:"operators,omitempty"`
	AllQualifiers bool                `json:"all_qualifiers,omitempty"`
}

// Also is what a snapshot holds besides the groups: the declared operators, and whether the groups were read with all qualifiers.
type Also struct {
	Operators     []rotation.Operator
	AllQualifiers bool
}

// WriteSnapshot writes what was read of an account, and of its declared operators, as one JSON document. The same groups give the same
// bytes.
func WriteSnapshot(w io.Writer, groups iter.Seq2[rotation.Group, error], also Also) error {
	f := file{Schema: SnapshotSchema, Groups: []rotation.Group{}, Listed: []rotation.ARN{}, Operators: also.Operators, AllQualifiers: also.AllQualifiers}
	for g, err := range groups {
		if err != nil {
			return err
		}
		if g.Listed != nil {
			f.Complete, f.Listed = g.Listed.Complete, g.Listed.Secrets
		}
		if f.Account == "" && len(g.Setups) > 0 {
			f.Account, f.Region = g.Setups[0].Account, g.Setups[0].Region
		}
		f.Groups = append(f.Groups, g)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(f); err != nil {
		return fmt.Errorf("writing the snapshot: %w", err)
	}
	return nil
}

// SaveSnapshot writes a snapshot file, readable by its owner only. It replaces an older one at once or not at all.
func SaveSnapshot(path string, groups iter.Seq2[rotation.Group, error], also Also) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".snapshot-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing the snapshot %s: %w", path, fileCause(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = WriteSnapshot(f, groups, also)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("writing the snapshot %s: %w", path, closed)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("writing the snapshot %s: %w", path, fileCause(err))
	}
	return nil
}

// fileCause leaves out the path, which the message has already.
func fileCause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Snapshot is an account's inventory out of a file.
type Snapshot struct {
	Account       string
	Region        string
	AllQualifiers bool // it holds the function policies at qualifiers that no secret names

	rules     rotation.Rules
	groups    []rotation.Group
	listing   rotation.Listing
	operators []rotation.Operator
}

// OpenSnapshot reads a snapshot file, strictly: an unknown field or a value of the wrong type is an error that names the file and the
// field. The rules are applied anew.
func OpenSnapshot(path string, rules rotation.Rules) (*Snapshot, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot %s: %w", path, fileCause(err))
	}
	s, err := ReadSnapshot(data, rules)
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot %s: %s", path, rotation.OneLine(err.Error()))
	}
	return s, nil
}

// ReadSnapshot is OpenSnapshot of a file's content.
func ReadSnapshot(data []byte, rules rotation.Rules) (*Snapshot, error) {
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, jsonError(data, err)
	}
	if head.Schema == nil || *head.Schema != SnapshotSchema {
		return nil, fmt.Errorf("schema: it is %s, want %q", orNone(head.Schema), SnapshotSchema)
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, jsonError(data, err)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	s := &Snapshot{
		Account: f.Account, Region: f.Region, rules: rules, groups: f.Groups, operators: f.Operators, AllQualifiers: f.AllQualifiers,
		listing: rotation.Listing{Complete: f.Complete, Secrets: f.Listed},
	}
	s.prepare()
	return s, nil
}

func orNone(s *string) string {
	if s == nil {
		return "not there"
	}
	return quoted(*s)
}

// jsonError says where a document is not what it should be.
func jsonError(data []byte, err error) error {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: it is not JSON: %w", lineAt(data, syntax.Offset), err)
	case errors.As(err, &kind):
		return fmt.Errorf("line %d: field %s: a JSON %s cannot be read as %s", lineAt(data, kind.Offset), cmp.Or(kind.Field, "(the whole file)"), kind.Value, kind.Type)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("it ends in the middle")
	}
	if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok { // encoding/json has no type for it
		return fmt.Errorf("field %s is not one of a snapshot's", field)
	}
	return err
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
}

// check refuses values that no reading of an account gives.
func (f *file) check() error {
	kinds := []rotation.Kind{rotation.KindLambda, rotation.KindManaged, rotation.KindExternal, rotation.KindReplica, rotation.KindOff}
	for i, g := range f.Groups {
		for j, s := range g.Setups {
			at := fmt.Sprintf("groups[%d].setups[%d]", i, j)
			if len(s.Secrets) == 0 {
				return fmt.Errorf("field %s.secrets: it is empty", at)
			}
			for k, secret := range s.Secrets {
				where := fmt.Sprintf("%s.secrets[%d]", at, k)
				if _, err := secret.ARN.Parse(); err != nil {
					return fmt.Errorf("field %s.arn: %w", where, err)
				}
				if !slices.Contains(kinds, secret.Kind) {
					return fmt.Errorf("field %s.kind: %s is no kind of secret", where, quoted(string(secret.Kind)))
				}
				if secret.Kind == rotation.KindLambda && secret.FunctionARN != s.Function.ARN {
					return fmt.Errorf("field %s.function_arn: it is not the setup's function", where)
				}
			}
			if err := checkPresences(at, presences(&f.Groups[i].Setups[j])); err != nil {
				return err
			}
		}
	}
	for i := range f.Operators {
		o, at := &f.Operators[i], fmt.Sprintf("operators[%d]", i)
		if _, err := o.Principal.Parse(); err != nil {
			return fmt.Errorf("field %s.principal: %w", at, err)
		}
		all := []presence{{"presence", o.Presence}}
		for p := range operatorPolicies(o) {
			all = append(all, presence{p.Label(), p.Presence})
		}
		if err := checkPresences(at, all); err != nil {
			return err
		}
	}
	return nil
}

func checkPresences(at string, all []presence) error {
	for _, p := range all {
		switch p.presence {
		case rotation.NotRead, rotation.Present, rotation.Absent, rotation.Unreadable:
		default:
			return fmt.Errorf("field %s.%s: %s is no presence", at, p.field, quoted(string(p.presence)))
		}
	}
	return nil
}

type presence struct {
	field    string
	presence rotation.Presence
}

func presences(s *rotation.Setup) []presence {
	all := []presence{{"function.presence", s.Function.Presence}, {"role.presence", s.Role.Presence}}
	for _, id := range slices.Sorted(maps.Keys(s.Keys)) {
		all = append(all, presence{"keys." + id + ".presence", s.Keys[id].Presence})
	}
	for p := range policies(s) {
		all = append(all, presence{p.Label(), p.Presence})
	}
	return all
}

// policies are all policy documents of a setup but those of keys and masters, which its maps hold by value.
func policies(s *rotation.Setup) iter.Seq[*rotation.Policy] {
	return func(yield func(*rotation.Policy) bool) {
		all := []*rotation.Policy{&s.Function.Policy, &s.Role.Trust}
		if s.Role.Boundary != nil {
			all = append(all, s.Role.Boundary)
		}
		for i := range s.Role.Identity {
			all = append(all, &s.Role.Identity[i])
		}
		for i := range s.Secrets {
			all = append(all, &s.Secrets[i].Policy)
		}
		for i := range s.Function.OtherPolicies {
			all = append(all, &s.Function.OtherPolicies[i])
		}
		for _, p := range all {
			if !yield(p) {
				return
			}
		}
	}
}

func operatorPolicies(o *rotation.Operator) iter.Seq[*rotation.Policy] {
	return func(yield func(*rotation.Policy) bool) {
		for i := range o.Identity {
			if !yield(&o.Identity[i]) {
				return
			}
		}
		if o.Boundary != nil {
			yield(o.Boundary)
		}
	}
}

// prepare parses the documents and declares the secrets by the rules at hand.
func (s *Snapshot) prepare() {
	for i := range s.operators {
		for p := range operatorPolicies(&s.operators[i]) {
			p.Parse()
		}
	}
	known, keys := s.metadata(), s.keys()
	for i := range s.groups {
		s.groups[i].Listed = &s.listing
		for j := range s.groups[i].Setups {
			setup := &s.groups[i].Setups[j]
			for p := range policies(setup) {
				p.Parse()
			}
			s.AllQualifiers = s.AllQualifiers || len(setup.Function.OtherPolicies) > 0
			for k := range setup.Secrets {
				secret := &setup.Secrets[k]
				secret.Excluded = s.rules.Excluded(secret)
				if secret.Kind == rotation.KindLambda || secret.Kind == rotation.KindExternal {
					secret.Declaration = rotation.Declare(s.rules, secret, setup.Function.Stack)
				}
			}
			s.masters(setup, known)
			for _, master := range setup.Masters {
				key, read := keys[master.KMSKeyID]
				if _, ok := setup.Keys[master.KMSKeyID]; !ok && read {
					if setup.Keys == nil {
						setup.Keys = map[string]rotation.Key{}
					}
					setup.Keys[master.KMSKeyID] = key
				}
			}
			for id, key := range setup.Keys {
				key.Policy.Parse()
				setup.Keys[id] = key
			}
		}
	}
}

// metadata is every secret of the snapshot, masters too, by ARN and by ARN without the six characters.
func (s *Snapshot) metadata() map[rotation.ARN]rotation.Secret {
	known := map[rotation.ARN]rotation.Secret{}
	add := func(secret rotation.Secret) {
		known[secret.ARN] = secret
		if len(secret.ARN) > 7 {
			known[secret.ARN[:len(secret.ARN)-7]] = secret
		}
	}
	for _, g := range s.groups {
		for _, setup := range g.Setups {
			for _, secret := range setup.Secrets {
				add(secret)
			}
		}
	}
	// A master was read with its policy, which a secret that nothing rotates was not.
	for _, g := range s.groups {
		for _, setup := range g.Setups {
			for declared, master := range setup.Masters {
				if master.ARN != "" {
					add(master)
				}
				known[declared] = master
			}
		}
	}
	return known
}

// keys are all keys of the snapshot as secrets name them, without grants, which are a role's.
func (s *Snapshot) keys() map[string]rotation.Key {
	known := map[string]rotation.Key{}
	for _, g := range s.groups {
		for _, setup := range g.Setups {
			for id, key := range setup.Keys {
				key.Grants, key.GrantsRead = nil, false
				known[id] = key
			}
		}
	}
	return known
}

// masters keeps the masters that the declarations name. One that was not read into the snapshot is a gap, and unknown.
func (s *Snapshot) masters(setup *rotation.Setup, known map[rotation.ARN]rotation.Secret) {
	masters := map[rotation.ARN]rotation.Secret{}
	for _, secret := range setup.Secrets {
		declared := secret.Declaration.Master
		if declared == "" {
			continue
		}
		m, ok := known[declared]
		if !ok {
			m = rotation.Secret{Gaps: []rotation.Gap{{
				Call: "secretsmanager:DescribeSecret", Resource: rotation.OneLine(string(declared)), Code: "NotInSnapshot",
				Message: "the snapshot does not hold this master secret",
			}}}
		}
		m.Policy.Parse()
		masters[declared] = m
	}
	setup.Masters = nil
	if len(masters) > 0 {
		setup.Masters = masters
	}
}

// Groups gives the snapshot's groups in scope, as Reader.Groups gives an account's.
func (s *Snapshot) Groups(ctx context.Context, scope rotation.Scope) iter.Seq2[rotation.Group, error] {
	return func(yield func(rotation.Group, error) bool) {
		var unknown []string
		for _, id := range scope.Secrets {
			if !s.has(id) {
				unknown = append(unknown, quoted(id))
			}
		}
		if len(unknown) > 0 {
			yield(rotation.Group{}, &UnknownSecretsError{Secrets: unknown, Where: "the snapshot"})
			return
		}
		for _, g := range s.groups {
			if ctx.Err() != nil {
				yield(rotation.Group{}, ctx.Err())
				return
			}
			if g, ok := inScope(g, scope); ok && !yield(g, nil) {
				return
			}
		}
	}
}

// Operators gives the declared principals as the snapshot holds them. It holds those that were declared when it was made; another one is a
// gap, and unknown.
func (s *Snapshot) Operators(_ context.Context, declared []rotation.Operator) ([]rotation.Operator, error) {
	var out []rotation.Operator
	for _, d := range declared {
		i := slices.IndexFunc(s.operators, func(o rotation.Operator) bool { return o.Principal == d.Principal })
		o := rotation.Operator{Principal: d.Principal, Gaps: []rotation.Gap{{
			Call: "iam:Get" + principalNoun(d.Principal), Resource: rotation.OneLine(string(d.Principal)), Code: "NotInSnapshot",
			Message: "the snapshot does not hold this operator: save it again with the configuration that declares it",
		}}}
		if i >= 0 {
			o = s.operators[i]
		}
		o.May = d.May
		out = append(out, o)
	}
	return out, nil
}

func (s *Snapshot) has(id string) bool {
	for _, g := range s.groups {
		for _, setup := range g.Setups {
			if slices.ContainsFunc(setup.Secrets, func(secret rotation.Secret) bool { return names(id, &secret) }) {
				return true
			}
		}
	}
	return false
}

// inScope is a group as far as a scope picks it: whole where it has a role, else only its picked secrets.
func inScope(g rotation.Group, scope rotation.Scope) (rotation.Group, bool) {
	if scope.All() {
		return g, true
	}
	kept := rotation.Group{Listed: g.Listed}
	for _, setup := range g.Setups {
		picked := slices.ContainsFunc(setup.Secrets, func(s rotation.Secret) bool { return picks(scope, &s) })
		switch {
		case picked && (setup.Function.ARN != "" || setup.Role.ARN != ""):
			return g, true
		case picked:
			setup.Secrets = slices.DeleteFunc(slices.Clone(setup.Secrets), func(s rotation.Secret) bool { return !picks(scope, &s) })
			kept.Setups = append(kept.Setups, setup)
		}
	}
	return kept, len(kept.Setups) > 0
}
