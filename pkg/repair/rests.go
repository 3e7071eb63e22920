package repair

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// rests are hashes of everything that the unit's changes rest on: a stored plan is refused when one of them is different.
func (u *unit) rests() []Rest {
	s := u.setup
	var policies []string
	for i := range s.Role.Identity {
		p := &s.Role.Identity[i]
		policies = append(policies, string(p.Source)+"\x01"+p.Name+"\x01"+string(p.ARN)+"\x01"+canonicalJSON(p.Text))
	}
	slices.Sort(policies)
	boundary := ""
	if s.Role.Boundary != nil {
		boundary = string(s.Role.Boundary.ARN) + "\x01" + canonicalJSON(s.Role.Boundary.Text)
	}
	var names []string
	var secretPolicies []string
	for i := range s.Secrets {
		x := &s.Secrets[i]
		names = append(names, strings.Join([]string{
			string(x.ARN), string(x.FunctionARN), x.KMSKeyID, string(x.Kind), string(x.Declaration.Master), string(x.Declaration.MasterSource),
		}, "\x01"))
		secretPolicies = append(secretPolicies, string(x.ARN)+"\x01"+canonicalJSON(x.Policy.Text))
	}
	slices.Sort(names)
	slices.Sort(secretPolicies)
	var keys []string
	for id, k := range s.Keys {
		keys = append(keys, id+"\x01"+string(k.ARN)+"\x01"+canonicalJSON(k.Policy.Text))
	}
	slices.Sort(keys)
	return []Rest{
		{fmt.Sprintf("the secrets that name %s", s.Function.ARN), hash(names...)},
		{"the secrets' policies", hash(secretPolicies...)},
		{"the keys and their policies", hash(keys...)},
		{fmt.Sprintf("the role of %s", s.Function.ARN), hash(string(s.Role.ARN), s.Role.ID)},
		{fmt.Sprintf("the policies of %s", s.Role.ARN), hash(policies...)},
		{fmt.Sprintf("the boundary of %s", s.Role.ARN), hash(boundary)},
		{fmt.Sprintf("the policy of %s", s.Function.ARN), hash(string(s.Function.Policy.Presence), canonicalJSON(s.Function.Policy.Text))},
	}
}

// paused is the reason that a pause gives.
func paused(p *ledger.Pause) string {
	reason := "paused by " + rotation.OneLine(p.By)
	if p.Reason != "" {
		reason += " (" + rotation.OneLine(p.Reason) + ")"
	}
	return reason + ": rotationguard resume ends it"
}
