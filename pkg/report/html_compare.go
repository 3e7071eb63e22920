package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/policy"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// pageCompare is a policy as it stands beside what mends it.
type pageCompare struct {
	Stands  []pageDocument
	None    string // said where no statement has to do with it
	Where   string // the document that the fix writes
	Becomes [][]pageLine
	Instead string // said where the fix adds no statement
}

// pageDocument is a policy with its statements in order.
type pageDocument struct {
	Name       string
	Statements []pageStatement
	After      int // statements left out at the end
}

// pageStatement is one statement as the account holds it. Gap is how many are left out before it.
type pageStatement struct {
	Gap    int
	Number int
	Does   string // what it has to do with the finding: empty for the others
	Lines  []pageLine
}

// pageLine is a line of a statement. Differs says that the other side has no such line.
type pageLine struct {
	Indent, Text string
	Differs      bool
}

// compare puts the policies that a group's findings are about beside the group's fix. It is nil where the account's documents are not at
// hand, or nothing would stand on one of the sides.
func (p *page) compare(s *Secret, g group) *pageCompare {
	if g.fix == nil {
		return nil
	}
	c := &pageCompare{Where: inert(g.fix.Where)}
	marked := map[document]map[int]string{}
	var order []document
	for _, f := range g.findings {
		if f.Statement == nil {
			continue
		}
		d := document{f.Subject, f.Statement.Document}
		if s.documents[d] == "" {
			continue
		}
		if marked[d] == nil {
			marked[d] = map[int]string{}
			order = append(order, d)
		}
		marked[d][f.Statement.Index] = statementDoes(f)
	}
	for _, d := range order {
		if view := statements(d.label, s.documents[d], marked[d]); len(view.Statements) > 0 {
			c.Stands = append(c.Stands, view)
		}
	}
	for _, f := range mergeStatements(g.findings) {
		c.Becomes = append(c.Becomes, pageLines(layOut(f.Fix.Statement)))
	}
	c.markDiffering()
	first := g.findings[0]
	if len(c.Stands) == 0 {
		if first.Statement != nil || first.Direction != policy.Missing || len(c.Becomes) == 0 {
			return nil
		}
		c.None = "No statement comes near: nothing allows it."
	}
	if len(c.Becomes) == 0 {
		c.Instead = inert(g.summary())
	}
	return c
}

func pageLines(texts []string) []pageLine {
	lines := make([]pageLine, len(texts))
	for i, text := range texts {
		lines[i].Text = strings.TrimLeft(text, " ")
		lines[i].Indent = text[:len(text)-len(lines[i].Text)]
	}
	return lines
}

// markDiffering marks the lines that one side has and the other has not: of what stands those of the statements that a finding names.
// Where the fix adds no statement nothing is marked, as the whole statement is meant.
func (c *pageCompare) markDiffering() {
	var sides [2][]pageLine
	for _, d := range c.Stands {
		for _, s := range d.Statements {
			if s.Does != "" {
				sides[0] = append(sides[0], s.Lines...)
			}
		}
	}
	for _, lines := range c.Becomes {
		sides[1] = append(sides[1], lines...)
	}
	if len(sides[0]) == 0 || len(sides[1]) == 0 {
		return
	}
	stands, becomes := lineSet(sides[0]), lineSet(sides[1])
	for _, d := range c.Stands {
		for _, s := range d.Statements {
			for i := range s.Lines {
				s.Lines[i].Differs = s.Does != "" && !becomes[bareLine(s.Lines[i].Text)]
			}
		}
	}
	for _, lines := range c.Becomes {
		for i := range lines {
			lines[i].Differs = !stands[bareLine(lines[i].Text)]
		}
	}
}

func lineSet(lines []pageLine) map[string]bool {
	set := map[string]bool{}
	for _, l := range lines {
		set[bareLine(l.Text)] = true
	}
	for _, bracket := range []string{"", "{", "}", "[", "]"} {
		set[bracket] = true
	}
	return set
}

// bareLine is a line without what its place among others gives it.
func bareLine(text string) string { return strings.TrimSuffix(text, ",") }

// statementDoes says what a statement has to do with a finding that names it.
func statementDoes(f *drift.Finding) string {
	switch {
	case f.Direction == policy.Excess:
		return "grants it"
	case f.Rule == drift.RuleExplicitDeny:
		return "denies it"
	}
	return "comes nearest"
}

// The most of a document that is shown: statements beside a marked one, and lines of one statement.
const (
	statementsBeside = 1
	statementLines   = 60
)

// statements lays out a policy, with those statements that are far from a marked one left out.
func statements(label, text string, marked map[int]string) pageDocument {
	view := pageDocument{Name: inert(label)}
	gap := 0
	for i, raw := range statementTexts(text) {
		near := slices.ContainsFunc(sortedInts(marked), func(m int) bool { return m-statementsBeside <= i && i <= m+statementsBeside })
		if !near {
			gap++
			continue
		}
		lines := layOut(string(raw))
		if more := len(lines) - statementLines; more > 0 {
			lines = append(lines[:statementLines:statementLines], fmt.Sprintf("… %d more lines", more))
		}
		view.Statements = append(view.Statements, pageStatement{Gap: gap, Number: i + 1, Does: marked[i], Lines: pageLines(lines)})
		gap = 0
	}
	view.After = gap
	return view
}

func sortedInts(marked map[int]string) []int {
	all := make([]int, 0, len(marked))
	for i := range marked {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

// statementTexts are a policy's statements as they are written: Statement is one or a list of them.
func statementTexts(text string) []json.RawMessage {
	var body struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &body) != nil {
		return nil
	}
	body.Statement = bytes.TrimSpace(body.Statement)
	var list []json.RawMessage
	if json.Unmarshal(body.Statement, &list) == nil {
		return list
	}
	if len(body.Statement) == 0 {
		return nil
	}
	return []json.RawMessage{body.Statement}
}

// placeOf is the account and Region of an ARN.
func placeOf(arn rotation.ARN) string {
	p := arn.Parts()
	return strings.TrimSpace(inert(p.Account + " " + p.Region))
}
