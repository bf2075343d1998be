package envoy_test

import (
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// cases are Gateways that show every part of the translation, by name of the
// golden file.
func cases(t *testing.T) map[string]*ir.Gateway {
	t.Helper()
	out := map[string]*ir.Gateway{}
	for _, table := range []map[string]*ir.Gateway{clusterCases(), connectionCases(), tlsCases(t), routeCases(), connectCases(t), httpCases(), listenerCases(t)} {
		for name, gw := range table {
			if _, duplicate := out[name]; duplicate {
				t.Fatalf("two cases are named %q", name)
			}
			out[name] = gw
		}
	}
	return out
}

func gatewayName() ir.Name { return ir.Name{Namespace: "infra", Name: "http"} }

func withClusters(clusters ...*ir.Cluster) *ir.Gateway {
	gw := &ir.Gateway{Name: gatewayName(), Clusters: clusters}
	for _, c := range clusters {
		c.Name = c.StatName + "~0123456789"
	}
	return gw
}

func endpoint(host string) ir.Endpoint { return ir.Endpoint{Host: host, Port: 8443} }

func clusterCases() map[string]*ir.Gateway {
	return map[string]*ir.Gateway{
		"cluster-eds": withClusters(&ir.Cluster{
			StatName:  "kube_default_nginx_80",
			Endpoints: []ir.Endpoint{endpoint("10.0.0.1"), {Host: "10.0.0.2", Port: 8443, Draining: true}, endpoint("fd00::3")},
		}),
		"cluster-eds-draining": withClusters(&ir.Cluster{
			StatName:  "kube_default_nginx_80",
			Endpoints: []ir.Endpoint{{Host: "10.0.0.2", Port: 8443, Draining: true}},
		}),
		"cluster-eds-empty": withClusters(&ir.Cluster{StatName: "kube_default_nginx_80"}),
		"cluster-static": withClusters(&ir.Cluster{
			StatName:       "backend_default_static_0",
			Discovery:      ir.DiscoverStatic,
			Endpoints:      []ir.Endpoint{endpoint("10.0.0.1")},
			HTTP2:          true,
			ConnectTimeout: 250 * time.Millisecond,
		}),
		"cluster-dns": withClusters(&ir.Cluster{
			StatName:  "backend_default_external_0",
			Discovery: ir.DiscoverDNS,
			Endpoints: []ir.Endpoint{endpoint("one.invalid"), endpoint("two.invalid")},
			TLS:       &ir.UpstreamTLS{AutoSNI: true, TrustFile: "/etc/ssl/certs/ca-certificates.crt"},
		}),
		// The names that a policy asks for are verified in place of the hosts'.
		"cluster-dns-names": withClusters(&ir.Cluster{
			StatName:  "backend_default_external_0",
			Discovery: ir.DiscoverDNS,
			Endpoints: []ir.Endpoint{endpoint("one.invalid"), endpoint("two.invalid")},
			TLS: &ir.UpstreamTLS{
				AutoSNI: true, TrustFile: "/etc/ssl/certs/ca-certificates.crt",
				SANs: []ir.SAN{{Type: ir.SANDNS, Value: "example.com"}},
			},
		}),
	}
}

func tlsCases(t *testing.T) map[string]*ir.Gateway {
	t.Helper()
	withTLS := func(tls *ir.UpstreamTLS, secrets ...*ir.Secret) *ir.Gateway {
		gw := withClusters(&ir.Cluster{
			StatName: "kube_default_nginx_8443", Endpoints: []ir.Endpoint{endpoint("10.0.0.1")}, TLS: tls,
		})
		gw.Secrets = secrets
		return gw
	}
	ca, client := caBundle(t), clientPair(t)
	http2 := withTLS(&ir.UpstreamTLS{SNI: "a.example", TrustBundle: ca.Name}, ca)
	http2.Clusters[0].HTTP2 = true
	return map[string]*ir.Gateway{
		"tls-verified": withTLS(&ir.UpstreamTLS{
			SNI:         "a.example",
			SANs:        []ir.SAN{{Type: ir.SANDNS, Value: "b.example"}, {Type: ir.SANURI, Value: "spiffe://a/b"}},
			TrustBundle: ca.Name,
		}, ca),
		"tls-client-certificate": withTLS(&ir.UpstreamTLS{
			SNI: "a.example", TrustBundle: ca.Name, ClientCertificate: client.Name,
		}, ca, client),
		"tls-insecure": withTLS(&ir.UpstreamTLS{SNI: "a.example", InsecureSkipVerify: true}),
		"tls-http2":    http2,
		"tls-parameters": withTLS(&ir.UpstreamTLS{
			SNI:                 "a.example",
			InsecureSkipVerify:  true,
			MinVersion:          "1.0",
			MaxVersion:          "1.2",
			CipherSuites:        []string{"ECDHE-RSA-AES256-GCM-SHA384"},
			Curves:              []string{"X25519", "P-256"},
			SignatureAlgorithms: []string{"ecdsa_secp256r1_sha256"},
			ALPN:                []string{"h2", "http/1.1"},
			AllowRenegotiation:  true,
		}),
		"tls-maximum-alone": withTLS(&ir.UpstreamTLS{InsecureSkipVerify: true, MaxVersion: "1.1", ALPN: []string{"h2"}}),
	}
}

func caBundle(t *testing.T) *ir.Secret {
	t.Helper()
	return &ir.Secret{
		Name: "trust/default/configmap/ca", Kind: ir.SecretTrustBundle, Certificates: envoytest.NewCA(t, "ca").PEM,
	}
}

func clientPair(t *testing.T) *ir.Secret {
	t.Helper()
	pair := envoytest.NewCA(t, "ca").Issue(t, []string{"client.example"}, nil)
	return &ir.Secret{
		Name: "pair/default/secret/client", Kind: ir.SecretKeyPair, Certificates: pair.Certificate, Key: pair.Key,
	}
}

func withRoutes(routes ...*ir.Route) *ir.Gateway {
	gw := withClusters(
		&ir.Cluster{StatName: "kube_default_a_80", Endpoints: []ir.Endpoint{endpoint("10.0.0.1")}},
		&ir.Cluster{StatName: "kube_default_b_80", Endpoints: []ir.Endpoint{endpoint("10.0.0.2")}},
	)
	gw.Listeners = []ir.Listener{{
		Name: "http-8080", Port: 8080,
		Chains: []ir.FilterChain{{Name: "http", Routes: ir.RouteConfig{
			Name: "http-8080",
			VirtualHosts: []ir.VirtualHost{
				{Name: "example.com", Domain: "example.com", Routes: routes},
				{Name: "wildcard", Domain: "*.example.com", Routes: routes},
				{Name: "all", Domain: "*", Routes: routes},
			},
		}}},
	}}
	return gw
}

func clusterA(weight uint32) ir.WeightedCluster {
	return ir.WeightedCluster{Cluster: "kube_default_a_80~0123456789", Weight: weight}
}

func clusterB(weight uint32) ir.WeightedCluster {
	return ir.WeightedCluster{Cluster: "kube_default_b_80~0123456789", Weight: weight}
}

func forwardTo(clusters ...ir.WeightedCluster) *ir.Forward { return &ir.Forward{Clusters: clusters} }

func prefix(path string) ir.Match { return ir.Match{PathType: ir.Prefix, Path: path} }

func routeCases() map[string]*ir.Gateway {
	timeout, attempt, none, long := 3*time.Second, time.Second, time.Duration(0), time.Hour
	modified := clusterB(1)
	modified.RequestHeaders = ir.HeaderMods{Set: []ir.Header{{Name: "X-Backend", Value: "100%"}}}
	modified.ResponseHeaders = ir.HeaderMods{Remove: []string{"X-Internal"}}
	return map[string]*ir.Gateway{
		"route-match": withRoutes(
			&ir.Route{Name: "exact", Match: ir.Match{Path: "/exact/"}, Forward: forwardTo(clusterA(1))},
			&ir.Route{Name: "prefix", Match: prefix("/prefix/"), Forward: forwardTo(clusterA(1))},
			&ir.Route{Name: "regex", Match: ir.Match{PathType: ir.Regex, Path: "/re/[0-9]+"}, Forward: forwardTo(clusterA(1))},
			&ir.Route{Name: "rest", Match: ir.Match{
				PathType: ir.Prefix, Path: "/", Method: "POST",
				Headers: []ir.ValueMatch{{Name: "X-Exact", Value: "a"}, {Name: "X-Regex", Type: ir.Regex, Value: "a+"}},
				Query:   []ir.ValueMatch{{Name: "q", Value: "1"}, {Name: "r", Type: ir.Regex, Value: "[ab]"}},
			}, Forward: forwardTo(clusterB(1))},
		),
		"route-weights": withRoutes(
			&ir.Route{Name: "shares", Match: prefix("/shares"), Forward: forwardTo(clusterA(9), clusterB(1), clusterA(0))},
			&ir.Route{Name: "headers", Match: prefix("/headers"), Forward: forwardTo(modified)},
			&ir.Route{Name: "nothing", Match: prefix("/nothing"), Forward: forwardTo(clusterA(0))},
			&ir.Route{Name: "invalid", Match: prefix("/"), Forward: forwardTo(
				ir.WeightedCluster{Cluster: contract.InvalidCluster, Weight: 1})},
		),
		"route-timeouts": withRoutes(
			&ir.Route{Name: "both", Match: prefix("/both"), Forward: &ir.Forward{
				Clusters: []ir.WeightedCluster{clusterA(1)}, Timeout: &timeout, PerTryTimeout: &attempt}},
			&ir.Route{Name: "long", Match: prefix("/long"), Forward: &ir.Forward{
				Clusters: []ir.WeightedCluster{clusterA(1)}, Timeout: &long}},
			&ir.Route{Name: "endless", Match: prefix("/endless"), Forward: &ir.Forward{
				Clusters: []ir.WeightedCluster{clusterA(1)}, Timeout: &none}},
			&ir.Route{Name: "none", Match: prefix("/"), Forward: &ir.Forward{
				Clusters: []ir.WeightedCluster{clusterA(1)}, Timeout: &none, PerTryTimeout: &timeout}},
		),
		"route-rewrite": withRoutes(
			rewriting("full", prefix("/full"), ir.PathRewrite{Full: `/new\1`}),
			rewriting("prefix", prefix("/prefix"), ir.PathRewrite{IsPrefix: true, Prefix: "/new/"}),
			rewriting("away", prefix("/a.way"), ir.PathRewrite{IsPrefix: true, Prefix: "/"}),
			rewriting("root", prefix("/"), ir.PathRewrite{IsPrefix: true, Prefix: "/new"}),
		),
		"route-redirect": withRoutes(
			&ir.Route{Name: "https", Match: prefix("/https"), Redirect: &ir.Redirect{Scheme: "https", Port: 443, StatusCode: 301}},
			&ir.Route{Name: "port", Match: prefix("/port"), Redirect: &ir.Redirect{Port: 8443, StatusCode: 307}},
			&ir.Route{Name: "host", Match: prefix("/host"), Redirect: &ir.Redirect{
				Hostname: "other.example", Port: 80, StatusCode: 308, Path: &ir.PathRewrite{Full: "/new"}}},
			&ir.Route{Name: "prefix", Match: prefix("/prefix"), Redirect: &ir.Redirect{
				StatusCode: 303, Path: &ir.PathRewrite{IsPrefix: true, Prefix: "/new"}}},
			&ir.Route{Name: "away", Match: prefix("/away"), Redirect: &ir.Redirect{Path: &ir.PathRewrite{IsPrefix: true}},
				ResponseHeaders: ir.HeaderMods{Add: []ir.Header{{Name: "X-Moved", Value: "yes"}}}},
		),
		"route-headers": withRoutes(&ir.Route{
			Name: "headers", Match: prefix("/"), Forward: forwardTo(clusterA(1)),
			RequestHeaders: ir.HeaderMods{
				Set:    []ir.Header{{Name: "X-Set", Value: "a"}},
				Add:    []ir.Header{{Name: "X-Add", Value: "%REQ(cookie)%"}},
				Remove: []string{"X-Remove"},
			},
			ResponseHeaders: ir.HeaderMods{Set: []ir.Header{{Name: "X-Empty"}}},
		}),
	}
}

func rewriting(name string, match ir.Match, path ir.PathRewrite) *ir.Route {
	forward := forwardTo(clusterA(1))
	forward.Path, forward.HostRewrite = &path, "backend.example"
	return &ir.Route{Name: name, Match: match, Forward: forward}
}

func listenerCases(t *testing.T) map[string]*ir.Gateway {
	t.Helper()
	pair, ca := clientPair(t), caBundle(t)
	verifying := func(clients ir.ClientValidation) ir.DownstreamTLS {
		clients.TrustBundle = ca.Name
		return ir.DownstreamTLS{Certificates: []string{pair.Name}, Clients: &clients}
	}
	strict, lax := verifying(ir.ClientValidation{}), verifying(ir.ClientValidation{InsecureFallback: true})
	chain := func(name string, alpn []string, serverNames ...string) ir.FilterChain {
		return ir.FilterChain{
			Name: name, ServerNames: serverNames,
			TLS: &ir.DownstreamTLS{Certificates: []string{pair.Name}, ALPN: alpn},
			Routes: ir.RouteConfig{Name: "https-8443/" + name, VirtualHosts: []ir.VirtualHost{{
				Name: "all", Domain: "*",
				Routes: []*ir.Route{{Name: "http", Match: prefix("/"), Redirect: &ir.Redirect{Port: 443}}},
			}}},
		}
	}
	return map[string]*ir.Gateway{
		"listener-https": {
			Name:    gatewayName(),
			Secrets: []*ir.Secret{pair},
			Listeners: []ir.Listener{{Name: "https-8443", Port: 8443, Chains: []ir.FilterChain{
				chain("exact", nil, "a.example", "b.example"),
				chain("wildcard", []string{"http/1.1"}, "*.example"),
				chain("rest", nil),
			}}},
		},
		"listener-clients": {
			Name:    gatewayName(),
			Secrets: []*ir.Secret{pair, ca},
			Listeners: []ir.Listener{
				{Name: "https-8443", Port: 8443, Chains: []ir.FilterChain{
					{Name: "https-8443/*", TLS: &strict, Routes: ir.RouteConfig{Name: "https-8443/*"}},
				}},
				{Name: "https-8444", Port: 8444, Chains: []ir.FilterChain{
					{Name: "https-8444/*", TLS: &lax, Routes: ir.RouteConfig{Name: "https-8444/*"}},
				}},
			},
		},
		"empty": {Name: gatewayName()},
	}
}
