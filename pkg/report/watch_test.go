package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/repair"
)

func movesText(t *testing.T, was, is *Outcome) []string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteMoves(&b, Moves(was, is), Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	return slices.DeleteFunc(lines, func(s string) bool { return s == "" })
}

func TestMovesAreALineForEachThingThatBecameAnother(t *testing.T) {
	day := func(judgements ...drift.Judgement) Outcome { return outcomeOf(repair.ModeReport, judgements...) }
	app, off := judged("app", drift.InSync, in(time.Hour), "all is allowed"), judged("off", drift.Skipped, nil, "no rotation")
	broken := judged("app", drift.Broken, in(time.Hour), "the next rotation fails", denied("f-1", "app", "secretsmanager:GetSecretValue"))
	worse := judged("app", drift.Broken, in(time.Hour), "the next rotation fails", denied("f-1", "app", "secretsmanager:GetSecretValue"), denied("f-2", "app", "secretsmanager:PutSecretValue"), info("app"))
	unread := day(app)
	unread.Errors = []Error{{Call: "iam:GetRole", Resource: "r", Code: "AccessDenied"}}
	fine, bad, gone := day(app, off), day(broken, off), day(off)
	none := day()
	tests := []struct {
		name    string
		was, is *Outcome
		want    []string
	}{
		{"nothing moved", &fine, &fine, nil},
		{"at first what is worse than in sync", nil, &bad, []string{"app: broken: the next rotation fails"}},
		{"at first nothing of what is in sync", nil, &fine, nil},
		{"a secret breaks", &fine, &bad, []string{"app: in-sync -> broken: the next rotation fails"}},
		{"it works again", &bad, &fine, []string{"app: broken -> in-sync"}},
		{"a finding more, one of information not", &bad, new(day(worse, off)), []string{"app: new critical finding f-2: secretsmanager:PutSecretValue is denied"}},
		{"a finding less", new(day(worse, off)), &bad, []string{"app: finding f-2 is resolved: secretsmanager:PutSecretValue is denied"}},
		{"a secret is made", &gone, &fine, []string{"app: in-sync"}},
		{"a secret goes, one that was skipped silently", &fine, &none, []string{"app: the account does not list it any more"}},
		{"a call fails", new(day(app)), &unread, []string{"not readable: iam:GetRole on r: AccessDenied"}},
		{"it works again, after it failed", &unread, new(day(app)), []string{"readable again: iam:GetRole on r: AccessDenied"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := movesText(t, tt.was, tt.is)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(got[i], "2026-03-01T12:00:00Z  "+want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

func TestGlanceFitsTheScreen(t *testing.T) {
	outcomes := situations()
	outcomes["many"] = large(300)
	for name, o := range outcomes {
		moves := Moves(nil, &o)
		for _, rows := range []int{1, 5, 24, 60} {
			for _, columns := range []int{80, 200} {
				var b bytes.Buffer
				if err := o.WriteGlance(&b, moves, Style{Width: columns}, rows); err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(b.String(), "\n"); n > max(rows, 4) {
					t.Errorf("%s: %d lines on a screen of %d", name, n, rows)
				}
				for line := range strings.Lines(b.String()) {
					if line = strings.TrimSuffix(line, "\n"); width(line) > columns && !unbreakable(line) {
						t.Errorf("%s: %d columns of %d: %q", name, width(line), columns, line)
					}
				}
				for _, r := range b.String() {
					if r != '\n' && !unicode.IsPrint(r) {
						t.Fatalf("%s holds %U", name, r)
					}
				}
			}
		}
	}
	o := large(300)
	var b bytes.Buffer
	if err := o.WriteGlance(&b, []Moved{{At: now, Text: "app: in-sync -> broken"}}, Style{Width: 80}, 24); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"more lines", "What moved\n", "app: in-sync -> broken", "NEXT ROTATION"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("a screen without %q:\n%s", want, &b)
		}
	}
}

func TestHostileMovesAreInert(t *testing.T) {
	for i, text := range hostileTexts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			is, was := filled(text), outcomeOf(repair.ModeReport)
			for _, line := range append(movesText(t, &was, &is), movesText(t, &is, &was)...) {
				for _, r := range line {
					if !unicode.IsPrint(r) {
						t.Errorf("a line holds %U", r)
					}
				}
			}
		})
	}
}
