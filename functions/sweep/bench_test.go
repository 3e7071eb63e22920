package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/rotationguard/rotationguard/pkg/awstest"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// BenchmarkFunction is what the built function costs before its first event: the zipped package, and the CPU time of initialization.
func BenchmarkFunction(b *testing.B) {
	binary := bootstrap(b)
	var package_ counter //nolint:revive // package is a keyword
	z := zip.NewWriter(&package_)
	w, err := z.Create("bootstrap")
	if err != nil {
		b.Fatal(err)
	}
	file, err := os.Open(binary)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(w, file); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	var cpu time.Duration
	for b.Loop() {
		f := deploy(b, "", "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test")
		<-f.ready
		cpu += f.cpu(b)
		f.stop()
	}
	b.ReportMetric(float64(package_)/1e6, "MB-zipped")
	b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(b.N), "ms-CPU/init")
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// BenchmarkFunctionSweeps is one sweep by the built function of an account in memory, whose secrets are rotated by a tenth as many functions:
// the most memory that the function took, its CPU time, and its calls.
func BenchmarkFunctionSweeps(b *testing.B) {
	for _, secrets := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("%d-secrets", secrets), func(b *testing.B) {
			a := awstest.New(b, awstest.Options{ID: "123456789012", Region: "eu-central-1"})
			a.KeepCalls(false)
			fill(a, secrets)
			var cpu time.Duration
			peak := 0
			for b.Loop() {
				f := deploy(b, "", a.Environ()...)
				<-f.ready
				if o := f.invoke(b, "{}", 15*time.Minute); o.failed || o.answer.Summary.Secrets != secrets {
					b.Fatalf("answer %s", o.raw)
				}
				cpu += f.cpu(b)
				peak = max(peak, f.peak())
				f.stop()
			}
			b.ReportMetric(float64(peak)/1024, "MiB-peak")
			b.ReportMetric(cpu.Seconds()/float64(b.N), "s-CPU/op")
		})
	}
}

// fill makes secrets of which every third rotates, by a tenth as many functions with a role each, all in sync.
func fill(a *awstest.Account, secrets int) {
	yes, arns := true, make([]string, secrets/10)
	for n := range arns {
		arns[n] = account.AddRotation(a, awstest.Function{Name: fmt.Sprintf("rotate-%05d", n)})
	}
	all := make([]awstest.Secret, secrets)
	for n := range all {
		all[n] = awstest.Secret{ARN: fmt.Sprintf("arn:aws:secretsmanager:eu-central-1:123456789012:secret:app/%06d-AbCdEf", n)}
		if n%3 == 0 {
			all[n].RotationEnabled, all[n].RotationLambdaARN = &yes, arns[n/3%len(arns)]
		}
	}
	a.AddSecrets(all)
}
