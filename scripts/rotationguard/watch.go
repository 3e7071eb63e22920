package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// watchFlags say whether a sweep goes on and on.
type watchFlags struct {
	watch    bool
	interval time.Duration
}

// shortestWatch keeps a watch from using up an account's request quotas.
const shortestWatch = time.Second

func (f *watchFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.watch, "watch", false, "sweep again and again and show what moves: the screen is drawn anew, or one line printed for each change where it is no terminal; nothing is written, not even to the ledger")
	cmd.Flags().DurationVar(&f.interval, "interval", 5*time.Minute, "with --watch: how long from the beginning of a sweep to that of the next")
}

// check refuses what a watch, which only reads, does not do.
func (f *watchFlags) check(line *lineFlags, given func(string) bool) error {
	if !f.watch {
		if given("interval") {
			return errors.New("--interval is for --watch")
		}
		return nil
	}
	switch {
	case line.mode != "" && line.mode != "report":
		return fmt.Errorf("--watch only reads, and --mode %s writes: leave one of the two out", line.mode)
	case line.snapshot != "":
		return errors.New("--watch looks at an account again and again, and --snapshot is a file that does not change: leave one of the two out")
	case line.fleetFlags.targets != "" && line.fleetFlags.target == "":
		return errors.New("--watch looks at one account and Region: say with --target which of --targets is meant")
	case line.alert.topic != "":
		return errors.New("--watch tells nobody but you: leave --alert-topic out, or have the deployed function alert")
	case line.form != textOutput || line.out != "":
		return errors.New("--watch shows text on the screen: leave --output and --out out")
	case f.interval < shortestWatch:
		return fmt.Errorf("--interval %s: it is %s or longer", f.interval, shortestWatch)
	}
	return nil
}

// watch sweeps until it is interrupted. The first sweep has to succeed; of later ones a failure is said, and the next may be better. The exit code is
// that of what was seen last.
func (f *lineFlags) watch(cmd *cobra.Command, scope rotation.Scope) error {
	f.mode = "report"
	v := &view{style: f.style(cmd.OutOrStdout()), out: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), interval: f.watching.interval}
	v.screen = screenOf(v.out)
	var last *report.Outcome
	for {
		started := time.Now()
		outcome, err := f.once(cmd, scope)
		switch {
		case cmd.Context().Err() != nil:
			return v.end(last)
		case err != nil && last == nil:
			return err
		case err != nil:
			err = v.failed(err)
		default:
			err = v.show(last, &outcome, time.Since(started))
			if last != nil {
				_ = last.Close() // it has been compared
			}
			last = &outcome
		}
		if err != nil {
			return err
		}
		cmd.SetErr(io.Discard) // what is said of the configuration was said
		if !pause(cmd.Context(), time.Until(started.Add(f.watching.interval))) {
			return v.end(last)
		}
	}
}

// pause waits; false: it was interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// once is one sweep by the exemptions of the ledger, of which the ledger keeps nothing: runs a minute apart are no evidence, and what they find is no
// news that anybody was told.
func (f *lineFlags) once(cmd *cobra.Command, scope rotation.Scope) (report.Outcome, error) {
	line, err := f.line(cmd, "sweep")
	if err != nil {
		return report.Outcome{}, err
	}
	defer line.close()
	line.Ledger = nil
	outcome, err := line.Sweep(cmd.Context(), scope)
	outcome.Sort()
	return outcome, err
}

// view is what somebody who watches has before them.
type view struct {
	out, stderr io.Writer
	style       report.Style
	screen      func() (rows int) // nil: no terminal
	interval    time.Duration
	moves       []report.Moved
	failure     string // that was said last
}

// screenOf asks a terminal how high it is.
func screenOf(w io.Writer) func() int {
	file, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		if _, rows, err := term.GetSize(int(file.Fd())); err == nil && rows > 0 {
			return rows
		}
		return 24
	}
}

// kept is how many moves are remembered for the screen.
const kept = 200

// show draws the screen anew, or prints a line for each thing that moved.
func (v *view) show(was, is *report.Outcome, took time.Duration) error {
	moves := report.Moves(was, is)
	v.failure = ""
	if v.screen == nil {
		if was == nil {
			if _, err := fmt.Fprintf(v.out, "%s  %s\n", is.At.UTC().Format(time.RFC3339), report.Inert(is.Story())); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
		}
		return report.WriteMoves(v.out, moves, v.style)
	}
	if was != nil { // what the first sweep finds stands in the table
		v.moves = append(v.moves, moves...)
		v.moves = v.moves[max(len(v.moves)-kept, 0):]
	}
	// ECMA-48: cursor to the first column of the first line (CUP), erase the screen (ED 2).
	if _, err := io.WriteString(v.out, "\x1b[H\x1b[2J"); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := is.WriteGlance(v.out, v.moves, v.style, v.screen()-2); err != nil {
		return err
	}
	_, err := fmt.Fprintf(v.out, "\nRead %s in %s; again every %s; Ctrl-C ends.", is.At.UTC().Format("15:04:05 UTC"), took.Round(100*time.Millisecond), v.interval)
	return err
}

// failed says once that the account cannot be read.
func (v *view) failed(err error) error {
	text := oneLine(err)
	if text == v.failure {
		return nil
	}
	v.failure = text
	if v.screen != nil {
		text = "\n" + text
	}
	_, werr := fmt.Fprintf(v.stderr, "%s  rotationguard: not read, it is tried again: %s\n", time.Now().UTC().Format(time.RFC3339), text)
	return werr
}

// end leaves the screen as it is and exits by what was seen last.
func (v *view) end(last *report.Outcome) error {
	if last == nil {
		return context.Canceled
	}
	if v.screen != nil {
		fmt.Fprintln(v.out)
	}
	return exitWith(last.ExitCode())
}
