package envoy_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// TestEnvoyRefusesWhatIsRefused asks a real Envoy about values that the
// translation refuses because of it, in clusters that are written by hand: each
// by itself, as one that is against the schema hides all others.
func TestEnvoyRefusesWhatIsRefused(t *testing.T) {
	t.Parallel()
	for name, fields := range rejected() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if output, code := validated(t, fields); code != 1 {
				t.Errorf("code %d for %s\n%s", code, fields, output)
			}
		})
	}
	for _, protocols := range []string{"'h2,'", "',h2'", "h2, 'http/1.1,,x'", "','"} {
		t.Run("aborts at "+protocols, func(t *testing.T) {
			t.Parallel()
			if output, code := validated(t, upstreamContext("alpnProtocols: ["+protocols+"]")); code != -1 {
				t.Errorf("code %d\n%s", code, output)
			}
		})
	}
}

// validated has Envoy check a cluster with some fields, in YAML. Its code is
// that of Envoy: 0 takes it, 1 rejects it, -1 ends by a signal.
func validated(t *testing.T, fields string) (output string, code int) {
	t.Helper()
	const plain = "{name: a, connectTimeout: 1s, loadAssignment: {clusterName: a, endpoints: [{lbEndpoints: [{endpoint: {address: {socketAddress: {address: 127.0.0.1, portValue: 1}}}}]}]}}"
	cluster, config := map[string]any{}, map[string]any{}
	for _, text := range []string{plain, fields} {
		if err := yaml.Unmarshal([]byte(text), &cluster); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	config["staticResources"] = map[string]any{"clusters": []any{cluster}}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), envoytest.Binary(t), "--mode", "validate", "--log-level", "error",
		"--config-path", envoytest.WriteFile(t, "bootstrap.yaml", text))
	text, err = check.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), check.ProcessState.ExitCode()
}

const typeOf = "'@type': type.googleapis.com/envoy.extensions."

func upstreamContext(fields string) string {
	return "transportSocket: {name: a, typedConfig: {" + typeOf + "transport_sockets.tls.v3.UpstreamTlsContext, commonTlsContext: {" + fields + "}}}"
}

// rejected are fields of clusters, by what is wrong with them.

func rejected() map[string]string {
	http := func(fields string) string {
		return "typedExtensionProtocolOptions: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {" + typeOf + "upstreams.http.v3.HttpProtocolOptions, " + fields + "}}"
	}
	http2 := func(fields string) string {
		return http("explicitHttpConfig: {http2ProtocolOptions: {" + fields + "}}")
	}
	common := func(fields string) string {
		return http("explicitHttpConfig: {httpProtocolOptions: {}}, commonHttpProtocolOptions: {" + fields + "}")
	}
	balancer := func(kind, fields string) string {
		return "loadBalancingPolicy: {policies: [{typedExtensionConfig: {name: a, typedConfig: {" + typeOf + "load_balancing_policies." + kind + ", " + fields + "}}}]}"
	}
	probe := func(fields string) string {
		return "healthChecks: [{" + fields + "}]"
	}
	const often, counts = "timeout: 1s, interval: 1s", "unhealthyThreshold: 1, healthyThreshold: 1"
	return map[string]string{
		"connectTimeout":       "connectTimeout: 0s",
		"refreshRate":          "clusterType: {name: envoy.clusters.dns, typedConfig: {" + typeOf + "clusters.dns.v3.DnsCluster, dnsRefreshRate: 0.001s}}",
		"maxHeadersCount":      common("maxHeadersCount: 0"),
		"streamWindow":         http2("initialStreamWindowSize: 65534"),
		"streamWindowMost":     http2("initialStreamWindowSize: 2147483648"),
		"connectionWindow":     http2("initialConnectionWindowSize: 65534"),
		"maxConcurrentStreams": http2("maxConcurrentStreams: 0"),
		"pingTimeout":          http2("connectionKeepalive: {timeout: 0s}"),
		"pingInterval":         http2("connectionKeepalive: {timeout: 1s, interval: 0s}"),
		"pingIdleInterval":     http2("connectionKeepalive: {timeout: 1s, connectionIdleInterval: 0s}"),
		"panicThreshold":       "commonLbConfig: {healthyPanicThreshold: {value: 101}}",
		"minimumRingMost":      balancer("ring_hash.v3.RingHash", "minimumRingSize: 8388609"),
		"ring":                 balancer("ring_hash.v3.RingHash", "minimumRingSize: 2, maximumRingSize: 1"),
		"ringDefault":          balancer("ring_hash.v3.RingHash", "maximumRingSize: 1023"),
		"probeTimeout":         probe("timeout: 0s, interval: 1s, tcpHealthCheck: {}, " + counts),
		"probeInterval":        probe("timeout: 1s, interval: 0s, tcpHealthCheck: {}, " + counts),
		"probePath":            probe(often + ", httpHealthCheck: {path: ''}, " + counts),
		"probePathLine":        probe(often + `, httpHealthCheck: {path: "/\n"}, ` + counts),
		"probeMethod":          probe(often + ", httpHealthCheck: {path: /, method: CONNECT}, " + counts),
		"probeHost":            probe(often + `, httpHealthCheck: {path: /, host: "a\nb"}, ` + counts),
		"probeSend":            probe(often + ", tcpHealthCheck: {send: {text: ''}}, " + counts),
		"probeSendOdd":         probe(often + ", tcpHealthCheck: {send: {text: '0'}}, " + counts),
		"probeSendHex":         probe(often + ", tcpHealthCheck: {send: {text: '0g'}}, " + counts),
		"probeReceive":         probe(often + ", tcpHealthCheck: {receive: [{text: zz}]}, " + counts),
		"probeGRPC":            probe(often + ", grpcHealthCheck: {}, " + counts),
		"outlierInterval":      "outlierDetection: {interval: 0s}",
		"outlierEjection":      "outlierDetection: {baseEjectionTime: 0s}",
		"outlierPercent":       "outlierDetection: {maxEjectionPercent: 101}",
		"outlierEnforcing":     "outlierDetection: {enforcingConsecutive5xx: 101}",
		"outlierLocal":         "outlierDetection: {enforcingConsecutiveLocalOriginFailure: 101}",
		"suite":                upstreamContext("tlsParams: {cipherSuites: [NULL-SHA]}"),
		"suite13":              upstreamContext("tlsParams: {cipherSuites: [TLS_AES_128_GCM_SHA256]}"),
		"suiteGroup":           upstreamContext("tlsParams: {cipherSuites: ['[AES128-SHA']}"),
		"curve":                upstreamContext("tlsParams: {ecdhCurves: [P-224]}"),
		"curveTwice":           upstreamContext("tlsParams: {ecdhCurves: [P-256, P-256]}"),
		"algorithm":            upstreamContext("tlsParams: {signatureAlgorithms: [rsa]}"),
		"algorithmTwice":       upstreamContext("tlsParams: {signatureAlgorithms: [ed25519, ed25519]}"),
		"alpnLong":             upstreamContext("alpnProtocols: ['" + strings.Repeat("a", 256) + "']"),
	}
}
