package envoy_test

import (
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// httpCases show the filters and retries of an HTTPRoute.
func httpCases() map[string]*ir.Gateway {
	second, none := time.Second, time.Duration(0)
	retrying := func(match string, timeout, attempt *time.Duration, retry ir.Retry) *ir.Route {
		return &ir.Route{Name: match, Match: prefix(match), Forward: &ir.Forward{
			Clusters: []ir.WeightedCluster{clusterA(1)}, Timeout: timeout, PerTryTimeout: attempt, Retry: &retry,
		}}
	}
	long := time.Hour
	return map[string]*ir.Gateway{
		"route-mirrors": withRoutes(mirroring("/all", mirrorB(1, 1)), mirroring("/parts", mirrorB(35, 100), mirrorA(1, 3), mirrorA(0, 100)),
			mirroring("/least", mirrorB(1, 4_000_000_000))),
		"route-retry": withRoutes(
			retrying("/codes", nil, nil, ir.Retry{Codes: []uint32{500, 503}, Attempts: 3, Backoff: &second}),
			retrying("/failures", nil, nil, ir.Retry{Attempts: 1, Backoff: &none}),
			retrying("/limits", &long, &second, ir.Retry{Attempts: 2}),
			retrying("/long", nil, &long, ir.Retry{Attempts: 2}),
			retrying("/endless", &none, nil, ir.Retry{Attempts: 2}),
		),
		"route-cors": withRoutes(
			&ir.Route{Name: "names", Match: prefix("/names"), Forward: forwardTo(clusterA(1)), CORS: &ir.CORS{
				AllowOrigins:     []ir.ValueMatch{{Value: "https://www.example.com"}, {Type: ir.Regex, Value: `https://[^/:]*\.example\.com`}},
				AllowMethods:     []string{"GET", "OPTIONS"},
				AllowHeaders:     []string{"x-one", "x-two"},
				ExposeHeaders:    []string{"x-three", "x-four"},
				AllowCredentials: true, MaxAge: 3600,
			}},
			&ir.Route{Name: "all", Match: prefix("/all"), Forward: forwardTo(clusterA(1)), CORS: &ir.CORS{
				AllowOrigins: []ir.ValueMatch{{Type: ir.Regex, Value: `.*`}}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, MaxAge: 5,
			}},
			&ir.Route{Name: "method", Match: ir.Match{PathType: ir.Prefix, Path: "/method", Method: "PUT"}, Forward: forwardTo(clusterA(1)), CORS: &ir.CORS{
				AllowOrigins: []ir.ValueMatch{{Value: "https://www.example.com"}},
			}, ResponseHeaders: ir.HeaderMods{Remove: []string{"X-Internal"}}},
			&ir.Route{Name: "nobody", Match: prefix("/"), Forward: forwardTo(clusterA(1)), CORS: &ir.CORS{}},
		),
		"route-status": withRoutes(
			&ir.Route{Name: "misdirected", Match: prefix("/"), Status: 421,
				ResponseHeaders: ir.HeaderMods{Set: []ir.Header{{Name: "X-Why", Value: "elsewhere"}}}},
		),
	}
}

func mirroring(match string, mirrors ...ir.Mirror) *ir.Route {
	forward := forwardTo(clusterA(1))
	forward.Mirrors = mirrors
	return &ir.Route{Name: match, Match: prefix(match), Forward: forward}
}

func mirrorA(numerator, denominator uint32) ir.Mirror {
	return ir.Mirror{Cluster: clusterA(1).Cluster, Numerator: numerator, Denominator: denominator}
}

func mirrorB(numerator, denominator uint32) ir.Mirror {
	return ir.Mirror{Cluster: clusterB(1).Cluster, Numerator: numerator, Denominator: denominator}
}
