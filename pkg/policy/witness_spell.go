package policy

import (
	"slices"
	"strings"
)

// spell is a member of the cell, written as IAM writes it where the action is known. ok is false when none was found.
func (g *actionGroups) spell(c int32, group int) (string, bool) {
	x := g.index
	if entry := g.cells[c].entry; entry >= 0 {
		e := &x.entries[entry]
		return spellAction(e.text), true
	}
	cell := &g.others[g.cells[c].other]
	want := g.groups[group].profile
	member := func(service, name string) bool {
		g.key = append(append(append(g.key[:0], service...), ':'), name...)
		lowerName(g.key)
		lower := string(g.key)
		if _, ok := x.lookup(lower); ok {
			return false
		}
		x.match(lower, x.out)
		if g.facts != nil && g.facts.profile(lower) != want {
			return false
		}
		return slices.Equal(x.out, g.groups[group].statements)
	}
	if cell.text != "" {
		service, _, _ := strings.Cut(cell.text, ":")
		if text, ok := anyAction(service, member); ok {
			return text, true
		}
		if text, ok := x.anyService(member); ok && x.lookupService(service) < 0 {
			return text, true
		}
		return spellAction(titleAction(cell.text)), true
	}
	if cell.service < 0 {
		if text, ok := x.anyService(member); ok {
			return text, true
		}
		for _, service := range [...]string{"example", "other", "third"} {
			if member(service, "ReadExample") {
				return service + ":ReadExample", true
			}
		}
		return "", false
	}
	service := string(x.serviceName(cell.service))
	for names := actionNames(service); names != ""; {
		var name string
		name, names, _ = strings.Cut(names, " ")
		if hasPrefix(name, cell.prefix, true) && member(service, name) {
			return service + ":" + name, true
		}
	}
	base := x.spellPrefix(cell.service, cell.prefix)
	for _, end := range [...]string{"Example", "", "Other", "Thing", "X", "Zone", "1"} {
		if name := base + end; name != "" && member(service, name) {
			return service + ":" + name, true
		}
	}
	for i := 0; i < 64; i++ {
		if name := base + "Example" + string(rune('A'+i%26)) + strings.Repeat("z", i/26); member(service, name) {
			return service + ":" + name, true
		}
	}
	return "", false
}

// anyAction is an action of a service that is a member.
func anyAction(service string, member func(service, name string) bool) (string, bool) {
	for names := actionNames(service); names != ""; {
		var name string
		name, names, _ = strings.Cut(names, " ")
		if member(service, name) {
			return service + ":" + name, true
		}
	}
	return "", false
}

// anyService is an action, of a service that no statement names, that is a member.
func (x *actionIndex) anyService(member func(service, name string) bool) (string, bool) {
	for _, service := range realServices {
		if x.lookupService(service) >= 0 {
			continue
		}
		if text, ok := anyAction(service, member); ok {
			return text, true
		}
	}
	return "", false
}

// spellPrefix is the prefix as a statement writes it.
func (x *actionIndex) spellPrefix(service int32, prefix string) string {
	for _, i := range x.services[service].globs {
		if g := &x.globs[i]; g.language == nil && g.rest == prefix {
			_, rest, _ := strings.Cut(g.text, ":")
			return strings.TrimRight(rest, "*")
		}
	}
	return prefix
}
