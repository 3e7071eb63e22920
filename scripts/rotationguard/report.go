package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

func newReportCommand() *cobra.Command {
	f := &memoryFlags{}
	var out outputFlags
	var since, until string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Show what the ledger proves of a time: verdicts, changes with their proof, exemptions",
		Long: `Reads the ledger alone: when each secret was in sync, every change with its proof and who or what caused it, exemptions with owner and
expiry, and the runs that saw it all. Every run is sealed into a chain of hashes; the report says whether it holds.

Exit codes: 0 the chain holds; 2 it does not; 1 the ledger cannot be read.`,
		Example: `  rotationguard report --since 90d
  rotationguard report --since 2026-01-01 --until 2026-03-31 --output html --out evidence.html
  rotationguard report --since 90d --output csv --out evidence.csv
  rotationguard report verify`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			now := time.Now().UTC()
			from, to, err := timeSpan(since, until, now)
			if err != nil {
				return err
			}
			l, id, err := f.openThere(cmd)
			if err != nil {
				return err
			}
			defer l.Close()
			audit, err := report.ReadAudit(cmd.Context(), l, from, to, now)
			if err != nil {
				return err
			}
			if id.account != "" {
				audit.Account = id.account
			}
			return f.printAudit(cmd, &out, audit)
		},
	}
	f.register(cmd)
	out.register(cmd, textOutput, htmlOutput, csvOutput, jsonOutput)
	cmd.Flags().StringVar(&since, "since", "90d", "where the time begins: so long ago (`90d`, 12w, 36h), or a day such as 2026-01-31")
	cmd.Flags().StringVar(&until, "until", "", "the last `DAY` of the time, such as 2026-03-31 (default: now)")
	cmd.AddCommand(newReportVerifyCommand())
	return cmd
}

// openThere opens a ledger that there is: a new one in place of a name that is mistyped would prove that nothing ever happened.
func (f *memoryFlags) openThere(cmd *cobra.Command) (ledger.Ledger, identity, error) {
	if f.path() != "" {
		if _, err := os.Stat(f.path()); err != nil {
			return nil, identity{}, fmt.Errorf("--ledger %s: %w", f.path(), cause(err))
		}
	}
	return f.open(cmd, false)
}

func (f *memoryFlags) printAudit(cmd *cobra.Command, out *outputFlags, audit *report.Audit) error {
	err := out.print(cmd, func(w io.Writer) error {
		switch out.form {
		case htmlOutput:
			return audit.WriteHTML(w)
		case csvOutput:
			return audit.WriteCSV(w)
		case jsonOutput:
			return audit.WriteJSON(w)
		default:
			return audit.WriteText(w, out.style(cmd.OutOrStdout()))
		}
	})
	if err != nil {
		return err
	}
	return exitWith(audit.ExitCode())
}

func newReportVerifyCommand() *cobra.Command {
	f := &memoryFlags{}
	var out outputFlags
	var kept string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether the ledger's chain of runs holds, or which run was edited, removed or inserted first",
		Long: `Every run is sealed with the hash of the run before it, and with that of its journal. Whoever can write to the ledger can still write all of it
anew, from the run that they edit to the end: keep the end that this command prints elsewhere, and give it with --noted later.

Exit codes: 0 the chain holds; 2 it does not; 1 the ledger cannot be read.`,
		Example: `  rotationguard report verify
  rotationguard report verify --noted 42:5d41402abc4b2a76b9719d911017c592ae2f1f0b2a1c1d9a4f0e6c1b7a3d5e8f`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			noted, err := parseNoted(kept)
			if err != nil {
				return err
			}
			l, _, err := f.openThere(cmd)
			if err != nil {
				return err
			}
			defer l.Close()
			chain, err := report.VerifyLedger(cmd.Context(), l, noted, time.Now())
			if err != nil {
				return err
			}
			return printChain(cmd, &out, &chain)
		},
	}
	f.register(cmd)
	out.register(cmd, textOutput, jsonOutput)
	cmd.Flags().StringVar(&kept, "noted", "", "an end of the chain that was printed before, as `NUMBER:HASH`: the chain must still have it")
	return cmd
}

func printChain(cmd *cobra.Command, out *outputFlags, chain *ledger.Chain) error {
	err := out.print(cmd, func(w io.Writer) error {
		if out.form == jsonOutput {
			return report.WriteValue(w, chain)
		}
		return report.WriteChain(w, chain, out.style(cmd.OutOrStdout()))
	})
	if err != nil || len(chain.Problems) == 0 {
		return err
	}
	return exit{report.ExitDrift}
}

// timeSpan is what --since and --until say, in UTC.
func timeSpan(since, until string, now time.Time) (from, to time.Time, err error) {
	to = now
	if until != "" {
		last, err := time.Parse(time.DateOnly, until)
		if err != nil {
			return from, to, fmt.Errorf("--until %q is not a day such as 2026-03-31", until)
		}
		if to = last.AddDate(0, 0, 1); to.After(now) {
			to = now
		}
	}
	if day, err := time.Parse(time.DateOnly, since); err == nil {
		from = day
	} else {
		long, err := ago(since)
		if err != nil {
			return from, to, err
		}
		from = now.Add(-long)
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("--since %s is not before the end of the time, %s", since, to.Format(time.RFC3339))
	}
	return from, to, nil
}

// longAgo is as far back as --since reaches: further than any ledger.
const longAgo = 100 * 366 * 24

// ago reads so many hours, days or weeks.
func ago(text string) (time.Duration, error) {
	units := map[byte]int{'h': 1, 'd': 24, 'w': 7 * 24}
	if n := len(text); n > 1 {
		if many, err := strconv.Atoi(text[:n-1]); err == nil && units[text[n-1]] > 0 && many > 0 && many <= longAgo/units[text[n-1]] {
			return time.Duration(many*units[text[n-1]]) * time.Hour, nil
		}
	}
	return 0, fmt.Errorf("--since %q: write 90d, 12w or 36h, or a day such as 2026-01-31", text)
}

// parseNoted reads an end of the chain as it is printed.
func parseNoted(text string) (*report.NotedRun, error) {
	if text == "" {
		return nil, nil
	}
	number, hash, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(number, 10, 64)
	if raw, bad := hex.DecodeString(hash); err != nil || n == 0 || bad != nil || len(raw) != 32 {
		return nil, fmt.Errorf("--noted %q is not NUMBER:HASH, as \"rotationguard report verify\" prints the end of the chain", text)
	}
	return &report.NotedRun{Number: n, Hash: strings.ToLower(hash)}, nil
}
