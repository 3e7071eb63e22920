package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/rotationguard/rotationguard/pkg/report"
)

// API is what keeping and finding reports takes.
type API interface {
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// Put writes an outcome's JSON report and, beside it, the page, and answers with where the JSON is: s3://bucket/runs/<run>/<account>/<region>.json.
// The page is written first: where the JSON is, the page is too.
func Put(ctx context.Context, client API, bucket, run string, o *report.Outcome) (string, error) {
	key, err := Key(run, o.Account, o.Region)
	if err != nil {
		return "", err
	}
	return putForms(ctx, client, bucket, key, o)
}

// What the parts of a key may be: nothing that a caller names leads out of its run's folder.
var (
	runForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
)

// Key is a report's key in its bucket.
func Key(run, account, region string) (string, error) {
	folder, err := Folder(run)
	switch {
	case err != nil:
		return "", err
	case !accountForm.MatchString(account):
		return "", fmt.Errorf("account %q: it is 12 digits", account)
	case !regionForm.MatchString(region):
		return "", fmt.Errorf("region %q is no Region's name", region)
	}
	return folder + account + "/" + region + ".json", nil
}

// sweptAt is the metadata that says of which moment a report is.
const sweptAt = "swept-at"

// tries is how often a place is looked at that others write to at the same time.
const tries = 4

// put writes one object through a file: a large account's report is never in memory as a whole, and S3 wants to know its length. It is
// written only where nothing is, or over an earlier report of the run.
func put(ctx context.Context, client API, bucket, key, kind string, at time.Time, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp("", "rotationguard-report-")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, file.Close(), os.Remove(file.Name()))
	}()
	if err := write(file); err != nil {
		return err
	}
	var earlier *string // the ETag of what is there
	for range tries {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in := &s3.PutObjectInput{
			Bucket: &bucket, Key: &key, Body: file, ContentType: &kind, CacheControl: aws.String("no-store"),
			Metadata: map[string]string{sweptAt: at.UTC().Format(time.RFC3339Nano)},
		}
		if in.IfMatch = earlier; earlier == nil {
			in.IfNoneMatch = aws.String("*")
		}
		if _, err = client.PutObject(ctx, in); err == nil || !taken(err) {
			return err
		}
		there, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		switch {
		case gone(err):
			earlier = nil
			continue
		case err != nil:
			return err
		}
		if then, err := time.Parse(time.RFC3339Nano, there.Metadata[sweptAt]); err == nil && !then.Before(at.UTC()) {
			return nil // this outcome itself, or a later one of the same run
		}
		earlier = there.ETag
	}
	return err
}

// taken says that somebody else has written there. Source: S3 API reference, PutObject, "If-Match" and "If-None-Match".
func taken(err error) bool { return has(err, "PreconditionFailed", "ConditionalRequestConflict") }

// gone says that nothing is there. HeadObject has no error document to give its code in.
func gone(err error) bool { return has(err, "NotFound", "NoSuchKey") }

func has(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode() == c {
			return true
		}
	}
	return false
}

// Open reads what Put has written; where is what Put has answered. Form is "json" or "html".
func Open(ctx context.Context, client API, where, form string) (io.ReadCloser, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(where, "s3://"), "/")
	if !ok || !strings.HasPrefix(where, "s3://") || bucket == "" || !strings.HasSuffix(key, ".json") {
		return nil, fmt.Errorf("%q is no report's place: it is s3://BUCKET/KEY.json", where)
	}
	key = strings.TrimSuffix(key, "json") + form
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("reading the report s3://%s/%s: %w", bucket, key, err)
	}
	return out.Body, nil
}
