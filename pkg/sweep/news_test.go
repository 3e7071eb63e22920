package sweep_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// hear sweeps and marks the news as told; it answers with their kinds, each once.
func hear(t *testing.T, s *sweep.Sweeper) (report.Outcome, []string) {
	t.Helper()
	outcome := run(t, s, rotation.Scope{})
	if err := s.Ledger.Told(context.WithoutCancel(t.Context()), s.Now(), outcome.News); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, n := range outcome.News {
		kinds = append(kinds, string(n.Kind))
	}
	slices.Sort(kinds)
	return outcome, slices.Compact(kinds)
}

func hearing(t *testing.T, a *awstest.Account, yaml string) (*sweep.Sweeper, *time.Time) {
	t.Helper()
	s := newSweeper(t, a, yaml)
	now := time.Now().UTC()
	s.Now = func() time.Time { return now }
	s.Channels = []ledger.Channel{"mail"}
	return s, &now
}

func TestStandingDriftIsNewsOnce(t *testing.T) {
	a := newAccount(t)
	s, now := hearing(t, a, "mode: report")
	first, kinds := hear(t, s)
	if !slices.Equal(kinds, []string{"new"}) {
		t.Fatalf("the first sweep has the news %v", kinds)
	}
	for _, n := range first.News {
		if f := n.Record.Finding; f.Severity == "info" || f.Exempt != "" {
			t.Errorf("%s is news: severity %s, exempt %q", f.ID, f.Severity, f.Exempt)
		}
	}
	*now = now.Add(time.Hour)
	if _, kinds := hear(t, s); kinds != nil {
		t.Errorf("an hour later the news are %v", kinds)
	}
	*now = now.Add(168 * time.Hour)
	if again, kinds := hear(t, s); !slices.Equal(kinds, []string{"reminder"}) || len(again.News) != len(first.News) {
		t.Errorf("a week later %d of %d are %v", len(again.News), len(first.News), kinds)
	}
}

func TestWhatTheRunMendedIsNewsOfOurs(t *testing.T) {
	a := overdue(t)
	s, now := hearing(t, a, "mode: repair\nrepair: "+lifted)
	outcome, _ := hear(t, s)
	told := map[string][]ledger.TransitionKind{}
	for _, n := range outcome.News {
		told[n.Record.Finding.Rule] = append(told[n.Record.Finding.Rule], n.Kind)
	}
	if got := told["invoke-grant"]; !slices.Equal(got, []ledger.TransitionKind{ledger.Resolved}) {
		t.Fatalf("the news are %v, want of the invoke grant that it was resolved and not that it was new", told)
	}
	for _, n := range outcome.News {
		if by := n.Record.ResolvedBy; n.Kind == ledger.Resolved && (!strings.HasPrefix(by, "run ") || !strings.Contains(by, "lambda:AddPermission")) {
			t.Errorf("resolved by %q", by)
		}
	}
	*now = now.Add(time.Hour)
	if _, kinds := hear(t, s); kinds != nil {
		t.Errorf("later the news are %v", kinds)
	}
}

// mend gives the function the grant that it lacks.
func mend(a *awstest.Account) {
	a.UpdateFunction("f", func(f *awstest.Function) {
		f.Policies = map[string]string{"": `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},` +
			`"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:` + account.Region + ":" + account.ID + `:function:f","Condition":{"StringEquals":{"aws:SourceAccount":"` + account.ID + `"}}}]}`}
	})
}

func TestWhatSomebodyElseMendedIsNewsToo(t *testing.T) {
	a := overdue(t)
	s, now := hearing(t, a, "mode: report")
	hear(t, s)
	*now = now.Add(time.Hour)
	mend(a)
	outcome, kinds := hear(t, s)
	if !slices.Contains(kinds, "resolved") || slices.ContainsFunc(outcome.News, func(n ledger.Transition) bool { return n.Record.ResolvedBy != "" }) {
		t.Errorf("the news are %v: %+v", kinds, outcome.News)
	}
}

func TestWhatCannotBeReadIsNewsUntilItCan(t *testing.T) {
	a := overdue(t)
	mend(a)
	s, now := hearing(t, a, "mode: report")
	hear(t, s)
	a.Fail(awstest.Match{Service: "iam", Operation: "GetRolePolicy", Count: -1}, awstest.Fault{Code: "AccessDenied", Status: 403})
	for hours, want := range [][]string{{"new"}, nil} {
		*now = now.Add(time.Hour)
		outcome, kinds := hear(t, s)
		if outcome.Secrets[0].Verdict != "unknown" || !slices.Equal(kinds, want) {
			t.Fatalf("sweep %d: %s, news %v, want %v", hours, outcome.Secrets[0].Verdict, kinds, want)
		}
	}
	a.Heal()
	*now = now.Add(time.Hour)
	outcome, kinds := hear(t, s)
	if !slices.Equal(kinds, []string{"resolved"}) || outcome.News[0].Record.Finding.Secret != outcome.Secrets[0].ARN {
		t.Errorf("once it can be read the news are %v: %+v", kinds, outcome.News)
	}
}

func TestAnExemptSecretIsQuiet(t *testing.T) {
	a := overdue(t)
	s, now := hearing(t, a, "mode: report")
	hear(t, s)
	e := ledger.Exemption{ID: "e-1", Secret: "late", Owner: "ana", Reason: "known", Added: *now, AddedBy: "ana", Expires: now.Add(48 * time.Hour)}
	if err := s.Ledger.PutExemption(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{{"exempted"}, nil, {"exempt-expired"}, nil} {
		*now = now.Add(20 * time.Hour)
		s.Judging = settled(t, s.Ledger, "", *now).Judging
		if _, kinds := hear(t, s); !slices.Equal(kinds, want) {
			t.Errorf("the news are %v, want %v", kinds, want)
		}
	}
}

func TestAForgetfulSweepHasNoNews(t *testing.T) {
	s, _ := hearing(t, overdue(t), "mode: report")
	s.Forgetful = true
	if _, kinds := hear(t, s); kinds != nil {
		t.Errorf("the news are %v", kinds)
	}
}
