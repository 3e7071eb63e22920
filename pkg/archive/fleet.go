package archive

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/rotationguard/rotationguard/pkg/report"
)

// Folder is where the reports of a run are: "runs/<run>/".
func Folder(run string) (string, error) {
	if !runForm.MatchString(run) || strings.Contains(run, "..") {
		return "", fmt.Errorf("run %q: a run's name is of letters, digits and . _ : -, at most 128", run)
	}
	return "runs/" + run + "/", nil
}

// PutFleet writes the one report of a fleet's run as Put writes a target's, and answers with where the JSON is: s3://bucket/runs/<run>/fleet.json.
func PutFleet(ctx context.Context, client API, bucket, run string, o *report.Outcome) (string, error) {
	folder, err := Folder(run)
	if err != nil {
		return "", err
	}
	return putForms(ctx, client, bucket, folder+"fleet.json", o)
}

func putForms(ctx context.Context, client API, bucket, key string, o *report.Outcome) (string, error) {
	for _, form := range []struct {
		name, kind string
		write      func(io.Writer) error
	}{
		{strings.TrimSuffix(key, ".json") + ".html", "text/html; charset=utf-8", o.WriteHTML},
		{key, "application/json", o.WriteJSON},
	} {
		if err := put(ctx, client, bucket, form.name, form.kind, o.At, form.write); err != nil {
			return "", fmt.Errorf("keeping the report in s3://%s/%s: %w", bucket, form.name, err)
		}
	}
	return "s3://" + bucket + "/" + key, nil
}
