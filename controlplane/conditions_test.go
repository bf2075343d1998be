package controlplane_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// eventually waits until good is nil for an object.
func eventually[T client.Object](t *testing.T, c *cluster, into T, namespace, name string, good func(T) error) T {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
			return err
		}
		if err := good(into); err != nil {
			return fmt.Errorf("%T %s/%s: %w", into, namespace, name, err)
		}
		return nil
	})
	return into
}

// ofParent are the conditions of the controller's own entry.
func ofParent(o *gatewayv1.HTTPRoute) []metav1.Condition {
	for _, p := range o.Status.Parents {
		if p.ControllerName == contract.ControllerName {
			return p.Conditions
		}
	}
	return nil
}

func ofAncestor(s gatewayv1.PolicyStatus) []metav1.Condition {
	for _, a := range s.Ancestors {
		if a.ControllerName == contract.ControllerName {
			return a.Conditions
		}
	}
	return nil
}

func programmed(o *gatewayv1.Gateway) error {
	return isTrue(o.Generation, o.Status.Conditions, "Programmed")
}

// isTrue tells whether the conditions hold for the generation.
func isTrue(generation int64, conditions []metav1.Condition, types ...string) error {
	for _, kind := range types {
		c := meta.FindStatusCondition(conditions, kind)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != generation {
			return fmt.Errorf("%s is %+v, want True of generation %d", kind, c, generation)
		}
	}
	return nil
}

// says tells whether a condition has the status and reason, and the parts in
// its message.
func says(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, reason string, parts ...string) error {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil || c.Status != status || c.Reason != reason {
		return fmt.Errorf("%s is %+v, want %s %s", kind, c, status, reason)
	}
	for _, part := range parts {
		if !strings.Contains(c.Message, part) {
			return fmt.Errorf("%s says %q, which lacks %q", kind, c.Message, part)
		}
	}
	return nil
}

func sameConditions(a, b []metav1.Condition) bool {
	return slices.EqualFunc(a, b, func(a, b metav1.Condition) bool {
		return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason && a.LastTransitionTime.Equal(&b.LastTransitionTime)
	})
}

// updates counts the clusters and listeners that Envoy took.
func (w *world) updates(t *testing.T) map[string]uint64 {
	t.Helper()
	return w.envoy.Stats(t, `^(cluster_manager\.cluster_(added|modified|removed)|listener_manager\.listener_(added|modified|removed))$`)
}

// settle waits until no object has been written for a while.
func (w *world) settle(t *testing.T) {
	t.Helper()
	const still = 300 * time.Millisecond
	last, since := w.versions(t), time.Now()
	envoytest.Eventually(t, patient, func() error {
		now := w.versions(t)
		if !cmp.Equal(last, now) {
			last, since = now, time.Now()
		}
		if time.Since(since) < still {
			return fmt.Errorf("objects are still being written")
		}
		return nil
	})
}

// versions are the resource versions of all objects that have a status.
func (w *world) versions(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for kind, group := range map[string]string{
		"GatewayClass": gatewayv1.GroupName, "Gateway": gatewayv1.GroupName, "HTTPRoute": gatewayv1.GroupName,
		"BackendTLSPolicy": gatewayv1.GroupName, "Backend": v1alpha1.GroupName, "BackendConfigPolicy": v1alpha1.GroupName,
	} {
		version := "v1"
		if group == v1alpha1.GroupName {
			version = v1alpha1.Version
		}
		list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: group + "/" + version, Kind: kind + "List"}}
		if err := w.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			versions[kind+" "+strings.TrimPrefix(o.Namespace+"/"+o.Name, "/")] = o.ResourceVersion
		}
	}
	return versions
}
