package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/backend"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

// flipping names the policy whose CA is broken and mended, and what belongs to
// it.
const (
	flipping     = "flipping"
	flippingHost = flipping + ".bench.example"
)

// policyAndRoute take an application to its backend.
const policyAndRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: "${NAME}"}
spec:
  targetRefs: [{group: "", kind: Service, name: "${NAME}"}]
  validation: {hostname: "${HOST}", caCertificateRefs: [{group: "", kind: ConfigMap, name: "${NAME}-ca"}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: "${NAME}"}
spec:
  parentRefs: [{namespace: kgateway-system, name: http}]
  hostnames: ["${HOST}"]
  rules: [{backendRefs: [{name: "${NAME}", port: 8443}]}]
`

// flip is a change of the CA and what comes of it.
type flip struct {
	name     string
	bundle   []byte
	code     int
	accepted metav1.ConditionStatus
}

// flips are those that are measured, in turn.
func (b *bench) flips() []flip {
	return []flip{
		{"broken", []byte("no certificate"), http.StatusInternalServerError, metav1.ConditionFalse},
		{"mended", b.ca.CertPEM(), http.StatusOK, metav1.ConditionTrue},
	}
}

// startFlipping runs a backend, and waits until its route and its policy are
// good. The returned function ends the backend.
func (b *bench) startFlipping(ctx context.Context, c *devcluster.Cluster) (end func() error, err error) {
	leaf, err := b.certs.Leaf(b.ca, pki.Spec{CommonName: flippingHost, DNSNames: []string{flippingHost}})
	if err != nil {
		return nil, err
	}
	server, err := backend.Listen(ctx, backend.Options{Name: flipping, TLS: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{leaf.TLS()},
	}})
	if err != nil {
		return nil, err
	}
	objects, err := devcluster.Decode(application+"---"+policyAndRoute, map[string]string{
		"NAME": flipping, "HOST": flippingHost, "PORT": strconv.Itoa(int(server.Port())), "CA": strconv.Quote(string(b.ca.CertPEM())),
	})
	if err == nil {
		err = c.Apply(ctx, objects...)
	}
	if err == nil {
		good := b.flips()[1]
		_, _, err = good.measure(ctx, c)
	}
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server.Close, nil
}

// flipping measures from the write of a ConfigMap with a CA, which breaks or
// mends a policy, to the first answer that shows it, and to the policy's status.
func (b *bench) flipping(ctx context.Context, c *devcluster.Cluster, routes int) error {
	flips := b.flips()
	answers, statuses := make([][]time.Duration, len(flips)), make([][]time.Duration, len(flips))
	for range samples {
		for i, f := range flips {
			answer, status, err := f.measure(ctx, c)
			if err != nil {
				return fmt.Errorf("a CA is %s: %w", f.name, err)
			}
			answers[i], statuses[i] = append(answers[i], answer), append(statuses[i], status)
		}
	}
	for i, f := range flips {
		b.result(fmt.Sprintf("CA of a policy %s: API write to the first %d, %d routes (%d writes)", f.name, f.code, routes, samples), "%s", p50p90(answers[i]))
		b.result(fmt.Sprintf("CA of a policy %s: API write to Accepted %s, %d routes (%d writes)", f.name, f.accepted, routes, samples), "%s", p50p90(statuses[i]))
	}
	return nil
}

// measure makes the change.
func (f flip) measure(ctx context.Context, c *devcluster.Cluster) (answer, status time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	events, err := c.Client.Watch(ctx, &gatewayv1.BackendTLSPolicyList{}, client.InNamespace("default"), client.MatchingFields{"metadata.name": flipping})
	if err != nil {
		return 0, 0, fmt.Errorf("watch the policy: %w", err)
	}
	defer events.Stop()
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	group.Go(func() error { return c.Apply(ctx, f.configMap()) })
	group.Go(func() error {
		err := until(ctx, func() (bool, error) {
			got, err := traffic.Get(ctx, c.GatewayURL(), flippingHost)
			return got.Status == f.code, err
		})
		answer = time.Since(began)
		return err
	})
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case event, open := <-events.ResultChan():
				if !open {
					return errors.New("the watch of the policy has ended")
				}
				if policy, is := event.Object.(*gatewayv1.BackendTLSPolicy); is && f.said(policy) {
					status = time.Since(began)
					return nil
				}
			}
		}
	})
	err = group.Wait()
	return answer, status, err
}

// said tells whether the controller says in the policy's status what the change
// has made of it.
func (f flip) said(policy *gatewayv1.BackendTLSPolicy) bool {
	for _, ancestor := range policy.Status.Ancestors {
		if ancestor.ControllerName == contract.ControllerName &&
			meta.IsStatusConditionPresentAndEqual(ancestor.Conditions, string(gatewayv1.PolicyConditionAccepted), f.accepted) {
			return true
		}
	}
	return false
}

func (f flip) configMap() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"namespace": "default", "name": flipping + "-ca"},
		"data":     map[string]any{contract.CAKey: string(f.bundle)},
	}}
}
