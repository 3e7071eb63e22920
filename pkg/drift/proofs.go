package drift

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// Proofs are comparisons of a role's policies with its ceiling that are known to find nothing: no request beyond it, nothing unsure. A comparison
// is named by the hash of the program and of all that goes into it: what differs in a byte is compared. The nil *Proofs knows none. It is safe for
// several goroutines at once.
type Proofs struct {
	program []byte

	mu          sync.Mutex
	known, held map[proof]struct{}
}

// proofSize is how many bytes of a hash name a comparison.
const proofSize = 24

type proof [proofSize]byte

// NewProofs makes proofs of what Stored gave. program is different for every program that may compare differently.
func NewProofs(program, stored []byte) *Proofs {
	p := &Proofs{program: program, known: make(map[proof]struct{}, len(stored)/proofSize), held: map[proof]struct{}{}}
	for ; len(stored) >= proofSize; stored = stored[proofSize:] {
		p.known[proof(stored[:proofSize])] = struct{}{}
	}
	return p
}

// Stored are the proofs that held or were found since NewProofs.
func (p *Proofs) Stored() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := slices.SortedFunc(maps.Keys(p.held), func(a, b proof) int { return bytes.Compare(a[:], b[:]) })
	out := make([]byte, 0, len(held)*proofSize)
	for i := range held {
		out = append(out, held[i][:]...)
	}
	return out
}

// comparison is all that goes into comparing two sets, besides what the program knows of services.
type comparison struct {
	Program         []byte
	Ceiling, Actual plainSet
	Complete        []string
	Actions         []policy.ActionFact
	Keys            []policy.KeyFact
	Resources       []policy.ResourceFact
	Universe        []policy.UniverseFact
}

// plainSet and plainDocument are a set and a document in a JSON that shows each field as it is, where a policy's own has several forms for one.
type plainSet struct {
	Relation           policy.Relation
	Identity, Resource []plainDocument
	Boundary           *plainDocument
}

type plainDocument policy.Document

func plain(s policy.Set) plainSet {
	out := plainSet{Relation: s.Relation, Identity: plainDocuments(s.Identity), Resource: plainDocuments(s.Resource)}
	if s.Boundary != nil {
		boundary := plainDocument(*s.Boundary)
		out.Boundary = &boundary
	}
	return out
}

func plainDocuments(documents []*policy.Document) []plainDocument {
	out := make([]plainDocument, len(documents))
	for i, d := range documents {
		out[i] = plainDocument(*d)
	}
	return out
}

// name is what a comparison is called.
func (p *Proofs) name(ceiling, actual policy.Set, facts *policy.Facts) (name proof, ok bool) {
	if p == nil {
		return name, false
	}
	text, err := json.Marshal(comparison{
		p.program, plain(ceiling), plain(actual), facts.Complete, facts.Actions, facts.Keys, facts.Resources, facts.Universe,
	})
	sum := sha256.Sum256(text)
	return proof(sum[:proofSize]), err == nil
}

// holds says whether a comparison is known to find nothing.
func (p *Proofs) holds(name proof) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.known[name]; !ok {
		return false
	}
	p.held[name] = struct{}{}
	return true
}

// found takes a comparison that found nothing.
func (p *Proofs) found(name proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[name] = struct{}{}
}
