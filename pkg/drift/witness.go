package drift

import (
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
)

// newWitness says a request in the words of a report. Of its context it keeps the keys that some statement of the set looks at, the
// stage of a secret's version and the function that RotateSecret is asked to set: evaluating the witness gives the same answer as evaluating the request.
func newWitness(r *policy.Request, set *policy.Set) *Witness {
	w := &Witness{Action: r.Action, Resource: r.Resource}
	if name := callerName(&r.Caller); name != "" {
		w.Principal = &name
	}
	mentioned := mentionedKeys(set)
	mentioned["secretsmanager:versionstage"], mentioned["secretsmanager:rotationlambdaarn"] = true, true
	keep := func(key string, values []string) {
		if !mentioned[strings.ToLower(key)] {
			return
		}
		if w.Context == nil {
			w.Context = map[string][]string{}
		}
		w.Context[key] = values
	}
	for key, values := range r.Context {
		keep(key, values)
	}
	for _, t := range r.Tags {
		for tag, value := range t.Of {
			keep(t.Family+tag, []string{value})
		}
	}
	return w
}

func callerName(c *policy.Caller) string {
	switch c.Kind {
	case policy.CallerService:
		return c.Service
	case policy.CallerAnonymous:
		return "*"
	default:
		return c.ARN
	}
}

// mentionedKeys are the condition keys, in lower case, that the statements of a set test or put into values and resources.
func mentionedKeys(set *policy.Set) map[string]bool {
	keys := map[string]bool{}
	variables := func(values []string) {
		for _, v := range values {
			for {
				_, rest, found := strings.Cut(v, "${")
				if !found {
					break
				}
				name, after, _ := strings.Cut(rest, "}")
				name, _, _ = strings.Cut(name, ",")
				keys[strings.ToLower(strings.TrimSpace(name))] = true
				v = after
			}
		}
	}
	each := func(d *policy.Document) {
		for i := range d.Statements {
			s := &d.Statements[i]
			variables(s.Resources)
			variables(s.NotResources)
			for _, c := range s.Conditions {
				keys[strings.ToLower(c.Key)] = true
				variables(c.Values)
			}
		}
	}
	for _, d := range slices.Concat(set.Identity, set.Resource) {
		each(d)
	}
	if set.Boundary != nil {
		each(set.Boundary)
	}
	return keys
}
