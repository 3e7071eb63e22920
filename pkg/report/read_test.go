package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestReadGivesBackWhatWasWritten: a report that is read and written again is the same, byte for byte.
func TestReadGivesBackWhatWasWritten(t *testing.T) {
	outcomes := map[string]*Outcome{"a fleet": fleetOutcome(nil)}
	for name, o := range situations() {
		outcomes[name] = &o
	}
	for name, o := range outcomes {
		t.Run(name, func(t *testing.T) {
			var first, second bytes.Buffer
			if err := o.WriteJSON(&first); err != nil {
				t.Fatal(err)
			}
			read, err := Read(bytes.NewReader(first.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := read.WriteJSON(&second); err != nil {
				t.Fatal(err)
			}
			if first.String() != second.String() {
				t.Errorf("wrote\n%s\nand after reading\n%s", first.String(), second.String())
			}
		})
	}
}

func TestReadRefusesWhatIsNoReport(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "reading a report: EOF",
		"[]":                                     "cannot unmarshal array",
		`{"schema":"rotationguard.plan/1"}`:      `its schema is "rotationguard.plan/1"`,
		`{"schema":"rotationguard.report/1"} {}`: "there is more behind it",
		`{"schema":"rotationguard.report/1","secrets":[{"arn":"a","next_rotation":"tomorrow"}]}`: "next_rotation of a",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%s) = %v, want %q", text, err, want)
		}
	}
}
