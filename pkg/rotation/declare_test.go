package rotation_test

import (
	"strings"
	"testing"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

const (
	function = rotation.ARN("arn:aws:lambda:eu-west-1:111122223333:function:rotate")
	secretA  = rotation.ARN("arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/app-AbCdEf")
	admin    = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/admin-GhIjKl"
	other    = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db/other-GhIjKl"
)

func TestDeclare(t *testing.T) {
	rule := func(strategy, master string) rotation.Rules {
		return rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "prod/db/*"}, Strategy: strategy, Master: master}}}
	}
	tests := []struct {
		name     string
		rules    rotation.Rules
		tags     map[string]string
		stack    map[string]string
		strategy rotation.Strategy
		source   rotation.Source
		master   rotation.ARN
		problem  string // part of it
		evidence string // part of one line
	}{
		{name: "nothing is declared", strategy: rotation.SingleUser, source: rotation.SourceDefault},
		{name: "the configuration", rules: rule("custom", ""), strategy: rotation.Custom, source: rotation.SourceConfig},
		{name: "another word for master-user", rules: rule("alternating-users", admin), strategy: rotation.MasterUser, source: rotation.SourceConfig, master: admin},
		{name: "a master alone says master-user", rules: rule("", admin), strategy: rotation.MasterUser, source: rotation.SourceConfig, master: admin},
		{name: "the tag", tags: map[string]string{rotation.TagStrategy: "multi-user", rotation.TagMaster: admin}, strategy: rotation.MasterUser, source: rotation.SourceTag, master: admin},
		{name: "the stack", stack: map[string]string{"superuserSecretArn": admin}, strategy: rotation.MasterUser, source: rotation.SourceStack, master: admin},
		{name: "the stack's older name, spelled as the transform does", stack: map[string]string{"MasterSecretArn": admin}, strategy: rotation.MasterUser, source: rotation.SourceStack, master: admin},
		{name: "an empty stack parameter says nothing", stack: map[string]string{"superuserSecretArn": ""}, strategy: rotation.SingleUser, source: rotation.SourceDefault},
		{
			name: "the configuration wins over a tag, said once", rules: rule("single-user", ""), tags: map[string]string{rotation.TagStrategy: "custom"},
			strategy: rotation.SingleUser, source: rotation.SourceConfig, evidence: "the tag rotationguard:strategy says custom; rotations[0] wins",
		},
		{
			name: "two words for the same do not disagree", rules: rule("master-user", admin), tags: map[string]string{rotation.TagStrategy: "superuser"},
			strategy: rotation.MasterUser, source: rotation.SourceConfig, master: admin,
		},
		{
			name: "the configured master wins over the tag's", rules: rule("master-user", admin), tags: map[string]string{rotation.TagMaster: other},
			strategy: rotation.MasterUser, source: rotation.SourceConfig, master: admin, evidence: "the tag rotationguard:master-secret says " + other,
		},
		{
			name: "single-user in the configuration ignores the stack's master", rules: rule("single-user", ""), stack: map[string]string{"masterSecretArn": admin},
			strategy: rotation.SingleUser, source: rotation.SourceConfig, evidence: "it is ignored",
		},
		{
			name: "an unknown strategy in a tag", tags: map[string]string{rotation.TagStrategy: "two-users"},
			strategy: rotation.SingleUser, source: rotation.SourceTag, problem: `the tag rotationguard:strategy: unknown strategy "two-users"`,
		},
		{
			name: "an unknown strategy in a tag that the configuration overrules", rules: rule("single-user", ""), tags: map[string]string{rotation.TagStrategy: "two-users"},
			strategy: rotation.SingleUser, source: rotation.SourceConfig, evidence: "two-users",
		},
		{
			name: "a master by name", tags: map[string]string{rotation.TagMaster: "prod/db/admin"},
			strategy: rotation.MasterUser, source: rotation.SourceTag, problem: `the tag rotationguard:master-secret: the master secret "prod/db/admin" is not a secret's ARN`,
		},
		{
			name: "a master that is another service's ARN", tags: map[string]string{rotation.TagMaster: string(function)},
			strategy: rotation.MasterUser, source: rotation.SourceTag, problem: "is not a secret's ARN",
		},
		{
			name: "a master with a wildcard", tags: map[string]string{rotation.TagMaster: admin[:len(admin)-6] + "??????"},
			strategy: rotation.MasterUser, source: rotation.SourceTag, problem: "is not a secret's ARN",
		},
		{
			name: "a partial master is resolved later", tags: map[string]string{rotation.TagMaster: admin[:len(admin)-7]},
			strategy: rotation.MasterUser, source: rotation.SourceTag, master: rotation.ARN(admin[:len(admin)-7]),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := rotation.Secret{ARN: secretA, Name: "prod/db/app", Tags: tt.tags}
			got := rotation.Declare(tt.rules, &s, tt.stack)
			if got.Strategy != tt.strategy || got.StrategySource != tt.source || got.Master != tt.master {
				t.Errorf("Declare = %s from %s, master %q; want %s from %s, master %q", got.Strategy, got.StrategySource, got.Master, tt.strategy, tt.source, tt.master)
			}
			if (tt.problem == "") != (got.Problem == "") || !strings.Contains(got.Problem, tt.problem) {
				t.Errorf("Problem = %q, want %q", got.Problem, tt.problem)
			}
			if n := strings.Count(strings.Join(got.Evidence, "\n"), tt.evidence); tt.evidence != "" && n != 1 {
				t.Errorf("Evidence = %q says %q %d times, want once", got.Evidence, tt.evidence, n)
			}
			if wins := strings.Contains(strings.Join(got.Evidence, "\n"), "wins"); wins && tt.evidence == "" {
				t.Errorf("Evidence = %q tells of a disagreement that there is not", got.Evidence)
			}
		})
	}
}

func TestFirstRuleThatMatchesDecides(t *testing.T) {
	rules := rotation.Rules{Rotations: []rotation.Rule{
		{Match: rotation.Match{ARN: "arn:aws:secretsmanager:*:*:secret:stage/*"}, Strategy: "custom"},
		{Match: rotation.Match{Tag: map[string]string{"team": "orders"}}, Strategy: "master-user", Master: admin},
		{Match: rotation.Match{Name: "*"}, Strategy: "custom"},
	}}
	s := rotation.Secret{ARN: secretA, Name: "prod/db/app", Tags: map[string]string{"team": "orders"}}
	if got := rotation.Declare(rules, &s, nil); got.Strategy != rotation.MasterUser {
		t.Errorf("Declare = %s, want the second rule's master-user", got.Strategy)
	}
	s.Tags = nil
	if got := rotation.Declare(rules, &s, nil); got.Strategy != rotation.Custom {
		t.Errorf("Declare = %s, want the third rule's custom", got.Strategy)
	}
}

func TestRulesValidate(t *testing.T) {
	name := func(s string) rotation.Match { return rotation.Match{Name: s} }
	tests := []struct {
		name  string
		rules rotation.Rules
		want  string // part of the error; empty: none
	}{
		{"distinct names", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a/*")}, {Match: name("b/*")}}}, ""},
		{"narrow before wide", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a/b")}, {Match: name("a/*")}}}, ""},
		{"wide before narrow", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a/*")}, {Match: name("a/b*")}}}, "rotations[1] can never match: rotations[0] covers it"},
		{"a tag narrows the earlier one", rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Name: "*", Tag: map[string]string{"a": "b"}}}, {Match: name("x")}}}, ""},
		{"the same tag", rotation.Rules{Rotations: []rotation.Rule{{Match: rotation.Match{Tag: map[string]string{"a": "*"}}}, {Match: rotation.Match{Name: "x", Tag: map[string]string{"a": "b"}}}}}, "can never match"},
		{"a question mark does not cover a star", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a?")}, {Match: name("a*")}}}, ""},
		{"a match of nothing", rotation.Rules{Rotations: []rotation.Rule{{Strategy: "custom"}}}, "names neither name, arn nor tag"},
		{"an unknown strategy", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a"), Strategy: "double"}}}, `unknown strategy "double"`},
		{"a master by name", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a"), Master: "admin"}}}, "is not a secret's ARN"},
		{"single-user with a master", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a"), Strategy: "single-user", Master: admin}}}, "has no master_secret"},
		{"an allow without resources", rotation.Rules{Rotations: []rotation.Rule{{Match: name("a"), Allow: []rotation.Grant{{Actions: []string{"s3:GetObject"}}}}}}, "needs actions and resources"},
		{"an exclusion of nothing", rotation.Rules{Exclude: []rotation.Exclusion{{Reason: "x"}}}, "exclude[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.rules.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestGlobMatch(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abb", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*a*b*", "xxaxxbxx", true}, {"*a*b*", "xxbxxaxx", false}, {"a**b", "ab", true}, {"prod/*", "prod/a/b", true},
	}
	for _, tt := range tests {
		if got := rotation.GlobMatch(tt.pattern, tt.s); got != tt.want {
			t.Errorf("GlobMatch(%q, %q) = %t, want %t", tt.pattern, tt.s, got, tt.want)
		}
	}
}
