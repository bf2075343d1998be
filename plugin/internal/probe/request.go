package probe

import (
	"bufio"
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
// same moment: first every connection is opened, then every request written.
// So many requests in flight at once make Envoy open as many connections to a
// backend that speaks HTTP/1. Responses are in the order of the requests.
func Send(ctx context.Context, dial Dialer, requests []Request) []Response {
	responses := make([]Response, len(requests))
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i, request := range requests {
		ready.Add(1)
		done.Go(func() {
			conn, err := open(ctx, dial, request)
			ready.Done()
			<-start
			if err != nil {
				responses[i] = Response{Err: err, Failure: ClassifyDial(err)}
				return
			}
			defer func() { _ = conn.Close() }()
			responses[i] = exchange(ctx, conn, request)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return responses
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

func exchange(ctx context.Context, conn net.Conn, request Request) Response {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	began := time.Now()
	response, err := roundTrip(ctx, conn, request)
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			err = errors.Join(cause, err)
		}
		return Response{Err: err, Failure: ClassifyDial(err), Duration: time.Since(began)}
	}
	response.Duration = time.Since(began)
	return response
}

func roundTrip(ctx context.Context, conn net.Conn, request Request) (Response, error) {
	httpRequest, err := newHTTPRequest(ctx, request)
	if err != nil {
		return Response{}, err
	}
	if err := httpRequest.Write(conn); err != nil {
		return Response{}, fmt.Errorf("sending the request: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), httpRequest)
	if err != nil {
		return Response{}, fmt.Errorf("reading the answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	// A body that breaks off or never ends does not spoil the status.
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return Response{Status: answer.StatusCode, Header: answer.Header, Body: printable(body)}, nil
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
