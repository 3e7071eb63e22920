package rotation

// Scope picks rotation functions. The zero Scope is the whole account. A selection picks functions, never secrets: every
// secret that names a picked function is read and judged with it.
type Scope struct {
	Secrets   []string          `json:"secrets,omitempty"` // ARNs, names or partial ARNs
	Tags      map[string]string `json:"tags,omitempty"`    // all must be on the secret; an empty value matches any
	Functions []ARN             `json:"functions,omitempty"`
}

// All says whether the scope is the whole account.
func (s Scope) All() bool {
	return len(s.Secrets) == 0 && len(s.Tags) == 0 && len(s.Functions) == 0
}
