package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// dialTimeout bounds one attempt to connect to an address.
const dialTimeout = 5 * time.Second

// ErrNoEndpoints says that the Service has no endpoint that is ready.
var ErrNoEndpoints = errors.New("no ready endpoints")

// DialHost connects from this machine to a host of a Backend or of an
// endpoint without a pod. Its errors wrap those of package net
// (*net.DNSError, syscall.ECONNREFUSED, net.Error timeouts).
//
// localhost and the names below it are 127.0.0.1 without a look-up, as
// RFC 6761 section 6.3 wants it and as Envoy's resolver has it.
func (c *Clients) DialHost(ctx context.Context, host string, port int32) (net.Conn, error) {
	if isLocalhost(host) {
		host = "127.0.0.1"
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return nil, fmt.Errorf("connect to %s port %d: %w", host, port, err)
	}
	return conn, nil
}

// DialService connects to the first endpoint of a Service's port that can be
// reached: through a port-forward where a pod stands behind it, else from
// this machine. The error of the last endpoint tried is returned, or one that
// wraps ErrNoEndpoints.
func (c *Clients) DialService(ctx context.Context, namespace, name string, port int32) (net.Conn, error) {
	endpoints, err := c.ResolveService(ctx, namespace, name, port)
	if err != nil {
		return nil, err
	}
	for _, endpoint := range endpoints {
		var conn net.Conn
		if conn, err = c.DialEndpoint(ctx, endpoint); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("service %s/%s port %d: %w", namespace, name, port, err)
}

// DialEndpoint connects to one endpoint.
func (c *Clients) DialEndpoint(ctx context.Context, endpoint Endpoint) (net.Conn, error) {
	if endpoint.Pod != "" {
		return c.DialPod(ctx, endpoint.Namespace, endpoint.Pod, endpoint.Port)
	}
	return c.DialHost(ctx, endpoint.Host, endpoint.Port)
}

func isLocalhost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
