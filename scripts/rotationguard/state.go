package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/ledger"
)

// ledgerFlag names the file in which is remembered what runs must know of each other.
type ledgerFlag struct{ path string }

func (f *ledgerFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "ledger", "", "the file with what earlier runs found and wrote (default: one for each account and Region in your state folder)")
}

// open opens the file that is named, or that of the state folder.
func (f *ledgerFlag) open(ctx context.Context, r *reached) (ledger.Ledger, error) {
	if f.path != "" {
		return ledger.OpenFile(f.path)
	}
	path, err := defaultLedger(r.cfg, r.id)
	if err != nil {
		return nil, err
	}
	if r.unseen {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			// A new one would be paused or asked in place of the fleet's.
			return nil, fmt.Errorf("there is no ledger of %s/%s: name the table that the fleet's sweeps share as ledger.table of the configuration (sweeps from here would have left the file %s)", r.id.account, r.cfg.Region, path)
		}
	}
	l, err := ledger.OpenFile(path)
	if err != nil {
		return nil, err
	}
	if !emulated(r.cfg) || r.unseen {
		return l, nil
	}
	return f.afterReset(ctx, l, r.cfg)
}

func emulated(cfg aws.Config) bool {
	u, err := url.Parse(aws.ToString(cfg.BaseEndpoint))
	return err == nil && u.Host != "" && isLoopback(u)
}

// defaultLedger is a file for each account and Region, and for each endpoint that is not AWS's.
func defaultLedger(cfg aws.Config, id identity) (string, error) {
	folder := os.Getenv("XDG_STATE_HOME") // XDG Base Directory Specification: user-specific state data
	if folder == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding a place for the ledger: %w; name a file with --ledger", err)
		}
		folder = filepath.Join(home, ".local", "state")
	}
	folder = filepath.Join(folder, "rotationguard")
	if u, err := url.Parse(aws.ToString(cfg.BaseEndpoint)); err == nil && u.Host != "" {
		folder = filepath.Join(folder, fileName(u.Host))
	}
	return filepath.Join(folder, fileName(id.account+"-"+cfg.Region)+".db"), nil
}

// fileName keeps what every file system takes.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '.':
			return r
		}
		return '_'
	}, s)
}

// asked is how many of the secrets that the ledger knows are looked for after an emulator may have been reset.
const asked = 5

// afterReset begins the ledger of a local emulator anew when none of the secrets that it knows exists any more: what was written to an
// account that is gone must not count against one that has its number. A secret's ARN ends in random characters, so another account's
// secrets never are these. An account in AWS does not lose its history so.
func (f *ledgerFlag) afterReset(ctx context.Context, l *ledger.File, cfg aws.Config) (ledger.Ledger, error) {
	records, err := l.Secrets(ctx)
	if err != nil || len(records) == 0 {
		return l, nil //nolint:nilerr // whoever reads the ledger next meets the error and says it
	}
	client := secretsmanager.NewFromConfig(cfg)
	for _, r := range records[:min(len(records), asked)] {
		_, err := client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(r.Secret)})
		var gone *types.ResourceNotFoundException
		if !errors.As(err, &gone) {
			return l, nil
		}
	}
	path := l.Path()
	if err := l.Close(); err != nil {
		return nil, err
	}
	if err := os.Rename(path, path+".before-reset"); err != nil {
		return nil, fmt.Errorf("beginning the ledger %s anew: %w", path, cause(err))
	}
	return ledger.OpenFile(path)
}
