package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
)

// weather is what besets the account's calls besides its quotas.
type weather string

// The weathers that a sweep must live through.
const (
	fair    weather = "fair"
	storm   weather = "throttle storm" // another user of the account takes nine tenths of every quota
	errors5 weather = "5% 5xx"
	drops   weather = "1% dropped connections"
	slow    weather = "slow API" // ten times the latency
)

// tally is what the account has answered since it was last asked to forget.
type tally struct {
	Calls  map[string]int // by API
	Errors map[string]int // by API and code
}

func (t tally) total() int {
	n := 0
	for call, count := range t.Calls {
		if call != "sts:GetCallerIdentity" {
			n += count
		}
	}
	return n
}

// served is what the serving process says of itself on its first line.
type served struct {
	Environ []string
	Control string // where the measuring process asks
}

// serve is the account's process: it ends when its standard input does.
func serve(s size, speed float64) error {
	a, err := awstest.Start(awstest.Options{ID: accountID, Region: region})
	if err != nil {
		return err
	}
	a.KeepCalls(false)
	fill(a, s)
	besiege(a, fair, speed)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the measuring process: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tally", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(tally{a.CallCounts(), a.ErrorCounts()}) // the asker sees a torn answer
	})
	mux.HandleFunc("POST /weather", func(w http.ResponseWriter, r *http.Request) {
		a.Heal()
		besiege(a, weather(r.FormValue("is")), speed)
		a.ResetCalls()
		w.WriteHeader(http.StatusNoContent)
	})
	go func() {
		_ = (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(l) // ends with the process
	}()
	if err := json.NewEncoder(os.Stdout).Encode(served{a.Environ(), "http://" + l.Addr().String()}); err != nil {
		return fmt.Errorf("saying where the account is: %w", err)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func besiege(a *awstest.Account, w weather, speed float64) {
	quotas, by := awstest.DefaultQuotas(), 1
	all := awstest.Match{Count: -1}
	switch w {
	case fair:
	case storm:
		quotas = maps.Clone(quotas)
		for group := range quotas {
			quotas[group] = max(quotas[group]/10, 1)
		}
	case errors5:
		all.Every = 20
		a.Fail(all, awstest.Fault{Status: http.StatusInternalServerError, Code: "InternalFailure"})
	case drops:
		all.Every = 100
		a.Fail(all, awstest.Fault{CloseConn: true})
	case slow:
		by = 10
	}
	a.DelayAsAWS(by, 0)
	a.Throttle(quotas)
	a.Speed(speed)
}
