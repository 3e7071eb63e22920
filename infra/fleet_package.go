package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
)

// targetsInPackage is the targets file's name in the functions' code.
const targetsInPackage = "targets.yaml"

// newFleetPackages gathers the code of the fleet's functions, each with the config and the targets file.
func newFleetPackages(s Settings, f Fleet) (map[string]Package, error) {
	packages := map[string]Package{}
	for _, function := range []string{"targets", "sweep", "digest"} {
		p, err := newPackageOf(s, function)
		if err == nil {
			packages[function] = p
			err = copyFile(filepath.Join(p.folder, targetsInPackage), f.File, 0o644)
		}
		if err != nil {
			for _, p := range packages {
				p.remove()
			}
			return nil, fmt.Errorf("packing the code of %s: %w", function, err)
		}
	}
	return packages, nil
}

// addFleet adds the fleet's stack to the app, and writes the member template beside the app's templates.
func addFleet(app awscdk.App, s Settings) error {
	f, err := newFleet(s)
	if err != nil {
		return err
	}
	code, err := newFleetPackages(s, f)
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range code {
			p.remove() // the CDK has copied an asset once its function is made
		}
	}()
	if _, err := newFleetStack(app, "RotationguardFleet", s, f, code); err != nil {
		return err
	}
	return writeMember(s, f, *app.Outdir())
}

// writeMember writes the template of one account's role, for accounts that no stack set reaches.
func writeMember(s Settings, f Fleet, folder string) error {
	text, err := memberTemplate(s, f)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, memberName+".json"), []byte(text+"\n"), 0o644); err != nil { //nolint:gosec // a template holds nothing secret
		return fmt.Errorf("writing the member template: %w", err)
	}
	return nil
}
