package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// errorStreamGrace is how long a closed data stream waits for the reason that
// the kubelet sends on the error stream.
const errorStreamGrace = time.Second

// ErrMayNotForward says that the API server lets nobody with these credentials
// port-forward to a pod.
var ErrMayNotForward = errors.New("not allowed: it needs the right to create pods/portforward")

// DialPod connects to a port of a pod through the API server's port-forward
// (websocket, else SPDY), without a local listener. Whether anything listens
// there shows on the first Read: it then fails with an error that wraps
// syscall.ECONNREFUSED. Without the right to it the error wraps
// ErrMayNotForward.
func (c *Clients) DialPod(ctx context.Context, namespace, pod string, port int32) (net.Conn, error) {
	dialer, err := c.forwarder(namespace, pod)
	if err != nil {
		return nil, fmt.Errorf("port-forward to pod %s/%s: %w", namespace, pod, err)
	}
	stream, err := dialWithin(ctx, dialer)
	if err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("port-forward: pod %s/%s does not exist", namespace, pod)
		}
		// The upgrade's error has no type, only the API server's words.
		if apierrors.IsForbidden(err) || strings.Contains(err.Error(), " is forbidden: ") {
			return nil, fmt.Errorf("port-forward to pod %s/%s: %w", namespace, pod, ErrMayNotForward)
		}
		return nil, fmt.Errorf("port-forward to pod %s/%s: %w", namespace, pod, err)
	}
	conn, err := newPodConn(stream, port)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("port-forward to pod %s/%s port %d: %w", namespace, pod, port, err), stream.Close())
	}
	return conn, nil
}

func (c *Clients) forwarder(namespace, pod string) (httpstream.Dialer, error) {
	config := c.coreConfig()
	config.Timeout = 0 // would end the connection, not the attempt
	restClient, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, err
	}
	url := restClient.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	overSPDY := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	overWebsocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(overWebsocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// coreConfig is for requests to subresources, which typed clients do not know.
func (c *Clients) coreConfig() *rest.Config {
	config := rest.CopyConfig(c.Config)
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.APIPath = "/api"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	return config
}

func (c *Clients) coreREST() (*rest.RESTClient, error) { return rest.RESTClientFor(c.coreConfig()) }

// dialWithin gives the dialer, which knows no context, one.
func dialWithin(ctx context.Context, dialer httpstream.Dialer) (httpstream.Connection, error) {
	type result struct {
		conn httpstream.Connection
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.conn != nil {
				_ = r.conn.Close() // too late to be of use to anybody
			}
		}()
		return nil, ctx.Err()
	}
}

// podConn is one forwarded connection. A pipe lends it the deadlines that
// streams lack.
type podConn struct {
	net.Conn
	stream httpstream.Connection
	close  sync.Once

	// reason is closed once refusal holds what the error stream said.
	reason  chan struct{}
	refusal error
}

func newPodConn(stream httpstream.Connection, port int32) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	errorStream, err := stream.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	if err := errorStream.Close(); err != nil { // nothing is ever written to it
		return nil, err
	}
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := stream.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	conn := &podConn{Conn: near, stream: stream, reason: make(chan struct{})}
	go conn.readReason(errorStream)
	go func() {
		_, _ = io.Copy(data, far) // ends when near is closed; the reader reports
		_ = data.Close()
	}()
	go func() {
		_, _ = io.Copy(far, data) // its end is the end that Read sees
		conn.awaitReason()
		_ = far.Close()
	}()
	return conn, nil
}

func (c *podConn) readReason(errorStream io.Reader) {
	defer close(c.reason)
	message, _ := io.ReadAll(io.LimitReader(errorStream, 4096))
	if len(message) == 0 {
		return
	}
	text := string(message)
	switch {
	case strings.Contains(text, "connection refused"):
		c.refusal = fmt.Errorf("in the pod: %w", syscall.ECONNREFUSED)
	case strings.Contains(text, "connection reset"):
		c.refusal = fmt.Errorf("in the pod: %w", syscall.ECONNRESET)
	case strings.Contains(text, "i/o timeout"), strings.Contains(text, "timed out"):
		c.refusal = fmt.Errorf("in the pod: %w", syscall.ETIMEDOUT)
	default:
		c.refusal = errors.New(text)
	}
}

func (c *podConn) awaitReason() {
	timer := time.NewTimer(errorStreamGrace)
	defer timer.Stop()
	select {
	case <-c.reason:
	case <-timer.C:
	}
}

// explain replaces the end of the pipe by the reason for it, where one came.
func (c *podConn) explain(err error) error {
	if err == nil || (!errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe)) {
		return err
	}
	select {
	case <-c.reason:
		if c.refusal != nil {
			return c.refusal
		}
	default:
	}
	return err
}

// Read reads from the pod.
func (c *podConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

// Write writes to the pod.
func (c *podConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

// Close ends the connection and the port-forward below it.
func (c *podConn) Close() error {
	var err error
	c.close.Do(func() { err = errors.Join(c.Conn.Close(), c.stream.Close()) })
	return err
}
