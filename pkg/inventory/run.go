package inventory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// run is one reading: what has been read so far and may be needed again, so that each thing is read once. Functions and roles are not among
// it: all functions of a role are read together, and given away.
type run struct {
	reader  *Reader
	home    *site
	account string // the secrets', empty until one is seen

	members memo[string, siteAnswer]
	managed memo[rotation.ARN, rotation.Policy]
	aliases memo[string, keyName]
	keys    memo[rotation.ARN, rotation.Key]
	grants  memo[grantsOf, grantsRead]
	stacks  memo[string, stackParameters]
	masters memo[rotation.ARN, rotation.Secret]
	own     secretPolicies // secrets' resource policies
	others  memo[rotation.ARN, qualified]
	bulk    *bulkRoles            // nil where roles are read one by one
	used    map[rotation.ARN]bool // the functions that secrets name, as they name them
	count   int                   // functions of the account, 0 while nobody asked
	keyIDs  map[string]bool       // customer keys of the listed secrets, nil where nobody counts them
	tags    *bulkTags             // nil where functions' tags are read one by one
	marking bool                  // the whole account is read, and marks are used and made
	early   *early                // nil where nothing is read before the account is listed
	store   spill.Store           // what has been read and waits for its group
}

func newRun(r *Reader) *run {
	x := &run{reader: r, home: r.home, account: r.options.Account}
	x.own.store = &x.store
	return x
}

// close frees what waits for a group that nobody asks for any more.
func (r *run) close() { _ = r.store.Close() } // nothing that was read is lost by it

// groups is the whole reading: list, configurations, then role by role.
func (r *run) groups(ctx context.Context, scope rotation.Scope, yield func(rotation.Group) bool) (err error) {
	if err := r.home.begin(ctx); err != nil {
		return err
	}
	if scope.Known != nil {
		return r.knownGroups(ctx, scope, yield)
	}
	if r.marking = scope.All() && !r.reader.options.Everything; r.marking {
		r.reader.mu.Lock()
		r.reader.marked = nil
		r.reader.mu.Unlock()
	}
	if scope.All() && (scope.After == "" || scope.Seen != nil) {
		r.early = newEarly(ctx, r)
		defer func() {
			r.early.stop()
			if handed := r.early.handOver(scope.OnAhead); handed != nil && err == nil {
				err = handed
			}
		}()
		if scope.Ahead != nil {
			if err := r.early.recall(scope.Ahead); err != nil {
				return err
			}
		}
	}
	secrets, err := r.list(ctx, scope)
	if err != nil {
		return err
	}
	listing := &rotation.Listing{Complete: true, Secrets: make([]rotation.ARN, len(secrets))}
	for i := range secrets {
		listing.Secrets[i] = secrets[i].arn
	}
	units, rest := r.split(secrets)
	r.early.inOrder(units)
	if err := r.configurations(ctx, scope, units); err != nil {
		return err
	}
	bundles := after(scope.After, bundle(units))
	if err := r.readBulk(ctx, r.rolesOf(bundles)); err != nil {
		return err
	}
	if err := r.readTags(ctx, bundles); err != nil {
		return err
	}
	rest = restAfter(scope.After, rest)
	if scope.InOrder {
		return r.emit(ctx, bundles, rest, listing, yield)
	}
	// Judged while the quotas are waited for: it would cost time at the end.
	if more, err := r.emitRest(rest, listing, yield); !more || err != nil {
		return err
	}
	return r.emit(ctx, bundles, nil, listing, yield)
}

// rolesOf are the roles that the bundles need of the account itself.
func (r *run) rolesOf(bundles [][]*unit) map[rotation.ARN]rotation.ARN {
	wanted := map[rotation.ARN]rotation.ARN{}
	for _, b := range bundles {
		if role := b[0].role; role.Parts().Account == r.account && slices.ContainsFunc(b, func(u *unit) bool { return u.checked }) {
			wanted[role] = role
		}
	}
	return wanted
}

// declare sets what the configuration and the tags say about a secret.
func (r *run) declare(s *rotation.Secret) {
	s.Excluded = r.reader.options.Rules.Excluded(s)
	if s.Kind == rotation.KindLambda || s.Kind == rotation.KindExternal {
		s.Declaration = rotation.Declare(r.reader.options.Rules, s, nil)
	}
}

// unit is what becomes a Setup: a rotation function, or the role of external secrets, with the secrets that name it.
type unit struct {
	arn      rotation.ARN       // of the function; empty for external secrets
	function *rotation.Function // nil until it is read
	role     rotation.ARN
	secrets  []waiting
	picked   bool // the scope picks one of its secrets
	live     bool // one of its secrets is not scheduled for deletion
	checked  bool // a verdict depends on it
	open     bool // the stack of its function may say more about one of its secrets
	listed   bool // its role is known from a list; its configuration is still to be read
	settled  bool // the function was made or changed long ago
}

func newUnit(secrets []waiting) *unit {
	u := &unit{secrets: secrets}
	if first := &secrets[0]; first.external {
		u.role = first.owner
	} else {
		u.arn = first.owner
	}
	for i := range secrets {
		s := &secrets[i]
		u.picked = u.picked || s.picked
		u.live = u.live || !s.deleting
		u.checked = u.checked || s.checked
		u.open = u.open || s.open
	}
	return u
}

// checks says whether the secret gets a verdict that depends on what is read.
func (r *run) checks(s *rotation.Secret) bool {
	return !s.Deleting && (s.Excluded == "" || r.reader.options.Everything)
}

// account is where the unit's function lives, or its external secrets.
func (u *unit) account() string {
	if u.arn != "" {
		return u.arn.Parts().Account
	}
	return u.secrets[0].arn.Parts().Account
}

// split sorts the secrets by what rotates them: those of functions first, then those of partners. Of those that nothing of ours rotates, only
// picked ones are kept.
func (r *run) split(secrets []waiting) (units []*unit, rest []waiting) {
	n, picked := 0, 0
	for i := range secrets {
		switch s := &secrets[i]; {
		case s.owner != "":
			n++
		case s.picked:
			picked++
		}
	}
	rotated := make([]waiting, 0, n)
	rest = make([]waiting, 0, picked)
	for i := range secrets {
		switch s := &secrets[i]; {
		case s.owner != "":
			rotated = append(rotated, *s)
		case s.picked:
			rest = append(rest, *s)
		}
	}
	slices.SortStableFunc(rotated, func(a, b waiting) int {
		switch {
		case a.external == b.external:
			return cmp.Compare(a.owner, b.owner)
		case a.external:
			return 1
		}
		return -1
	})
	r.used = map[rotation.ARN]bool{}
	for len(rotated) > 0 {
		n := 1
		for n < len(rotated) && rotated[n].owner == rotated[0].owner && rotated[n].external == rotated[0].external {
			n++
		}
		u := newUnit(rotated[:n:n])
		if units, rotated = append(units, u), rotated[n:]; u.arn != "" {
			r.used[u.arn] = true
		}
	}
	return units, rest
}

// configurations finds out which functions share a role, picked ones and all others: the ceiling of a role is what all its functions need.
// Where a list of the account's functions tells it with few calls, it does, and each configuration is read later with its group; else the
// configurations are read here.
func (r *run) configurations(ctx context.Context, scope rotation.Scope, units []*unit) error {
	for _, u := range units {
		role, ok := scope.Roles[u.arn]
		if !ok {
			role, ok = r.early.roleOf(u.arn)
		}
		if ok {
			u.role, u.listed = role, true
		}
	}
	if scope.All() {
		if _, err := r.listRoles(ctx, units, r.worthStreaming(units)); err != nil {
			return err
		}
	}
	var picked, others []*unit
	for _, u := range units {
		switch {
		case !u.live || u.arn == "" || u.listed:
		case u.picked:
			picked = append(picked, u)
		default:
			others = append(others, u)
		}
	}
	if len(picked) == 0 {
		return nil
	}
	if err := r.configure(ctx, picked); err != nil {
		return err
	}
	shared := map[rotation.ARN]bool{}
	for _, u := range picked {
		shared[u.role] = true
	}
	r.reader.mu.Lock()
	others = slices.DeleteFunc(others, func(u *unit) bool {
		role, known := r.reader.roles[u.arn]
		return known && !shared[role]
	})
	r.reader.mu.Unlock()
	if _, err := r.listRoles(ctx, others, len(others)); err != nil {
		return err
	}
	return r.configure(ctx, slices.DeleteFunc(others, func(u *unit) bool { return u.listed }))
}

func (r *run) configure(ctx context.Context, units []*unit) error {
	var (
		mu   sync.Mutex
		done int
	)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for _, u := range units {
		g.Go(func() error {
			f, settled, err := r.configured(gctx, u.arn)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			u.function, u.role, u.settled = &f, f.Role, settled
			if f.Presence == rotation.Present {
				r.reader.remember(f.ARN, f.Role)
			}
			done++
			r.reader.progress(Progress{Stage: StageFunctions, Done: done, Total: len(units)})
			return nil
		})
	}
	return g.Wait()
}

// bundle puts units with one role together and leaves out those that share no role with a picked one. The order is that of the
// first unit of each.
func bundle(units []*unit) [][]*unit {
	var (
		bundles [][]*unit
		byRole  = map[rotation.ARN]int{}
	)
	for _, u := range units {
		if i, ok := byRole[u.role]; ok && u.role != "" {
			bundles[i] = append(bundles[i], u)
			continue
		}
		byRole[u.role] = len(bundles)
		bundles = append(bundles, []*unit{u})
	}
	return slices.DeleteFunc(bundles, func(b []*unit) bool {
		return !slices.ContainsFunc(b, func(u *unit) bool { return u.picked })
	})
}

// emit reads the bundles, several at a time, and yields them in order; the secrets that nothing of ours rotates come last.
func (r *run) emit(ctx context.Context, bundles [][]*unit, rest []waiting, listing *rotation.Listing, yield func(rotation.Group) bool) error {
	type answer struct {
		group rotation.Group
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	defer r.early.stop()

	total, done := 0, 0
	for _, b := range bundles {
		total += len(b)
	}
	// Started bundles wait in line for their turn to be yielded: no more than concurrency are held.
	line := make(chan chan answer, concurrency)
	workers.Go(func() {
		defer close(line)
		for i := range bundles {
			turn := make(chan answer, 1)
			select {
			case line <- turn:
			case <-ctx.Done():
				return
			}
			b := bundles[i]
			bundles[i] = nil // what has been yielded is the reader's no more
			workers.Go(func() {
				g, err := r.group(ctx, b, listing)
				turn <- answer{g, err}
			})
		}
	})
	for turn := range line {
		a := <-turn
		if a.err != nil {
			return a.err
		}
		done += len(a.group.Setups)
		r.reader.progress(Progress{Stage: StageGroups, Done: done, Total: total})
		if !yield(a.group) {
			return nil
		}
		r.early.given(&a.group)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := r.emitRest(rest, listing, yield)
	return err
}

// emitRest yields the secrets that nothing of ours rotates, and says whether more is wanted.
func (r *run) emitRest(rest []waiting, listing *rotation.Listing, yield func(rotation.Group) bool) (more bool, err error) {
	for stored := range slices.Chunk(rest, restChunk) {
		chunk, err := r.load(stored)
		if err != nil {
			return false, err
		}
		if !yield(rotation.Group{Setups: []rotation.Setup{newSetup(chunk)}, Listed: listing}) {
			return false, nil
		}
	}
	return true, nil
}

func newSetup(secrets []rotation.Secret) rotation.Setup {
	p := secrets[0].ARN.Parts()
	return rotation.Setup{Account: p.Account, Region: p.Region, Partition: p.Partition, Secrets: secrets}
}

// group reads what the units of one role still need.
func (r *run) group(ctx context.Context, units []*unit, listing *rotation.Listing) (rotation.Group, error) {
	g := rotation.Group{Listed: listing, Setups: make([]rotation.Setup, len(units))}
	role := rotation.Role{ARN: units[0].role}
	var err error
	if slices.ContainsFunc(units, func(u *unit) bool { return u.checked }) && role.ARN != "" {
		if role, err = r.role(ctx, role.ARN, units[0].account()); err != nil {
			return g, err
		}
	}
	// One role may have many functions: they are read side by side as groups are.
	reading, rctx := errgroup.WithContext(ctx)
	reading.SetLimit(concurrency)
	for i, u := range units {
		reading.Go(func() error {
			secrets, err := r.load(u.secrets)
			if err != nil {
				return err
			}
			s := newSetup(secrets)
			s.Role = role
			if u.listed {
				if err := r.configureListed(rctx, u); err != nil {
					return err
				}
			}
			if s.Function.ARN = u.arn; u.function != nil {
				s.Function = *u.function
			}
			if err := r.fill(rctx, u, &s); err != nil {
				return err
			}
			g.Setups[i] = s
			return nil
		})
	}
	if err := reading.Wait(); err != nil {
		return g, err
	}
	slices.SortStableFunc(g.Setups, func(a, b rotation.Setup) int { return cmp.Compare(a.Function.ARN, b.Function.ARN) })
	return g, nil
}

// fill reads function policy, stack, masters, keys and secrets' policies of one setup, as far as they decide anything: of a function
// or role that is gone nothing does.
func (r *run) fill(ctx context.Context, u *unit, s *rotation.Setup) error {
	f := &s.Function
	var err error
	if f.ARN != "" {
		if !u.live || f.Presence == rotation.Absent {
			return nil
		}
		if u.checked && isFunction(f.ARN) {
			if f.Policy, err = r.functionPolicyOnce(ctx, f.ARN); err != nil {
				return err
			}
			if r.reader.options.AllQualifiers && f.Presence == rotation.Present {
				if err = r.otherPolicies(ctx, f); err != nil {
					return err
				}
			}
		}
		if f.Presence != rotation.Present {
			return nil
		}
		if err := r.declareFromStack(ctx, u, s); err != nil {
			return err
		}
	}
	if s.Role.Presence == rotation.Absent {
		return nil
	}
	if err := r.fillMasters(ctx, s); err != nil {
		return err
	}
	if err := r.fillKeys(ctx, s); err != nil {
		return err
	}
	return r.fillSecretPolicies(ctx, s)
}

// declareFromStack asks the function's stack for a master where neither configuration nor tags settle it.
func (r *run) declareFromStack(ctx context.Context, u *unit, s *rotation.Setup) error {
	if !u.open {
		return nil
	}
	if s.Function.Tags == nil {
		s.Function.Tags = r.tags.of(s.Function.ARN, u.settled)
	}
	if err := r.readStack(ctx, &s.Function); err != nil {
		return err
	}
	if len(s.Function.Stack) == 0 {
		return nil
	}
	for i := range s.Secrets {
		s.Secrets[i].Declaration = rotation.Declare(r.reader.options.Rules, &s.Secrets[i], s.Function.Stack)
	}
	return nil
}

func (r *run) fillMasters(ctx context.Context, s *rotation.Setup) error {
	for _, secret := range s.Secrets {
		declared := secret.Declaration.Master
		if declared == "" || secret.Deleting {
			continue
		}
		if _, ok := s.Masters[declared]; ok {
			continue
		}
		master, err := r.master(ctx, declared)
		if err != nil {
			return err
		}
		if master.ARN != "" {
			if master.Policy, err = r.ownPolicy(ctx, master.ARN, changedOf(&master)); err != nil {
				return err
			}
		}
		if s.Masters == nil {
			s.Masters = map[rotation.ARN]rotation.Secret{}
		}
		s.Masters[declared] = master
	}
	return nil
}

func (r *run) fillKeys(ctx context.Context, s *rotation.Setup) error {
	owners := map[string]rotation.ARN{}
	for _, secret := range s.Secrets {
		if secret.KMSKeyID != "" && !secret.Deleting {
			owners[secret.KMSKeyID] = secret.ARN
		}
	}
	for _, declared := range slices.Sorted(maps.Keys(s.Masters)) {
		if m := s.Masters[declared]; m.KMSKeyID != "" {
			owners[m.KMSKeyID] = m.ARN
		}
	}
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		key, err := r.key(ctx, id, owners[id])
		if err != nil {
			return err
		}
		if s.Keys == nil {
			s.Keys = map[string]rotation.Key{}
		}
		s.Keys[id] = key
	}
	if s.Role.ARN == "" || len(s.Keys) == 0 {
		return nil
	}
	contract := rotation.NewContract(*s, nil)
	for _, id := range rotation.GrantsDecide(s, &contract) {
		key, err := r.readGrants(ctx, s.Keys[id], grantees(s.Role.ARN, s.Function.ARN))
		if err != nil {
			return err
		}
		s.Keys[id] = key
	}
	return nil
}

// fillSecretPolicies reads the resource policy of every secret that gets a verdict: a Deny there decides even where the role grants.
func (r *run) fillSecretPolicies(ctx context.Context, s *rotation.Setup) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i := range s.Secrets {
		secret := &s.Secrets[i]
		if !r.checks(secret) {
			continue
		}
		g.Go(func() (err error) {
			secret.Policy, err = r.ownPolicy(gctx, secret.ARN, changedOf(secret))
			return err
		})
	}
	return g.Wait()
}
