package kube_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// kubelet answers port-forwards over SPDY only, as old API servers do: what
// the data stream of a port gets is up to answer, which returns the text for
// the error stream.
func kubelet(t *testing.T, answer func(port string, data io.ReadWriteCloser) string) *kube.Clients {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/api/v1/namespaces/shop/pods/secret/portforward" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,
				"message":"pods \"secret\" is forbidden: User \"u\" cannot create resource \"pods/portforward\""}`)
			return
		}
		if request.URL.Path != "/api/v1/namespaces/shop/pods/web/portforward" {
			http.NotFound(w, request)
			return
		}
		if request.Method != http.MethodPost {
			http.Error(w, "no websocket here", http.StatusForbidden)
			return
		}
		if _, err := httpstream.Handshake(request, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			return
		}
		forward(w, request, answer)
	}))
	t.Cleanup(server.Close)
	clients, err := kube.NewForConfig(&rest.Config{Host: server.URL}, "shop")
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func forward(w http.ResponseWriter, request *http.Request, answer func(string, io.ReadWriteCloser) string) {
	var mu sync.Mutex
	var errorStream httpstream.Stream
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, request, func(stream httpstream.Stream, replied <-chan struct{}) error {
		mu.Lock()
		defer mu.Unlock()
		if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
			errorStream = stream
			return nil
		}
		toError := errorStream
		go func() {
			<-replied
			text := answer(stream.Headers().Get(corev1.PortHeader), stream)
			_, _ = io.WriteString(toError, text)
			_ = toError.Close()
			_ = stream.Close()
		}()
		return nil
	})
	if conn != nil {
		<-conn.CloseChan()
	}
}

func TestDialPod(t *testing.T) {
	t.Parallel()
	clients := kubelet(t, func(_ string, data io.ReadWriteCloser) string {
		_, _ = io.Copy(data, data)
		return ""
	})
	conn, err := clients.DialPod(t.Context(), "shop", "web", 8443)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // more than a window
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		written <- err
	}()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("read back %d bytes, %v", len(got), err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(got[:1]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline passes: got %v", err)
	}
}

// TestDialPodRefused: the kubelet's words become the errors that a direct
// connection has.
func TestDialPodRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]error{
		"failed to connect to localhost:1 inside namespace x, IPv4: dial tcp4 127.0.0.1:1: connect: connection refused": syscall.ECONNREFUSED,
		"read tcp4 127.0.0.1:1: read: connection reset by peer":                                                         syscall.ECONNRESET,
		"dial tcp4 127.0.0.1:1: i/o timeout":                                                                            syscall.ETIMEDOUT,
	}
	for text, want := range tests {
		clients := kubelet(t, func(string, io.ReadWriteCloser) string { return text })
		conn, err := clients.DialPod(t.Context(), "shop", "web", 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("%s: got %v", text, err)
		}
		_ = conn.Close()
	}
}

func TestDialPodErrors(t *testing.T) {
	t.Parallel()
	clients := kubelet(t, func(string, io.ReadWriteCloser) string { return "" })
	if _, err := clients.DialPod(t.Context(), "shop", "gone", 1); err == nil {
		t.Error("a pod that does not exist: no error")
	}
	if _, err := clients.DialPod(t.Context(), "shop", "secret", 1); !errors.Is(err, kube.ErrMayNotForward) {
		t.Errorf("a pod that the person may not forward to: got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clients.DialPod(ended, "shop", "web", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: got %v", err)
	}
}
