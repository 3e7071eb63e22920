package main

import (
	"strings"
	"testing"
)

func TestACommandTellsOnlyTheTopicThatItIsGivenAndOnlyWhatIsNew(t *testing.T) {
	b := newBench(t)
	topic := b.account.AddTopic("rotationguard")
	b.on("sweep")
	if n := len(b.account.Messages()); n > 0 {
		t.Fatalf("%d messages without a topic", n)
	}
	b.on("sweep", "--alert-topic", topic).wants(t, 2)
	first := b.account.Messages()
	if len(first) != 1 || first[0].Attributes["event"] != "new" || !strings.HasPrefix(first[0].Subject, "rotationguard: new: ") {
		t.Fatalf("%d messages: %+v", len(first), first)
	}
	b.on("sweep", "--alert-topic", topic).wants(t, 2)
	if n := len(b.account.Messages()); n != 1 {
		t.Errorf("%d messages after a second sweep that finds the same", n)
	}
	other := b.account.AddTopic("other")
	b.on("sweep", "--alert-topic", other).wants(t, 2)
	if all := b.account.Messages(); len(all) != 2 || all[1].Topic != other {
		t.Errorf("another topic was not told: %d messages", len(all))
	}
	if said := b.on("sweep", "--alert-topic", topic+"-gone").wants(t, 1).stdout; !strings.Contains(strings.Join(strings.Fields(said), " "), "Topic does not exist") {
		t.Errorf("the report does not say that nobody was told:\n%s", said)
	}
}

func TestFormsOfOthersArePrinted(t *testing.T) {
	b := newBench(t)
	for form, want := range map[string]string{
		"ocsf": `"class_uid": 2003`, "sarif": `"version": "2.1.0"`, "junit": `<testsuites name="rotationguard"`, "asff": `"SchemaVersion": "2018-10-08"`,
	} {
		if said := b.on("sweep", "--output", form).wants(t, 2).stdout; !strings.Contains(said, want) {
			t.Errorf("--output %s prints no %s", form, want)
		}
	}
}
