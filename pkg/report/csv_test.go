package report

import "testing"

// TestACellIsNoFormula takes what OWASP's page on CSV injection lists, and what a spreadsheet with another separator would make cells of.
func TestACellIsNoFormula(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "|calc": "'|calc", "%0A=1": "'%0A=1", " =1": "'=1", "＝1": "'＝1", "＠1": "'＠1",
		"db;=HYPERLINK(\"x\")": "db;'=HYPERLINK(\"x\")", "a; -1;+2": "a;' -1;'+2", "prod/db": "prod/db", "a=b, c-d": "a=b, c-d", "": "", "arn:aws:iam::1:role/a@b+c": "arn:aws:iam::1:role/a@b+c",
	} {
		if got := inertCell(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
