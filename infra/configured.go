package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/aws/constructs-go/constructs/v10"

	"github.com/rotationguard/rotationguard/pkg/config"
)

// settingsFrom is what the app's config and context say. The config is the file that context "config" names, else
// rotationguard.yaml in the working folder, else the defaults.
func settingsFrom(node constructs.Node) (Settings, error) {
	s := defaultSettings()
	if err := s.fromContext(node); err != nil {
		return Settings{}, err
	}
	if s.Region == "current" {
		s.Region = os.Getenv("CDK_DEFAULT_REGION")
		if s.Region == "" {
			return Settings{}, errors.New("context region: the CDK's command line knows no current Region: set AWS_REGION")
		}
	}
	if s.Config == "" {
		_, err := os.Stat(configInPackage)
		if errors.Is(err, fs.ErrNotExist) {
			return s, s.validate()
		}
		s.Config = configInPackage
	}
	c, err := config.Load(s.Config)
	if err != nil {
		return Settings{}, err
	}
	s.fromConfig(c)
	return s, s.validate()
}

// fromConfig takes what decides the deployed rights and the binary; the rest is the function's to read.
func (s *Settings) fromConfig(c config.Config) {
	s.Mode, s.Architecture = c.Mode, c.Architecture
	s.Roles, s.Functions, s.TargetBoundary = c.Repair.Roles, c.Repair.Functions, c.Repair.TargetBoundary
	s.Ledger, s.Member, s.GetFunction, s.SecurityHub = c.Ledger.Table, c.Member, c.GetFunction, c.Alerts.SecurityHub
	s.Templates = nil
	for _, t := range c.Templates {
		s.Templates = append(s.Templates, t.File)
	}
}
