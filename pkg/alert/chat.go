package alert

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// ChatJSONSchema is the JSON schema of a custom notification as Amazon Q Developer takes it, with our limits.
//
//go:embed chat.schema.json
var ChatJSONSchema []byte

// notification is a custom notification of Amazon Q Developer in chat applications. Source: its administrator guide, "Custom notifications using
// Amazon Q Developer in chat applications": the event schema and the parameters. Notifications with the same threadId come in one thread.
type notification struct {
	Version  string   `json:"version"`
	Source   string   `json:"source"`
	ID       string   `json:"id"`
	Content  content  `json:"content"`
	Metadata metadata `json:"metadata"`
}

type content struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

type metadata struct {
	ThreadID          string            `json:"threadId"`
	Summary           string            `json:"summary"`
	EventType         string            `json:"eventType"`
	RelatedResources  []string          `json:"relatedResources,omitempty"`
	AdditionalContext map[string]string `json:"additionalContext,omitempty"`
}

// What people read in a channel is short; the finding's id leads to all of it.
const (
	maxTitle       = 200
	maxDescription = 3000
	maxStep        = 300
	maxResources   = 5
)

// maxChats is how many findings of one sweep begin threads of their own. More of them are one message.
const maxChats = 10

func (t *Teller) tellChat(ctx context.Context, d *delivery, channel ledger.Channel) error {
	var failed []error
	for _, c := range conversations(d.news[channel]) {
		n := d.notification(c.news[0], c.thread)
		if c.digest {
			var all []said
			for _, x := range c.news {
				all = append(all, said{x: x, event: c.event})
			}
			a := d.of(c.event, all)
			n = d.digest(&a, c.thread)
		}
		if err := t.chat(ctx, n, &d.told); err != nil {
			failed = append(failed, err)
			continue
		}
		for _, x := range c.news {
			told := *x
			told.Thread = n.Metadata.ThreadID
			d.took(&told)
		}
	}
	exemptions, all := d.untold(channel), true
	for i := range exemptions {
		if err := t.chat(ctx, d.exemption(&exemptions[i]), &d.told); err != nil {
			failed, all = append(failed, err), false
		}
	}
	d.exempted[channel] = all && len(exemptions) > 0
	return errors.Join(failed...)
}

// conversation is what is said at once in one thread.
type conversation struct {
	event  Event
	thread string // empty: one of its own
	digest bool   // several findings in short
	news   []*ledger.Transition
}

// conversations are a chat's news in their order. What is over is said in the thread in which it was told. Of what is not, and of what was told in no
// thread, each finding has a thread of its own, and more than maxChats are a digest for each event.
func conversations(news []*ledger.Transition) []conversation {
	threadOf := func(x *ledger.Transition) string {
		if !eventOf(x).over() {
			return ""
		}
		return x.Record.Told[x.Channel].Thread
	}
	begun := 0
	for _, x := range news {
		if threadOf(x) == "" {
			begun++
		}
	}
	var all []conversation
	at := map[string]int{}
	for _, x := range news {
		event, thread := eventOf(x), threadOf(x)
		digest := thread == "" && begun > maxChats
		key := string(event) + "\x00" + thread
		if thread == "" && !digest {
			key = x.Record.Finding.ID
		}
		i, known := at[key]
		if !known {
			i = len(all)
			at[key] = i
			all = append(all, conversation{event: event, thread: thread, digest: digest})
		}
		all[i].news = append(all[i].news, x)
		all[i].digest = all[i].digest || len(all[i].news) > 1
	}
	return all
}

func (t *Teller) chat(ctx context.Context, n *notification, told *Told) error {
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("writing a notification: %w", err)
	}
	if _, err := t.Chat.publish(ctx, &message{body: string(report.EscapeJSON(body)), group: n.Metadata.ThreadID}); err != nil {
		return err
	}
	told.Chats++
	return nil
}

// notification is one finding in a thread, its own where none is given.
func (c *composer) notification(x *ledger.Transition, thread string) *notification {
	event, f := eventOf(x), &x.Record.Finding
	a := c.of(event, []said{{x: x, event: event}})
	var item *Item
	for _, list := range a.lists() {
		if len(*list) > 0 {
			item = &(*list)[0]
		}
	}
	verdict := item.verdict(event)
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if !event.over() {
		say("%s %s", code(item.Name), item.breaks(c.outcome.At))
	}
	say("%s", code(f.Explanation))
	switch event {
	case ResolvedByUs:
		say("Mended by %s", code(x.Record.ResolvedBy))
	case Exempted:
		say("%s", code(f.Exempt))
	case Worse:
		say("It was %s.", x.Record.Told[x.Channel].Severity)
	case Flapping, Reopened:
		say("Reopened %s since it was first seen.", times(x.Record.Reopened))
	case Reminder, ExemptExpired, New, ResolvedByOthers, Drift:
	}
	if !event.over() {
		say("Since %s", rfc3339(x.Record.Since()))
	}
	n := c.base(event, fmt.Sprintf("%s: %s %s", event.headline(), strings.ToUpper(verdict), code(item.Name)), lines, cmp.Or(thread, f.ID))
	if f.Fix != nil && !event.over() {
		n.step(code(f.Fix.Summary) + inMarkdown.Replace(byText(f.Fix.By)))
	}
	if !event.over() {
		n.step("All about it: " + code("rotationguard explain "+f.ID+" --region "+c.outcome.Region))
	}
	for _, r := range []rotation.ARN{f.Secret, f.Function, f.Subject} {
		n.resource(r)
	}
	n.ID = string(event) + "-" + f.ID + "-" + report.ShortHash(rfc3339(c.outcome.At)) // two of a sweep may be in one thread
	n.Content.Keywords = append(n.Content.Keywords, string(f.Severity))
	n.Metadata.AdditionalContext["severity"], n.Metadata.AdditionalContext["verdict"], n.Metadata.AdditionalContext["finding"] = string(f.Severity), verdict, f.ID
	return n
}

// digest is a whole alert in one notification, in a thread of its own where none is given.
func (c *composer) digest(a *Alert, thread string) *notification {
	lines := []string{code(a.Story)}
	shown := 0
	for _, list := range a.lists() {
		for i := range *list {
			item := &(*list)[i]
			line := fmt.Sprintf("• %s %s", code(item.Name), item.breaks(a.at))
			if item.Verdict != nil {
				line = fmt.Sprintf("• *%s* %s %s", strings.ToUpper(string(*item.Verdict)), code(item.Name), item.breaks(a.at))
			}
			if shown++; shown <= maxChats {
				lines = append(lines, line)
			}
		}
	}
	if shown > maxChats {
		lines = append(lines, fmt.Sprintf("and %d more", shown-maxChats))
	}
	var ids []string
	for _, list := range a.lists() {
		for i := range *list {
			for _, f := range (*list)[i].Findings {
				ids = append(ids, f.ID)
			}
		}
	}
	slices.Sort(ids)
	n := c.base(a.Event, a.Event.headline()+": "+a.what(), lines, cmp.Or(thread, "digest-"+report.ShortHash(append(ids, string(a.Event))...)))
	if a.Report != nil {
		n.step("Full report: " + code(*a.Report))
	} else if a.Region != "" {
		n.step(code("rotationguard sweep --region " + a.Region))
	}
	n.Metadata.AdditionalContext["severity"] = string(a.Severity)
	return n
}

// exemption is a new exemption in a thread of its own.
func (c *composer) exemption(e *ledger.Exemption) *notification {
	t := exemptionText(e)
	return c.base(Exempted, "New exemption: "+code(t.Covers), []string{
		code(t.Reason), "For " + code(t.Owner) + " until " + t.Expires, "Added at " + t.Added + " by " + code(t.AddedBy),
	}, "exemption-"+e.ID)
}

func (c *composer) base(event Event, title string, lines []string, thread string) *notification {
	o := c.outcome
	return &notification{
		Version: "1.0", Source: "custom", ID: string(event) + "-" + thread + "-" + report.ShortHash(rfc3339(o.At)),
		Content: content{
			TextType: "client-markdown", Title: clip(title, maxTitle), Description: clip(strings.Join(lines, "\n"), maxDescription),
			Keywords: slices.DeleteFunc([]string{string(event), o.Account, o.Region}, func(s string) bool { return s == "" }),
		},
		Metadata: metadata{
			ThreadID: clip(report.ASCII(thread), maxTitle), Summary: clip(title, maxTitle), EventType: string(event),
			AdditionalContext: map[string]string{"account": o.Account, "region": o.Region, "event": string(event)},
		},
	}
}

func (n *notification) step(text string) {
	n.Content.NextSteps = append(n.Content.NextSteps, clip(text, maxStep))
}

func (n *notification) resource(arn rotation.ARN) {
	name := inMarkdown.Replace(report.ASCII(string(arn)))
	if strings.HasPrefix(name, "arn:") && len(n.Metadata.RelatedResources) < maxResources && !slices.Contains(n.Metadata.RelatedResources, name) {
		n.Metadata.RelatedResources = append(n.Metadata.RelatedResources, name)
	}
}

// clip ends a text that is too long with an ellipsis, and closes the code and the direction that it would leave open.
func clip(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	s = string(runes[:limit-3])
	end := "…"
	if strings.Count(s, isolate) > strings.Count(s, isolated) {
		end += isolated
	}
	if strings.Count(s, "`")%2 == 1 {
		end += "`"
	}
	return s + end
}

// What begins and ends a text whose direction touches nothing beside it.
const isolate, isolated = "\u2068", "\u2069"

// inMarkdown is what would leave a code span, or start something in a chat that knows none: Slack reads <…> as mention or link, Teams […](…) as a link.
var inMarkdown = strings.NewReplacer("`", "'", "<", "‹", ">", "›", "[", "(", "]", ")", "|", "¦")

// code is a text from an account as a code span. One that is written from right to left is isolated: it would draw what stands beside it to its other
// side. Source: Unicode Standard Annex 9, "Explicit Directional Isolates".
func code(s string) string {
	s = inMarkdown.Replace(report.Inert(s))
	if strings.TrimSpace(s) == "" {
		return ""
	}
	if strings.ContainsFunc(s, rightToLeft) {
		s = isolate + s + isolated
	}
	return "`" + s + "`"
}

// rightToLeft says whether a letter is of a script that is written so.
func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Samaritan, unicode.Mandaic, unicode.Adlam, unicode.Hanifi_Rohingya)
}
