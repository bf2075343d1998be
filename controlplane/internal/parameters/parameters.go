// Package parameters reads GatewayParameters: it merges those of a class with
// those of a Gateway, checks what the API server has not checked, and turns
// what is kept loosely there into the types of a pod.
//
// In go values of the API, out come values of the API or one error that begins
// with the field that is wrong. It is pure. translate uses it to say whether
// parameters are valid, deploy to follow them.
package parameters

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// SystemCAKey is the key of a systemCA that names none.
const SystemCAKey = "ca-certificates.crt"

// Check finds what the API server admits although no pod or Service can have
// it.
func Check(p *v1alpha1.KubernetesProxy) error {
	root := field.NewPath("spec", "kube")
	if c := p.EnvoyContainer; c != nil {
		if _, err := Resources(c.Resources); err != nil {
			return fmt.Errorf("%s.%w", root.Child("envoyContainer", "resources"), err)
		}
	}
	var problems field.ErrorList
	if s := p.Service; s != nil {
		problems = append(problems, extras(s.ExtraLabels, s.ExtraAnnotations, root.Child("service"))...)
	}
	if pod := p.PodTemplate; pod != nil {
		path := root.Child("podTemplate")
		problems = append(problems, extras(pod.ExtraLabels, pod.ExtraAnnotations, path)...)
		problems = append(problems, metavalidation.ValidateLabels(pod.NodeSelector, path.Child("nodeSelector"))...)
		if _, err := Affinity(pod.Affinity); err != nil {
			return fmt.Errorf("%s: %w", path.Child("affinity"), err)
		}
	}
	if len(problems) > 0 {
		return problems[0]
	}
	return nil
}

func extras(labels, annotations map[string]string, path *field.Path) field.ErrorList {
	return append(metavalidation.ValidateLabels(labels, path.Child("extraLabels")),
		apivalidation.ValidateAnnotations(annotations, path.Child("extraAnnotations"))...)
}

// Resources parses quantities. An error begins with "limits" or "requests".
func Resources(r *v1alpha1.ResourceRequirements) (corev1.ResourceRequirements, error) {
	parsed := corev1.ResourceRequirements{}
	if r == nil {
		return parsed, nil
	}
	var err error
	if parsed.Limits, err = quantities(r.Limits); err != nil {
		return parsed, fmt.Errorf("limits%w", err)
	}
	if parsed.Requests, err = quantities(r.Requests); err != nil {
		return parsed, fmt.Errorf("requests%w", err)
	}
	for _, name := range sorted(parsed.Requests) {
		request := parsed.Requests[name]
		if limit, limited := parsed.Limits[name]; limited && request.Cmp(limit) > 0 {
			return parsed, fmt.Errorf("requests[%s]: %s is more than the limit, %s", name, request.String(), limit.String())
		}
	}
	return parsed, nil
}

func quantities(texts map[corev1.ResourceName]intstr.IntOrString) (corev1.ResourceList, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	list := corev1.ResourceList{}
	for _, name := range sorted(texts) {
		text := texts[name]
		quantity, err := resource.ParseQuantity(text.String())
		if err != nil {
			return nil, fmt.Errorf("[%s]: %q is not a quantity, as 250m or 128Mi", name, text.String())
		}
		if quantity.Sign() < 0 {
			return nil, fmt.Errorf("[%s]: %q is less than nothing", name, text.String())
		}
		list[name] = quantity
	}
	return list, nil
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// Affinity reads a pod's affinity; nil gives nil.
func Affinity(raw *runtime.RawExtension) (*corev1.Affinity, error) {
	if raw == nil || len(raw.Raw) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw.Raw))
	decoder.DisallowUnknownFields()
	affinity := &corev1.Affinity{}
	if err := decoder.Decode(affinity); err != nil {
		return nil, fmt.Errorf("this is not the affinity of a pod: %w", err)
	}
	return affinity, nil
}
