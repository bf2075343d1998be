package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxBody bounds what is kept of an answer's body.
const maxBody = 2048

// Request is one HTTP/1.1 request through a gateway.
type Request struct {
	Method string
	// Host is the Host header; it need not be where the Dialer leads.
	Host string
	// Path is the request target, with its query: "/a?b=c".
	Path   string
	Header http.Header
	// ServerName is the SNI towards an HTTPS listener; empty sends plain HTTP.
	ServerName string
}

// Response is what came back.
type Response struct {
	// Status is zero when no answer came: then Err and Failure say why.
	Status  int
	Failure Failure
	Err     error
	Header  http.Header
	// Body is the start of the body, one line, at most 2 KiB.
	Body     string
	Duration time.Duration
}

// Send sends each request on a downstream connection of its own, all at the
// same moment: it opens every connection and writes every request but for its
// last two bytes, and then writes those in one go. So many requests in flight
// at once make Envoy open as many connections to a backend that speaks
// HTTP/1. Responses are in the order of the requests.
func Send(ctx context.Context, dial Dialer, requests []Request) []Response {
	flights := make([]flight, len(requests))
	var opened sync.WaitGroup
	for i, request := range requests {
		opened.Go(func() { flights[i].open(ctx, dial, request) })
	}
	opened.Wait()
	for i := range flights {
		flights[i].start(ctx)
	}
	responses := make([]Response, len(requests))
	var done sync.WaitGroup
	for i := range flights {
		done.Go(func() { responses[i] = flights[i].land(ctx) })
	}
	done.Wait()
	return responses
}

// flight is one request on its way.
type flight struct {
	conn    net.Conn
	request *http.Request
	// held are the last bytes of the request, not yet written.
	held  []byte
	began time.Time
	stop  func() bool
	err   error
}

// open connects and writes all but the last bytes.
func (f *flight) open(ctx context.Context, dial Dialer, request Request) {
	if f.request, f.err = newHTTPRequest(ctx, request); f.err != nil {
		return
	}
	var encoded bytes.Buffer
	if f.err = f.request.Write(&encoded); f.err != nil {
		return
	}
	if f.conn, f.err = open(ctx, dial, request); f.err != nil {
		return
	}
	// Not every connection honours deadlines (a port-forward's does not).
	f.stop = context.AfterFunc(ctx, func() { _ = f.conn.Close() })
	head := encoded.Len() - len("\r\n")
	f.held = encoded.Bytes()[head:]
	_, f.err = f.conn.Write(encoded.Bytes()[:head])
}

func (f *flight) start(ctx context.Context) {
	if f.err != nil || ctx.Err() != nil {
		return
	}
	f.began = time.Now()
	_, f.err = f.conn.Write(f.held)
}

// land reads the answer and closes the connection.
func (f *flight) land(ctx context.Context) Response {
	if f.conn != nil {
		defer func() { f.stop(); _ = f.conn.Close() }()
	}
	var response Response
	if f.err == nil {
		response, f.err = f.read()
	}
	if !f.began.IsZero() {
		response.Duration = time.Since(f.began)
	}
	if f.err != nil {
		if cause := ctx.Err(); cause != nil {
			f.err = errors.Join(cause, f.err)
		}
		response.Err, response.Failure = f.err, ClassifyDial(f.err)
	}
	return response
}

func (f *flight) read() (Response, error) {
	answer, err := http.ReadResponse(bufio.NewReader(f.conn), f.request)
	if err != nil {
		return Response{}, fmt.Errorf("reading the answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	// A body that breaks off or never ends does not spoil the status.
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return Response{Status: answer.StatusCode, Header: answer.Header, Body: printable(body)}, nil
}

func open(ctx context.Context, dial Dialer, request Request) (net.Conn, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to the gateway: %w", err)
	}
	if request.ServerName == "" {
		return conn, nil
	}
	client := tls.Client(conn, &tls.Config{
		ServerName: request.ServerName,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		// What is verified is the connection behind the gateway. The
		// listener's own certificate is often a test one.
		InsecureSkipVerify: true, // #nosec G402 -- carries no credentials
	})
	if err := client.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS with the gateway's listener: %w", err)
	}
	return client, nil
}

func newHTTPRequest(ctx context.Context, request Request) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, request.Method, "http://gateway.invalid"+request.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("request %s %s: %w", request.Method, request.Path, err)
	}
	r.Host = request.Host
	for name, values := range request.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "kubectl-tlsgw")
	}
	r.Close = true
	return r, nil
}
