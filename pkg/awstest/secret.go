package awstest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Tag is a tag of a resource.
type Tag struct {
	Key   string
	Value string
}

// Secret is a secret without its value. AddSecret fills what is left empty and AWS never leaves empty.
type Secret struct {
	ARN         string // made from the name when empty
	Name        string // read off the ARN when empty
	Description string
	KmsKeyID    string // as stored: a key id, key ARN, alias or alias ARN; empty is aws/secretsmanager
	Type        string // of a managed external secret

	OwningService string // set for managed rotation
	PrimaryRegion string // set when the secret is replicated; another Region than its own makes it a replica

	RotationEnabled                *bool // nil when rotation was never set up
	RotationLambdaARN              string
	RotationRules                  *RotationRules
	ExternalSecretRotationRoleArn  string
	ExternalSecretRotationMetadata []Tag

	Created, Changed, Accessed, Rotated, NextRotation, Deleted time.Time

	Tags        []Tag
	Versions    map[string][]string // version id → staging labels
	Replication []Replica           // only DescribeSecret tells
	Policy      string              // the resource policy; empty is none
}

// RotationRules are a secret's schedule.
type RotationRules struct {
	AutomaticallyAfterDays int64  `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

// Replica is one entry of ReplicationStatus.
type Replica struct {
	Region        string
	KmsKeyID      string `json:"KmsKeyId,omitempty"`
	Status        string `json:",omitempty"`
	StatusMessage string `json:",omitempty"`
}

func (s *Secret) clone() *Secret {
	c := *s
	if s.RotationEnabled != nil {
		on := *s.RotationEnabled
		c.RotationEnabled = &on
	}
	if s.RotationRules != nil {
		rules := *s.RotationRules
		c.RotationRules = &rules
	}
	c.ExternalSecretRotationMetadata = slices.Clone(s.ExternalSecretRotationMetadata)
	c.Tags = slices.Clone(s.Tags)
	c.Replication = slices.Clone(s.Replication)
	c.Versions = maps.Clone(s.Versions)
	for id, labels := range c.Versions {
		c.Versions[id] = slices.Clone(labels)
	}
	return &c
}

// secretStore holds a Region's secrets in the order of their making, the deleted ones among them as long as the store lives.
type secretStore struct {
	cells  []*secretCell
	byARN  map[string]*secretCell
	byName map[string]*secretCell
}

type secretCell struct{ lagged[Secret] }

func (s *secretStore) add(v *Secret, at time.Time, lag Lag) {
	if s.byARN == nil {
		s.byARN, s.byName = map[string]*secretCell{}, map[string]*secretCell{}
	}
	if old, ok := s.byARN[v.ARN]; ok {
		old.set(v, at, lag)
		s.byName[v.Name] = old
		return
	}
	c := &secretCell{}
	c.set(v, at, lag)
	s.cells = append(s.cells, c)
	s.byARN[v.ARN], s.byName[v.Name] = c, c
}

// completeARN is a secret's ARN with its random suffix; the rest of the resource part is the name.
var completeARN = regexp.MustCompile(`^arn:[^:]+:secretsmanager:[^:]+:\d{12}:secret:(.+)-[A-Za-z0-9]{6}$`)

// find gives the secret of a name, an ARN, or an ARN without its suffix; nil when there is none. An ARN that ends in a
// hyphen and six characters is taken as complete, as the user guide warns ("Finding a secret from a partial ARN").
func (s *secretStore) find(id string) *secretCell {
	c := s.byName[id]
	if strings.HasPrefix(id, "arn:") {
		c = s.byARN[id]
		if c == nil && !completeARN.MatchString(id) {
			if _, name, ok := strings.Cut(id, ":secret:"); ok {
				c = s.byName[name]
				if c != nil && c.now != nil && !strings.HasPrefix(c.now.ARN, id) {
					c = nil // of another account or Region
				}
			}
		}
	}
	if c == nil || c.now == nil {
		return nil
	}
	return c
}

// AddSecret puts a secret into this Region and gives its ARN. One with the same ARN is replaced.
func (a *Account) AddSecret(s Secret) string {
	r, unlock := a.lock()
	defer unlock()
	return a.srv.addSecret(a.state, r, s.clone())
}

// AddSecrets adds many at once, for large accounts.
func (a *Account) AddSecrets(all []Secret) {
	r, unlock := a.lock()
	defer unlock()
	for i := range all {
		a.srv.addSecret(a.state, r, all[i].clone())
	}
}

func (s *server) addSecret(a *account, r *region, v *Secret) string {
	if v.Name == "" {
		if m := completeARN.FindStringSubmatch(v.ARN); m != nil {
			v.Name = m[1]
		}
	}
	if v.ARN == "" {
		v.ARN = s.secretARN(a, r, v.Name)
	}
	if v.Created.IsZero() {
		v.Created = s.now()
	}
	if v.Changed.IsZero() {
		v.Changed = v.Created
	}
	r.secrets.add(v, s.now(), a.weather.lag.ListSecrets)
	return v.ARN
}

// secretARN draws the ARN of a new secret.
func (s *server) secretARN(a *account, r *region, name string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return a.arn("secretsmanager", r.name, "secret:"+name+"-"+s.draw(6, alphabet))
}

// Secret gives the secret of a name or ARN as it stands, whatever the lag.
func (a *Account) Secret(id string) (Secret, bool) {
	r, unlock := a.lock()
	defer unlock()
	c := r.secrets.find(id)
	if c == nil {
		return Secret{}, false
	}
	return *c.now.clone(), true
}

// Secrets gives all secrets of this Region in the order of their making.
func (a *Account) Secrets() []Secret {
	r, unlock := a.lock()
	defer unlock()
	var out []Secret
	for _, c := range r.secrets.cells {
		if c.now != nil {
			out = append(out, *c.now.clone())
		}
	}
	return out
}

// UpdateSecret changes a secret in place and says whether there is one.
func (a *Account) UpdateSecret(id string, change func(*Secret)) bool {
	r, unlock := a.lock()
	defer unlock()
	c := r.secrets.find(id)
	if c == nil {
		return false
	}
	v := c.now.clone()
	change(v)
	c.set(v, a.srv.now(), a.state.weather.lag.ListSecrets)
	return true
}

// RemoveSecret deletes a secret at once and says whether there was one.
func (a *Account) RemoveSecret(id string) bool {
	r, unlock := a.lock()
	defer unlock()
	c := r.secrets.find(id)
	if c == nil {
		return false
	}
	c.set(nil, a.srv.now(), a.state.weather.lag.ListSecrets)
	return true
}
