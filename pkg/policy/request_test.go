package policy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tagged is the request with its keys of one value among its tags.
func tagged(r *Request) Request {
	out := *r
	out.Context, out.Tags = map[string][]string{}, nil
	for _, key := range slices.Sorted(maps.Keys(r.Context)) {
		values, split := r.Context[key], strings.IndexAny(key, ":/")+1
		if len(values) != 1 {
			out.Context[key] = values
			continue
		}
		i := slices.IndexFunc(out.Tags, func(t Tags) bool { return t.Family == key[:split] })
		if i < 0 {
			i, out.Tags = len(out.Tags), append(out.Tags, Tags{key[:split], map[string]string{}})
		}
		out.Tags[i].Of[key[split:]] = values[0]
	}
	return out
}

// TestTagsAreKeysLikeAnyOther moves the keys of many requests among their tags: no answer, and no reason of one, changes.
func TestTagsAreKeysLikeAnyOther(t *testing.T) {
	decided := 0
	all := judgeRequests()
	for i := range all {
		j := &all[i]
		r := tagged(&j.request)
		want := Evaluate(&j.set, &j.request)
		if diff := cmp.Diff(want, Evaluate(&j.set, &r)); diff != "" {
			t.Fatalf("%s: tags differ from the context (-context +tags):\n%s", j.line(), diff)
		}
		near, ok := Nearest(&j.set, &j.request)
		taggedNear, taggedOk := Nearest(&j.set, &r)
		if diff := cmp.Diff(near, taggedNear); diff != "" || ok != taggedOk {
			t.Fatalf("%s: what comes nearest differs (-context +tags):\n%s", j.line(), diff)
		}
		if r.Tags = nil; Evaluate(&j.set, &r).Outcome != want.Outcome {
			decided++
		}
	}
	if decided < 100 {
		t.Errorf("tags decide %d requests only", decided)
	}
}

func TestOfSeveralSpellingsTheFirstCounts(t *testing.T) {
	set := &Set{Identity: []*Document{mustParse(t, statementOf(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/tEAM":"first"}}`))}}
	for _, tt := range []struct {
		name    string
		context map[string][]string
		tags    []Tags
		want    Outcome
	}{
		{"two tags", nil, []Tags{{"aws:ResourceTag/", map[string]string{"Team": "first", "team": "second"}}}, Allowed},
		{"two tags, the other way round", nil, []Tags{{"aws:ResourceTag/", map[string]string{"Team": "second", "team": "first"}}}, ImplicitlyDenied},
		{"a tag before a key of the context", map[string][]string{"aws:ResourceTag/team": {"second"}}, []Tags{{"aws:ResourceTag/", map[string]string{"Team": "first"}}}, Allowed},
		{"a key of the context before a tag", map[string][]string{"aws:ResourceTag/Team": {"first"}}, []Tags{{"aws:ResourceTag/", map[string]string{"team": "second"}}}, Allowed},
		{"the policy's own spelling before any other", map[string][]string{"aws:ResourceTag/TEAM": {"second"}}, []Tags{{"aws:ResourceTag/", map[string]string{"tEAM": "first"}}}, Allowed},
		{"a tag of another family", nil, []Tags{{"aws:PrincipalTag/", map[string]string{"tEAM": "first"}}}, ImplicitlyDenied},
		{"a family in another spelling", nil, []Tags{{"AWS:resourcetag/", map[string]string{"TEAM": "first"}}}, Allowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := roleRequest()
			r.Context, r.Tags = tt.context, tt.tags
			if got := Evaluate(set, &r).Outcome; got != tt.want {
				t.Errorf("Evaluate = %s, want %s", got, tt.want)
			}
		})
	}
}
