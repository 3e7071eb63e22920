// Package main is the CDK app that deploys rotationguard: a schedule that runs the sweep, the function with its two
// roles, the topic that tells of drift, the ledger and the reports it leaves, and alarms about the sweep itself.
//
// What is deployed is decided by rotationguard.yaml and by the context values that settings.go lists. The default
// needs neither and can change nothing in IAM, Lambda policies, KMS or Secrets Manager.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

func main() {
	defer jsii.Close()
	if err := synthesize(); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		jsii.Close()
		os.Exit(1)
	}
}

// synthesize writes the templates where the CDK's command line, or CDK_OUTDIR, says.
func synthesize() (err error) {
	// The CDK reports a bad value by a panic that carries a Node.js stack trace; its first line says what is wrong.
	defer func() {
		if r := recover(); r != nil {
			first, _, _ := strings.Cut(fmt.Sprint(r), "\n")
			err = fmt.Errorf("synthesizing: %s", first)
		}
	}()
	return assemble(newApp(""))
}

// assemble adds to an app what its config and context ask for, and writes it.
func assemble(app awscdk.App) error {
	settings, err := settingsFrom(app.Node())
	if err != nil {
		return err
	}
	code, err := newPackage(settings)
	if err != nil {
		return err
	}
	defer code.remove()
	newSweepStack(app, "Rotationguard", settings, code)
	addForwarder(app, settings)
	if settings.Fleet != "" {
		if err := addFleet(app, settings); err != nil {
			return err
		}
	}
	tag(app, settings)
	app.Synth(nil)
	if settings.SelfContained {
		return code.zip(filepath.Join(*app.Outdir(), "Rotationguard.zip"))
	}
	return nil
}

// tag puts the operator's tags on everything that takes tags.
func tag(app awscdk.App, s Settings) {
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		awscdk.Tags_Of(app).Add(&name, jsii.String(s.Tags[name]), nil)
	}
}

// newApp makes an app that synthesizes to outdir, or where its environment says when that is empty.
func newApp(outdir string) awscdk.App {
	props := &awscdk.AppProps{Context: &featureFlags, AnalyticsReporting: jsii.Bool(false)}
	if outdir != "" {
		props.Outdir = jsii.String(outdir)
	}
	return awscdk.NewApp(props)
}
