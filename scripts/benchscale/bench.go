package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// bench runs the command against accounts.
type bench struct {
	speed, share float64
	command      string
	folder       string
	runs         int
}

func (b *bench) build() error {
	if b.command != "" {
		return nil
	}
	b.command = filepath.Join(b.folder, "rotationguard")
	build := exec.Command("go", "build", "-o", b.command, "./scripts/rotationguard")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the command: %w", err)
	}
	return nil
}

func (b *bench) all(s size, only []string) error {
	fmt.Printf("speed %g, quota share %g; figures of the sweep's own process\n", b.speed, b.share)
	for _, part := range []struct {
		name string
		run  func(size) error
	}{{"full", b.full}, {"heavy", b.heavy}, {"growth", b.growth}, {"weather", b.weatherOfATenth}, {"weather-full", b.weather}, {"peers", b.peers}} {
		if !slices.Contains(only, part.name) {
			continue
		}
		if err := part.run(s); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// result is one sweep and what the account saw of it.
type result struct {
	measured
	tally   tally
	summary summary
	errors  int
}

type summary struct {
	Secrets   int            `json:"secrets"`
	Functions int            `json:"functions"`
	ByVerdict map[string]int `json:"by_verdict"`
}

// sweep runs the command once. A ledger of the same name is the same ledger.
func (b *bench) sweep(h *host, w weather, ledger string) (result, error) {
	var r result
	if err := h.is(w); err != nil {
		return r, err
	}
	b.runs++
	config, out := filepath.Join(b.folder, "rotationguard.yaml"), filepath.Join(b.folder, fmt.Sprintf("report-%d.json", b.runs))
	if err := os.WriteFile(config, b.config(), 0o600); err != nil {
		return r, err
	}
	cmd := exec.Command(b.command, "sweep", "--config", config, "--output", "json", "--out", out, "--ledger", filepath.Join(b.folder, ledger+".db"))
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }), h.Environ...)
	var err error
	if r.measured, err = measure(cmd); err != nil {
		return r, err
	}
	if r.tally, err = h.tally(); err != nil {
		return r, err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return r, fmt.Errorf("the sweep ended with %d and no report: %s", r.code, r.said)
	}
	defer os.Remove(out)
	var report struct {
		Summary summary           `json:"summary"`
		Errors  []json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return r, fmt.Errorf("reading the report: %w", err)
	}
	r.summary, r.errors = report.Summary, len(report.Errors)
	return r, nil
}

// config asks for the share of quotas that are speed times AWS's own.
func (b *bench) config() []byte {
	text := fmt.Sprintf("quota_share: %g\nrates:\n", b.share)
	for _, name := range slices.Sorted(maps.Keys(published)) {
		text += fmt.Sprintf("  %s: %g\n", name, published[name]*b.speed)
	}
	return []byte(text)
}

func (r *result) print(name string, s size, b *bench) {
	fewest, floor := s.fewest(), s.floor(b.share*b.speed)
	fmt.Printf("%-28s %7d secrets %6d functions | calls %6d, fewest %6d: %.3f | %.1f s, floor %.1f s: %.2f | peak %.0f MiB | CPU %.1f s | exit %d, %d errors, %v\n",
		name, r.summary.Secrets, r.summary.Functions, r.tally.total(), total(fewest), float64(r.tally.total())/float64(total(fewest)),
		r.wall.Seconds(), floor.Seconds(), r.wall.Seconds()/floor.Seconds(), float64(r.peak)/(1<<20), r.cpu.Seconds(), r.code, r.errors, r.summary.ByVerdict)
}

func (r *result) printCalls(s size) {
	fewest := s.fewest()
	for _, call := range slices.Sorted(maps.Keys(r.tally.Calls)) {
		fmt.Printf("    %-42s %7d   fewest %7d\n", call, r.tally.Calls[call], fewest[call])
	}
	for _, failed := range slices.Sorted(maps.Keys(r.tally.Errors)) {
		fmt.Printf("    answered with an error: %-42s %7d\n", failed, r.tally.Errors[failed])
	}
}

func (b *bench) full(s size) error {
	s.heavy = false
	return b.twice("full", s)
}

func (b *bench) heavy(s size) error {
	s.heavy = true
	return b.twice("50 tags, long descriptions", s)
}

// twice sweeps an account and sweeps it again unchanged.
func (b *bench) twice(name string, s size) error {
	h, err := start(s, b.speed)
	if err != nil {
		return err
	}
	defer h.close()
	for _, again := range []string{"", ", unchanged"} {
		r, err := b.sweep(h, fair, strings.Fields(name)[0])
		if err != nil {
			return err
		}
		r.print(name+again, s, b)
		r.printCalls(s)
	}
	return nil
}

// growth sweeps accounts of the same mixture from 100 secrets on and fits a line through what it takes.
func (b *bench) growth(s size) error {
	var secrets, cpu, calls, peak []float64
	for n := 100; n <= s.secrets; n *= 10 {
		of := s.scaled(n)
		h, err := start(of, b.speed)
		if err != nil {
			return err
		}
		r, err := b.sweep(h, fair, fmt.Sprintf("growth-%d", n))
		if cerr := h.close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		r.print("growth", of, b)
		secrets, cpu, calls, peak = append(secrets, float64(n)), append(cpu, r.cpu.Seconds()*1000), append(calls, float64(r.tally.total())), append(peak, float64(r.peak)/(1<<20))
	}
	for _, of := range []struct {
		what, unit string
		y          []float64
	}{{"CPU", "ms", cpu}, {"calls", "", calls}, {"peak memory", "MiB", peak}} {
		fmt.Printf("    %-12s %s\n", of.what, fit(secrets, of.y).String(of.unit))
	}
	return nil
}

func (b *bench) weatherOfATenth(s size) error { return b.weather(s.scaled(max(100, s.secrets/10))) }

// weather sweeps an account under each fault.
func (b *bench) weather(s size) error {
	h, err := start(s, b.speed)
	if err != nil {
		return err
	}
	defer h.close()
	for i, w := range []weather{fair, storm, errors5, drops, slow} {
		r, err := b.sweep(h, w, fmt.Sprintf("weather-%d", i))
		if err != nil {
			return err
		}
		r.print(string(w), s, b)
		r.printCalls(s)
	}
	return nil
}

func seconds(n, perSecond float64) time.Duration {
	return time.Duration(n / perSecond * float64(time.Second))
}
