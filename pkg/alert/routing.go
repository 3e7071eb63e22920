package alert

import (
	"encoding/json"
	"maps"
	"slices"
)

// maxRouting is how many bytes of a message the tags that route it may take: they count as the message does (Amazon SNS API reference, Publish).
const maxRouting = 64 << 10

// routing gathers the values of tags by which one message is routed. Its zero value has none.
type routing struct {
	values map[string]map[string]bool
	size   int
}

// take adds values, unless they would make the attributes longer than limit in bytes. What comes first is always taken.
func (r *routing) take(tags map[string][]string, limit int) bool {
	more := 0
	for name, values := range tags {
		for _, value := range values {
			if !r.values[name][value] {
				more += quoted(value)
			}
		}
	}
	if r.size > 0 && r.size+more > limit {
		return false
	}
	if r.values == nil {
		r.values = map[string]map[string]bool{}
	}
	r.size += more
	for name, values := range tags {
		if r.values[name] == nil {
			r.values[name] = map[string]bool{}
		}
		for _, value := range values {
			r.values[name][value] = true
		}
	}
	return true
}

// quoted is what a value adds to a list in JSON.
func quoted(value string) int {
	text, _ := json.Marshal(value) // a text can always be written
	return len(text) + len(",")
}

// tags are the values that were taken, sorted.
func (r *routing) tags() map[string][]string {
	tags := map[string][]string{}
	for name, values := range r.values {
		if len(values) > 0 {
			tags[name] = slices.Sorted(maps.Keys(values))
		}
	}
	return tags
}

// routed is an alert with the tags that route it.
type routed struct {
	alert Alert
	tags  map[string][]string
}

// routed gives an alert of a whole sweep the values of all its secrets' tags, so that a subscription to one of them gets it. It is one message, unless
// the values have no room in one: then what else it says is in the first.
func (a *Alert) routed(limit int) []routed {
	var r routing
	fits := true
	for i := range a.Secrets {
		fits = fits && r.take(lists(a.Secrets[i].Tags), limit)
	}
	if fits {
		return []routed{{*a, r.tags()}}
	}
	var all []routed
	r = routing{}
	part := *a
	part.Secrets = nil
	end := func() {
		part.finish()
		all = append(all, routed{part, r.tags()})
		part.Secrets, part.Operators, part.Others, part.Changes, part.Targets = nil, []Item{}, []Item{}, []ChangeText{}, []TargetText{}
		r = routing{}
	}
	for i := range a.Secrets {
		tags := lists(a.Secrets[i].Tags)
		if !r.take(tags, limit) {
			end()
			r.take(tags, limit)
		}
		part.Secrets = append(part.Secrets, a.Secrets[i])
	}
	end()
	return all
}

func lists(tags map[string]string) map[string][]string {
	all := make(map[string][]string, len(tags))
	for name, value := range tags {
		all[name] = []string{value}
	}
	return all
}
