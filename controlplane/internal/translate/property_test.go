package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// eachCase runs a test on every manifest of testdata.
func eachCase(t *testing.T, test func(t *testing.T, documents [][]byte)) {
	t.Helper()
	for _, path := range casePaths(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			test(t, loadCase(t, path))
		})
	}
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

// shuffle puts a slice into an order that only the seed decides.
func shuffle[T any](random *rand.Rand, values []T) {
	random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
}

func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, documents [][]byte) {
		want := encoded(t, Translate(newSnapshot(t, decodeAll(t, documents)), testOptions()))
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // Reproducible on purpose.
		for range 5 {
			objects := decodeAll(t, documents)
			shuffle(random, objects)
			s := newSnapshot(t, objects)
			shuffleSnapshot(random, s)
			if got := encoded(t, Translate(s, testOptions())); !bytes.Equal(got, want) {
				t.Fatalf("another order gives another result:\n%s", cmp.Diff(string(want), string(got)))
			}
		}
	})
}

// shuffleSnapshot undoes the order of a snapshot, on which nothing must
// depend.
func shuffleSnapshot(random *rand.Rand, s *snapshot.Snapshot) {
	shuffle(random, s.GatewayClasses)
	shuffle(random, s.Gateways)
	shuffle(random, s.HTTPRoutes)
	shuffle(random, s.ReferenceGrants)
	shuffle(random, s.BackendTLSPolicies)
	shuffle(random, s.Backends)
	shuffle(random, s.BackendConfigPolicies)
	shuffle(random, s.Namespaces)
	shuffle(random, s.Services)
	shuffle(random, s.EndpointSlices)
	shuffle(random, s.Secrets)
	shuffle(random, s.ConfigMaps)
}

func TestInputIsUnchangedAndResultRepeats(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, documents [][]byte) {
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

// TestStrangersDoNotMatter adds the objects of all other cases, in namespaces
// of their own, but for routes, which would attach: what a Gateway runs
// depends only on what it and its routes refer to.
func TestStrangersDoNotMatter(t *testing.T) {
	t.Parallel()
	var strangers []client.Object
	for i, path := range casePaths(t) {
		for _, object := range decodeAll(t, loadCase(t, path)) {
			if _, isRoute := object.(*gatewayv1.HTTPRoute); !isRoute && object.GetNamespace() != "" {
				object.SetNamespace(fmt.Sprintf("stranger-%d-%s", i, object.GetNamespace()))
				strangers = append(strangers, object)
			}
		}
	}
	eachCase(t, func(t *testing.T, documents [][]byte) {
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
		if status.Kind == kindBackendTLSPolicy && len(status.Ancestors) != maxAncestors {
			t.Errorf("got %d ancestors, want %d", len(status.Ancestors), maxAncestors)
		}
	}
	for _, g := range result.Gateways {
		if len(g.Clusters) != 1 || g.Clusters[0] != result.Gateways[0].Clusters[0] || g.Secrets[0] != result.Gateways[0].Secrets[0] {
			t.Errorf("Gateway %s does not share the cluster and the secret", g.Name)
		}
	}
}
