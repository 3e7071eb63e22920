package main

import (
	"context"

	"github.com/rotationguard/rotationguard/pkg/alert"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
)

// teller tells by the ways that the function was deployed with. Security Hub takes findings only from the account that they are of.
func (h *handler) teller() *alert.Teller {
	t := &alert.Teller{Tags: h.deployed.config.Alerts.Tags}
	if h.deployed.topic != "" {
		t.Topic = alert.NewTopic(h.home, h.deployed.topic)
	}
	if h.deployed.chat != "" {
		t.Chat = alert.NewTopic(h.home, h.deployed.chat)
	}
	if h.deployed.bus != "" {
		t.Bus = alert.NewBus(h.home, h.deployed.bus)
	}
	if h.deployed.config.Alerts.SecurityHub {
		t.Hub = alert.NewHub(h.cfg)
	}
	return t
}

// channels are those whose news the ledger keeps. Of a fleet's targets the digest tells, from their reports.
func (h *handler) channels() []ledger.Channel {
	if h.target != nil {
		return nil
	}
	return h.teller().Channels()
}

// tell tells what is new of an outcome; where is the full report's place, if it has one. Without a ledger, where it cannot be
// used, and of a sweep that failed before it knew what is new, all that is worse than in sync is told: nobody goes without news for it.
func (h *handler) tell(ctx context.Context, o *report.Outcome, where string) (alert.Told, error) {
	t := h.teller()
	if len(t.Channels()) == 0 {
		return alert.Told{}, nil
	}
	if h.deployed.table == "" || o.Account == "" || o.Unswept() && len(o.News) == 0 {
		return t.Tell(ctx, nil, o, where)
	}
	l, forget, err := h.openLedger(ctx, o.Account)
	if err != nil {
		loggerOf(ctx).Error("unremembered", "error", inventory.DescribeError(err))
		return t.Tell(ctx, nil, o, where)
	}
	defer forget()
	return t.Tell(ctx, l, o, where)
}
