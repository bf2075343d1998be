package verify

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/nearest"
)

// nearestPort is the port name that was likely meant; empty if none is near.
func nearestPort(name string, service *corev1.Service) string {
	var names []string
	for _, port := range service.Spec.Ports {
		names = append(names, port.Name)
	}
	return nearest.Name(name, names)
}

// missing says that a target is not there, with the name that was likely
// meant.
func (w *world) missing(ctx context.Context, target TargetRef, word, plural string, list client.ObjectList) error {
	namespace := w.clients.Namespace
	failure := fail.Failed("%s/%s does not exist in namespace %s", word, target.Name, namespace)
	var names []string
	if w.list(ctx, list, namespace) == nil {
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			named, err := meta.Accessor(object)
			if err != nil {
				return err
			}
			names = append(names, named.GetName())
			return nil
		})
	}
	if best := nearest.Name(target.Name, names); best != "" {
		return failure.WithFix("kubectl tlsgw verify %s/%s", word, best)
	}
	return failure.WithFix("kubectl get %s -n %s", plural, namespace)
}

// kindOf is the kind of an object or a list, for a message.
func (w *world) kindOf(object runtime.Object) string {
	gvk, err := w.clients.Client.GroupVersionKindFor(object)
	if err != nil {
		return "objects"
	}
	return strings.TrimSuffix(gvk.Kind, "List")
}
