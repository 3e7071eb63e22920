package ledger

import "time"

// Naming is what a secret names at the moment: its rotation function as stored and its key as stored.
type Naming struct {
	Secret   string
	Function string
	Key      string
}

// SecretRecord is since when a secret names what it names.
type SecretRecord struct {
	Secret        string    `json:"secret"`
	Function      string    `json:"function,omitempty"`
	Key           string    `json:"key,omitempty"`
	FirstSeen     time.Time `json:"first_seen"`
	FunctionSince time.Time `json:"function_since"`
	KeySince      time.Time `json:"key_since"`
}

// observe is the record after a sighting, and whether it has to be stored again. A secret that goes back to a function it
// named before counts from its return: whoever can re-point it once can do it twice.
func (r SecretRecord) observe(at time.Time, n Naming) (SecretRecord, bool) {
	if r.Secret == "" {
		return SecretRecord{n.Secret, n.Function, n.Key, at, at, at}, true
	}
	changed := false
	if r.Function != n.Function {
		r.Function, r.FunctionSince, changed = n.Function, at, true
	}
	if r.Key != n.Key {
		r.Key, r.KeySince, changed = n.Key, at, true
	}
	return r, changed
}
