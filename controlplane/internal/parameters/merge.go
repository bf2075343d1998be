package parameters

import (
	"maps"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// Merge puts parameters together, the later over the earlier: a field that is
// set replaces the field, a map is merged by key, a list is replaced as a
// whole. Nothing is changed in the arguments, with which the result may share
// values.
func Merge(all ...*v1alpha1.GatewayParameters) *v1alpha1.KubernetesProxy {
	merged := &v1alpha1.KubernetesProxy{}
	for _, p := range all {
		if p.Spec.Kube != nil {
			merged = mergeKube(merged, p.Spec.Kube)
		}
	}
	return merged
}

func mergeKube(low, high *v1alpha1.KubernetesProxy) *v1alpha1.KubernetesProxy {
	return &v1alpha1.KubernetesProxy{
		Deployment: both(low.Deployment, high.Deployment, func(l, h *v1alpha1.ProxyDeployment) v1alpha1.ProxyDeployment {
			return v1alpha1.ProxyDeployment{Replicas: over(l.Replicas, h.Replicas)}
		}),
		EnvoyContainer: both(low.EnvoyContainer, high.EnvoyContainer, mergeContainer),
		Service:        both(low.Service, high.Service, mergeService),
		PodTemplate:    both(low.PodTemplate, high.PodTemplate, mergePod),
		SystemCA: both(low.SystemCA, high.SystemCA, func(_, h *v1alpha1.SystemCA) v1alpha1.SystemCA {
			// The key belongs to the name.
			return *h
		}),
	}
}

func mergeContainer(l, h *v1alpha1.EnvoyContainer) v1alpha1.EnvoyContainer {
	return v1alpha1.EnvoyContainer{
		Image: both(l.Image, h.Image, func(l, h *v1alpha1.Image) v1alpha1.Image {
			return v1alpha1.Image{
				Registry: over(l.Registry, h.Registry), Repository: over(l.Repository, h.Repository),
				Tag: over(l.Tag, h.Tag), Digest: over(l.Digest, h.Digest), PullPolicy: over(l.PullPolicy, h.PullPolicy),
			}
		}),
		Resources: both(l.Resources, h.Resources, func(l, h *v1alpha1.ResourceRequirements) v1alpha1.ResourceRequirements {
			return v1alpha1.ResourceRequirements{Limits: union(l.Limits, h.Limits), Requests: union(l.Requests, h.Requests)}
		}),
	}
}

func mergeService(l, h *v1alpha1.ProxyService) v1alpha1.ProxyService {
	return v1alpha1.ProxyService{
		Type: over(l.Type, h.Type), Ports: list(l.Ports, h.Ports),
		ExternalTrafficPolicy: over(l.ExternalTrafficPolicy, h.ExternalTrafficPolicy),
		LoadBalancerClass:     over(l.LoadBalancerClass, h.LoadBalancerClass),
		ExtraLabels:           union(l.ExtraLabels, h.ExtraLabels),
		ExtraAnnotations:      union(l.ExtraAnnotations, h.ExtraAnnotations),
	}
}

func mergePod(l, h *v1alpha1.ProxyPod) v1alpha1.ProxyPod {
	return v1alpha1.ProxyPod{
		ExtraLabels:                   union(l.ExtraLabels, h.ExtraLabels),
		ExtraAnnotations:              union(l.ExtraAnnotations, h.ExtraAnnotations),
		NodeSelector:                  union(l.NodeSelector, h.NodeSelector),
		Tolerations:                   list(l.Tolerations, h.Tolerations),
		Affinity:                      over(l.Affinity, h.Affinity),
		TopologySpreadConstraints:     list(l.TopologySpreadConstraints, h.TopologySpreadConstraints),
		TerminationGracePeriodSeconds: over(l.TerminationGracePeriodSeconds, h.TerminationGracePeriodSeconds),
	}
}

// both merges where both are set, and takes the one that is otherwise.
func both[T any](low, high *T, merge func(low, high *T) T) *T {
	if low == nil || high == nil {
		return over(low, high)
	}
	merged := merge(low, high)
	return &merged
}

func over[T any](low, high *T) *T {
	if high != nil {
		return high
	}
	return low
}

func list[T any](low, high []T) []T {
	if high != nil {
		return high
	}
	return low
}

func union[K comparable, V any](low, high map[K]V) map[K]V {
	if len(low) == 0 {
		return high
	}
	merged := maps.Clone(low)
	maps.Copy(merged, high)
	return merged
}
