package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

const (
	// samples are taken of each measure.
	samples = 20
	// fewRoutes and manyRoutes are how many there are besides those measured.
	fewRoutes, manyRoutes = 10, 1000
	// patience bounds every wait.
	patience     = 60 * time.Second
	pollInterval = 2 * time.Millisecond
	// settleTime lets the controller take away what is unused, and its memory
	// settle.
	settleTime = 5 * time.Second
)

// withCluster measures what needs a cluster that is up.
func (b *bench) withCluster(ctx context.Context) (err error) {
	c, down, err := b.up(ctx, "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down()) }()
	if err := b.machine(ctx, c); err != nil {
		return err
	}
	if err := b.originate(ctx, c); err != nil {
		return err
	}
	if err := shared(ctx, c); err != nil {
		return err
	}
	end, err := b.startFlipping(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	have := 0
	for _, routes := range []int{fewRoutes, manyRoutes} {
		for ; have < routes; have++ {
			if err := c.Apply(ctx, route(fmt.Sprintf("load-%d", have))); err != nil {
				return err
			}
		}
		if err := b.propagation(ctx, c, routes); err != nil {
			return err
		}
		if err := b.flipping(ctx, c, routes); err != nil {
			return err
		}
	}
	return nil
}

// originate measures the command with its wait for a handshake, and when the
// backend saw that handshake.
func (b *bench) originate(ctx context.Context, c *devcluster.Cluster) error {
	var handshakes, commands []time.Duration
	for i := range samples {
		handshake, command, err := b.originateOnce(ctx, c, fmt.Sprintf("app-%d", i))
		if err != nil {
			return err
		}
		handshakes, commands = append(handshakes, handshake), append(commands, command)
	}
	b.result(fmt.Sprintf("`originate --wait`: start of the command to the first handshake through the gateway (%d runs)", samples), "%s", p50p90(handshakes))
	b.result(fmt.Sprintf("`originate --wait`: the whole command (%d runs)", samples), "%s", p50p90(commands))
	return nil
}

func (b *bench) originateOnce(ctx context.Context, c *devcluster.Cluster, name string) (handshake, command time.Duration, err error) {
	host := name + ".bench.example"
	leaf, err := b.certs.Leaf(b.ca, pki.Spec{CommonName: host, DNSNames: []string{host}})
	if err != nil {
		return 0, 0, err
	}
	server, err := backend.Listen(ctx, backend.Options{Name: name, TLS: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{leaf.TLS()},
	}})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	objects, err := devcluster.Decode(application, map[string]string{
		"NAME": name, "PORT": strconv.Itoa(int(server.Port())), "CA": strconv.Quote(string(b.ca.CertPEM())),
	})
	if err != nil {
		return 0, 0, err
	}
	if err := c.Apply(ctx, objects...); err != nil {
		return 0, 0, err
	}
	// The command's own look at the backend is a handshake too, but brings no
	// request.
	seen := make(chan time.Time, 1)
	watching, stop := context.WithTimeout(ctx, patience)
	defer stop()
	go func() {
		_ = until(watching, func() (bool, error) { return server.Counts().Requests > 0, nil })
		seen <- time.Now()
	}()
	began := time.Now()
	ran, err := ok(ctx, c, "originate", "svc/"+name, "--sni", host, "--expose", host, "--ca-from", "configmap/"+name+"-ca", "--wait")
	if err != nil {
		return 0, 0, err
	}
	return (<-seen).Sub(began), ran.Took, nil
}

// propagation measures from the write of a route to the ADS response that
// brings it, by Envoy's own clock of its last route update.
func (b *bench) propagation(ctx context.Context, c *devcluster.Cluster, routes int) error {
	if err := settle(ctx); err != nil {
		return err
	}
	parts, err := c.Parts()
	if err != nil {
		return err
	}
	var took []time.Duration
	for i := range samples {
		one, err := routeArrival(ctx, c, fmt.Sprintf("measured-%d-%d", routes, i))
		if err != nil {
			return err
		}
		took = append(took, one)
	}
	if err := settle(ctx); err != nil {
		return err
	}
	memory, err := residentMiB(parts["controller"].PID)
	if err != nil {
		return err
	}
	b.result(fmt.Sprintf("API write to ADS response, %d routes (%d writes)", routes, samples), "%s", p50p90(took))
	b.result(fmt.Sprintf("resident memory of the controller, %d routes", routes), "%d MiB", memory)
	return nil
}

func routeArrival(ctx context.Context, c *devcluster.Cluster, name string) (time.Duration, error) {
	before, err := lastRouteUpdate(ctx, c)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := c.Apply(ctx, route(name)); err != nil {
		return 0, err
	}
	var after time.Time
	err = until(ctx, func() (bool, error) {
		after, err = lastRouteUpdate(ctx, c)
		return after.After(before), err
	})
	return after.Sub(began), err
}

// lastRouteUpdate is when Envoy took its last RDS answer, to the millisecond.
func lastRouteUpdate(ctx context.Context, c *devcluster.Cluster) (time.Time, error) {
	stats, err := c.Stats(ctx, `^http\..*\.rds\..*\.update_time$`)
	if err != nil {
		return time.Time{}, err
	}
	var last uint64
	for _, milliseconds := range stats {
		last = max(last, milliseconds)
	}
	return time.UnixMilli(int64(last)), nil // #nosec G115 -- a time of our days
}

// shared applies the backend to which all routes lead.
func shared(ctx context.Context, c *devcluster.Cluster) error {
	objects, err := devcluster.Decode(application, map[string]string{"NAME": "shared", "PORT": "9", "CA": `""`})
	if err != nil {
		return err
	}
	return c.Apply(ctx, objects...)
}

func route(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1",
		"kind":       "HTTPRoute",
		"metadata":   map[string]any{"namespace": "default", "name": name},
		"spec": map[string]any{
			"parentRefs": []any{map[string]any{"namespace": "kgateway-system", "name": "http"}},
			"hostnames":  []any{name + ".load.example"},
			"rules":      []any{map[string]any{"backendRefs": []any{map[string]any{"name": "shared", "port": int64(8443)}}}},
		},
	}}
}

// application is a Service with an endpoint on loopback, and its CA.
const application = `
apiVersion: v1
kind: Service
metadata: {name: "${NAME}"}
spec:
  ports: [{name: https, port: 8443, targetPort: ${PORT}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: "${NAME}-1"
  labels: {kubernetes.io/service-name: "${NAME}"}
addressType: FQDN
ports: [{name: https, port: ${PORT}, protocol: TCP}]
endpoints: [{addresses: ["${NAME}.localhost"], conditions: {ready: true}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "${NAME}-ca"}
data: {ca.crt: ${CA}}
`

// until looks again and again, until done or out of patience.
func until(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if is, err := done(); is || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func settle(ctx context.Context) error {
	select {
	case <-time.After(settleTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// residentMiB reads the resident memory of a process.
func residentMiB(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of the controller: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if kib, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")))
			return n >> 10, err
		}
	}
	return 0, errors.New("read memory of the controller: no VmRSS")
}
