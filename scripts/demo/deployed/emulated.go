// Package deployed deploys the synthesized template to ministack's CloudFormation, where the schedule and the queue run the real function against
// the demo's account.
package deployed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotationguard/rotationguard/pkg/awstest/emulator"
	"github.com/rotationguard/rotationguard/scripts/demo/account"
)

// Ministack is the emulator, and before it what its ListSecrets leaves out: functions that it runs call it by URL too.
type Ministack struct {
	URL    string
	server *emulator.Server
	front  *http.Server
}

// Start starts ministack with a free port for each of both; environ adds settings of the emulator's own.
func Start(ctx context.Context, environ ...string) (*Ministack, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for ministack: %w", err)
	}
	m := &Ministack{URL: "http://" + listener.Addr().String()}
	// The functions' endpoint must be known before the emulator's own.
	if m.server, err = emulator.StartMinistack(ctx, append([]string{"AWS_ENDPOINT_URL=" + m.URL}, environ...)...); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	target, err := url.Parse(m.server.URL)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), m.server.Stop())
	}
	m.front = &http.Server{Handler: front(target), ReadHeaderTimeout: time.Minute}
	go func() { _ = m.front.Serve(listener) }()
	return m, nil
}

// Config calls the demo's account: ministack takes an access key of twelve digits for the account's id.
func (m *Ministack) Config() aws.Config {
	return aws.Config{Region: account.Region, BaseEndpoint: &m.URL, Credentials: credentials.NewStaticCredentialsProvider(account.ID, "test", "")}
}

// Log is the end of what the emulator printed.
func (m *Ministack) Log() string { return m.server.Log() }

// Stop ends the emulator and what it runs.
func (m *Ministack) Stop() error { return errors.Join(m.front.Close(), m.server.Stop()) }

const listSecrets = "secretsmanager.ListSecrets"

// front passes everything on, and adds to the secrets of ListSecrets what DescribeSecret says of them: the emulator leaves out how they are rotated
// and encrypted (Secrets Manager API reference, SecretListEntry).
func front(target *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", "https") // AWS is called by TLS, and what is stored refuses other calls; no certificate is made for this
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Header.Get("X-Amz-Target") != listSecrets || r.StatusCode != http.StatusOK {
				return nil
			}
			return describeAll(target, r)
		},
	}
	return proxy
}

func describeAll(target *url.URL, r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	var list map[string]any
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("reading ListSecrets: %w", err)
	}
	entries, _ := list["SecretList"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		described, err := describe(target, r.Request, entry["ARN"])
		if err != nil {
			return err
		}
		for _, field := range []string{"RotationLambdaARN", "RotationRules", "RotationEnabled", "KmsKeyId", "OwningService", "NextRotationDate", "PrimaryRegion"} {
			if v, ok := described[field]; ok && v != nil {
				entry[field] = v
			}
		}
	}
	if body, err = json.Marshal(list); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	for name := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-crc") {
			r.Header.Del(name)
		}
	}
	return nil
}

// describe asks as who listed.
func describe(target *url.URL, listed *http.Request, arn any) (map[string]any, error) {
	body, err := json.Marshal(map[string]any{"SecretId": arn})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(listed.Context(), http.MethodPost, target.String()+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "Content-Type"} {
		if v := listed.Header.Get(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	request.Header.Set("X-Amz-Target", "secretsmanager.DescribeSecret")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("describing %v: %w", arn, err)
	}
	defer response.Body.Close()
	var described map[string]any
	if err := json.NewDecoder(response.Body).Decode(&described); err != nil {
		return nil, fmt.Errorf("describing %v: %w", arn, err)
	}
	return described, nil
}
