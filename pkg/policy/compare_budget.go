package policy

// budget bounds the work of one comparison. A step is some five nanoseconds of work; steps are counted, never timed, so
// that the same input gets the same answer on every machine.
type budget struct {
	left   int
	memory int // bytes that automata may still take

	// meeting is room for the search that many small steps are spent on.
	meeting struct {
		seen  []meetingPlace
		queue []int32
	}
}

// spend takes n steps and says whether any are left.
func (b *budget) spend(n int) bool {
	b.left -= n
	return b.left > 0
}

// grow takes n bytes for an automaton; when none are left, nor are steps.
func (b *budget) grow(n int) {
	if b.memory -= n; b.memory < 0 {
		b.left = 0
	}
}

func (b *budget) spent() bool { return b.left <= 0 }

// The bounds of one comparison.
const (
	totalSteps = 60_000_000
	maxMemory  = 64 << 20
	// checkSteps are for the evaluator's answers to what has been found, beside the others.
	checkSteps = 12_000_000
)
