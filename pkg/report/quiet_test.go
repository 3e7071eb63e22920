package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// crowd are more secrets than are kept whole, of all verdicts, in no order.
func crowd(n int) []Secret {
	yes, no := true, false
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := make([]Secret, n)
	for i := range all {
		next := at.AddDate(0, 0, i%90)
		s := Secret{
			ARN: rotation.ARN(fmt.Sprintf("arn:aws:secretsmanager:eu-central-1:123456789012:secret:s-%05d-AbCdEf", i*7919%n)), Name: fmt.Sprintf("s-%05d", i*7919%n),
			Kind: rotation.KindOff, Verdict: drift.Skipped, RotationCanWork: &yes, Reason: "rotation is not enabled", Tags: map[string]string{"team": fmt.Sprint(i % 7)},
		}
		if i%3 == 0 {
			s.Kind, s.FunctionARN, s.RoleARN, s.KMSKeyID = rotation.KindLambda, "arn:aws:lambda:eu-central-1:123456789012:function:f", "arn:aws:iam::123456789012:role/r", "alias/k"
			s.Strategy, s.StrategySource, s.Master = rotation.MasterUser, rotation.SourceConfig, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:admin-AbCdEf"
			s.Verdict, s.Reason, s.NextRotation, s.Decided, s.pending = drift.InSync, "every request that rotation needs is allowed", &next, true, "v1"
			s.Notes, s.needs = []string{"no strategy is declared: judged as single-user"}, []need{{rotation.TargetSecret, "DescribeSecret"}}
		}
		switch {
		case i%300 == 0:
			s.Verdict, s.RotationCanWork, s.Reason = drift.Broken, &no, "the next rotation fails"
			s.Findings = []*drift.Finding{{ID: fmt.Sprintf("f-%d", i), Severity: drift.Critical, Secret: s.ARN, Explanation: "it is denied"}}
		case i%300 == 3:
			s.Findings = []*drift.Finding{{ID: "f-info", Severity: drift.Info, Explanation: "no logs"}}
		}
		all[i] = s
	}
	return all
}

func TestWhatIsSetAsideIsReportedAllTheSame(t *testing.T) {
	at := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	all := crowd(3 * wholeSecrets)
	whole := Outcome{Account: "123456789012", Region: "eu-central-1", Mode: "report", At: at, Secrets: append([]Secret{}, all...)}
	aside := Outcome{Account: "123456789012", Region: "eu-central-1", Mode: "report", At: at}
	defer aside.Close()
	for _, s := range all {
		aside.add(s)
	}
	if kept := len(aside.Secrets); kept < wholeSecrets || kept > wholeSecrets+100 {
		t.Fatalf("%d of %d secrets are kept in memory", kept, len(all))
	}
	whole.Sort()
	aside.Sort()
	if whole.Count() != aside.Count() || whole.ExitCode() != aside.ExitCode() || whole.WorstVerdict() != aside.WorstVerdict() || whole.WorstSeverity() != aside.WorstSeverity() {
		t.Errorf("%d secrets, exit %d, %s, %s; want %d, %d, %s, %s", aside.Count(), aside.ExitCode(), aside.WorstVerdict(), aside.WorstSeverity(),
			whole.Count(), whole.ExitCode(), whole.WorstVerdict(), whole.WorstSeverity())
	}
	for name, write := range map[string]func(*Outcome, io.Writer) error{
		"JSON": (*Outcome).WriteJSON, "CSV": (*Outcome).WriteCSV, "JUnit": (*Outcome).WriteJUnit, "HTML": (*Outcome).WriteHTML, "ASFF": (*Outcome).WriteASFF,
		"text": func(o *Outcome, w io.Writer) error { return o.WriteText(w, Style{Width: 80}) },
	} {
		var got, want bytes.Buffer
		if err := write(&whole, &want); err != nil {
			t.Fatal(err)
		}
		if err := write(&aside, &got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			g, w := strings.Split(got.String(), "\n"), strings.Split(want.String(), "\n")
			for i := range min(len(g), len(w)) {
				if g[i] != w[i] {
					t.Fatalf("%s, line %d: %s, want %s", name, i+1, g[i], w[i])
				}
			}
			t.Errorf("%s: %d lines, want %d", name, len(g), len(w))
		}
	}
}

func TestWhatWasSetAsideIsReplacedWhenItIsReadAgain(t *testing.T) {
	all := crowd(2 * wholeSecrets)
	var o Outcome
	defer o.Close()
	for _, s := range all {
		o.add(s)
	}
	o.Sort()
	arn := o.quiet.at[17].arn
	o.Replace([]drift.Judgement{{Secrets: []drift.SecretJudgement{{Secret: rotation.Secret{ARN: arn, Name: "again"}, Verdict: drift.Unknown, Reason: "it was read again"}}}})
	o.Sort()
	found := 0
	for s := range o.All() {
		if s.ARN == arn {
			found++
			if s.Verdict != drift.Unknown || s.Name != "again" {
				t.Errorf("secret = %+v", s)
			}
		}
	}
	if found != 1 || o.Count() != len(all) || o.Summary().ByVerdict[drift.Unknown] != 1 {
		t.Errorf("%d of it among %d secrets, want one among %d: %v", found, o.Count(), len(all), o.Summary().ByVerdict)
	}
}

func TestAFileThatIsGoneIsAnErrorOfTheReport(t *testing.T) {
	var o Outcome
	for _, s := range crowd(2 * wholeSecrets) {
		o.add(s)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.WriteJSON(io.Discard); err == nil || !strings.Contains(err.Error(), "reading what was set aside") {
		t.Errorf("err = %v", err)
	}
}
