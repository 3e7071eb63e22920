package policy

import "strings"

// CallerKind says what kind of principal makes a request.
type CallerKind string

// The callers that a request can have.
const (
	CallerRole      CallerKind = "role"      // a session of a role: ARN is the role's, Session the assumed-role session's
	CallerUser      CallerKind = "user"      // an IAM user: ARN is the user's
	CallerAccount   CallerKind = "account"   // the account's root user: ARN ends in :root
	CallerService   CallerKind = "service"   // an AWS service: Service is its principal, "secretsmanager.amazonaws.com"
	CallerFederated CallerKind = "federated" // a federated principal: ARN or provider name
	CallerAnonymous CallerKind = "anonymous" // nobody that IAM knows
)

// Caller is the principal that makes a request.
type Caller struct {
	Kind    CallerKind
	ARN     string
	Session string // assumed-role session ARN, when known
	Service string
}

// Request is one concrete request. Context holds the condition keys that it carries, with their values (more than one
// for a multi-valued key); a key that is not there is absent, a state of its own in the condition language. Key names are
// matched without regard to case. Tags are keys that it carries besides. Unknown names the keys whose presence or value cannot be known; a trailing "/*"
// covers a family ("aws:ResourceTag/*"). Where such a key decides, the answer is Undecided.
type Request struct {
	Caller   Caller
	Action   string
	Resource string
	Context  map[string][]string
	Tags     []Tags
	Unknown  []string
}

// Tags are the condition keys of one family, each with one value: the key "aws:ResourceTag/team" is the tag team of the family "aws:ResourceTag/". Many
// requests may share the tags of one thing.
type Tags struct {
	Family string
	Of     map[string]string
}

// exactly is the value of a key that is spelled as it is here.
func (t *Tags) exactly(key string) (string, bool) {
	tag, ok := strings.CutPrefix(key, t.Family)
	if !ok {
		return "", false
	}
	value, ok := t.Of[tag]
	return value, ok
}

// carried is a key as it is spelled in the context or among the tags.
func (r *Request) carried(key string) ([]string, bool) {
	if values, ok := r.Context[key]; ok {
		return values, true
	}
	for i := range r.Tags {
		if value, ok := r.Tags[i].exactly(key); ok {
			return []string{value}, true
		}
	}
	return nil, false
}

// carriedFold is a key in any spelling; of several spellings the first in byte order counts.
func (r *Request) carriedFold(key string) (values []string, ok bool) {
	spelling := ""
	for name, v := range r.Context {
		if equalFold(name, key) && (!ok || name < spelling) {
			values, spelling, ok = v, name, true
		}
	}
	for i := range r.Tags {
		t := &r.Tags[i]
		if !hasPrefix(key, t.Family, true) {
			continue
		}
		for tag, value := range t.Of {
			if equalFold(tag, key[len(t.Family):]) && (!ok || t.Family+tag < spelling) {
				values, spelling, ok = []string{value}, t.Family+tag, true
			}
		}
	}
	return values, ok
}
