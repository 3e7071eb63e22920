package awstest

import (
	"io"
	"net/http"
	"time"
)

// transport is how this package's configs call the server.
//
// smithy-go wraps request bodies in a reader whose WriteTo gives io.EOF once the answer is there and the body closed
// (transport/http/internal/io/safe.go). net/http asks for what follows the body, takes that for a failed write and closes
// the connection; the rest of an answer larger than its read buffer is then lost ("use of closed network connection"). It
// happens only where a server answers faster than the client's goroutines are scheduled, as on loopback. Without WriteTo
// the same reader says so as net/http expects.
type transport struct{ inner *http.Transport }

func newTransport() *transport {
	return &transport{&http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}}
}

// RoundTrip sends the request with a body that is a plain reader.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		plain := *r
		plain.Body = struct {
			io.Reader
			io.Closer
		}{r.Body, r.Body}
		r = &plain
	}
	return t.inner.RoundTrip(r)
}

// largeAnswer is the size from which an answer does not fit into the first read of Go's HTTP client, and slowDown how long
// such an answer waits, so that clients that do not use this package's transport have seen the end of their own request.
const (
	largeAnswer = 3 << 10
	slowDown    = time.Millisecond
)

// send writes a whole answer.
func send(w http.ResponseWriter, kind string, status int, body []byte) {
	if len(body) > largeAnswer {
		time.Sleep(slowDown)
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the caller has gone
}
