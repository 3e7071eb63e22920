package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
)

// peerTime is how long a tool may take.
const peerTime = 5 * time.Minute

// compared is a tool's run on the account.
type compared struct {
	tool
	measured
	calls   map[string]int
	found   map[trouble]int // how many setups of the class it tells from sound ones
	by      map[trouble][]string
	alarms  map[string]int // its checks that say something against sound setups too, and against how many
	overran bool
}

// peers runs this command, Cloud Custodian and prowler on one account on moto, one after the other, each through the same counter.
func (b *bench) peers(size) (err error) {
	ctx := context.Background()
	moto, err := emulator.StartMoto(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, moto.Stop()) }()
	fmt.Printf("seeding %d secrets and %d functions on moto\n", peerSecrets, peerFunctions)
	if err := seedPeers(ctx, aws.Config{Region: region, BaseEndpoint: &moto.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}); err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	c, err := count(moto.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var all []compared
	for _, of := range []func(context.Context) (tool, error){
		b.ours,
		func(ctx context.Context) (tool, error) { return custodian(ctx, b.folder) },
		func(ctx context.Context) (tool, error) { return prowler(ctx, b.folder) },
	} {
		ran, err := b.compare(ctx, c, of)
		if err != nil {
			return err
		}
		all = append(all, ran)
	}
	printCompared(all)
	return nil
}

// compare runs one tool. That it takes too long is a result; that it cannot be installed or understood is an error.
func (b *bench) compare(ctx context.Context, c *counter, of func(context.Context) (tool, error)) (compared, error) {
	// Installing is no part of it: the time starts to count when the tool is there.
	limited, stop := context.WithCancel(ctx)
	defer stop()
	t, err := of(limited)
	if err != nil {
		return compared{}, err
	}
	home, err := os.MkdirTemp(b.folder, "home-")
	if err != nil {
		return compared{}, err
	}
	t.run.Dir = home
	t.run.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(v, "HOME=") }),
		"HOME="+home, "AWS_ENDPOINT_URL="+c.URL, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
	c.taken()
	timer := time.AfterFunc(peerTime, stop)
	r := compared{tool: t}
	r.measured, err = measure(t.run)
	r.calls, r.overran = c.taken(), !timer.Stop()
	if r.overran {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("running %s: %w", t.name, err)
	}
	said, err := t.read()
	if err != nil {
		return r, fmt.Errorf("%s ended with %d: %w: %s", t.name, r.code, err, r.said)
	}
	r.judge(said)
	return r, nil
}

var setupName = regexp.MustCompile(`fn-\d{3}-rotator|role-\d{3}-rotator|db-\d{4}-app`)

// judge says which classes of trouble a tool tells. A check tells a class when it says something against setups of it and nothing against
// the setups that are the same but for the trouble: a check that says the same of all tells nothing.
func (r *compared) judge(said []flagged) {
	all := setups()
	of := map[string]int{}
	for i, s := range all {
		for _, name := range s.names {
			of[name] = i
		}
	}
	hit := map[string]map[int]bool{} // by check, the setups
	for _, f := range said {
		for _, name := range setupName.FindAllString(f.resource, -1) {
			if hit[f.check] == nil {
				hit[f.check] = map[int]bool{}
			}
			hit[f.check][of[name]] = true
		}
	}
	against := func(check string, wrong trouble) int {
		n := 0
		for i := range hit[check] {
			if all[i].trouble == wrong {
				n++
			}
		}
		return n
	}
	r.found, r.by, r.alarms = map[trouble]int{}, map[trouble][]string{}, map[string]int{}
	for _, wrong := range troubles {
		sound := nothingAtFault
		if wrong == openSecret {
			sound = notRotating
		}
		told := map[int]bool{}
		for _, check := range slices.Sorted(maps.Keys(hit)) {
			if against(check, wrong) == 0 || against(check, sound) > 0 {
				continue
			}
			r.by[wrong] = append(r.by[wrong], check)
			for i := range hit[check] {
				if all[i].trouble == wrong {
					told[i] = true
				}
			}
		}
		r.found[wrong] = len(told)
	}
	for check := range hit {
		if n := against(check, nothingAtFault); n > 0 {
			r.alarms[check] = n
		}
	}
}

// printCompared prints tables as Markdown, so that they can be published as they are.
func printCompared(all []compared) {
	fmt.Println("\n| tool | version | wall | CPU | peak memory | AWS API calls |\n|---|---|---|---|---|---|")
	for _, r := range all {
		wall := fmt.Sprintf("%.1f s", r.wall.Seconds())
		if r.overran {
			wall = "stopped after " + wall
		}
		n := 0
		for _, calls := range r.calls {
			n += calls
		}
		fmt.Printf("| %s | %s | %s | %.1f s | %.0f MiB | %d |\n", r.name, r.version, wall, r.cpu.Seconds(), float64(r.peak)/(1<<20), n)
	}
	seeded := map[trouble]int{}
	for _, s := range setups() {
		seeded[s.trouble]++
	}
	fmt.Print("\n| seeded | setups |")
	for _, r := range all {
		fmt.Printf(" %s |", r.name)
	}
	fmt.Println("\n|---|---|" + strings.Repeat("---|", len(all)))
	for _, wrong := range troubles {
		fmt.Printf("| %s | %d |", wrong, seeded[wrong])
		for _, r := range all {
			fmt.Printf(" %d |", r.found[wrong])
		}
		fmt.Println()
	}
	fmt.Printf("| *nothing (says something all the same)* | %d |", seeded[nothingAtFault])
	for _, r := range all {
		most := 0
		for _, n := range r.alarms {
			most = max(most, n)
		}
		fmt.Printf(" %d |", most)
	}
	fmt.Println()
	for _, r := range all {
		fmt.Printf("\n%s:\n", r.name)
		for _, wrong := range troubles {
			if r.found[wrong] > 0 {
				fmt.Printf("    %s: by %s\n", wrong, strings.Join(r.by[wrong], ", "))
			}
		}
		for _, check := range slices.Sorted(maps.Keys(r.alarms)) {
			fmt.Printf("    says something against sound setups too: %s, %d of %d\n", check, r.alarms[check], seeded[nothingAtFault])
		}
		for _, call := range slices.Sorted(maps.Keys(r.calls)) {
			fmt.Printf("    %7d %s\n", r.calls[call], call)
		}
	}
}
