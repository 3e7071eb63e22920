package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// configName is the file that is read when it is there and no other is named.
const configName = "rotationguard.yaml"

// configFlag names the operator's configuration.
type configFlag struct{ path string }

func (f *configFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "config", "", "the configuration (default: "+configName+" in this folder, if it is there)")
}

// load reads the configuration; without one it is the defaults.
func (f *configFlag) load(stderr io.Writer) (config.Config, error) {
	if f.path != "" {
		return config.Load(f.path)
	}
	if _, err := os.Stat(configName); errors.Is(err, fs.ErrNotExist) {
		return config.Default(), nil
	}
	fmt.Fprintln(stderr, "rotationguard: using "+configName+" of this folder")
	return config.Load(configName)
}

// settings are the configuration in the line's words, with what of it no longer holds.
func (f *configFlag) settings(stderr io.Writer, at time.Time) (config.Config, sweep.Settings, []string, error) {
	c, err := f.load(stderr)
	if err != nil {
		return c, sweep.Settings{}, nil, err
	}
	s, err := sweep.NewSettings(&c, at)
	return c, s, c.Expired(at), err
}
