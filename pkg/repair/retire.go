package repair

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Orphan is something of ours that an earlier run wrote for a function that no secret names any more.
type Orphan struct {
	Function rotation.ARN
	Name     string         // policy name or Sid
	Text     string         // the inline policy, or the whole function policy
	Revision string         // of the function policy
	Role     *rotation.Role // with our policy alone; nil: a statement on the function's own policy
	Secrets  []rotation.ARN // that it was written for
}

// Subject is what the orphan stands on.
func (o *Orphan) Subject() rotation.ARN {
	if o.Role != nil {
		return o.Role.ARN
	}
	return o.Function
}

// String says what it is in half a sentence.
func (o *Orphan) String() string {
	if o.Role != nil {
		return fmt.Sprintf("our inline policy %s on %s", o.Name, o.Role.ARN)
	}
	return fmt.Sprintf("our statement %s on %s", o.Name, o.Function)
}

// placed is one thing that the journal says we put somewhere.
type placed struct {
	function, subject rotation.ARN
	name              string
	onRole            bool
	secrets           []rotation.ARN
}

// placements are what of ours runs have put somewhere and not taken away again, as the journal tells it.
func placements(entries []ledger.Entry) ([]placed, error) {
	type place struct{ subject, name string }
	at, gone := map[place]placed{}, map[place]placed{}
	for _, e := range entries {
		where := place{e.Subject, e.Name}
		switch call := Call(e.Call); {
		case !strings.HasPrefix(e.Name, rotation.OwnPrefix):
		case e.Phase == ledger.PhaseIntent && (call == PutRolePolicy || call == AddPermission):
			var c Change
			if err := json.Unmarshal(e.Detail, &c); err != nil {
				return nil, fmt.Errorf("reading change %s of run %s: %w", e.Change, e.Run, err)
			}
			secrets := sortedARNs(append(slices.Clone(c.Secrets), at[where].secrets...))
			at[where] = placed{c.Function, c.Subject, c.Name, call.onRole(), secrets}
		case e.Phase == ledger.PhaseOutcome && (call == DeleteRolePolicy || call == RemovePermission) && e.Status == string(Done):
			if was, known := gone[where]; known && e.Reason == invisible {
				at[where] = was
				break
			}
			if was, known := at[where]; known {
				gone[where] = was
			}
			delete(at, where)
		}
	}
	return slices.SortedFunc(maps.Values(at), func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.name, b.name))
	}), nil
}

// ReadOrphans reads what of ours still stands for functions of this account and Region that none of the judgements is about. The
// judgements are those of the whole account. What cannot be read is an error: nothing must be forgotten in silence.
func ReadOrphans(ctx context.Context, c Clients, l ledger.Ledger, judgements []drift.Judgement, account, region string) ([]Orphan, error) {
	entries, err := l.EntriesSince(ctx, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	all, err := placements(entries)
	if err != nil {
		return nil, err
	}
	judged := map[rotation.ARN]bool{}
	for i := range judgements {
		judged[judgements[i].Setup.Function.ARN] = true
	}
	reader := &Repairer{clients: c}
	var out []Orphan
	for _, p := range all {
		parts := p.function.Parts()
		if judged[p.function] || parts.Account != account || parts.Region != region || keeps(p.name) {
			continue
		}
		o, err := reader.readOrphan(ctx, p)
		if err != nil {
			return out, err
		}
		if o != nil {
			out = append(out, *o)
		}
	}
	return out, nil
}

// readOrphan reads what stands of a placement; nil when it is gone or not our work any more.
func (r *Repairer) readOrphan(ctx context.Context, p placed) (*Orphan, error) {
	o := &Orphan{Function: p.function, Name: p.name, Secrets: p.secrets}
	c := &Change{Call: AddPermission, Subject: p.function, Name: p.name}
	if p.onRole {
		c.Call, c.Subject = PutRolePolicy, p.subject
	}
	now, err := r.read(ctx, c)
	if err != nil || now.text == "" {
		return nil, err
	}
	// A secret whose rotation is only switched off names it still.
	if named, err := r.names(ctx, p.function, p.secrets); err != nil || named != "" {
		return nil, err
	}
	o.Text, o.Revision = now.text, now.revision
	if !p.onRole {
		return o, nil
	}
	out, err := r.clients.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(p.subject.RoleName())})
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading role %s: %w", p.subject, err)
	}
	o.Role = &rotation.Role{ARN: p.subject, ID: aws.ToString(out.Role.RoleId), Presence: rotation.Present}
	if b := out.Role.PermissionsBoundary; b != nil {
		o.Role.Boundary = &rotation.Policy{ARN: rotation.ARN(aws.ToString(b.PermissionsBoundaryArn)), Presence: rotation.NotRead}
	}
	if used := out.Role.RoleLastUsed; used != nil {
		o.Role.LastUsedIn = aws.ToString(used.Region)
	}
	o.Role.Identity = []rotation.Policy{rotation.NewPolicy(rotation.PolicyInline, p.name, now.text)}
	return o, nil
}

// retire plans taking back what serves nothing any more. What it was written for is looked at once more right before.
func (p *planner) retire() {
	for i := range p.history.Orphans {
		o := &p.history.Orphans[i]
		if p.plan.rests[o.Function] == nil {
			p.plan.rests[o.Function] = []Rest{}
		}
		p.plan.rests[o.Function] = append(p.plan.rests[o.Function], Rest{o.String(), hash(canonicalJSON(o.Text))})
	}
	for i := range p.history.Orphans {
		o := &p.history.Orphans[i]
		c := Change{
			Status: Planned, Subject: o.Subject(), Name: o.Name, Before: o.Text, Revision: o.Revision, Secrets: slices.Clone(o.Secrets), retires: true,
			Reason: "no secret names " + string(o.Function) + " any more: what we had written for it is taken back",
			Proof: Proof{
				Excess: "what is ours goes, and nothing else is written",
				Lost:   "no secret of the account names the function, and no function that was judged loses a request that its rotation needs",
			},
		}
		reason := p.retireRole(o, &c)
		if o.Role == nil {
			reason = p.retireStatement(o, &c)
		}
		if reason != "" {
			p.plan.Left = append(p.plan.Left, Left{Function: o.Function, Subject: o.Subject(), What: o.String(), Reason: reason})
			continue
		}
		p.put(&unit{setup: &rotation.Setup{Function: rotation.Function{ARN: o.Function}}}, c)
	}
}

func (p *planner) retireRole(o *Orphan, c *Change) (reason string) {
	if o.Role == nil {
		return ""
	}
	c.Call = DeleteRolePolicy
	parts := o.Function.Parts()
	g, ok := ours{o.Function}.read(o.Role.Identity[0].Document)
	if !ok {
		return "no secret names the function any more, and the policy was changed by somebody else"
	}
	for x := range g {
		if x.target == rotation.TargetSecret {
			c.Secrets = append(c.Secrets, x.on)
		}
	}
	if reason := p.opts.functionBarred(parts.Account, o.Function); reason != "" {
		return reason
	}
	if reason := p.opts.roleBarred(parts.Account, o.Role); reason != "" {
		return reason
	}
	role, shared := p.world.roles[o.Role.ARN]
	if !shared {
		role = *o.Role
	}
	if reason := usedElsewhere(&role, parts.Region); reason != "" {
		return reason
	}
	after := withInline(role, o.Name, "")
	if shared {
		if lost := p.loses(&after, "", nil); lost != "" {
			return "without it rotation would lose " + lost
		}
		p.world.roles[o.Role.ARN] = after
	}
	return ""
}

func (p *planner) retireStatement(o *Orphan, c *Change) (reason string) {
	c.Call = RemovePermission
	parts, err := readStatements(o.Text)
	if err != nil {
		return rotation.OneLine(err.Error())
	}
	account := o.Function.Parts().Account
	have, _ := parts.get(o.Name)
	mine, err := invokeStatement(o.Function, account, o.Name)
	if err != nil || !sameJSON(string(have), string(mine)) {
		return "no secret names the function any more, and the statement was changed by somebody else"
	}
	c.After = parts.without(o.Name).text()
	return p.opts.functionBarred(account, o.Function)
}

// usedElsewhere says why nothing may be taken from a role that functions of another Region run with: what they need is not visible from
// here. IAM tells only the Region of the last use.
func usedElsewhere(role *rotation.Role, region string) string {
	if role.LastUsedIn == "" || role.LastUsedIn == region {
		return ""
	}
	return fmt.Sprintf("the role was last used in %s, where this run has not looked", rotation.OneLine(role.LastUsedIn))
}

// namedAgain says which secret names the function of something retired again, or "".
func (r *Repairer) namedAgain(ctx context.Context, c *Change) string {
	secret, err := r.names(ctx, c.Function, c.Secrets)
	switch {
	case err != nil:
		return rotation.OneLine(err.Error())
	case secret != "":
		return fmt.Sprintf("%s names the function again", secret)
	}
	return ""
}

// names is the first of the secrets that names a function, whether its rotation is on or not; "" when none does.
func (r *Repairer) names(ctx context.Context, function rotation.ARN, secrets []rotation.ARN) (rotation.ARN, error) {
	for _, secret := range secrets {
		out, err := r.clients.Secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(string(secret))})
		if absent(err) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("reading secret %s again: %w", secret, err)
		}
		if rotation.ARN(aws.ToString(out.RotationLambdaARN)) == function && out.DeletedDate == nil {
			return secret, nil
		}
	}
	return "", nil
}

// unknownOurs leaves the inline policies that have a name of ours and are nobody's: which function they were for is not known.
func (p *planner) unknownOurs() {
	for _, arn := range slices.Sorted(maps.Keys(p.world.roles)) {
		role := p.world.roles[arn]
		for i := range role.Identity {
			x := &role.Identity[i]
			if x.Source != rotation.PolicyInline || !strings.HasPrefix(x.Name, rotation.OwnPrefix) || keeps(x.Name) || p.accounted(arn, x.Name) {
				continue
			}
			p.plan.Left = append(p.plan.Left, Left{
				Subject: arn, What: x.Label(), Reason: "it has a name of ours, and neither a function that was judged nor the journal knows of it: delete it if nothing else needs it",
			})
		}
	}
}

// accounted says whether an inline policy with a name of ours is some judged function's, another Region's or known from the journal.
func (p *planner) accounted(role rotation.ARN, name string) bool {
	region := ""
	for _, u := range p.judged {
		if u.setup.Function.ARN == "" {
			continue
		}
		region = u.setup.Region
		if slices.Contains(ours{u.setup.Function.ARN}.names(), name) {
			return true
		}
	}
	return !strings.HasPrefix(name, rotation.OwnPrefix+region+"-") || slices.ContainsFunc(p.history.Orphans, func(o Orphan) bool {
		return o.Role != nil && o.Role.ARN == role && o.Name == name
	})
}
