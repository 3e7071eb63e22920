package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
)

// stored is a bucket in memory that lists a thousand keys a page, as S3 does, and forgets what is put.
type stored struct {
	objects
	keys []string
}

func (s stored) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	from, _ := slices.BinarySearch(s.keys, aws.ToString(in.ContinuationToken)+"\x00")
	out := &s3.ListObjectsV2Output{}
	for _, key := range s.keys[from:min(from+1000, len(s.keys))] {
		out.Contents = append(out.Contents, types.Object{Key: aws.String(key)})
	}
	if from+1000 < len(s.keys) {
		out.IsTruncated, out.NextContinuationToken = aws.Bool(true), out.Contents[len(out.Contents)-1].Key
	}
	return out, nil
}

func (s stored) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	_, err := io.Copy(io.Discard, in.Body)
	return &s3.PutObjectOutput{}, err
}

// fleetOf is what a run has left of so many accounts in 17 Regions, of which three hold secrets; every tenth secret is broken, every twentieth target has failed.
func fleetOf(b *testing.B, accounts, secrets int) stored {
	s := stored{objects: objects{"runs/r/" + fleet.UnlistedName: "{}"}}
	var targets []fleet.Target
	for a := range accounts {
		for r := range 17 {
			t := fleet.Target{Account: fmt.Sprintf("%012d", a+1), Region: fmt.Sprintf("eu-west-%d", r+1), Name: fmt.Sprintf("account-%d", a)}
			targets = append(targets, t)
			if len(targets)%20 == 0 {
				continue
			}
			o := report.Outcome{Account: t.Account, Region: t.Region, Mode: "report"}
			for i := range secrets {
				if r >= 3 {
					break
				}
				arn := rotation.ARN(fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:prod/team-%d/database-AbCdEf", t.Region, t.Account, i))
				function := rotation.ARN(fmt.Sprintf("arn:aws:lambda:%s:%s:function:rotate-%d", t.Region, t.Account, i))
				secret := report.Secret{ARN: arn, Name: fmt.Sprintf("prod/team-%d/database", i), Verdict: drift.InSync, FunctionARN: function, Tags: map[string]string{"team": "payments"}, Reason: "every required request is allowed"}
				if i%10 == 0 {
					secret.Verdict = drift.Broken
					secret.Findings = []*drift.Finding{{ID: fmt.Sprintf("%s-%s-%d", t.Account, t.Region, i), Rule: "invoke-grant", Kind: drift.KindFunctionPolicy, Direction: "missing", Severity: drift.Critical, Secret: arn, Function: function, Subject: function, Explanation: strings.Repeat("no statement lets Secrets Manager invoke it. ", 4)}}
				}
				o.Secrets = append(o.Secrets, secret)
			}
			o.Functions = len(o.Secrets)
			var text strings.Builder
			if err := o.WriteJSON(&text); err != nil {
				b.Fatal(err)
			}
			s.objects["runs/r/"+t.Account+"/"+t.Region+".json"] = text.String()
		}
	}
	list, err := json.Marshal(targets)
	if err != nil {
		b.Fatal(err)
	}
	s.objects["runs/r/"+fleet.ListName] = string(list)
	s.keys = slices.Sorted(maps.Keys(s.objects))
	return s
}

// BenchmarkDigest gathers what a fleet's run has left and writes the one report, as the function does before it tells of it. MB is the most that it held beside the bucket.
func BenchmarkDigest(b *testing.B) {
	for _, size := range []struct{ accounts, secrets int }{{100, 10}, {1000, 10}, {1000, 100}} {
		b.Run(fmt.Sprintf("%d-targets/%d-secrets", size.accounts*17, size.accounts*3*size.secrets), func(b *testing.B) {
			bucket := fleetOf(b, size.accounts, size.secrets)
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			peak, done := uint64(0), make(chan struct{})
			var watching sync.WaitGroup
			watching.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(20 * time.Millisecond):
						var now runtime.MemStats
						runtime.ReadMemStats(&now)
						peak = max(peak, now.HeapAlloc)
					}
				}
			})
			for b.Loop() {
				o, seen, err := gather(b.Context(), bucket, "b", "r", time.Now())
				if err != nil {
					b.Fatal(err)
				}
				o.Sort()
				if _, err := archive.PutFleet(b.Context(), bucket, "b", "r", &o); err != nil {
					b.Fatal(err)
				}
				runtime.KeepAlive(seen)
			}
			close(done)
			watching.Wait()
			b.ReportMetric(float64(peak-min(peak, before.HeapAlloc))/1e6, "MB")
		})
	}
}
