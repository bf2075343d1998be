package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// cases are the documents of every manifest of testdata, by its name.
func cases(tb testing.TB) map[string][][]byte {
	tb.Helper()
	all := map[string][][]byte{}
	for _, path := range casePaths(tb) {
		all[filepath.Base(path)] = loadCase(tb, path)
	}
	return all
}

// dice roll the same numbers again from the same start.
type dice uint64

// roll gives a number from 0 to n-1. The generator is Knuth's, from MMIX.
func (d *dice) roll(n int) int {
	*d = *d*6364136223846793005 + 1442695040888963407
	return int(uint64(*d)>>33) % n
}

// encoded is a result with its keys, which JSON hides.
func encoded(tb testing.TB, result *ir.Result) []byte {
	tb.Helper()
	text, err := json.Marshal(result)
	if err != nil {
		tb.Fatal(err)
	}
	for _, g := range result.Gateways {
		for _, secret := range g.Secrets {
			text = append(text, secret.Key...)
		}
	}
	return text
}

// shuffle puts a slice into an order that only the dice decide.
func shuffle[T any](d *dice, values []T) {
	for i := len(values) - 1; i > 0; i-- {
		j := d.roll(i + 1)
		values[i], values[j] = values[j], values[i]
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	for name, documents := range cases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := encoded(t, Translate(newSnapshot(t, decodeAll(t, documents)), testOptions()))
			d := dice(1)
			for range 5 {
				objects := decodeAll(t, documents)
				shuffle(&d, objects)
				s := newSnapshot(t, objects)
				shuffleSnapshot(&d, s)
				if got := encoded(t, Translate(s, testOptions())); !bytes.Equal(got, want) {
					t.Fatalf("another order gives another result:\n%s", cmp.Diff(string(want), string(got)))
				}
			}
		})
	}
}

// shuffleSnapshot undoes the order of a snapshot, on which nothing must
// depend.
func shuffleSnapshot(d *dice, s *snapshot.Snapshot) {
	shuffle(d, s.GatewayClasses)
	shuffle(d, s.Gateways)
	shuffle(d, s.HTTPRoutes)
	shuffle(d, s.ListenerSets)
	shuffle(d, s.GRPCRoutes)
	shuffle(d, s.TLSRoutes)
	shuffle(d, s.ReferenceGrants)
	shuffle(d, s.BackendTLSPolicies)
	shuffle(d, s.Backends)
	shuffle(d, s.BackendConfigPolicies)
	shuffle(d, s.Namespaces)
	shuffle(d, s.Services)
	shuffle(d, s.EndpointSlices)
	shuffle(d, s.Secrets)
	shuffle(d, s.ConfigMaps)
}

func TestInputIsUnchangedAndResultRepeats(t *testing.T) {
	t.Parallel()
	for name, documents := range cases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := decodeAll(t, documents)
			before := make([]client.Object, len(objects))
			for i, object := range objects {
				before[i], _ = object.DeepCopyObject().(client.Object)
			}
			s := newSnapshot(t, objects)
			first := encoded(t, Translate(s, testOptions()))
			second := encoded(t, Translate(s, testOptions()))
			if !bytes.Equal(first, second) {
				t.Error("the same snapshot gives two results")
			}
			if diff := cmp.Diff(before, objects); diff != "" {
				t.Errorf("the input was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// TestStrangersDoNotMatter adds the objects of all other cases, in namespaces
// of their own, but for routes, which would attach: what a Gateway runs
// depends only on what it and its routes refer to.
func TestStrangersDoNotMatter(t *testing.T) {
	t.Parallel()
	var strangers []client.Object
	for i, path := range casePaths(t) {
		for _, object := range decodeAll(t, loadCase(t, path)) {
			if !attaches(object) && object.GetNamespace() != "" {
				object.SetNamespace(fmt.Sprintf("stranger-%d-%s", i, object.GetNamespace()))
				strangers = append(strangers, object)
			}
		}
	}
	for name, documents := range cases(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := Translate(newSnapshot(t, decodeAll(t, documents)), testOptions())
			got := Translate(newSnapshot(t, append(decodeAll(t, documents), strangers...)), testOptions())
			kept := &ir.Result{}
			for _, g := range got.Gateways {
				if !strings.HasPrefix(g.Name.Namespace, "stranger-") {
					kept.Gateways = append(kept.Gateways, g)
				}
			}
			for _, status := range got.Statuses {
				if !strings.HasPrefix(status.Namespace, "stranger-") {
					kept.Statuses = append(kept.Statuses, status)
				}
			}
			kept.PlaintextBackends = got.PlaintextBackends
			if diff := cmp.Diff(string(encoded(t, want)), string(encoded(t, kept))); diff != "" {
				t.Errorf("strangers change the result (-alone +among them):\n%s", diff)
			}
		})
	}
}

func attaches(object client.Object) bool {
	switch object.(type) {
	case *gatewayv1.ListenerSet, *gatewayv1.HTTPRoute, *gatewayv1.GRPCRoute, *gatewayv1.TLSRoute:
		return true
	}
	return false
}

func TestAncestorsAreBounded(t *testing.T) {
	t.Parallel()
	objects := decodeAll(t, loadCase(t, filepath.Join("testdata", "guide-backendtlspolicy.yaml")))
	var extra []client.Object
	for _, object := range objects {
		switch o := object.(type) {
		case *gatewayv1.Gateway:
			for i := range 20 {
				g := o.DeepCopy()
				g.Name = fmt.Sprintf("http-%02d", i)
				extra = append(extra, g)
			}
		case *gatewayv1.HTTPRoute:
			for i := range 20 {
				parent := *o.Spec.ParentRefs[0].DeepCopy()
				parent.Name = gatewayv1.ObjectName(fmt.Sprintf("http-%02d", i))
				o.Spec.ParentRefs = append(o.Spec.ParentRefs, parent)
			}
		}
	}
	result := Translate(newSnapshot(t, append(objects, extra...)), testOptions())
	for _, status := range result.Statuses {
		if status.Kind != kindBackendTLSPolicy {
			continue
		}
		checkFirstAncestors(t, status.Ancestors)
	}
	for _, g := range result.Gateways {
		if len(g.Clusters) != 1 || g.Clusters[0] != result.Gateways[0].Clusters[0] || g.Secrets[0] != result.Gateways[0].Secrets[0] {
			t.Errorf("Gateway %s does not share the cluster and the secret", g.Name)
		}
	}
}

// checkFirstAncestors expects the first by name, and that they say so.
func checkFirstAncestors(t *testing.T, ancestors []ir.AncestorStatus) {
	t.Helper()
	if len(ancestors) != maxAncestors {
		t.Errorf("got %d ancestors, want %d", len(ancestors), maxAncestors)
	}
	for i, a := range ancestors {
		want := "http"
		if i > 0 {
			want = fmt.Sprintf("http-%02d", i-1)
		}
		if a.Ancestor.Name != want || !strings.Contains(a.Conditions[0].Message, "room for 16 of the 21") {
			t.Errorf("ancestor %d is %s: %s", i, a.Ancestor.Name, a.Conditions[0].Message)
		}
	}
}
