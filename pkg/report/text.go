package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// Style says how text is laid out.
type Style struct {
	Width int  // columns; 0 means 80
	Color bool // escape sequences for verdicts and headings
}

// The widths between which text is laid out: a table needs room, and long lines of prose are hard to read.
const (
	narrowest   = 60
	widestProse = 110
	wideTable   = 120 // from here on the table also has function and reason
	wideFleet   = 160 // from here on a fleet's table has both
	narrowName  = 16  // with less room for a secret's name, whose it is stands on a line of its own
)

// inSyncShown is how many secrets in sync the table lists.
const inSyncShown = 40

// WriteText writes the report for people: a table, soonest next rotation first, then for every secret that is not in sync
// why, a witness and the fix.
func (o *Outcome) WriteText(w io.Writer, style Style) error {
	t := newText(w, style, o.At)
	t.head(o)
	worse := o.WithVerdict(Drift)
	t.table(worse, o.WithVerdict(func(v drift.Verdict) bool { return v == drift.InSync }))
	for _, s := range worse {
		t.secret(s)
	}
	t.operators(o.Operators)
	t.changes(o)
	t.rotateNow(o)
	t.asides("Exempt", o.WithVerdict(func(v drift.Verdict) bool { return v == drift.Exempt }))
	t.asides("Skipped", o.WithVerdict(func(v drift.Verdict) bool { return v == drift.Skipped }))
	t.fleetTargets(o)
	t.errors(o.unsaid())
	t.notes(o)
	return t.flush()
}

// text lays out lines. The buffered writer keeps the first error.
type text struct {
	w       *bufio.Writer
	style   Style
	at      time.Time
	printed map[string]string // fixes shown, by what they are; the secret that they were shown for
}

func newText(w io.Writer, style Style, at time.Time) *text {
	if style.Width == 0 {
		style.Width = 80
	}
	style.Width = max(style.Width, narrowest)
	return &text{w: bufio.NewWriter(w), style: style, at: at, printed: map[string]string{}}
}

func (t *text) flush() error {
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// color is an SGR sequence that dark and light terminals show.
type color string

const (
	bold    color = "1"
	dim     color = "2"
	red     color = "31"
	green   color = "32"
	yellow  color = "33"
	magenta color = "35"
)

func (t *text) paint(s string, c color) string {
	if !t.style.Color || c == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

func verdictColor(v drift.Verdict) color {
	switch v {
	case drift.Broken, drift.Orphaned:
		return red
	case drift.Unknown:
		return magenta
	case drift.Drifted:
		return yellow
	case drift.InSync:
		return green
	case drift.Exempt, drift.Skipped:
		return dim
	}
	return ""
}

func (t *text) line(s string) { fmt.Fprintln(t.w, strings.TrimRight(s, " ")) }

func (t *text) prose() int { return min(t.style.Width, widestProse) }

func (t *text) head(o *Outcome) {
	where := "account " + inert(o.Account) + "  " + inert(o.Region)
	if o.Fleet() {
		where = o.Scope()
	}
	t.line(t.paint("rotationguard", bold) + "  " + where + "  mode " + string(o.Mode))
	for _, line := range Wrap(o.Story(), t.prose()) {
		t.line(line)
	}
	s := o.Summary()
	line := count(s.Secrets, "secret") + ", " + count(s.Functions, "rotation function")
	columns, separator := width(line), ": "
	for _, v := range Verdicts {
		n := s.ByVerdict[v]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", n, v)
		if columns+len(separator)+len(part) > t.prose() {
			t.line(line + strings.TrimRight(separator, " "))
			line, columns, separator = "", 0, "  "
		}
		line += separator + t.paint(part, verdictColor(v))
		columns += len(separator) + len(part)
		separator = ", "
	}
	t.line(line)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// table lists what is worse than in sync before what is in sync, each with the soonest next rotation first.
func (t *text) table(worse, inSync []*Secret) {
	if len(worse)+len(inSync) == 0 {
		return
	}
	c := t.columns(worse, inSync)
	header := pad("NEXT ROTATION", c.when+columnGap) + pad("VERDICT", verdictColumn+columnGap)
	if c.whose > 0 {
		header += pad("ACCOUNT, REGION", c.whose+columnGap)
	}
	header += pad("SECRET", c.name+columnGap)
	if c.function > 0 {
		header += pad("FUNCTION", c.function+columnGap)
	}
	if c.why > 0 {
		header += "WHY"
	}
	t.line("")
	t.line(t.paint(strings.TrimRight(header, " "), bold))
	row := func(s *Secret) {
		next := pad(c.next(s, t.at), c.when)
		if s.Overdue(t.at) && Drift(s.Verdict) {
			next = t.paint(next, red)
		}
		line := next + "  " + t.paint(pad(string(s.Verdict), verdictColumn), verdictColor(s.Verdict)) + "  "
		if c.whose > 0 {
			line += pad(inert(s.whose()), c.whose+columnGap)
		}
		line += pad(shorten(secretName(s), c.name), c.name+columnGap)
		if c.function > 0 {
			line += pad(shorten(functionName(s.FunctionARN), c.function), c.function+columnGap)
		}
		t.line(line + shorten(tableReason(s), c.why))
		if c.below {
			t.line(strings.Repeat(" ", c.when+verdictColumn+2*columnGap) + inert(s.whose()))
		}
	}
	for _, s := range worse {
		row(s)
	}
	for _, s := range inSync[:min(len(inSync), inSyncShown)] {
		row(s)
	}
	if more := len(inSync) - inSyncShown; more > 0 {
		t.line(t.paint(fmt.Sprintf("and %d more in sync, which rotate later (--output json lists them)", more), dim))
	}
}

// columns are how wide the table's columns are; 0 leaves one out.
type columns struct {
	when, whose, name, function, why int
	next                             func(*Secret, time.Time) string
	below                            bool // whose a secret is stands below it
}

// The column of verdicts, and what stands between two columns.
const verdictColumn, columnGap = 8, 2

// columns shares the width out. A fleet's table says of every secret whose it is, for which its dates are shorter, and has functions only where there is much room.
func (t *text) columns(lists ...[]*Secret) columns {
	c := columns{when: 24, whose: longestWhose(lists...), next: whenText}
	fleet := c.whose > 0
	if fleet {
		c.when, c.next = 18, whenShort
	}
	rest := t.style.Width - c.when - verdictColumn - 2*columnGap
	switch {
	case !fleet:
	case rest-c.whose-columnGap < narrowName:
		c.whose, c.below = 0, true
	default:
		rest -= c.whose + columnGap
	}
	c.name = rest
	if t.style.Width < wideTable {
		return c
	}
	c.name = max(24, min(longestName(lists...), rest/3))
	if c.why = rest - c.name - columnGap; c.whose == 0 || t.style.Width >= wideFleet {
		c.function = max(20, c.why/3)
		c.why -= c.function + columnGap
	}
	return c
}

// tableReason is why a secret has its verdict, without what the row says already.
func tableReason(s *Secret) string {
	if s.Verdict == drift.InSync {
		return ""
	}
	return strings.TrimPrefix(brief(inert(s.Reason)), "the next rotation fails: ")
}

func longestName(lists ...[]*Secret) int {
	longest := 0
	for _, list := range lists {
		for _, s := range list {
			longest = max(longest, width(secretName(s)))
		}
	}
	return longest
}

// whenText says when a secret rotates next: "overdue since" when that is past, and how long it is until then when it is near.
func whenText(s *Secret, at time.Time) string {
	switch {
	case s.NextRotation == nil:
		return "no date"
	case s.Overdue(at):
		return "overdue since " + s.NextRotation.UTC().Format(time.DateOnly)
	}
	day := s.NextRotation.UTC().Format(time.DateOnly)
	if left := untilText(s.NextRotation.Sub(at)); left != "" {
		day += " in " + left
	}
	return day
}

// whenShort is whenText in the columns that a fleet's table has for it.
func whenShort(s *Secret, at time.Time) string {
	text := shortWhen.Replace(whenText(s, at))
	if strings.HasSuffix(text, " min") {
		text = strings.Replace(text, " in ", " ", 1)
	}
	return text
}

var shortWhen = strings.NewReplacer("overdue since", "overdue", " days", " d")

// whenLong is whenText where there is room.
func whenLong(next *time.Time, at time.Time) string {
	if next == nil {
		return "no date"
	}
	moment := next.UTC().Format("2006-01-02 15:04 UTC")
	if next.Before(at) {
		return "overdue since " + moment
	}
	if left := untilText(next.Sub(at)); left != "" {
		moment += ", in " + left
	}
	return moment
}

// untilText is how long it is until then, or nothing when that is far.
func untilText(left time.Duration) string {
	switch {
	case left < time.Hour:
		return fmt.Sprintf("%d min", int(left.Minutes()))
	case left < 48*time.Hour:
		return fmt.Sprintf("%d h", int(left.Hours()))
	case left < 60*24*time.Hour:
		return fmt.Sprintf("%d days", int(left.Hours()/24))
	}
	return ""
}

func secretName(s *Secret) string {
	if s.Name != "" {
		return inert(s.Name)
	}
	return inert(string(s.ARN))
}

// functionName is the last part of a function's ARN, with the qualifier.
func functionName(arn rotation.ARN) string {
	if _, name, ok := strings.Cut(arn.Parts().Resource, "function:"); ok {
		return inert(name)
	}
	return inert(string(arn))
}

// secret prints one secret that is not in sync: what it is rotated with, why, and each finding with its fix.
func (t *text) secret(s *Secret) {
	t.line("")
	t.line(t.paint(string(s.Verdict), verdictColor(s.Verdict)) + "  " + t.paint(secretName(s), bold))
	if s.Account != "" {
		t.field("account", s.whose())
	}
	if s.FunctionARN != "" {
		t.field("function", string(s.FunctionARN))
	}
	if s.RoleARN != "" {
		t.field("role", string(s.RoleARN))
	}
	if s.Owner.Why != "" {
		t.field("owner", s.Owner.Why)
	}
	t.field("next", whenLong(s.NextRotation, t.at))
	t.field("why", brief(inert(s.Reason)))
	if at := failsAt(s.Forecast); at != "" {
		t.field("fails at", brief(inert(at)))
	}
	for _, g := range groupByFix(s.Findings) {
		t.group(s, g)
	}
	t.remarks(s)
	for _, n := range s.Notes {
		t.field("note", n)
	}
}

// remarks names the findings of severity info, which need no fix.
func (t *text) remarks(s *Secret) {
	for _, f := range s.Findings {
		if f.Severity == drift.Info {
			t.field("info", f.Explanation)
		}
	}
}

// group is findings that one change ends.
type group struct {
	fix      *drift.Fix
	findings []*drift.Finding
}

// groupByFix puts findings together that the same command ends, in the order of the first of them.
func groupByFix(findings []*drift.Finding) []group {
	var groups []group
	for _, f := range findings {
		if f.Severity == drift.Info {
			continue
		}
		i := -1
		if f.Fix != nil && f.Fix.Command != "" {
			i = slices.IndexFunc(groups, func(g group) bool {
				return g.fix != nil && g.fix.Command == f.Fix.Command && g.findings[0].Exempt == f.Exempt
			})
		}
		if i < 0 {
			groups = append(groups, group{fix: f.Fix, findings: []*drift.Finding{f}})
			continue
		}
		groups[i].findings = append(groups[i].findings, f)
	}
	return groups
}

// summary is what the change of a group does. Where its findings ask for the same with several calls, all of these are named; where they ask
// for several things, how many more.
func (g *group) summary() string {
	first, alike := "", true
	var calls, summaries []string
	for i, f := range g.findings {
		if f.Fix == nil || f.Witness == nil {
			return g.fix.Summary
		}
		call, rest := called(f)
		if i == 0 {
			first = call
		}
		_, wanted := called(g.findings[0])
		alike = alike && rest == wanted
		if !slices.Contains(summaries, unstaged(f.Fix.Summary)) {
			summaries = append(summaries, unstaged(f.Fix.Summary))
		}
		if service, _, found := strings.Cut(first, ":"); found && i > 0 && call != first {
			call = strings.TrimPrefix(call, service+":")
		}
		if !slices.Contains(calls, call) {
			calls = append(calls, call)
		}
	}
	last := len(calls) - 1
	switch {
	case len(summaries) < 2:
		return g.fix.Summary
	case !alike || last < 1:
		return unstaged(g.fix.Summary) + ", and " + strconv.Itoa(len(summaries)-1) + " more"
	}
	return strings.Replace(unstaged(g.fix.Summary), first, strings.Join(calls[:last], ", ")+" and "+calls[last], 1)
}

// unstaged leaves out at which version of a secret a call is made: the calls of a change are made at several.
func unstaged(summary string) string {
	summary, _, _ = strings.Cut(summary, " at AWS")
	return summary
}

// called is the call that the summary of a finding's fix names, with or without its service as it is there, and the summary without it.
func called(f *drift.Finding) (call, rest string) {
	call = f.Witness.Action
	if !strings.Contains(f.Fix.Summary, call) {
		call = actionOf(call)
	}
	return call, strings.Replace(unstaged(f.Fix.Summary), call, "", 1)
}

func (t *text) group(s *Secret, g group) {
	t.line("")
	ids := make([]string, len(g.findings))
	for i, f := range g.findings {
		ids[i] = f.ID
		if i > 0 && sameCause(g.findings[0], f) {
			t.labelled(pad(string(f.Severity), labelWidth), severityColor(f.Severity), "for the same reason "+requestText(f.Witness, g.findings[0].Witness)+" ("+f.ID+")")
			continue
		}
		t.finding(f)
	}
	if rule, ok := drift.RuleOf(g.findings[0].Rule); ok && len(rule.Sources) > 0 {
		t.field("see", rule.Sources[0])
	}
	if g.fix == nil {
		return
	}
	key := g.fix.Command
	if key == "" {
		key = strings.Join(ids, " ")
	}
	if earlier, ok := t.printed[key]; ok {
		t.field("fix", "the same change as for "+earlier)
		return
	}
	t.printed[key] = secretName(s)
	t.fix(g)
	if tool := s.Owner.Tool; tool != "" && tool != drift.ToolCLI && drift.FixIn(tool, g.findings[0]) != "" {
		t.field("as code", "rotationguard explain "+g.findings[0].ID+" --tool "+string(tool))
	}
}

func severityColor(s drift.Severity) color {
	switch s {
	case drift.Critical, drift.High:
		return red
	case drift.Medium:
		return yellow
	case drift.Low, drift.Info:
		return dim
	}
	return ""
}

func (t *text) finding(f *drift.Finding) {
	what := string(f.Direction)
	if what != "" {
		what += " "
	}
	t.labelled(pad(string(f.Severity), labelWidth), severityColor(f.Severity), fmt.Sprintf("%s (%s%s, %s)", inert(f.Explanation), what, f.Kind, f.ID))
	if f.Exempt != "" {
		t.field("exempt", f.Exempt)
	}
	if f.Witness == nil {
		return
	}
	t.field("witness", requestText(f.Witness, nil))
}

// sameCause says whether two findings that one change ends differ in their request only: one statement grants, denies or almost grants
// both, or none does.
func sameCause(a, b *drift.Finding) bool {
	same := a.Statement == b.Statement || a.Statement != nil && b.Statement != nil && *a.Statement == *b.Statement
	return same && a.Rule == b.Rule && a.Kind == b.Kind && a.Direction == b.Direction && a.Subject == b.Subject && a.Exempt == b.Exempt &&
		a.Witness != nil && b.Witness != nil
}

// requestText is a request in one sentence; what it has in common with another request is left out.
func requestText(w, beside *drift.Witness) string {
	text := w.Action
	if stage := w.Context["secretsmanager:VersionStage"]; len(stage) > 0 {
		text += " at " + strings.Join(stage, ", ")
	}
	if w.Resource != "*" && (beside == nil || beside.Resource != w.Resource) {
		text += " on " + w.Resource
	}
	if w.Principal != nil && (beside == nil || beside.Principal == nil || *beside.Principal != *w.Principal) {
		text += " by " + *w.Principal
	}
	return text
}

func (t *text) fix(g group) {
	t.fixSummary(g)
	if g.fix.Command == "" && g.fix.Statement != "" {
		t.label("add")
		for _, line := range layOut(g.fix.Statement) {
			t.line(indent + line)
		}
	}
	if g.fix.Command != "" {
		t.label("run")
		for _, line := range breakCommand(inert(g.fix.Command), t.style.Width-len(indent)-2) {
			t.line(indent + line)
		}
	}
}

// fixSummary says who can do what, and where.
func (t *text) fixSummary(g group) {
	summary := inert(g.summary())
	if n := len(g.findings); n > 1 {
		summary = fmt.Sprintf("One change ends these %d: %s", n, summary)
	}
	switch g.fix.By {
	case drift.ByRepair:
		summary += " (mode repair does this)"
	case drift.ByEnforce:
		summary += " (mode enforce does this)"
	case drift.ByPerson:
		if g.fix.BlockedBy != "" {
			summary += " (by hand: blocked by " + inert(g.fix.BlockedBy) + ")"
		}
	}
	t.field("fix", summary)
	if g.fix.Where != "" {
		t.field("where", g.fix.Where)
	}
}

// layOut is a statement as JSON on several lines.
func layOut(statement string) []string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(statement), "", "  "); err != nil {
		return []string{inert(statement)}
	}
	return inertLines(out.String())
}

// Labels stand in their own column.
const (
	labelWidth = 10
	indent     = "            "
)

// field prints a label and wrapped text behind it.
func (t *text) field(label, value string) { t.labelled(pad(label, labelWidth), dim, inert(value)) }

func (t *text) label(label string) { t.line("  " + t.paint(label, dim)) }

func (t *text) labelled(label string, c color, value string) {
	lines := Wrap(value, t.prose()-len(indent))
	for i, line := range lines {
		if i == 0 {
			t.line("  " + t.paint(label, c) + line)
			continue
		}
		t.line(indent + line)
	}
}

func (t *text) heading(s string) {
	t.line("")
	t.line(t.paint(s, bold))
}

func (t *text) operators(operators []Operator) {
	if len(operators) == 0 {
		return
	}
	t.heading("Operators")
	for i := range operators {
		p := &operators[i]
		t.labelled(pad(string(p.Verdict), labelWidth), verdictColor(p.Verdict), fmt.Sprintf("%s may %s: %s", inert(string(p.Principal)), p.May, inert(p.Reason)))
		for _, g := range groupByFix(p.Findings) {
			for _, f := range g.findings {
				t.finding(f)
			}
			if g.fix != nil {
				t.fix(g)
			}
		}
	}
}

func statusColor(s repair.Status) color {
	switch s {
	case repair.Done:
		return green
	case repair.Refused, repair.Failed:
		return red
	case repair.Planned, repair.Waiting:
		return yellow
	}
	return ""
}

// notWritten is over why the breaker stopped writing: in a fleet it does so in single targets.
func notWritten(o *Outcome) string {
	if o.Fleet() {
		return "Nothing was written in"
	}
	return "Nothing was written"
}

func (t *text) changes(o *Outcome) {
	if o.Breaker != nil && o.Breaker.Tripped != "" {
		t.heading(notWritten(o))
		t.field("breaker", o.Breaker.Tripped)
	}
	if len(o.Changes) > 0 {
		t.heading("Changes")
		for i := range o.Changes {
			t.change(&o.Changes[i])
		}
	}
	if len(o.Left) > 0 {
		t.heading("Left for a person")
		for _, l := range o.Left {
			t.labelled(pad("", labelWidth), "", leftText(l))
		}
	}
}

// change prints one change with the difference that it makes; the documents themselves are in the JSON.
func (t *text) change(c *repair.Change) {
	t.labelled(pad(string(c.Status), labelWidth), statusColor(c.Status), fmt.Sprintf("%s %s on %s (%s)", c.Call, inert(c.Name), inert(string(c.Subject)), c.ID))
	if c.Reason != "" {
		t.field("because", c.Reason)
	}
	if c.NotBefore != nil && c.Status == repair.Waiting {
		t.field("until", rfc3339(*c.NotBefore))
	}
	switch {
	case c.Undoes != "":
		t.field("undoes", c.Undoes)
		for _, request := range c.Breaks {
			t.field("breaks", request)
		}
		for _, what := range c.Opens {
			t.field("opens", what)
		}
	case c.Proof.Required > 0:
		t.field("proof", proofText(&c.Proof))
	}
	if c.Before == "" {
		t.field("before", "there was none")
	}
	for _, line := range diffLines(c.Diff) {
		switch {
		case strings.HasPrefix(line, "+"):
			line = t.paint(line, green)
		case strings.HasPrefix(line, "-"):
			line = t.paint(line, red)
		}
		t.line(indent + line)
	}
	if c.Undo != "" && c.Status == repair.Done {
		t.label("undo")
		for _, line := range breakCommand(inert(c.Undo), t.style.Width-len(indent)-2) {
			t.line(indent + line)
		}
	}
}

// diffLines are the lines of a unified diff without the names at its beginning, which say what the change says already.
func diffLines(diff string) []string {
	lines := inertLines(diff)
	for i, line := range lines {
		if strings.HasPrefix(line, "@@") {
			return lines[i:]
		}
	}
	return lines
}

// rotateNow names the commands that rotate what was mended and is overdue.
func (t *text) rotateNow(o *Outcome) {
	title := "Mended and overdue: rotate now"
	for _, s := range o.WithVerdict(func(drift.Verdict) bool { return true }) {
		if s.Rotate == "" {
			continue
		}
		if title != "" {
			t.heading(title)
			title = ""
		}
		t.line("  " + s.named())
		for _, line := range breakCommand(s.Rotate, t.style.Width-len(indent)-2) {
			t.line(indent + line)
		}
	}
}

// asides lists secrets that are left out, by reason.
func (t *text) asides(title string, secrets []*Secret) {
	if len(secrets) == 0 {
		return
	}
	t.heading(title)
	var reasons []string
	names := map[string][]string{}
	for _, s := range secrets {
		reason := inert(s.Reason)
		if len(names[reason]) == 0 {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], s.named())
	}
	slices.Sort(reasons)
	const shown = 8
	for _, reason := range reasons {
		list := names[reason]
		slices.Sort(list)
		text := strings.Join(list[:min(len(list), shown)], ", ")
		if more := len(list) - shown; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		t.labelled(pad(fmt.Sprint(len(list)), labelWidth), "", reason+": "+text)
	}
}

func (t *text) errors(errors []Error) {
	if len(errors) == 0 {
		return
	}
	t.heading("Could not be read or done")
	for _, e := range errors {
		t.labelled(pad("error", labelWidth), red, e.String())
	}
}

func (t *text) notes(o *Outcome) {
	t.heading("Notes")
	for _, n := range append([]string{NotVisible}, o.Notes...) {
		t.labelled(pad("", labelWidth), "", inert(n))
	}
}
