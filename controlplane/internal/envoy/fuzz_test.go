package envoy_test

import (
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// FuzzRoute builds routes of any content: what is left is valid, and a route
// is never lost while its match is good.
func FuzzRoute(f *testing.F) {
	f.Add(uint8(1), "/a", "X-A", "b", "/c", uint32(1))
	f.Add(uint8(2), "/a[", "", "%", "", uint32(0))
	f.Fuzz(func(t *testing.T, pathType uint8, path, header, value, rewrite string, weight uint32) {
		route := &ir.Route{
			Name: "fuzz",
			Match: ir.Match{
				PathType: ir.MatchType(pathType % 3), Path: path,
				Headers: []ir.ValueMatch{{Name: header, Type: ir.Regex, Value: value}},
			},
			Forward: &ir.Forward{
				Clusters: []ir.WeightedCluster{clusterA(weight)},
				Path:     &ir.PathRewrite{IsPrefix: pathType%2 == 0, Prefix: rewrite, Full: rewrite},
			},
			RequestHeaders: ir.HeaderMods{Set: []ir.Header{{Name: header, Value: value}}},
		}
		r, err := envoy.Build(withRoutes(route), envoy.Options{})
		for _, config := range r.Routes {
			if err := config.ValidateAll(); err != nil {
				t.Errorf("invalid: %v", err)
			}
		}
		if err == nil && len(r.Routes["http-8080"].GetVirtualHosts()[0].GetRoutes()) == 0 {
			t.Error("a good route is lost")
		}
	})
}
