package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSendIsParallel: the server answers nobody before all requests are in.
func TestSendIsParallel(t *testing.T) {
	t.Parallel()
	const width = 32
	var all sync.WaitGroup
	all.Add(width)
	dial := backend(t, func(_ context.Context, conn *net.TCPConn) {
		defer func() { _ = conn.Close() }()
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		all.Done()
		all.Wait()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(request.Host), request.Host)
	})
	requests := make([]Request, width)
	for i := range requests {
		requests[i] = Request{Method: http.MethodGet, Host: fmt.Sprintf("h%d.test", i), Path: "/"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, response := range Send(ctx, dial, requests) {
		if response.Status != http.StatusOK || response.Body != requests[i].Host {
			t.Errorf("%d: %+v", i, response)
		}
	}
}

func TestSendWritesTheRequest(t *testing.T) {
	t.Parallel()
	dial := backend(t, func(_ context.Context, conn *net.TCPConn) {
		defer func() { _ = conn.Close() }()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		text := strings.Join([]string{r.Method, r.Host, r.RequestURI, r.Header.Get("X-A"), r.UserAgent(), fmt.Sprint(r.Close)}, " ")
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 418 I'm a teapot\r\nConnection: close\r\n\r\n%s", text)
	})
	request := Request{Method: http.MethodPost, Host: "a.test:81", Path: "/p%20q?x=1&y=%2F", Header: http.Header{"x-a": {"b"}}}
	got := Send(t.Context(), dial, []Request{request})[0]
	if want := "POST a.test:81 /p%20q?x=1&y=%2F b kubectl-tlsgw true"; got.Status != 418 || got.Body != want {
		t.Errorf("got %d %q, want %q", got.Status, got.Body, want)
	}
}

func TestSendOverTLS(t *testing.T) {
	t.Parallel()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
	dial := backend(t, func(_ context.Context, conn *net.TCPConn) {
		secure := tls.Server(conn, config)
		defer func() { _ = secure.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(secure)); err == nil {
			_, _ = io.WriteString(secure, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	got := Send(t.Context(), dial, []Request{{Method: http.MethodGet, Host: "a.test", Path: "/", ServerName: "a.test"}})[0]
	if got.Status != http.StatusNoContent {
		t.Errorf("got %+v", got)
	}
}

// TestSendIsBounded: a body without end costs neither time nor memory.
func TestSendIsBounded(t *testing.T) {
	t.Parallel()
	dial := backend(t, func(_ context.Context, conn *net.TCPConn) {
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		for {
			if _, err := io.WriteString(conn, strings.Repeat("x", 1024)); err != nil {
				return
			}
		}
	})
	got := Send(t.Context(), dial, []Request{{Method: http.MethodGet, Host: "a.test", Path: "/"}})[0]
	if got.Status != http.StatusOK || len(got.Body) != maxBody {
		t.Errorf("got %d, %d bytes, %v", got.Status, len(got.Body), got.Err)
	}
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	silent := backend(t, func(ctx context.Context, conn *net.TCPConn) { <-ctx.Done(); _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	request := []Request{{Method: http.MethodGet, Host: "a.test", Path: "/"}}
	if got := Send(ctx, silent, request)[0]; got.Failure != Timeout || got.Status != 0 {
		t.Errorf("silent: %+v", got)
	}
	refuse := func(context.Context) (net.Conn, error) { return nil, io.ErrClosedPipe }
	if got := Send(t.Context(), refuse, request)[0]; got.Err == nil || got.Failure != Other {
		t.Errorf("refused: %+v", got)
	}
	if got := Send(t.Context(), silent, []Request{{Method: "A B", Path: "/"}})[0]; got.Err == nil {
		t.Errorf("bad method: %+v", got)
	}
}

// TestSendHoldsBack: no request is complete before every connection is open,
// also when one comes late.
func TestSendHoldsBack(t *testing.T) {
	t.Parallel()
	const width = 8
	var begun, dialled atomic.Int64
	var allOpen atomic.Bool
	others, inTime := make(chan struct{}), make(chan bool, width)
	backend := backend(t, func(_ context.Context, conn *net.TCPConn) {
		defer func() { _ = conn.Close() }()
		start := make([]byte, 1)
		if _, err := io.ReadFull(conn, start); err != nil {
			return
		}
		if begun.Add(1) == width-1 {
			close(others)
		}
		if _, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(string(start)), conn))); err != nil {
			return
		}
		inTime <- allOpen.Load()
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	dial := func(ctx context.Context) (net.Conn, error) {
		if dialled.Add(1) < width {
			return backend(ctx)
		}
		select {
		case <-others:
		case <-ctx.Done():
		}
		conn, err := backend(ctx)
		allOpen.Store(true)
		return conn, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request := Request{Method: http.MethodGet, Host: "a.test", Path: "/"}
	for i, response := range Send(ctx, dial, slices.Repeat([]Request{request}, width)) {
		if response.Status != http.StatusNoContent {
			t.Errorf("%d: %+v", i, response)
		}
		if !<-inTime {
			t.Error("a request was complete before all connections were open")
		}
	}
}
