package inventory

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// A mark proves that a secret has no resource policy: it had none when it was read, and LastChangedDate, "the last date and time that this secret
// was modified in any way" (Secrets Manager API reference, SecretListEntry), is what it was then. Of nothing else that a sweep reads does a
// list tell that it is unchanged.
type (
	markKey [16]byte // the start of the hash of the secret's ARN
	mark    int64    // LastChangedDate in Unix seconds
)

// markSize is that of a mark as it is stored: key and date.
const markSize = 16 + 8

// markAfter is how long after a secret's last change it must have been read for a mark: dates are compared by the second, and what was changed
// a moment ago may be read as it was before.
const markAfter = time.Hour

func markOf(arn rotation.ARN) markKey {
	sum := sha256.Sum256([]byte(arn))
	return markKey(sum[:16])
}

// Recall lets the next reading of the whole account leave out what marks prove. What is no mark is none.
func (r *Reader) Recall(marks []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = make(map[markKey]mark, len(marks)/markSize)
	for ; len(marks) >= markSize; marks = marks[markSize:] {
		r.marks[markKey(marks[:16])] = mark(binary.BigEndian.Uint64(marks[16:markSize])) //nolint:gosec // as it was stored
	}
}

// Marks are those that hold after the last reading.
func (r *Reader) Marks() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(r.marked), func(a, b markKey) int { return bytes.Compare(a[:], b[:]) })
	out := make([]byte, 0, len(keys)*markSize)
	for _, k := range keys {
		out = append(out, k[:]...)
		out = binary.BigEndian.AppendUint64(out, uint64(r.marked[k])) //nolint:gosec // dates are after 1970
	}
	return out
}

// proven says whether a mark proves that the secret has no policy.
func (r *Reader) proven(arn rotation.ARN, changed int64) bool {
	if changed == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.marks) == 0 {
		return false
	}
	k := markOf(arn)
	if m, ok := r.marks[k]; !ok || m != mark(changed) {
		return false
	}
	r.keepMark(k, changed)
	return true
}

// note marks a secret that was read and has no policy.
func (r *Reader) note(arn rotation.ARN, changed int64, p *rotation.Policy) {
	if changed == 0 || p.Presence != rotation.Absent || time.Since(time.Unix(changed, 0)) < markAfter {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keepMark(markOf(arn), changed)
}

func (r *Reader) keepMark(k markKey, changed int64) {
	if r.marked == nil {
		r.marked = map[markKey]mark{}
	}
	r.marked[k] = mark(changed)
}
