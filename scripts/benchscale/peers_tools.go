package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
)

// flagged is one thing that a check of a tool says something against.
type flagged struct {
	check    string
	resource string // whatever names it
}

// tool is what is run side by side: how, and what it said.
type tool struct {
	name    string
	version string
	run     *exec.Cmd
	read    func() ([]flagged, error)
}

// custodianPolicies are in the repository as a file, to be read and run by hand.
//
//go:embed peers.yaml
var custodianPolicies []byte

// custodian is Cloud Custodian with its fastest settings by its own help: no second validation of the policies, resources read once for
// all policies (its cache, empty at first), no actions.
func custodian(ctx context.Context, folder string) (tool, error) {
	t := tool{name: "Cloud Custodian"}
	env, err := emulator.Install(ctx, "custodian")
	if err != nil {
		return t, err
	}
	if t.version, err = installed(ctx, env, "c7n"); err != nil {
		return t, err
	}
	policies, out := filepath.Join(folder, "peers.yaml"), filepath.Join(folder, "custodian")
	if err := os.WriteFile(policies, custodianPolicies, 0o600); err != nil {
		return t, err
	}
	t.run = exec.CommandContext(ctx, filepath.Join(env, "bin", "custodian"), "run", "--quiet", "--dryrun", "--skip-validation", "--region", region,
		"--cache", filepath.Join(folder, "custodian.cache"), "--output-dir", out, policies)
	t.read = func() ([]flagged, error) {
		files, err := filepath.Glob(filepath.Join(out, "*", "resources.json"))
		if err != nil {
			return nil, err
		}
		var all []flagged
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			var resources []struct{ FunctionName, RoleName, Name string }
			if err := json.Unmarshal(text, &resources); err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			for _, r := range resources {
				all = append(all, flagged{filepath.Base(filepath.Dir(file)), r.FunctionName + " " + r.RoleName + " " + r.Name})
			}
		}
		if len(files) == 0 {
			return nil, errors.New("it wrote no resources.json")
		}
		return all, nil
	}
	return t, nil
}

// prowlerChecks are prowler's checks of Secrets Manager, those of Lambda that look at who may invoke a function, and those of IAM that look
// at roles and inline policies.
var prowlerChecks = []string{
	"secretsmanager_automatic_rotation_enabled", "secretsmanager_has_restrictive_resource_policy", "secretsmanager_not_publicly_accessible",
	"secretsmanager_secret_rotated_periodically", "secretsmanager_secret_unused",
	"awslambda_function_not_publicly_accessible", "awslambda_function_url_public",
	"iam_inline_policy_allows_privilege_escalation", "iam_inline_policy_no_administrative_privileges", "iam_inline_policy_no_full_access_to_kms",
	"iam_role_administratoraccess_policy", "iam_role_cross_account_readonlyaccess_policy", "iam_role_cross_service_confused_deputy_prevention",
}

// prowler is prowler with the checks of this question alone, in this Region alone, with one output and failures only.
func prowler(ctx context.Context, folder string) (tool, error) {
	t := tool{name: "prowler"}
	env, err := emulator.Install(ctx, "prowler")
	if err != nil {
		return t, err
	}
	if t.version, err = installed(ctx, env, "prowler"); err != nil {
		return t, err
	}
	out := filepath.Join(folder, "prowler")
	t.run = exec.CommandContext(ctx, filepath.Join(env, "bin", "prowler"), append([]string{"aws", "--no-banner", "--region", region, "--status", "FAIL",
		"--output-formats", "json-ocsf", "--output-directory", out, "--output-filename", "said", "--checks"}, prowlerChecks...)...)
	t.read = func() ([]flagged, error) {
		text, err := os.ReadFile(filepath.Join(out, "said.ocsf.json"))
		if err != nil {
			return nil, err
		}
		var findings []struct {
			StatusCode string `json:"status_code"`
			Metadata   struct {
				EventCode string `json:"event_code"`
			} `json:"metadata"`
			Resources []struct {
				UID  string `json:"uid"`
				Name string `json:"name"`
			} `json:"resources"`
		}
		if err := json.Unmarshal(text, &findings); err != nil {
			return nil, fmt.Errorf("reading prowler's findings: %w", err)
		}
		var all []flagged
		for _, f := range findings {
			if f.StatusCode == "FAIL" {
				for _, r := range f.Resources {
					all = append(all, flagged{f.Metadata.EventCode, r.UID + " " + r.Name})
				}
			}
		}
		return all, nil
	}
	return t, nil
}

// ours is the command as it is shipped. Before an emulator it keeps to no quotas, as the others do.
func (b *bench) ours(ctx context.Context) (tool, error) {
	folder, err := os.MkdirTemp(b.folder, "ours-")
	if err != nil {
		return tool{}, err
	}
	out := filepath.Join(folder, "report.json")
	version, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		version = []byte("this")
	}
	t := tool{name: "rotationguard", version: strings.TrimSpace(string(version))}
	t.run = exec.CommandContext(ctx, b.command, "sweep", "--output", "json", "--out", out, "--ledger", filepath.Join(folder, "ledger.db"))
	t.read = func() ([]flagged, error) {
		text, err := os.ReadFile(out)
		if err != nil {
			return nil, err
		}
		var report struct {
			Secrets []struct {
				Name     string
				Verdict  string
				Findings []struct{ Rule, Severity, Subject string }
			}
		}
		if err := json.Unmarshal(text, &report); err != nil {
			return nil, fmt.Errorf("reading the report: %w", err)
		}
		var all []flagged
		for _, s := range report.Secrets {
			if slices.Contains([]string{"in-sync", "skipped", "exempt"}, s.Verdict) {
				continue
			}
			all = append(all, flagged{s.Verdict, s.Name})
			for _, f := range s.Findings {
				if f.Severity != "info" {
					all = append(all, flagged{f.Rule, s.Name + " " + f.Subject})
				}
			}
		}
		return all, nil
	}
	return t, nil
}

// installed is the version of a package in a Python environment.
func installed(ctx context.Context, env, name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(env, "lib", "python3*", "site-packages", name+"-*.dist-info"))
	if err == nil && len(found) != 1 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("looking for %s in %s: %w", name, env, err)
	}
	return strings.TrimPrefix(strings.TrimSuffix(filepath.Base(found[0]), ".dist-info"), name+"-"), ctx.Err()
}
