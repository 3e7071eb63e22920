package repair

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Mode says what a run may write.
type Mode string

// The modes, each allowing more than the one before.
const (
	ModeReport  Mode = "report"  // nothing
	ModeRepair  Mode = "repair"  // add what is missing; remove public invoke grants
	ModeEnforce Mode = "enforce" // also tighten excess
)

// ParseMode reads a mode as an operator writes it.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case ModeReport, ModeRepair, ModeEnforce:
		return m, nil
	}
	return "", fmt.Errorf("unknown mode %q: it is report, repair or enforce", s)
}

// Writes says whether the mode writes to the account at all.
func (m Mode) Writes() bool { return m == ModeRepair || m == ModeEnforce }

// AtMost says whether m allows no more than other.
func (m Mode) AtMost(other Mode) bool { return m.rank() <= other.rank() }

func (m Mode) rank() int {
	switch m {
	case ModeRepair:
		return 1
	case ModeEnforce:
		return 2
	default:
		return 0
	}
}

// Options are the operator's `repair:` settings and the mode of the run.
type Options struct {
	Mode Mode
	// Functions and Roles are ARN globs that a change must match; empty: what the caller may. A function glob may leave the
	// qualifier away.
	Functions []string
	Roles     []string
	// TargetBoundary is the permissions boundary that a role must have to be written to; empty: any.
	TargetBoundary rotation.ARN
	// WriterRole is assumed for every single change, with a session policy that names just that change; empty: the caller's
	// own credentials write.
	WriterRole rotation.ARN
	// MaxChanges and MaxChangePercent (of all known rotation functions, never below 3 changes) are the breaker's, for a plan
	// and for a rolling day. Nothing may be written while MaxChanges is 0.
	MaxChanges       int
	MaxChangePercent int
	// Settle is how long a secret must have named its function and key before its role is granted anything for it.
	Settle       time.Duration
	EnforceAfter time.Duration
	// TrustTags lets a grant on a master rest on a tag of the secret.
	TrustTags        bool
	EditOwned        bool
	AddSourceAccount bool
	Keep             []string
	// Approved says that a person has seen the plan and applies it: settling is over.
	Approved bool
}

// matchesAny says whether one of the globs matches one of the names.
func matchesAny(globs []string, names ...rotation.ARN) bool {
	for _, g := range globs {
		for _, name := range names {
			if rotation.GlobMatch(g, string(name)) {
				return true
			}
		}
	}
	return false
}

// onPath says whether one of the globs is a path, such as /rotation/, under which the role of an ARN's resource part stands. The root
// path is every role's and never counts.
func onPath(globs []string, resource string) bool {
	name := strings.TrimPrefix(resource, "role")
	for _, g := range globs {
		if len(g) > 1 && strings.HasPrefix(g, "/") && strings.HasSuffix(g, "/") && rotation.GlobMatch(g+"*", name) {
			return true
		}
	}
	return false
}

// functionBarred says why no change may be made for a function, or "".
func (o Options) functionBarred(account string, function rotation.ARN) string {
	bare, _ := function.SplitFunction()
	parts, err := function.Parse()
	switch {
	case err != nil:
		return fmt.Sprintf("%s is no function ARN", rotation.OneLine(string(function)))
	case parts.Account != account:
		return fmt.Sprintf("the function is in account %s, and only account %s is written to", parts.Account, account)
	case len(o.Functions) > 0 && !matchesAny(o.Functions, function, bare):
		return "the function is not in repair.functions"
	}
	return ""
}

// roleBarred says why nothing may be written to a role, or "".
func (o Options) roleBarred(account string, role *rotation.Role) string {
	parts, err := role.ARN.Parse()
	switch {
	case err != nil || parts.Service != "iam" || !strings.HasPrefix(parts.Resource, "role/"):
		return fmt.Sprintf("%s is no role ARN", rotation.OneLine(string(role.ARN)))
	case parts.Account != account:
		return fmt.Sprintf("the role is in account %s, and only account %s is written to", parts.Account, account)
	// IAM User Guide, "Using service-linked roles": only the linked service can change their policies.
	case strings.HasPrefix(parts.Resource, "role/aws-service-role/"):
		return "the role is service-linked: only its service can change it"
	// IAM Identity Center User Guide, "Referencing permission sets in resource policies": the roles' path.
	case strings.HasPrefix(parts.Resource, "role/aws-reserved/"):
		return "the role is reserved by AWS: its permission set has to be changed instead"
	case role.ARN == o.WriterRole:
		return "the role is rotationguard's own writer"
	case len(o.Roles) > 0 && !matchesAny(o.Roles, role.ARN) && !onPath(o.Roles, parts.Resource):
		return "the role is not in repair.roles"
	case o.TargetBoundary != "" && (role.Boundary == nil || role.Boundary.ARN != o.TargetBoundary):
		return fmt.Sprintf("the role does not have the boundary %s that repair.target_boundary demands", o.TargetBoundary)
	}
	return ""
}
