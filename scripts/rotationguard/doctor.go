package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// health is what an examination comes to. What cannot be asked is unknown, never fine.
type health string

const (
	fine      health = "ok"
	gap       health = "gap"
	unknown   health = "unknown"
	notNeeded health = "not-needed" // nothing that is asked for rests on it
)

// examined is the answer to one question, with what mends it.
type examined struct {
	Name   string  `json:"name"`
	Health health  `json:"health"`
	Says   string  `json:"says"`
	Fix    *string `json:"fix"`
}

// doctorSchema names the form of the JSON.
const doctorSchema = "rotationguard.doctor/1"

type doctorFlags struct {
	accountFlags
	configFlag
	stackFlag
	outputFlags
	mode string
}

func newDoctorCommand() *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing for sweeps: rights, trail, forwarder, subscriptions, schedule",
		Long: `Asks with your credentials whether everything is there that sweeps rest on: each call that reading an account takes, the writes of the mode, a
trail that delivers management events to this Region, the forwarder of IAM's events, and of the deployed stack the function, its queue, the
schedule, the topic's subscriptions and the last sweep. Each gap comes with what mends it. Nothing is written, and no secret value is read.

Exit codes: 0 nothing is missing; 1 something is, or could not be asked.`,
		Example: `  rotationguard doctor
  rotationguard doctor --mode repair --config prod/rotationguard.yaml
  rotationguard doctor --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.accountFlags.register(cmd)
	f.configFlag.register(cmd)
	f.stackFlag.register(cmd)
	f.outputFlags.register(cmd, textOutput, jsonOutput)
	cmd.Flags().StringVar(&f.mode, "mode", "", "the mode that is meant: report, repair or enforce (default: the configuration's, report)")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"report", "repair", "enforce"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// doctor examines one account and Region.
type doctor struct {
	cfg    aws.Config
	id     identity
	config config.Config
	mode   repair.Mode
	stack  stackFlag
	now    time.Time
	found  []examined
}

func (f *doctorFlags) run(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.mode != "" {
		if err := oneOf("mode", f.mode, "report", "repair", "enforce"); err != nil {
			return err
		}
	}
	c, err := f.configFlag.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	mode, err := repair.ParseMode(c.Mode)
	if err != nil {
		return err
	}
	if f.mode != "" {
		mode = repair.Mode(f.mode)
	}
	ctx := cmd.Context()
	cfg, id, err := f.accountFlags.caller(ctx)
	if err != nil {
		return err
	}
	d := &doctor{cfg: cfg, id: id, config: c, mode: mode, stack: f.stackFlag, now: time.Now()}
	if err := d.examine(ctx); err != nil {
		return err
	}
	if err := f.print(cmd, func(w io.Writer) error { return d.write(w, f.form) }); err != nil {
		return err
	}
	if !d.fine() {
		return exitWith(report.ExitFailed)
	}
	return nil
}

// examine asks everything. The error is the end of the caller's patience.
func (d *doctor) examine(ctx context.Context) error {
	for _, ask := range []func(context.Context){d.reads, d.writes, d.trail, d.forwarder, d.deployed} {
		ask(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (d *doctor) say(name string, h health, says string, args ...any) {
	d.found = append(d.found, examined{Name: name, Health: h, Says: rotation.OneLine(fmt.Sprintf(says, args...))})
}

// lacks says a gap, or what could not be asked, with what mends it.
func (d *doctor) lacks(name string, h health, fix, says string, args ...any) {
	d.say(name, h, says, args...)
	fix = rotation.OneLine(fix)
	d.found[len(d.found)-1].Fix = &fix
}

// fine says whether nothing is missing, and nothing is unknown.
func (d *doctor) fine() bool {
	for i := range d.found {
		if h := d.found[i].Health; h == gap || h == unknown {
			return false
		}
	}
	return true
}

func (d *doctor) write(w io.Writer, form string) error {
	if form == jsonOutput {
		out := json.NewEncoder(w)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		return out.Encode(struct {
			Schema  string      `json:"schema"`
			Account string      `json:"account"`
			Region  string      `json:"region"`
			Caller  string      `json:"caller"`
			Mode    repair.Mode `json:"mode"`
			Fine    bool        `json:"fine"`
			Checks  []examined  `json:"checks"`
		}{doctorSchema, d.id.account, d.cfg.Region, d.id.caller, d.mode, d.fine(), d.found})
	}
	if _, err := fmt.Fprintf(w, "rotationguard doctor  account %s  %s  mode %s\ncaller %s\n\n", d.id.account, d.cfg.Region, d.mode, rotation.OneLine(d.id.caller)); err != nil {
		return err
	}
	for i := range d.found {
		x := &d.found[i]
		if _, err := fmt.Fprintf(w, "%-11s %-12s %s\n", x.Health, x.Name, x.Says); err != nil {
			return err
		}
		if x.Fix != nil {
			if _, err := fmt.Fprintf(w, "%-11s %-12s fix: %s\n", "", "", *x.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}
