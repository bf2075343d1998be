package verify

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// nearestPort is the port name that was most likely meant; empty if the
// Service has no named port.
func nearestPort(name string, service *corev1.Service) string {
	best, bestDistance := "", 0
	for _, port := range service.Spec.Ports {
		if port.Name == "" {
			continue
		}
		if d := distance(name, port.Name); best == "" || d < bestDistance {
			best, bestDistance = port.Name, d
		}
	}
	return best
}

// missing says that a target is not there, with the name that was likely
// meant.
func (w *world) missing(ctx context.Context, target TargetRef, word, plural string, list client.ObjectList) error {
	namespace := w.clients.Namespace
	failure := fail.Failed("%s/%s does not exist in namespace %s", word, target.Name, namespace)
	best, bestDistance := "", max(2, len(target.Name)/3)+1
	if w.list(ctx, list, namespace) == nil {
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			named, err := meta.Accessor(object)
			if err != nil {
				return err
			}
			if d := distance(target.Name, named.GetName()); d < bestDistance {
				best, bestDistance = named.GetName(), d
			}
			return nil
		})
	}
	if best != "" {
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

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
