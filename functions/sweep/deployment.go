package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/config"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/repair"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// The environment that infra gives the function.
const (
	envTopic   = "ROTATIONGUARD_TOPIC_ARN"      // where is told what is new, to people and programs
	envChat    = "ROTATIONGUARD_CHAT_TOPIC_ARN" // the same for chat channels
	envBus     = "ROTATIONGUARD_EVENT_BUS"      // the same as EventBridge events: a bus's name or ARN
	envWriter  = "ROTATIONGUARD_WRITER_ROLE"    // assumed for every change
	envTable   = "ROTATIONGUARD_LEDGER_TABLE"   // where is remembered what runs must know of each other
	envBucket  = "ROTATIONGUARD_REPORTS_BUCKET" // where full reports are kept
	envTargets = "ROTATIONGUARD_TARGETS"        // a fleet's targets file, from LAMBDA_TASK_ROOT
	envConfig  = "ROTATIONGUARD_CONFIG"         // the config's path from LAMBDA_TASK_ROOT; without it the defaults hold
)

// deployment is what the function was deployed with.
type deployment struct {
	config config.Config
	mode   repair.Mode // the most that an event may ask for
	topic  string
	chat   string
	bus    string
	writer rotation.ARN
	table  string
	bucket string
	fleet  fleet.Fleet // the role that may be assumed in a target; without a name none may
}

func readDeployment(getenv func(string) string) (deployment, error) {
	c := config.Default()
	if file := getenv(envConfig); file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(getenv("LAMBDA_TASK_ROOT"), file)
		}
		var err error
		if c, err = config.Load(file); err != nil {
			return deployment{}, fmt.Errorf("reading the config: %w", err)
		}
	}
	members, err := readFleet(getenv, c.Member)
	if err != nil {
		return deployment{}, err
	}
	mode, err := repair.ParseMode(c.Mode)
	if err != nil {
		return deployment{}, fmt.Errorf("reading the config: %w", err)
	}
	d := deployment{
		config: c, mode: mode, topic: getenv(envTopic), chat: getenv(envChat), bus: getenv(envBus), bucket: getenv(envBucket), fleet: members,
		writer: rotation.ARN(cmp.Or(getenv(envWriter), c.Repair.WriterRole)), table: cmp.Or(getenv(envTable), c.Ledger.Table),
	}
	if strings.HasSuffix(d.chat, ".fifo") {
		return deployment{}, fmt.Errorf("%s is a FIFO topic, which chat channels cannot be told by", envChat)
	}
	if mode.Writes() && d.writer == "" && d.fleet.Writer == "" {
		return deployment{}, fmt.Errorf("mode %s: %s is not set, and the function never writes with its own role", mode, envWriter)
	}
	return d, nil
}

// allow is the mode that an event gets: the deployed one, or the lower one that it asks for.
func (d *deployment) allow(asked repair.Mode) (repair.Mode, error) {
	mode := cmp.Or(asked, d.mode)
	if !mode.AtMost(d.mode) {
		return "", fmt.Errorf("event: mode %s is more than the deployed mode %s", mode, d.mode)
	}
	return mode, nil
}
