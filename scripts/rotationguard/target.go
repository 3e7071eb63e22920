package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/spf13/cobra"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// targetFlags say which one of a fleet's targets is meant, instead of the account and Region that the credentials are of.
type targetFlags struct {
	targets string // the fleet's file
	target  string // ACCOUNT/REGION, as the fleet's ledgers are told apart
}

func (f *targetFlags) register(cmd *cobra.Command) {
	f.registerTarget(cmd)
	cmd.Flags().StringVar(&f.targets, "targets", "", "with --target: the `FILE` that lists it and names the member role (default: the configuration's member.role)")
}

func (f *targetFlags) registerTarget(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.target, "target", "", "this `ACCOUNT/REGION` of a fleet, with its own ledger and the fleet's member role, instead of the account of your credentials")
}

// checkTarget refuses what is no target, and what a target has no place for.
func (f *targetFlags) checkTarget(ledgerFile, snapshot string) error {
	if f.target == "" {
		if f.targets != "" {
			return errors.New("--targets names a fleet: say with --target ACCOUNT/REGION which of its targets is meant")
		}
		return nil
	}
	account, region := f.place()
	switch err := checkRegion(region); {
	case !accountNumber.MatchString(account) || region == "":
		return fmt.Errorf("--target %q: it is ACCOUNT/REGION, such as 111122223333/eu-west-1", f.target)
	case err != nil:
		return fmt.Errorf("--target %q: %w", f.target, err)
	case ledgerFile != "":
		return errors.New("--target has a ledger of its own and --ledger names a file: leave one of the two out")
	case snapshot != "":
		return errors.New("--target reads an account and --snapshot a file: leave one of the two out")
	}
	return nil
}

func (f *targetFlags) place() (account, region string) {
	account, region, _ = strings.Cut(f.target, "/")
	return account, region
}

// file is the fleet's, which must have the target; without one the configuration says all that there is to say.
func (f *targetFlags) file() (config.Targets, error) {
	if f.targets == "" {
		return config.Targets{}, nil
	}
	t, err := config.LoadTargets(f.targets)
	if err != nil {
		return t, err
	}
	account, region := f.place()
	regions := t.Regions
	if t.Listed() {
		at := slices.IndexFunc(t.Targets, func(one config.Target) bool { return one.Account == account })
		if at < 0 {
			return t, fmt.Errorf("--target %s: %s does not list account %s", f.target, f.targets, account)
		}
		if own := t.Targets[at].Regions; len(own) > 0 {
			regions = own
		}
	} else if slices.Contains(t.Organization.Exclude, account) {
		return t, fmt.Errorf("--target %s: %s excludes account %s", f.target, f.targets, account)
	}
	if len(regions) > 0 && !slices.Contains(regions, region) {
		return t, fmt.Errorf("--target %s: %s has account %s in %s", f.target, f.targets, account, strings.Join(regions, ", "))
	}
	return t, nil
}

// reached is the account and Region that a command works on: the caller's own, or a fleet's target with the member role.
type reached struct {
	cfg    aws.Config // what is read and written with
	home   aws.Config // the caller's own: a ledger's table is there
	id     identity   // the account that is reached, and who calls
	target *fleet.Target
	writer rotation.ARN // the target's
	unseen bool         // its ledger alone is worked on, and its account cannot be asked
}

// reach is where the flags say. mode is what is going to be done there.
func (f *targetFlags) reach(ctx context.Context, home aws.Config, c *config.Config, id identity, mode repair.Mode, run string) (*reached, error) {
	if f.target == "" {
		return &reached{cfg: home, home: home, id: id}, nil
	}
	file, err := f.file()
	if err != nil {
		return nil, err
	}
	if cmp.Or(file.RoleName, c.Member.Role) == "" {
		return nil, errors.New("--target: name the file that names the member role with --targets, or the role as member.role of the configuration")
	}
	all, err := fleet.New(&file, c.Member)
	if err != nil {
		return nil, err
	}
	if err := mayWrite(all, mode); err != nil {
		return nil, err
	}
	account, region := f.place()
	there, err := enter(ctx, home, all, all.Target(inventory.PartitionOf(id.caller), account, "", region), id, run, mode)
	if err != nil {
		cause := report.Error(fleet.CauseOf(inventory.RoleIn(inventory.PartitionOf(id.caller), account, all.Role), err))
		if cause.Permission != "" {
			cause.Message = "to " + id.caller // all that AWS's own text says besides
		}
		return nil, errors.New(cause.String())
	}
	return there, nil
}

// remembered is where the flags say, for commands that ask and tell the ledger alone: no role is assumed for them.
func (f *targetFlags) remembered(home aws.Config, id identity) (*reached, error) {
	r := &reached{cfg: home, home: home, id: id}
	if f.target == "" {
		return r, nil
	}
	if _, err := f.file(); err != nil {
		return nil, err
	}
	r.id.account, r.cfg.Region = f.place()
	r.unseen = true
	return r, nil
}

// mayWrite refuses a mode that writes without the role that it writes with.
func mayWrite(all fleet.Fleet, mode repair.Mode) error {
	if mode.Writes() && all.Writer == "" {
		return fmt.Errorf("mode %s: name the role that changes are written with in each account as member.writer_role of the configuration", mode)
	}
	return nil
}

// enter assumes a target's member role.
func enter(ctx context.Context, home aws.Config, all fleet.Fleet, target fleet.Target, id identity, run string, mode repair.Mode) (*reached, error) {
	theirs, err := all.Assume(home, target, inventory.PartitionOf(id.caller), run, mode)
	if err != nil {
		return nil, err
	}
	if _, err := theirs.Credentials.Retrieve(ctx); err != nil {
		return nil, err
	}
	return &reached{cfg: theirs, home: home, id: identity{target.Account, id.caller}, target: &target, writer: rotation.ARN(all.WriterIn(target))}, nil
}

// place is ACCOUNT/REGION, as --target and the parts of a ledger's table are named.
func (r *reached) place() string { return r.id.account + "/" + r.cfg.Region }

// work lets a sweeper work there.
func (r *reached) work(s *sweep.Sweeper) {
	s.Account, s.Region, s.Caller, s.Clients = r.id.account, r.cfg.Region, r.id.caller, repair.NewClients(r.cfg)
	s.Operators = r.operators(s.Operators)
	if r.target != nil {
		s.Target = r.place()
		s.Repair.WriterRole = r.writer
	}
}

// operators are those of the declared ones that are judged there.
func (r *reached) operators(all []rotation.Operator) []rotation.Operator {
	if r.target == nil {
		return all
	}
	return fleet.OperatorsIn(*r.target, all)
}

// ledger opens what is remembered of it: its part of the table that is the caller's, or a file.
func (r *reached) ledger(ctx context.Context, file *ledgerFlag, c *config.Config) (ledger.Ledger, error) {
	if table := c.Ledger.Table; table != "" && file.path == "" {
		return ledger.OpenTable(ctx, dynamodb.NewFromConfig(r.home), table, r.place())
	}
	return file.open(ctx, r)
}
