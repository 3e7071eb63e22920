package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/rotationguard/rotationguard/pkg/inventory"
)

// progress shows how far a reading is: on stderr, and only where that is a terminal. The zero value shows nothing.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	stage     inventory.Stage
	// held is the quota that the reader's calls wait for, and attempts counts those that AWS throttled.
	held     func() (inventory.Held, bool)
	attempts inventory.Attempts
}

func newProgress(stderr io.Writer) *progress {
	file, ok := stderr.(*os.File)
	if !ok || !isatty.IsTerminal(file.Fd()) {
		return &progress{}
	}
	return &progress{container: mpb.New(mpb.WithConsoleWriter(console{cupwriter.New(file, false)}))}
}

// console takes a terminal that does not tell its size, as those of many CI systems, for one of the usual size.
type console struct{ mpb.ConsoleWriter }

func (c console) GetTermSize() (width, height int, err error) {
	if width, height, err = c.ConsoleWriter.GetTermSize(); err != nil || width == 0 || height == 0 {
		return 80, 24, nil //nolint:nilerr // a terminal that does not tell its size is drawn on all the same
	}
	return width, height, nil
}

// report is told by the reader, from one goroutine at a time.
func (p *progress) report(at inventory.Progress) {
	if p.container == nil {
		return
	}
	if p.bar == nil || at.Stage != p.stage {
		p.end()
		p.stage, p.bar = at.Stage, p.newBar(at)
	}
	if at.Total > 0 {
		p.bar.SetTotal(int64(at.Total), false)
	}
	p.bar.SetCurrent(int64(at.Done))
}

func (p *progress) newBar(at inventory.Progress) *mpb.Bar {
	what := "secrets listed"
	switch at.Stage {
	case inventory.StageSecrets:
	case inventory.StageFunctions:
		what = "functions read"
	case inventory.StageGroups:
		what = "functions judged"
	}
	count := decor.CurrentNoUnit("%d", decor.WCSyncSpace)
	if at.Total > 0 {
		count = decor.CountersNoUnit("%d of %d", decor.WCSyncSpace)
	}
	started := time.Now()
	return p.container.New(int64(at.Total),
		mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.BarRemoveOnComplete(), mpb.BarWidth(24),
		mpb.PrependDecorators(decor.Name(what, decor.WCSyncSpaceR), count),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return rate(s.Current, time.Since(started).Seconds())
		}), decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), "")),
		mpb.BarBtmExtender(mpb.BarFillerFunc(func(w io.Writer, at decor.Statistics) error {
			_, err := fmt.Fprintln(w, shorten(p.heldBack(), at.AvailableWidth-1))
			return err
		})),
	)
}

// heldBack says what the reading waits for.
func (p *progress) heldBack() string {
	text := ""
	if p.held != nil {
		if h, ok := p.held(); ok {
			text = fmt.Sprintf("  waiting for %s: %.3g calls a second are taken of it", h.Quota, h.PerSecond)
		}
	}
	switch n := p.attempts.Throttled.Load(); {
	case n > 0 && text == "":
		return fmt.Sprintf("  AWS throttled %d calls; they are tried again", n)
	case n > 0:
		return fmt.Sprintf("%s; AWS throttled %d", text, n)
	}
	return text
}

func rate(done int64, seconds float64) string {
	if seconds < 0.5 {
		return ""
	}
	return fmt.Sprintf(" %.0f/s", float64(done)/seconds)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar = nil
	}
}

// wait takes everything away and ends the drawing.
func (p *progress) wait() {
	if p.container != nil {
		p.end()
		p.container.Wait()
		p.container = nil
	}
}
