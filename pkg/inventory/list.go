package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// listPage is the most that ListSecrets gives in one page. Source: Secrets Manager API reference, ListSecrets.
const listPage = 100

// sameToken is how often one page token may come: an empty page may ask for the same place again, a list that never ends does so for
// ever.
const sameToken = 10

// waiting is the little of a secret that is kept in memory from its listing until its group is read.
type waiting struct {
	arn      rotation.ARN
	owner    rotation.ARN // the function that rotates it, or the role that a partner rotates it with; empty: neither
	at       spill.Ref
	changed  int64 // see changedOf
	external bool  // its owner is a role
	picked   bool
	deleting bool
	checked  bool
	open     bool
}

// lister is the listing of the secrets.
type lister struct {
	run     *run
	scope   rotation.Scope
	kept    []waiting
	again   []rotation.Secret // to be described: the scope names them, or the list leaves open what rotates them
	named   map[string]bool   // which of the scope's names the list has
	strings map[rotation.ARN]rotation.ARN
}

// list gives every secret of the account, from its pages or as an earlier part of the run has listed it.
func (r *run) list(ctx context.Context, scope rotation.Scope) ([]waiting, error) {
	l := &lister{run: r, scope: scope, named: map[string]bool{}, strings: map[rotation.ARN]rotation.ARN{}}
	read := l.pages
	if scope.Listed != nil {
		read = l.recall
	}
	if err := read(ctx); err != nil {
		return nil, err
	}
	slices.SortStableFunc(l.kept, func(a, b waiting) int { return cmp.Compare(a.arn, b.arn) })
	// A secret made or deleted while the pages are read can move another one to two pages.
	return slices.CompactFunc(l.kept, func(a, b waiting) bool { return a.arn == b.arn }), nil
}

// pages pages through every secret of the account, those scheduled for deletion too: they are skipped with that reason rather than
// missing from the report. A page may be empty and still not be the last.
func (l *lister) pages(ctx context.Context) error {
	var (
		r     = l.run
		token *string
		seen  = map[string]int{}
		done  int
	)
	for {
		page, err := ask(ctx, r.home, "secretsmanager:ListSecrets", r.home.clients.Secrets.ListSecrets, &secretsmanager.ListSecretsInput{
			MaxResults: aws.Int32(listPage), NextToken: token, IncludePlannedDeletion: aws.Bool(true),
		})
		if err != nil {
			return r.home.clients.accountError("listing secrets", err)
		}
		token = page.NextToken
		more := aws.ToString(token) != ""
		for i := range page.SecretList {
			if err := l.take(listed(page.SecretList[i]), more); err != nil {
				return err
			}
		}
		done += len(page.SecretList)
		r.reader.progress(Progress{Stage: StageSecrets, Done: done})
		if !more {
			break
		}
		if seen[*token]++; seen[*token] > sameToken {
			return &AccountError{Trouble: TroubleOther, Line: "listing secrets: ListSecrets gives the same page token again and again, so the list would never end"}
		}
	}
	return l.describe(ctx)
}

// recall takes what an earlier part of the run has listed.
func (l *lister) recall(context.Context) error {
	done := 0
	for s, err := range l.scope.Listed {
		if err != nil {
			return err
		}
		if account := s.ARN.Parts().Account; account != "" && done == 0 {
			l.run.account = account
		}
		w, err := l.keep(&s)
		if err != nil {
			return err
		}
		if !l.scope.Seen[w.arn] {
			l.run.early.add(w, true)
		}
		if done++; done%listPage == 0 {
			l.run.reader.progress(Progress{Stage: StageSecrets, Done: done})
		}
	}
	l.run.reader.progress(Progress{Stage: StageSecrets, Done: done})
	return nil
}

// take takes a secret of a page; more says that it is not the last page.
func (l *lister) take(s rotation.Secret, more bool) error {
	if account := s.ARN.Parts().Account; account != "" && len(l.kept)+len(l.again) == 0 {
		l.run.account = account
	}
	named := false
	for _, id := range l.scope.Secrets {
		if names(id, &s) {
			l.named[id], named = true, true
		}
	}
	if named || incomplete(&s) {
		l.again = append(l.again, s)
		return nil
	}
	w, err := l.keep(&s)
	if err == nil && !l.scope.Seen[w.arn] {
		l.run.early.add(w, more)
	}
	return err
}

// keep sets a secret aside.
func (l *lister) keep(s *rotation.Secret) (*waiting, error) {
	if l.scope.OnListed != nil {
		if err := l.scope.OnListed(s); err != nil {
			return nil, err
		}
	}
	w, err := l.run.wait(s, l.scope.All() || picks(l.scope, s))
	if err != nil {
		return nil, err
	}
	// Secrets that name one function share its name in memory.
	if known, ok := l.strings[w.owner]; ok {
		w.owner = known
	} else {
		l.strings[w.owner] = w.owner
	}
	l.kept = append(l.kept, w)
	return &l.kept[len(l.kept)-1], nil
}

// wait declares a secret and sets it aside.
func (r *run) wait(s *rotation.Secret, picked bool) (waiting, error) {
	r.declare(s)
	// A copy: what the SDK decodes lies in memory beside all else of its page.
	w := waiting{arn: rotation.ARN(strings.Clone(string(s.ARN))), changed: changedOf(s), picked: picked, deleting: s.Deleting, checked: r.checks(s), open: r.open(s)}
	switch {
	case s.Kind == rotation.KindLambda && s.FunctionARN != "":
		w.owner = rotation.ARN(strings.Clone(string(s.FunctionARN)))
	case s.Kind == rotation.KindExternal && s.ExternalRole != "":
		w.owner, w.external = s.ExternalRole, true
	case !picked:
		return w, nil
	}
	if r.keyIDs != nil && w.checked && w.owner != "" && s.KMSKeyID != "" && !strings.HasPrefix(s.KMSKeyID, awsAlias) {
		r.keyIDs[s.KMSKeyID] = true
	}
	var err error
	w.at, err = r.store.Put(s)
	return w, err
}

// open says whether the stack of its function may say more about a secret than configuration and tags do.
func (r *run) open(s *rotation.Secret) bool {
	d := &s.Declaration
	return !s.Deleting && (r.reader.options.Everything || d.StrategySource == rotation.SourceDefault || d.Strategy != rotation.SingleUser && d.Master == "")
}

// load reads secrets that were set aside.
func (r *run) load(stored []waiting) ([]rotation.Secret, error) {
	secrets := make([]rotation.Secret, len(stored))
	for i := range stored {
		s := &secrets[i]
		if err := r.store.Get(stored[i].at, s); err != nil {
			return nil, err
		}
		s.ARN = stored[i].arn // one string in memory for the secret, wherever it is named
		if w := &stored[i]; w.owner != "" && !w.external {
			s.FunctionARN = w.owner
		}
	}
	return secrets, nil
}

// describe reads again what the scope names and what the listing leaves open. A secret that the scope names and the listing does not have
// yet is added; one that is gone by now is dropped.
func (l *lister) describe(ctx context.Context) error {
	var missing []string
	for _, id := range l.scope.Secrets {
		if !l.named[id] {
			missing = append(missing, id)
		}
	}
	late, gone := make([]*rotation.Secret, len(missing)), make([]bool, len(l.again))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, id := range missing {
		g.Go(func() (err error) {
			s, gap, err := l.run.describe(gctx, id)
			if err == nil && gap == nil {
				late[i] = &s
			}
			if gap != nil && !isAbsent(*gap) {
				return &AccountError{Trouble: TroubleOther, Line: fmt.Sprintf("reading secret %s: %s: %s", quoted(id), gap.Code, gap.Message)}
			}
			return err
		})
	}
	for i := range l.again {
		g.Go(func() error {
			s, gap, err := l.run.describe(gctx, string(l.again[i].ARN))
			switch {
			case err != nil:
				return err
			case gap != nil && isAbsent(*gap):
				gone[i] = true
			case gap != nil:
				l.again[i].Gaps = append(l.again[i].Gaps, *gap)
			default:
				l.again[i] = s
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i := range l.again {
		if gone[i] {
			continue
		}
		if _, err := l.keep(&l.again[i]); err != nil {
			return err
		}
	}
	var unknown []string
	for i, s := range late {
		if s == nil {
			unknown = append(unknown, quoted(missing[i]))
			continue
		}
		if l.run.account == "" {
			l.run.account = s.ARN.Parts().Account
		}
		if _, err := l.keep(s); err != nil {
			return err
		}
	}
	if len(unknown) > 0 {
		return &UnknownSecretsError{Secrets: unknown, Where: l.run.where()}
	}
	return nil
}
