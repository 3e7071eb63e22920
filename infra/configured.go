package main

import "github.com/aws/constructs-go/constructs/v10"

// settingsFrom is what the app's config and context say.
func settingsFrom(node constructs.Node) (Settings, error) {
	s := defaultSettings()
	if err := s.fromContext(node); err != nil {
		return Settings{}, err
	}
	return s, s.validate()
}
