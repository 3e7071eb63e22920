package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/rotationguard/rotationguard/pkg/archive"
	"github.com/rotationguard/rotationguard/pkg/drift"
	"github.com/rotationguard/rotationguard/pkg/fleet"
	"github.com/rotationguard/rotationguard/pkg/inventory"
	"github.com/rotationguard/rotationguard/pkg/ledger"
	"github.com/rotationguard/rotationguard/pkg/report"
	"github.com/rotationguard/rotationguard/pkg/rotation"
	"github.com/rotationguard/rotationguard/pkg/sweep"
)

// bucketAPI is what gathering takes.
type bucketAPI interface {
	archive.API
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

// readers is how many reports are read at the same time.
const readers = 16

// failedSuffix is of what is noted of a target whose sweep ended in a failure: it counts where there is no report.
const failedSuffix = ".failed.json"

// note keeps why the sweep of a target failed.
func note(ctx context.Context, client bucketAPI, bucket, run string, t *fleet.Target, f *failure) error {
	key, err := archive.Key(run, t.Account, t.Region)
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	if f == nil {
		f = &failure{}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("writing the note: %w", err)
	}
	key = strings.TrimSuffix(key, ".json") + failedSuffix
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(text), ContentType: aws.String("application/json")}); err != nil {
		return fmt.Errorf("noting s3://%s/%s: %w", bucket, key, err)
	}
	return nil
}

// gather joins the reports of a run's folder. at is the moment of the merged report; seen is what the ledger and whoever is told need beside it.
func gather(ctx context.Context, client bucketAPI, bucket, run string, at time.Time) (outcome report.Outcome, seen *sighted, err error) {
	outcome, seen = report.Outcome{At: at}, &sighted{Sighted: sweep.NewSighted(), client: client, bucket: bucket, reports: map[fleet.Target]string{}}
	folder, err := archive.Folder(run)
	if err != nil {
		return outcome, seen, fmt.Errorf("gathering: %w", err)
	}
	var targets []fleet.Target
	var unlisted fleet.List
	if err := readJSON(ctx, client, bucket, folder+fleet.ListName, &targets); err != nil {
		return outcome, seen, fmt.Errorf("reading the run's targets: %w", err)
	}
	if err := readJSON(ctx, client, bucket, folder+fleet.UnlistedName, &unlisted); err != nil {
		return outcome, seen, fmt.Errorf("reading what is not among the run's targets: %w", err)
	}
	there, err := keys(ctx, client, bucket, folder)
	if err != nil {
		return outcome, seen, err
	}
	targets = each(targets)
	outcome.Notes = append(outcome.Notes, unlisted.Notes...)
	if n := strangers(there, folder, targets); n > 0 {
		outcome.Notes = append(outcome.Notes, fmt.Sprintf("%d reports in s3://%s/%s are of no target of the run and do not count.", n, bucket, folder))
	}
	for _, f := range unlisted.Failed {
		outcome.JoinFailed(f.Account, f.Name, f.Region, report.Error(f.Cause))
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	var mu sync.Mutex
	for _, t := range targets {
		group.Go(func() error {
			key := folder + t.Account + "/" + t.Region + ".json"
			if !there[key] {
				cause := noted(within, client, bucket, strings.TrimSuffix(key, ".json")+failedSuffix, there)
				mu.Lock()
				defer mu.Unlock()
				outcome.JoinFailed(t.Account, t.Name, t.Region, cause)
				return within.Err()
			}
			part, err := readReport(within, client, bucket, key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case within.Err() != nil:
				return within.Err()
			case err != nil:
				outcome.JoinFailed(t.Account, t.Name, t.Region, report.Error(fleet.CauseOf("s3://"+bucket+"/"+key, err)))
			case part.Account != t.Account || part.Region != t.Region:
				outcome.JoinFailed(t.Account, t.Name, t.Region, report.Error{
					Resource: "s3://" + bucket + "/" + key, Code: "NotItsReport", Message: rotation.OneLine("it is a report of " + part.Account + " " + part.Region),
				})
			default:
				outcome.Mode = part.Mode
				seen.Add(&part, len(part.Errors) == 0)
				seen.AddMended(run, &part)
				seen.reports[fleet.Target{Account: t.Account, Region: t.Region}] = key
				outcome.Join(t.Account, t.Name, t.Region, &part, "s3://"+bucket+"/"+key, kept)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return outcome, seen, fmt.Errorf("gathering the reports of %s: %w", folder, err)
	}
	seen.AddTargets(&outcome)
	return outcome, seen, nil
}

// kept says which secrets the merged report has in full: those that somebody may have to act on, and those that are exempt from it.
func kept(v drift.Verdict) bool { return report.Drift(v) || v == drift.Exempt }

// each gives every target once: one that is listed twice is swept twice, and leaves one report.
func each(targets []fleet.Target) []fleet.Target {
	var once []fleet.Target
	seen := map[string]bool{}
	for _, t := range targets {
		if at := t.Account + "/" + t.Region; !seen[at] {
			seen[at] = true
			once = append(once, t)
		}
	}
	return once
}

// strangers counts the reports in the folder that are of no target.
func strangers(there map[string]bool, folder string, targets []fleet.Target) int {
	n := 0
	for key := range there {
		if strings.Count(key, "/") == strings.Count(folder, "/")+1 && strings.HasSuffix(key, ".json") && !strings.HasSuffix(key, failedSuffix) {
			n++
		}
	}
	for _, t := range targets {
		if there[folder+t.Account+"/"+t.Region+".json"] {
			n--
		}
	}
	return n
}

// sighted is what the targets have found, and where their reports are: news may be of secrets that the merged report has not, that they are in sync again.
type sighted struct {
	*sweep.Sighted
	client  bucketAPI
	bucket  string
	reports map[fleet.Target]string // the keys, by account and Region
}

// concerned are the secrets that the merged report has not and news are of. They are read again: to hold all of a fleet's for the few would take its size in memory.
func (s *sighted) concerned(ctx context.Context, news []ledger.Transition) ([]report.Secret, error) {
	of, in := map[rotation.ARN]bool{}, map[string]bool{}
	for i := range news {
		if news[i].Record.Resolved == nil {
			continue // what stands is in the merged report
		}
		f := &news[i].Record.Finding
		for _, thing := range []rotation.ARN{f.Secret, f.Function, f.Subject} {
			if at := thing.Parts(); at.Account != "" {
				of[thing], in[at.Account+"/"+at.Region] = true, true
			}
		}
	}
	var all []report.Secret
	for t, key := range s.reports {
		if !in[t.Account+"/"+t.Region] && !in[t.Account+"/"] {
			continue
		}
		part, err := readReport(ctx, s.client, s.bucket, key)
		if err != nil {
			return nil, fmt.Errorf("reading again: %w", err)
		}
		for i := range part.Secrets {
			if from := &part.Secrets[i]; !kept(from.Verdict) && (of[from.ARN] || of[from.FunctionARN] || of[from.RoleARN]) {
				secret := *from
				secret.Account, secret.Region, secret.Findings = part.Account, part.Region, nil
				all = append(all, secret)
			}
		}
	}
	slices.SortFunc(all, func(a, b report.Secret) int { return cmp.Compare(a.ARN, b.ARN) })
	return all, nil
}

// keys are the objects of a run's folder.
func keys(ctx context.Context, client bucketAPI, bucket, folder string) (map[string]bool, error) {
	there := map[string]bool{}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &folder})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing s3://%s/%s: %w", bucket, folder, err)
		}
		for _, o := range page.Contents {
			there[aws.ToString(o.Key)] = true
		}
	}
	return there, nil
}

func readReport(ctx context.Context, client bucketAPI, bucket, key string) (report.Outcome, error) {
	body, err := archive.Open(ctx, client, "s3://"+bucket+"/"+key, "json")
	if err != nil {
		return report.Outcome{}, err
	}
	defer body.Close()
	return report.Read(body)
}

// maxList is the largest list of targets that is read, in bytes: 10,000 accounts in every Region are less.
const maxList = 128 << 20

func readJSON(ctx context.Context, client bucketAPI, bucket, key string, into any) error {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("s3://%s/%s: %w", bucket, key, err)
	}
	defer out.Body.Close()
	if err := json.NewDecoder(io.LimitReader(out.Body, maxList)).Decode(into); err != nil {
		return fmt.Errorf("s3://%s/%s: %w", bucket, key, err)
	}
	return nil
}

// noted is why a target has no report, as the state machine noted it: the error and cause of the invocation, whose own message is in the cause
// (Lambda Developer Guide, "Errors in Step Functions": the function's errorType and errorMessage).
func noted(ctx context.Context, client bucketAPI, bucket, key string, there map[string]bool) report.Error {
	missing := report.Error{Resource: "sweep", Code: "NoReport", Message: "no report was written: the sweep was not started, or it ended before it could say why"}
	if !there[key] {
		return missing
	}
	var said failure
	if err := readJSON(ctx, client, bucket, key, &said); err != nil {
		var api smithy.APIError
		if errors.As(err, &api) {
			missing.Code = api.ErrorCode()
		}
		missing.Message += "; what was noted of it cannot be read: " + rotation.OneLine(inventory.DescribeError(err))
		return missing
	}
	missing.Code, missing.Message = said.Error, rotation.OneLine(said.Cause)
	var inner struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal([]byte(said.Cause), &inner) == nil && inner.ErrorMessage != "" {
		missing.Message = rotation.OneLine(inner.ErrorMessage)
	}
	return missing
}
