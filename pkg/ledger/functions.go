package ledger

import "slices"

// FunctionRecord is what a rotation function was last seen to rest on, so that a change to any of it leads to the function without
// listing the account.
type FunctionRecord struct {
	Function string   `json:"function"`           // as secrets name it, qualifier included
	Role     string   `json:"role,omitempty"`     // its execution role
	Policies []string `json:"policies,omitempty"` // managed policies of the role, its boundary too
	Masters  []string `json:"masters,omitempty"`  // secrets that its rotations read besides their own
	Keys     []string `json:"keys,omitempty"`     // KMS keys of its secrets and masters, by their own ARN
	// Many says that Masters and Keys were too many to store and are left out: any may be the function's.
	Many bool `json:"many,omitempty"`
}

// most is how many masters and keys a record holds. An item of DynamoDB is at most 400 KB (DynamoDB Developer Guide, "Constraints").
const most = 1000

// bounded is the record with as much in it as can be stored.
func (r FunctionRecord) bounded() FunctionRecord {
	if len(r.Masters)+len(r.Keys) > most {
		r.Masters, r.Keys, r.Many = nil, nil, true
	}
	return r
}

func (r FunctionRecord) equal(other FunctionRecord) bool {
	return r.Function == other.Function && r.Role == other.Role && r.Many == other.Many &&
		slices.Equal(r.Policies, other.Policies) && slices.Equal(r.Masters, other.Masters) && slices.Equal(r.Keys, other.Keys)
}

// observeFunctions is what a sighting of functions makes of the stored records: those to store, and the functions to forget.
func observeFunctions(stored, seen []FunctionRecord, complete bool) (store []FunctionRecord, forget []string) {
	known := make(map[string]FunctionRecord, len(stored))
	for _, r := range stored {
		known[r.Function] = r
	}
	done := make(map[string]bool, len(seen))
	for _, r := range seen {
		if done[r.Function] {
			continue
		}
		done[r.Function] = true
		if r = r.bounded(); !r.equal(known[r.Function]) {
			store = append(store, r)
		}
	}
	if complete {
		for _, r := range stored {
			if !done[r.Function] {
				forget = append(forget, r.Function)
			}
		}
	}
	return store, forget
}
