package deploy

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

func TestSpecs(t *testing.T) {
	t.Parallel()
	replicas := func(namespace, name string, n int32) client.Object {
		return &v1alpha1.GatewayParameters{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       v1alpha1.GatewayParametersSpec{Kube: &v1alpha1.KubernetesProxy{Deployment: &v1alpha1.ProxyDeployment{Replicas: &n}}},
		}
	}
	gateway := func(name, class string) client.Object {
		return &gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: name, UID: "1"},
			Spec:       gatewayv1.GatewaySpec{GatewayClassName: gatewayv1.ObjectName(class)},
		}
	}
	s, err := snapshot.New([]client.Object{
		replicas("tlsgw-system", "all", 1), replicas("infra", "own", 2),
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "tlsgw"}},
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "other"}},
		gateway("ours", "tlsgw"), gateway("theirs", "other"), gateway("orphan", "gone"),
	})
	if err != nil {
		t.Fatal(err)
	}
	name := func(name string) ir.Name { return ir.Name{Namespace: "infra", Name: name} }
	specs := Specs(s, &ir.Result{Deployments: []*ir.Deployment{{
		Gateway: name("ours"), Parameters: []ir.Name{{Namespace: "tlsgw-system", Name: "all"}, name("own"), name("missing")},
	}}})
	if ours := specs[name("ours")]; ours.Frozen || *ours.Merged.Deployment.Replicas != 2 {
		t.Errorf("got %+v", ours)
	}
	if orphan, found := specs[name("orphan")]; !found || !orphan.Frozen || orphan.Class != "gone" || orphan.UID != "1" {
		t.Errorf("a Gateway whose class is gone: %+v", orphan)
	}
	if _, found := specs[name("theirs")]; found || len(specs) != 2 {
		t.Errorf("something is deployed for a Gateway of another controller: %v", specs)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	type list = []any
	for name, test := range map[string]struct {
		live, desired any
		want          bool
	}{
		"equal":                    {object{"a": int64(1)}, object{"a": int64(1)}, true},
		"a default":                {object{"a": "b", "default": true}, object{"a": "b"}, true},
		"another value":            {object{"a": "b"}, object{"a": "c"}, false},
		"nothing":                  {object{}, object{"a": "c"}, false},
		"empty and nothing":        {object{}, object{"a": object{}, "b": list{}}, true},
		"a label more":             {object{"labels": object{"a": "b", "c": "d"}}, object{"labels": object{"a": "b"}}, true},
		"a selector more":          {object{"selector": object{"a": "b", "c": "d"}}, object{"selector": object{"a": "b"}}, false},
		"another order of names":   {list{object{"name": "b"}, object{"name": "a", "x": "y"}}, list{object{"name": "a"}, object{"name": "b"}}, true},
		"a container more":         {list{object{"name": "a"}, object{"name": "b"}}, list{object{"name": "a"}}, true},
		"a container less":         {list{object{"name": "a"}}, list{object{"name": "a"}, object{"name": "b"}}, false},
		"another container":        {list{object{"name": "a", "image": "x"}}, list{object{"name": "a", "image": "y"}}, false},
		"one volume mounted twice": {list{object{"name": "a", "mountPath": "/a"}, object{"name": "a", "mountPath": "/b"}}, list{object{"name": "a", "mountPath": "/b"}}, true},
		"an argument more":         {list{"a", "b"}, list{"a"}, false},
		"another order of words":   {list{"a", "b"}, list{"b", "a"}, false},
		"another type":             {"a", object{"a": "b"}, false},
	} {
		if got := covers(test.live, test.desired); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
