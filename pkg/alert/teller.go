package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// Teller tells what is new of a sweep by the ways that it has.
type Teller struct {
	Topic *Topic // for people by email, and programs
	Chat  *Topic // for chat channels
	Bus   *Bus
	Hub   *Hub
	Tags  []string // keys of secrets' tags by which alerts are routed
}

// Channels are those that there are, as the ledger names them: what another topic or bus was told is not known to this one.
func (t *Teller) Channels() []ledger.Channel {
	var all []ledger.Channel
	for _, way := range t.ways() {
		all = append(all, way.channel)
	}
	return all
}

// way is one way of telling.
type way struct {
	channel ledger.Channel
	tell    func(context.Context, *delivery, ledger.Channel) error
}

func (t *Teller) ways() []way {
	var all []way
	if t.Topic != nil {
		all = append(all, way{ledger.Channel("topic " + t.Topic.ARN), t.tellTopic})
	}
	if t.Chat != nil {
		all = append(all, way{ledger.Channel("chat " + t.Chat.ARN), t.tellChat})
	}
	if t.Bus != nil {
		all = append(all, way{ledger.Channel("bus " + t.Bus.Name), t.tellBus})
	}
	if t.Hub != nil {
		all = append(all, way{"security-hub", t.tellHub})
	}
	return all
}

// Told is what has been sent.
type Told struct {
	Messages []string // ids of the topic's messages, in order
	Chats    int
	Events   int
	Findings int // imported into Security Hub
}

// Tell tells an outcome's news and marks in the ledger what was taken. Without a ledger it tells of all that is worse than in sync, if there
// is anything. where, which may be empty, is where the full report is. Told is right also where an error says what could not be sent; that is kept.
func (t *Teller) Tell(ctx context.Context, l ledger.Ledger, o *report.Outcome, where string) (Told, error) {
	c := &composer{outcome: o, places: newPlaces(o), tags: t.Tags, where: where}
	if l == nil {
		return t.tellEverything(ctx, c)
	}
	d := &delivery{composer: c, news: map[ledger.Channel][]*ledger.Transition{}, exempted: map[ledger.Channel]bool{}}
	var failed []error
	news, err := untold(ctx, l, o.News)
	if err != nil {
		failed = append(failed, err)
	}
	c.sort(news)
	for _, x := range news {
		d.news[x.Channel] = append(d.news[x.Channel], x)
	}
	for _, w := range t.ways() {
		failed = append(failed, w.tell(ctx, d, w.channel))
	}
	// What was sent is marked even when time is over.
	marking, cancel := context.WithTimeout(context.WithoutCancel(ctx), markWithin)
	defer cancel()
	if len(d.done) > 0 {
		if err := l.Told(marking, o.At, d.done); err != nil {
			failed = append(failed, fmt.Errorf("remembering what was told: %w", err))
		}
	}
	return d.told, errors.Join(append(failed, markExemptions(marking, l, o, d.exempted))...)
}

// untold are the news of which the channel has been told nothing since they were found: a run that was on its way at the same time may have been
// faster. Where the ledger cannot say, nobody goes without news for it.
func untold(ctx context.Context, l ledger.Ledger, news []ledger.Transition) ([]*ledger.Transition, error) {
	var all []*ledger.Transition
	for i := range news {
		all = append(all, &news[i])
	}
	if len(all) == 0 {
		return nil, nil
	}
	records, err := l.Findings(ctx)
	if err != nil {
		return all, fmt.Errorf("reading what was told meanwhile: %w", err)
	}
	now := make(map[string]ledger.FindingRecord, len(records))
	for i := range records {
		now[records[i].Finding.ID] = records[i]
	}
	return slices.DeleteFunc(all, func(x *ledger.Transition) bool {
		told, known := now[x.Record.Finding.ID].Told[x.Channel]
		return known && !told.At.Equal(x.Record.Told[x.Channel].At)
	}), nil
}

// sort puts what needs hands before what is over, and of that what breaks soonest first.
func (c *composer) sort(news []*ledger.Transition) {
	soon := make(map[string]urgent, len(news))
	for _, x := range news {
		f := &x.Record.Finding
		u := urgency(nil, nil, f.Severity)
		if secret, _, _ := c.places.of(f); secret != nil {
			u = urgency(secret.RotationCanWork, secret.NextRotation, f.Severity)
		}
		soon[f.ID] = u
	}
	slices.SortStableFunc(news, func(a, b *ledger.Transition) int {
		if x, y := eventOf(a).over(), eventOf(b).over(); x != y {
			if y {
				return -1
			}
			return 1
		}
		return cmp.Or(soon[a.Record.Finding.ID].compare(soon[b.Record.Finding.ID]), cmp.Compare(a.Record.Finding.ID, b.Record.Finding.ID))
	})
}

// delivery is what is told of one outcome, and what of it was taken.
type delivery struct {
	*composer
	news     map[ledger.Channel][]*ledger.Transition
	told     Told
	done     []ledger.Transition
	exempted map[ledger.Channel]bool // the channels that know of the new exemptions
}

func (d *delivery) took(x *ledger.Transition) { d.done = append(d.done, *x) }

// markWithin is how long it may take to remember what was told.
const markWithin = 10 * time.Second

func (t *Teller) tellEverything(ctx context.Context, c *composer) (Told, error) {
	var told Told
	if !c.outcome.HasDrift() && !c.outcome.Unswept() {
		return told, nil
	}
	var failed []error
	all := c.everything()
	if t.Topic != nil {
		for _, r := range all.routed(maxRouting) {
			_, err := t.send(ctx, &r.alert, r.tags, &told)
			failed = append(failed, err)
		}
	}
	if t.Chat != nil {
		failed = append(failed, t.chat(ctx, c.digest(&all, ""), &told))
	}
	if t.Bus != nil {
		failed = append(failed, t.tellSweep(ctx, c, &all, &told))
	}
	if t.Hub != nil {
		failed = append(failed, t.hubEverything(ctx, c, &told))
	}
	return told, errors.Join(failed...)
}

// untold are the new exemptions that a channel does not know.
func (d *delivery) untold(channel ledger.Channel) []ledger.Exemption {
	return slices.DeleteFunc(slices.Clone(d.outcome.Exempted), func(e ledger.Exemption) bool { return !e.Told[channel].IsZero() })
}

// markExemptions remembers which channels know of an outcome's new exemptions. One that was taken away meanwhile stays away.
func markExemptions(ctx context.Context, l ledger.Ledger, o *report.Outcome, channels map[ledger.Channel]bool) error {
	if !slices.Contains(slices.Collect(maps.Values(channels)), true) {
		return nil
	}
	stored, err := l.Exemptions(ctx)
	if err != nil {
		return fmt.Errorf("reading the exemptions: %w", err)
	}
	for _, e := range o.Exempted {
		i := slices.IndexFunc(stored, func(x ledger.Exemption) bool { return x.ID == e.ID })
		if i < 0 {
			continue
		}
		e = stored[i]
		e.Told = maps.Clone(e.Told)
		if e.Told == nil {
			e.Told = map[ledger.Channel]time.Time{}
		}
		for channel, told := range channels {
			if told && e.Told[channel].IsZero() {
				e.Told[channel] = o.At.UTC()
			}
		}
		if err := l.PutExemption(ctx, e); err != nil {
			return fmt.Errorf("remembering that exemption %s was told: %w", e.ID, err)
		}
	}
	return nil
}

// parcel is the news of one event that goes to the subscribers of the same tags.
type parcel struct {
	event Event
	tags  map[string][]string
	news  []said
}

// maxParcels is how many combinations of tags' values get messages of their own. Where there are more, as in the first sweep of an account, messages
// are for several, with the values as lists.
const maxParcels = 10

// parcels sorts news, which come in the order in which they matter, by event and by the tags that route it.
func (c *composer) parcels(news []*ledger.Transition) []parcel {
	var all []parcel
	by := map[Event][]*parcel{}
	at := map[Event]map[string]*parcel{}
	var order []Event
	for _, x := range news {
		s := c.route(x)
		if at[s.event] == nil {
			at[s.event] = map[string]*parcel{}
			order = append(order, s.event)
		}
		key := ""
		for _, name := range slices.Sorted(maps.Keys(s.tags)) {
			key += name + "\x00" + s.tags[name] + "\x00"
		}
		p := at[s.event][key]
		if p == nil {
			p = &parcel{event: s.event, tags: map[string][]string{}}
			for name, value := range s.tags {
				p.tags[name] = []string{value}
			}
			at[s.event][key] = p
			by[s.event] = append(by[s.event], p)
		}
		p.news = append(p.news, s)
	}
	for _, event := range order {
		if len(by[event]) <= maxParcels {
			for _, p := range by[event] {
				all = append(all, *p)
			}
			continue
		}
		var r routing
		joined := parcel{event: event}
		for _, p := range by[event] {
			if !r.take(p.tags, maxRouting) {
				joined.tags = r.tags()
				all = append(all, joined)
				r, joined = routing{}, parcel{event: event}
				r.take(p.tags, maxRouting)
			}
			joined.news = append(joined.news, p.news...)
		}
		joined.tags = r.tags()
		all = append(all, joined)
	}
	return all
}

func (t *Teller) tellTopic(ctx context.Context, d *delivery, channel ledger.Channel) error {
	parcels, exemptions := d.parcels(d.news[channel]), d.untold(channel)
	if len(exemptions) > 0 { // whoever may hear of them hears of all
		parcels = append(parcels, parcel{event: Exempted})
	}
	var failed []error
	for i := range parcels {
		p := &parcels[i]
		a := d.of(p.event, p.news)
		if len(p.news) == 0 {
			for k := range exemptions {
				a.Exemptions = append(a.Exemptions, exemptionText(&exemptions[k]))
			}
		}
		sent, err := t.send(ctx, &a, p.tags, &d.told)
		if err != nil {
			failed = append(failed, err)
		}
		for _, s := range p.news {
			if err == nil || sent[s.x.Record.Finding.ID] {
				d.took(s.x)
			}
		}
		d.exempted[channel] = d.exempted[channel] || len(p.news) == 0 && err == nil
	}
	return errors.Join(failed...)
}

// send publishes an alert to the topic, in as many messages as it takes. Where one of them fails it answers with the findings that were told.
func (t *Teller) send(ctx context.Context, a *Alert, tags map[string][]string, told *Told) (sent map[string]bool, err error) {
	attributes := a.attributes(tags)
	room := maxMessage - reserved
	for name, value := range attributes {
		room -= len(name) + len(*value.DataType) + len(*value.StringValue)
	}
	parts, err := a.fit(room)
	if err != nil {
		return nil, err
	}
	sent = map[string]bool{}
	for i := range parts {
		part := &parts[i]
		body, err := part.structured()
		if err != nil {
			return sent, err
		}
		id, err := t.Topic.publish(ctx, &message{subject: part.Subject(), body: body, structured: true, attributes: attributes, group: a.group()})
		if err != nil {
			return sent, err
		}
		told.Messages = append(told.Messages, id)
		for _, list := range part.lists() {
			for k := range *list {
				for _, f := range (*list)[k].Findings {
					sent[f.ID] = true
				}
			}
		}
	}
	return sent, nil
}

// group is the account and Region, whose messages a FIFO topic keeps in order.
func (a *Alert) group() string { return cmp.Or(strings.Trim(a.Account+"-"+a.Region, "-"), "fleet") }
