package envoy_test

import (
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// FuzzRoute builds routes of any content: what is left is valid, and a route
// is never lost while its match is good.
func FuzzRoute(f *testing.F) {
	f.Add(uint8(1), "/a", "X-A", "b", "/c", uint32(1))
	f.Add(uint8(2), "/a[", "", "%", "", uint32(0))
	f.Add(uint8(255), "/a", "X-A", "b", "/c", uint32(502))
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
		if weight%2 == 0 {
			setFeatures(route, pathType, header, value, weight)
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

// setFeatures adds what an HTTPRoute can ask for beside the backend.
func setFeatures(route *ir.Route, kind uint8, name, value string, number uint32) {
	limit := time.Duration(number) * time.Microsecond
	route.CORS = &ir.CORS{
		AllowOrigins: []ir.ValueMatch{{Type: ir.MatchType(kind % 3), Value: value}},
		AllowMethods: []string{name}, AllowHeaders: []string{name, value}, ExposeHeaders: []string{value}, MaxAge: int32(kind) - 1,
	}
	route.Forward.Timeout, route.Forward.PerTryTimeout = &limit, &limit
	route.Forward.Retry = &ir.Retry{Codes: []uint32{number}, Attempts: number, Backoff: &limit}
	route.Forward.Mirrors = []ir.Mirror{{Cluster: value, Numerator: number, Denominator: uint32(kind)}}
	if kind > 250 {
		route.Status, route.Forward = int(number), nil
	}
}
