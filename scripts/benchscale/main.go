// Benchscale measures a sweep of a large account: the account is one process, with AWS's quotas and latencies, and the built command
// another. It prints calls against the fewest that the account can be swept with, seconds against what AWS's quotas allow, peak memory,
// CPU seconds, how they grow, and what faults do. With -only peers it runs a sweep, Cloud Custodian and
// prowler on one account on moto.
//
//	go run ./scripts/benchscale [-command FILE] [-speed 20] [-secrets 100000] [-share 1] [-only full,heavy,growth,weather,weather-full,peers]
//
// -speed N multiplies the quotas and divides the latencies by N; 1 is AWS's own pace.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	var (
		s       size
		serving bool
		b       bench
		only    string
	)
	flag.BoolVar(&serving, "serve", false, "be the account's process")
	flag.IntVar(&s.secrets, "secrets", 100_000, "secrets")
	flag.IntVar(&s.rotating, "rotating", 30_000, "of these, how many rotate")
	flag.IntVar(&s.functions, "functions", 10_000, "rotation functions")
	flag.IntVar(&s.roles, "roles", 10_000, "execution roles")
	flag.BoolVar(&s.heavy, "heavy", false, "50 tags of full length on every secret, function and role, and long descriptions")
	flag.Float64Var(&b.speed, "speed", 20, "how many times AWS's pace")
	flag.Float64Var(&b.share, "share", 1, "the part of each quota that the sweep may use")
	flag.StringVar(&b.command, "command", "", "the rotationguard command (default: built now)")
	flag.StringVar(&only, "only", "full,heavy,growth,weather", "what to measure; weather-full and peers too")
	flag.Parse()
	if err := run(serving, s, &b, strings.Split(only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "benchscale:", err)
		os.Exit(1)
	}
}

func run(serving bool, s size, b *bench, only []string) error {
	if serving {
		return serve(s, b.speed)
	}
	folder, err := os.MkdirTemp("", "benchscale-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	b.folder = folder
	if err := b.build(); err != nil {
		return err
	}
	return b.all(s, only)
}
