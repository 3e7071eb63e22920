package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ErrTaken says that a part is there already: another process is doing the same sweep.
var ErrTaken = errors.New("the part is there already")

// Parts is where what the parts of a sweep have read is kept until the sweep ends: continue/<run>/<account>/<region>/<n>.
type Parts struct {
	client API
	bucket string
	folder string
}

// NewParts is the place of the parts of a run's sweep of one account and Region.
func NewParts(client API, bucket, run, account, region string) (*Parts, error) {
	if _, err := Key(run, account, region); err != nil {
		return nil, err
	}
	return &Parts{client, bucket, "continue/" + run + "/" + account + "/" + region + "/"}, nil
}

func (p *Parts) key(n int) string { return p.folder + strconv.Itoa(n) }

// Put keeps the n-th part and answers with its SHA-256, by which alone it can be opened again. ErrTaken where there is one.
func (p *Parts) Put(ctx context.Context, n int, part io.ReadSeeker) (string, error) {
	sum, err := hash(part)
	if err != nil {
		return "", fmt.Errorf("keeping part %d: %w", n, err)
	}
	key := p.key(n)
	_, err = p.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.bucket, Key: &key, Body: part, ContentType: aws.String("application/gzip"), CacheControl: aws.String("no-store"), IfNoneMatch: aws.String("*"),
	})
	if taken(err) {
		return "", fmt.Errorf("keeping s3://%s/%s: %w", p.bucket, key, ErrTaken)
	}
	if err != nil {
		return "", fmt.Errorf("keeping s3://%s/%s: %w", p.bucket, key, err)
	}
	return sum, nil
}

// hash is the SHA-256 of a part, which is then at its start again.
func hash(part io.ReadSeeker) (string, error) {
	h := sha256.New()
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if _, err := io.Copy(h, part); err != nil {
		return "", err
	}
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Open gives the n-th part, if it is still the one with that SHA-256. It is read whole, into a file, before the first of it is given.
func (p *Parts) Open(ctx context.Context, n int, sum string) (io.ReadCloser, error) {
	key := p.key(n)
	out, err := p.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", p.bucket, key, err)
	}
	defer func() { _ = out.Body.Close() }()
	file, err := os.CreateTemp("", "rotationguard-part-")
	if err != nil {
		return nil, err
	}
	part := &temporary{file}
	if _, err = io.Copy(file, out.Body); err == nil {
		var got string
		if got, err = hash(file); err == nil && got != sum {
			err = fmt.Errorf("it is not what the sweep has left there: its SHA-256 is %s, not %s", got, sum)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading s3://%s/%s: %w", p.bucket, key, err), part.Close())
	}
	return part, nil
}

// temporary is a file that is gone when it is closed.
type temporary struct{ *os.File }

// Close implements io.Closer.
func (t *temporary) Close() error { return errors.Join(t.File.Close(), os.Remove(t.Name())) }

// PutPlace keeps where a sweep was cut, over an earlier place.
func (p *Parts) PutPlace(ctx context.Context, place []byte) error {
	key := p.folder + "place.json"
	if _, err := p.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.bucket, Key: &key, Body: bytes.NewReader(place), ContentType: aws.String("application/json"), CacheControl: aws.String("no-store"),
	}); err != nil {
		return fmt.Errorf("keeping s3://%s/%s: %w", p.bucket, key, err)
	}
	return nil
}

// Place is where the sweep was cut last, nil if it was not.
func (p *Parts) Place(ctx context.Context) ([]byte, error) {
	key := p.folder + "place.json"
	out, err := p.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &key})
	switch {
	case absent(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading s3://%s/%s: %w", p.bucket, key, err)
	}
	defer func() { _ = out.Body.Close() }()
	place, err := io.ReadAll(io.LimitReader(out.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", p.bucket, key, err)
	}
	return place, nil
}

// absent says that nothing is there for all that the caller may know. Without s3:ListBucket, S3 denies what is not there (S3 API reference,
// GetObject, "Permissions").
func absent(err error) bool { return gone(err) || has(err, "AccessDenied", "Forbidden") }

// Has says whether the report of a run of an account and Region is there.
func Has(ctx context.Context, client API, bucket, run, account, region string) (bool, error) {
	key, err := Key(run, account, region)
	if err != nil {
		return false, err
	}
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	switch {
	case absent(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for s3://%s/%s: %w", bucket, key, err)
	}
	return true, nil
}
