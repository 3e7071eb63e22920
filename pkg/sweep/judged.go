package sweep

import (
	"context"
	"iter"
	"runtime"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// judgedGroup is a group with what was judged of it.
type judgedGroup struct {
	group      rotation.Group
	judgements []drift.Judgement
	err        error
}

// judged are the groups in scope, in order, each judged. As many are judged at once as there are processors.
func (s *Sweeper) judged(ctx context.Context, scope rotation.Scope) iter.Seq2[judgedGroup, error] {
	return func(yield func(judgedGroup, error) bool) {
		line, enough := make(chan chan judgedGroup, runtime.GOMAXPROCS(0)-1), make(chan struct{})
		var working sync.WaitGroup
		defer working.Wait()
		defer close(enough)
		working.Go(func() {
			defer close(line)
			for group, err := range s.groups(ctx, scope) {
				turn := make(chan judgedGroup, 1)
				select {
				case line <- turn:
				case <-enough:
					return
				}
				working.Go(func() {
					next := judgedGroup{group: group, err: err}
					if err == nil {
						next.judgements = drift.Judge(group, s.Judging)
					}
					turn <- next
				})
			}
		})
		for turn := range line {
			if next := <-turn; !yield(next, next.err) {
				return
			}
		}
	}
}
