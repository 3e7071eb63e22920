package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
	"github.com/rotationguard/rotationguard/scripts/demo/fleet"
)

// The latencies of what the function uses of its own account. Sources: S3 User Guide, "Best practices design patterns: optimizing Amazon S3 performance": small objects take roughly
// 100 to 200 ms; DynamoDB Developer Guide, "What is Amazon DynamoDB?": single-digit milliseconds.
const (
	s3Latency     = 200 * time.Millisecond
	dynamoLatency = 10 * time.Millisecond
)

// BenchmarkTarget is how long the built function takes for one target of a fleet: accounts with a number of rotation functions, each with a role and a secret, that answer at AWS's
// quotas and latencies, in the function's Region or as far away as another continent, with the ledger and the reports on moto behind latencies of their own. The default share of the
// quotas is used. The first target is in a function that has just started, the others in one that has swept before. (No connection is encrypted here.)
func BenchmarkTarget(b *testing.B) {
	hub := emulator.For(b)(emulator.StartMoto(b.Context()))
	own := &demoAccount{url: hub.URL, cfg: aws.Config{Region: account.Region, BaseEndpoint: &hub.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}}
	table, bucket := own.addTable(b), "reports"
	cfg := own.cfg.Copy()
	cfg.Region = "us-east-1"
	if _, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(b.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		b.Fatal(err)
	}
	used := &usage{}
	environ := []string{envBucket + "=" + bucket, envTable + "=" + table, "AWS_ENDPOINT_URL_S3=" + used.late(b, hub.URL, s3Latency), "AWS_ENDPOINT_URL_DYNAMODB=" + used.late(b, hub.URL, dynamoLatency)}
	for _, far := range []time.Duration{0, 200 * time.Millisecond} {
		for _, functions := range []int{0, 1, 10} {
			b.Run(fmt.Sprintf("%d-functions/%v-away", functions, far), func(b *testing.B) { benchTarget(b, functions, far, environ, used) })
		}
	}
}

func benchTarget(b *testing.B, functions int, far time.Duration, environ []string, used *usage) {
	a := awstest.New(b, awstest.Options{ID: account.ID, Region: account.Region})
	run := fmt.Sprintf("r-%d-%d", functions, far.Milliseconds())
	id := func(i int) string { return fmt.Sprintf("3%03d%03d%05d", functions, far.Milliseconds(), i) }
	const targets = 16
	for i := range targets + 1 {
		peer := a.Peer(id(i))
		if err := fleet.AddMember(b.Context(), peer.Config(), account.ID); err != nil {
			b.Fatal(err)
		}
		fillTarget(peer, id(i), functions)
		peer.DelayAsAWS(1, far)
		peer.Throttle(awstest.DefaultQuotas())
	}
	a.DelayAsAWS(1, 0)
	a.ResetCalls()
	// Before an emulator no quota is kept to unless it is named: these are AWS's.
	f := deploy(b, "member: {role: "+fleet.Member+", external_id: "+fleet.ExternalID+"}\nquota_share: 0.5\nrates:\n  secretsmanager_list: 100\n  secretsmanager_resource_policy: 50\n"+
		"  lambda_get_policy: 15\n  lambda_get_function: 100\n  lambda_control_plane: 15\n", append(a.Environ(), environ...)...)
	<-f.ready
	invoke := func(i int) time.Duration {
		started := time.Now()
		o := f.invoke(b, `{"target":{"account":"`+id(i)+`","region":"`+account.Region+`","role_arn":"arn:aws:iam::`+id(i)+`:role/`+fleet.Member+`"},"run":"`+run+`"}`, within)
		if o.failed || o.answer.Summary.Secrets != functions {
			b.Fatalf("answer %s", o.raw)
		}
		return time.Since(started)
	}
	first := invoke(targets)
	used.reset()
	var all time.Duration
	i := 0
	for b.Loop() {
		all += invoke(i % targets)
		i++
	}
	calls := 0
	for _, n := range a.CallCounts() {
		calls += n
	}
	b.ReportMetric(first.Seconds(), "s-first")
	b.ReportMetric(all.Seconds()/float64(i), "s/target")
	b.ReportMetric(float64(calls-1)/float64(i+1), "calls/target") // without asking who the function is, once
	used.report(b, i)
	b.ReportMetric(float64(f.peak())/1024, "MiB-peak")
	f.stop()
}

// fillTarget makes so many rotation functions with a role and a secret each, all in sync.
func fillTarget(a *awstest.Account, id string, functions int) {
	for n := range functions {
		yes := true
		arn := account.AddRotation(a, awstest.Function{Name: fmt.Sprintf("rotate-%02d", n)})
		a.AddSecret(awstest.Secret{ARN: fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:app/%02d-AbCdEf", account.Region, id, n), RotationEnabled: &yes, RotationLambdaARN: arn})
	}
}

// usage counts what AWS has a price for.
type usage struct {
	mu                       sync.Mutex
	puts, gets, reads, units int // of S3; of DynamoDB requests that read, and write units
}

func (u *usage) reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.puts, u.gets, u.reads, u.units = 0, 0, 0, 0
}

func (u *usage) report(b *testing.B, targets int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for unit, n := range map[string]int{"S3-PUTs/target": u.puts, "S3-GETs/target": u.gets, "table-reads/target": u.reads, "table-WRUs/target": u.units} {
		b.ReportMetric(float64(n)/float64(targets), unit)
	}
}

// count takes a request in. A write unit is an item of up to 1 KB, two in a transaction (DynamoDB Developer Guide, "DynamoDB on-demand capacity mode").
func (u *usage) count(r *http.Request, body []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, operation, dynamo := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	units := func(items int) int { return max(items, (len(body)+1023)/1024) }
	switch {
	case !dynamo && (r.Method == http.MethodPut || r.URL.Query().Has("list-type")): // a list costs as much as a PUT
		u.puts++
	case !dynamo:
		u.gets++
	case operation == "BatchWriteItem":
		u.units += units(bytes.Count(body, []byte("\"PutRequest\"")) + bytes.Count(body, []byte("\"DeleteRequest\"")))
	case operation == "TransactWriteItems":
		u.units += 2 * units(bytes.Count(body, []byte("\"TableName\"")))
	case strings.HasPrefix(operation, "Put"), strings.HasPrefix(operation, "Update"), strings.HasPrefix(operation, "Delete"):
		u.units += units(1)
	default:
		u.reads++
	}
}

// late is what answers at an address, so much later.
func (u *usage) late(b *testing.B, address string, by time.Duration) string {
	b.Helper()
	target, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		u.count(r, body)
		time.Sleep(by)
		proxy.ServeHTTP(w, r)
	}))
	b.Cleanup(server.Close)
	return server.URL
}
