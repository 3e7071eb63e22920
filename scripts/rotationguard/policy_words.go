package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// callerText is a caller as --principal takes it. A caller of identity policies whom nobody named has no name.
func callerText(c *policy.Caller) string {
	switch {
	case c.Kind == policy.CallerService:
		return c.Service
	case c.Kind == policy.CallerAnonymous:
		return "*"
	case c.Session != "":
		return c.Session
	}
	return c.ARN
}

// refText names a statement as the report does: counted from one.
func refText(r policy.StatementRef) string {
	text := "statement " + strconv.Itoa(r.Index+1)
	if r.Sid != "" {
		text += " (" + rotation.OneLine(r.Sid) + ")"
	}
	return text + " of " + rotation.OneLine(r.Document)
}

// refsText names several statements: no more than a sentence can hold.
func refsText(refs []policy.StatementRef) string {
	texts := make([]string, len(refs))
	for i, r := range refs {
		texts[i] = refText(r)
	}
	return listText(texts, "and")
}

// listText is "a, b and c", cut after a few.
func listText(items []string, last string) string {
	const most = 4
	if len(items) > most {
		return strings.Join(items[:most], ", ") + fmt.Sprintf(" and %d more", len(items)-most)
	}
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " " + last + " " + items[len(items)-1]
}

// quoted is a list of values of a policy or a request.
func quoted(values []string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = `"` + short(v) + `"`
	}
	return listText(texts, "or")
}

// maxWord is longer than any real value of a policy.
const maxWord = 300

func short(s string) string { return shorten(rotation.OneLine(s), maxWord) }

// requestText is a request in words, with its context.
func requestText(r *policy.Request) string {
	text := short(r.Action) + " on " + short(r.Resource)
	if caller := callerText(&r.Caller); caller != "" {
		text += " by " + short(caller)
	}
	for i, key := range slices.Sorted(maps.Keys(r.Context)) {
		if i == 0 {
			text += " with "
		} else {
			text += ", "
		}
		text += short(key) + " = " + strings.ReplaceAll(quoted(r.Context[key]), " or ", " and ")
	}
	return text
}

// failureText says one test of a statement that a request fails.
func failureText(f *policy.Failure) string {
	switch f.Element {
	case policy.ElementCondition:
		condition := fmt.Sprintf("its condition %s %s %s", f.Operator, short(f.Key), quoted(f.Want))
		switch {
		case f.Unknown:
			return condition + " depends on what is not known"
		case f.Absent:
			return condition + " does not hold: the request has no such key"
		}
		return condition + " does not hold: the request has " + strings.ReplaceAll(quoted(f.Have), " or ", " and ")
	case policy.ElementNotAction, policy.ElementNotResource, policy.ElementNotPrincipal:
		return fmt.Sprintf("its %s leaves the request out: %s", f.Element, quoted(f.Want))
	case policy.ElementAction, policy.ElementResource, policy.ElementPrincipal:
	}
	if f.Unknown {
		return fmt.Sprintf("its %s %s depends on what is not known", f.Element, quoted(f.Want))
	}
	return fmt.Sprintf("its %s is %s", f.Element, quoted(f.Want))
}

// nearestText names the Allow statement that almost grants a request, with what stands in the way; "" when there is none.
func nearestText(set *policy.Set, r *policy.Request) string {
	near, ok := policy.Nearest(set, r)
	if !ok {
		return ""
	}
	fails := make([]string, len(near.Fails))
	for i := range near.Fails {
		fails[i] = failureText(&near.Fails[i])
	}
	return refText(near.Ref) + " comes nearest: " + strings.Join(fails, "; ")
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
