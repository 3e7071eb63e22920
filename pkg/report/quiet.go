package report

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/spill"
)

// wholeSecrets is how many secrets an outcome keeps in memory as they are. Of those beyond, the ones without a finding are set aside: they are in
// sync or skipped, and a large account's are most of its secrets.
const wholeSecrets = 2000

// wholeTags is how many bytes of tags they may have together.
const wholeTags = 2 << 20

// quiet are the secrets that an outcome has set aside.
type quiet struct {
	store spill.Store
	at    []quietAt
	needs [][]need
	err   error // of the first that could not be read again
}

type quietAt struct {
	arn     rotation.ARN
	verdict drift.Verdict
	at      spill.Ref
}

// quietSecret is a secret as it is set aside: all of it but what only a secret with a finding has.
type quietSecret struct {
	ARN      rotation.ARN      `json:"a"`
	Name     string            `json:"n"`
	Kind     rotation.Kind     `json:"k"`
	Function rotation.ARN      `json:"f,omitempty"`
	Role     rotation.ARN      `json:"r,omitempty"`
	Key      string            `json:"y,omitempty"`
	Strategy rotation.Strategy `json:"s,omitempty"`
	Source   rotation.Source   `json:"o,omitempty"`
	Master   rotation.ARN      `json:"m,omitempty"`
	Verdict  drift.Verdict     `json:"v"`
	CanWork  *bool             `json:"w,omitempty"`
	Next     *time.Time        `json:"x,omitempty"`
	Reason   string            `json:"e,omitempty"`
	Notes    []string          `json:"t,omitempty"`
	Decided  bool              `json:"d,omitempty"`
	Pending  string            `json:"p,omitempty"`
	Needs    int               `json:"u"`
	Tags     map[string]string `json:"g,omitempty"`
}

// add sets a secret aside and says whether it could be.
func (q *quiet) add(s *Secret) bool {
	needs := slices.IndexFunc(q.needs, func(n []need) bool { return slices.Equal(n, s.needs) })
	if needs < 0 {
		needs = len(q.needs)
		q.needs = append(q.needs, s.needs)
	}
	at, err := q.store.Put(quietSecret{
		s.ARN, s.Name, s.Kind, s.FunctionARN, s.RoleARN, s.KMSKeyID, s.Strategy, s.StrategySource, s.Master, s.Verdict, s.RotationCanWork, s.NextRotation,
		s.Reason, s.Notes, s.Decided, s.pending, needs, s.Tags,
	})
	if err != nil {
		return false // it is kept in memory instead
	}
	q.at = append(q.at, quietAt{s.ARN, s.Verdict, at})
	return true
}

func (q *quiet) get(i int) (*Secret, error) {
	var s quietSecret
	if err := q.store.Get(q.at[i].at, &s); err != nil {
		return nil, err
	}
	return &Secret{
		ARN: s.ARN, Name: s.Name, Kind: s.Kind, FunctionARN: s.Function, RoleARN: s.Role, KMSKeyID: s.Key, Strategy: s.Strategy, StrategySource: s.Source,
		Master: s.Master, Verdict: s.Verdict, RotationCanWork: s.CanWork, NextRotation: s.Next, Reason: s.Reason, Notes: s.Notes, Decided: s.Decided,
		Tags: s.Tags, pending: s.Pending, needs: q.needs[s.Needs],
	}, nil
}

// add takes a secret into the outcome, or sets it aside.
func (o *Outcome) add(s Secret) {
	if (len(o.Secrets) >= wholeSecrets || o.tags > wholeTags) && len(s.Findings) == 0 && !Drift(s.Verdict) && s.Account == "" {
		if o.quiet == nil {
			o.quiet = &quiet{}
		}
		if o.quiet.add(&s) {
			return
		}
	}
	for key, value := range s.Tags {
		o.tags += len(key) + len(value)
	}
	s.Tags, s.needs = shared(s.Tags), o.sharedNeeds(s.needs)
	o.Secrets = append(o.Secrets, s)
}

// sharedNeeds are the same needs, in memory once: few differ.
func (o *Outcome) sharedNeeds(needs []need) []need {
	if i := slices.IndexFunc(o.needs, func(n []need) bool { return slices.Equal(n, needs) }); i >= 0 {
		return o.needs[i]
	}
	o.needs = append(o.needs, needs)
	return needs
}

// shared are the same tags, with keys and values that tags of other secrets have in memory already: they are much the same all over an account.
func shared(tags map[string]string) map[string]string {
	if len(tags) == 0 {
		return tags
	}
	same := make(map[string]string, len(tags))
	for key, value := range tags {
		same[unique.Make(key).Value()] = unique.Make(value).Value()
	}
	return same
}

// Count is how many secrets there are.
func (o *Outcome) Count() int {
	if o.quiet == nil {
		return len(o.Secrets)
	}
	return len(o.Secrets) + len(o.quiet.at)
}

// Glance is what is known of a secret without reading it again.
type Glance struct {
	ARN     rotation.ARN
	Verdict drift.Verdict
	Clean   bool // it has no finding
}

// All gives every secret, those that were set aside too, by ARN once the outcome is sorted. Err says whether all of them
// could be read.
func (o *Outcome) All() iter.Seq[*Secret] {
	return o.Some(func(Glance) bool { return true })
}

// Some is All of those that pick picks: the others are not read again.
func (o *Outcome) Some(pick func(Glance) bool) iter.Seq[*Secret] {
	return func(yield func(*Secret) bool) {
		var aside *Secret
		next, stop := func() (*Secret, bool) { return nil, false }, func() {}
		if o.quiet != nil {
			next, stop = iter.Pull(o.quiet.ahead(pick))
		}
		defer stop()
		aside, _ = next()
		for i := range o.Secrets {
			s := &o.Secrets[i]
			for aside != nil && aside.ARN < s.ARN {
				if !yield(aside) {
					return
				}
				aside, _ = next()
			}
			if pick(Glance{s.ARN, s.Verdict, len(s.Findings) == 0}) && !yield(s) {
				return
			}
		}
		for aside != nil {
			if !yield(aside) {
				return
			}
			aside, _ = next()
		}
	}
}

// aheadOf is how many secrets are read again at a time, while others are made use of.
const aheadOf = 32

// ahead reads secrets again, in their order and a little before they are asked for.
func (q *quiet) ahead(pick func(Glance) bool) iter.Seq[*Secret] {
	return func(yield func(*Secret) bool) {
		batches, enough := make(chan []*Secret, 2), make(chan struct{})
		var reading sync.WaitGroup
		defer reading.Wait()
		defer close(enough)
		var picked []int
		for i := range q.at {
			if pick(Glance{q.at[i].arn, q.at[i].verdict, true}) {
				picked = append(picked, i)
			}
		}
		reading.Go(func() {
			defer close(batches)
			for some := range slices.Chunk(picked, aheadOf) {
				batch := make([]*Secret, 0, len(some))
				for _, i := range some {
					s, err := q.get(i)
					if err != nil {
						q.err = cmp.Or(q.err, err)
						continue
					}
					batch = append(batch, s)
				}
				select {
				case batches <- batch:
				case <-enough:
					return
				}
			}
		})
		for batch := range batches {
			for _, s := range batch {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// Err says why a secret that was set aside could not be read again, nil where all could be.
func (o *Outcome) Err() error {
	if o.quiet == nil {
		return nil
	}
	return o.quiet.err
}

// Close frees what was set aside: the outcome is not read any more.
func (o *Outcome) Close() error {
	if o.quiet == nil {
		return nil
	}
	return errors.Join(o.quiet.store.Close())
}

// recall takes secrets that were set aside into memory again, where they can be changed.
func (o *Outcome) recall(which map[rotation.ARN]bool) {
	if o.quiet == nil {
		return
	}
	kept := o.quiet.at[:0]
	for i, at := range o.quiet.at {
		if which[at.arn] {
			if s, err := o.quiet.get(i); err == nil {
				o.Secrets = append(o.Secrets, *s)
				continue
			}
		}
		kept = append(kept, at)
	}
	o.quiet.at = kept
}
