package kind

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

func TestProxiesAvailable(t *testing.T) {
	t.Parallel()
	gateway := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{UID: "new"}}
	deployment := func(owner string, observed int64, available int32) *appsv1.Deployment {
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Generation: 2, OwnerReferences: []metav1.OwnerReference{{UID: types.UID(owner), Controller: ptr.To(true)}}},
			Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](2)},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: observed, AvailableReplicas: available},
		}
	}
	for name, tt := range map[string]struct {
		owner     string
		observed  int64
		available int32
		want      bool
	}{
		"all":                         {"new", 2, 2, true},
		"of a Gateway that was there": {"old", 2, 2, false},
		"not seen yet":                {"new", 1, 2, false},
		"one is missing":              {"new", 2, 1, false},
	} {
		if got, seen := proxiesAvailable(deployment(tt.owner, tt.observed, tt.available), gateway); got != tt.want || seen == "" {
			t.Errorf("%s: %v (%s), want %v", name, got, seen, tt.want)
		}
	}
}
