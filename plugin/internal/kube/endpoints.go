package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Endpoint is one address behind a Service's port.
type Endpoint struct {
	// Host is an IP address or, from an FQDN slice, a DNS name.
	Host string
	Port int32
	// Namespace and Pod are set where a pod stands behind the address.
	Namespace, Pod string
}

// ResolveService returns the ready endpoints of a Service's port, sorted. A
// Service or port that does not exist is a fail.CodeFailed error; no ready
// endpoint is an error that wraps ErrNoEndpoints.
func (c *Clients) ResolveService(ctx context.Context, namespace, name string, port int32) ([]Endpoint, error) {
	service := &corev1.Service{}
	err := c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, service)
	if apierrors.IsNotFound(err) {
		return nil, fail.Failed("service %s/%s does not exist", namespace, name)
	}
	if err != nil {
		return nil, c.Explain(fmt.Errorf("get service %s/%s: %w", namespace, name, err))
	}
	portName, found := portNamed(service, port)
	if !found {
		return nil, fail.Failed("service %s/%s has no port %d", namespace, name, port)
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		return []Endpoint{{Host: service.Spec.ExternalName, Port: port}}, nil
	}
	var slicesOfService discoveryv1.EndpointSliceList
	err = c.Client.List(ctx, &slicesOfService, client.InNamespace(namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: name})
	if err != nil {
		return nil, c.Explain(fmt.Errorf("list endpoint slices of service %s/%s: %w", namespace, name, err))
	}
	endpoints, unready := readyEndpoints(slicesOfService.Items, portName)
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("service %s/%s port %d: %w (%d not ready)", namespace, name, port, ErrNoEndpoints, unready)
	}
	return endpoints, nil
}

func portNamed(service *corev1.Service, port int32) (string, bool) {
	for _, p := range service.Spec.Ports {
		if p.Port == port {
			return p.Name, true
		}
	}
	return "", false
}

// readyEndpoints flattens slices to the endpoints of one named port; an
// endpoint that does not say so is ready, as the EndpointSlice API has it.
func readyEndpoints(all []discoveryv1.EndpointSlice, portName string) (ready []Endpoint, unready int) {
	for _, slice := range all {
		for _, port := range slice.Ports {
			if port.Port == nil || deref(port.Name) != portName {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
					unready++
					continue
				}
				ready = append(ready, flatten(slice.Namespace, endpoint, *port.Port)...)
			}
		}
	}
	slices.SortFunc(ready, func(a, b Endpoint) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Pod, b.Pod))
	})
	return slices.Compact(ready), unready
}

func flatten(namespace string, endpoint discoveryv1.Endpoint, port int32) []Endpoint {
	var flat []Endpoint
	for _, address := range endpoint.Addresses {
		e := Endpoint{Host: address, Port: port}
		if ref := endpoint.TargetRef; ref != nil && ref.Kind == "Pod" {
			e.Pod = ref.Name
			e.Namespace = cmp.Or(ref.Namespace, namespace)
		}
		flat = append(flat, e)
	}
	return flat
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
