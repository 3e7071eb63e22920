package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// knownGroups reads what a scope picks without listing anything: the secrets that it names, the functions that it names or that these
// secrets name now, all other secrets that are known to name those functions, and the functions known to run with the same roles.
func (r *run) knownGroups(ctx context.Context, scope rotation.Scope, yield func(rotation.Group) bool) error {
	k := &knownRun{run: r, index: scope.Known, of: map[rotation.ARN][]rotation.ARN{}, seen: map[string]bool{}, picked: map[rotation.ARN]bool{}}
	for secret, function := range scope.Known.Secrets {
		k.of[function] = append(k.of[function], secret)
	}
	ids := slices.Clone(scope.Secrets)
	for _, f := range scope.Functions {
		ids = append(ids, k.pick(f)...)
	}
	for len(ids) > 0 { // a secret may name another function by now, whose other secrets belong to it
		described, err := k.describeAll(ctx, ids)
		if err != nil {
			return err
		}
		ids = nil
		for i := range described {
			if f := described[i].FunctionARN; f != "" {
				ids = append(ids, k.pick(f)...)
			}
		}
	}
	units, _, err := k.units()
	if err != nil {
		return err
	}
	if err := r.configurations(ctx, scope, units); err != nil {
		return err
	}
	shared, err := k.sharing(ctx, units)
	if err != nil {
		return err
	}
	if len(shared) > 0 {
		configured := map[rotation.ARN]*unit{}
		for _, u := range units {
			configured[u.arn] = u
		}
		all, _, err := k.units()
		if err != nil {
			return err
		}
		for _, u := range all {
			if done := configured[u.arn]; done != nil && u.arn != "" {
				u.function, u.role, u.settled = done.function, done.role, done.settled
			}
		}
		units = all
		if err := r.configure(ctx, slices.DeleteFunc(slices.Clone(units), func(u *unit) bool {
			return !u.live || u.arn == "" || configured[u.arn] != nil
		})); err != nil {
			return err
		}
	}
	_, rest, err := k.units()
	if err != nil {
		return err
	}
	return r.emit(ctx, bundle(units), rest, k.listing(), yield)
}

// knownRun is a reading of what is known.
type knownRun struct {
	run     *run
	index   *rotation.Index
	of      map[rotation.ARN][]rotation.ARN // function → the secrets known to name it
	seen    map[string]bool                 // ids that were described
	picked  map[rotation.ARN]bool           // functions
	secrets []rotation.Secret
}

// pick picks a function and answers with the secrets that are known to name it.
func (k *knownRun) pick(function rotation.ARN) []string {
	if k.picked[function] {
		return nil
	}
	k.picked[function] = true
	return k.known(function)
}

func (k *knownRun) known(function rotation.ARN) []string {
	ids := make([]string, len(k.of[function]))
	for i, s := range k.of[function] {
		ids[i] = string(s)
	}
	return ids
}

// describeAll reads secrets that were not read yet and answers with those that are there. One that is known and cannot be read is what it was,
// with a gap.
func (k *knownRun) describeAll(ctx context.Context, ids []string) ([]rotation.Secret, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		again := k.seen[id]
		k.seen[id] = true
		return again
	})
	found := make([]*rotation.Secret, len(ids))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, id := range ids {
		g.Go(func() error {
			s, gap, err := k.run.describe(gctx, id)
			if err != nil {
				return err
			}
			if gap != nil {
				if isAbsent(*gap) {
					return nil
				}
				function, known := k.index.Secrets[rotation.ARN(id)]
				if !known {
					return &AccountError{Trouble: TroubleOther, Line: fmt.Sprintf("reading secret %s: %s: %s", quoted(id), gap.Code, gap.Message)}
				}
				arn := rotation.ARN(id)
				name, _, _ := arn.SecretName()
				s = rotation.Secret{ARN: arn, Name: name, Kind: rotation.KindLambda, FunctionARN: function, Gaps: []rotation.Gap{*gap}}
			}
			found[i] = &s
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var described []rotation.Secret
	for _, s := range found {
		if s != nil && !slices.ContainsFunc(k.secrets, func(other rotation.Secret) bool { return other.ARN == s.ARN }) {
			k.seen[string(s.ARN)] = true
			k.secrets = append(k.secrets, *s)
			described = append(described, *s)
		}
	}
	return described, nil
}

// units are the units of the secrets read so far, of which those of picked functions are picked, and the secrets that no function rotates.
func (k *knownRun) units() ([]*unit, []waiting, error) {
	slices.SortStableFunc(k.secrets, bySecretARN)
	all := make([]waiting, len(k.secrets))
	for i := range k.secrets {
		var err error
		if all[i], err = k.run.wait(&k.secrets[i], true); err != nil {
			return nil, nil, err
		}
	}
	units, rest := k.run.split(all)
	for _, u := range units {
		u.picked = u.arn == "" || k.picked[u.arn]
	}
	return units, rest, nil
}

// sharing reads the secrets of the functions that are known to run with the role of a picked one, and answers with these functions.
func (k *knownRun) sharing(ctx context.Context, units []*unit) ([]rotation.ARN, error) {
	roles := map[rotation.ARN]bool{}
	for _, u := range units {
		if u.picked && u.arn != "" && u.role != "" {
			roles[u.role] = true
		}
	}
	var shared []rotation.ARN
	var ids []string
	for _, f := range slices.Sorted(maps.Keys(k.index.Functions)) {
		if !k.picked[f] && roles[k.index.Functions[f].Role] {
			shared, ids = append(shared, f), append(ids, k.known(f)...)
		}
	}
	_, err := k.describeAll(ctx, ids)
	return shared, err
}

// listing is what is known of the account: never all of it.
func (k *knownRun) listing() *rotation.Listing {
	all := make(map[rotation.ARN]bool, len(k.index.Secrets))
	for s := range k.index.Secrets {
		all[s] = true
	}
	for i := range k.secrets {
		all[k.secrets[i].ARN] = true
	}
	return &rotation.Listing{Secrets: slices.Sorted(maps.Keys(all))}
}
