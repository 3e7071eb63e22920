package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// counter stands before an account and counts what is asked of it, by service and call, whoever asks and with whichever SDK.
type counter struct {
	URL    string
	server *http.Server

	mu    sync.Mutex
	calls map[string]int
}

// count starts a counter before the account at an address.
func count(address string) (*counter, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the tools: %w", err)
	}
	c := &counter{URL: "http://" + l.Addr().String(), calls: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
		},
		Transport: &http.Transport{DisableKeepAlives: true}, // moto sometimes closes a kept connection
	}
	c.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := callOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		c.calls[call]++
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = c.server.Serve(l) }() // ends with close
	return c, nil
}

func (c *counter) close() error { return c.server.Close() }

// taken are the calls since it was asked last.
func (c *counter) taken() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = map[string]int{}
	return calls
}

// callOf names a request as AWS's protocols do: by the header X-Amz-Target, by the form's Action, else by method and path, in which a
// resource's name is left out. The service is the one that the request is signed for.
func callOf(r *http.Request) (string, error) {
	service := "unsigned"
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		if parts := strings.SplitN(scope, "/", 5); len(parts) == 5 {
			service = parts[3]
		}
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return service + ":" + target[strings.LastIndexByte(target, '.')+1:], nil
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return "", fmt.Errorf("reading a request: %w", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", fmt.Errorf("reading a request: %w", err)
		}
		return service + ":" + form.Get("Action"), nil
	}
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for i := 1; i < len(segments); i++ {
		if of := segments[i-1]; of == "functions" || of == "tags" {
			segments[i] = "*"
			if of == "tags" { // an ARN, whose own slashes may follow
				segments = segments[:i+1]
			}
		}
	}
	return service + ":" + r.Method + " /" + strings.Join(segments, "/"), nil
}
