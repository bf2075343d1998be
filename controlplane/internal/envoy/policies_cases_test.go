package envoy_test

import (
	"fmt"
	"strings"
)

// both gives the ends of a range, and what is just outside of it.
func both(format, field string, inside, outside []any) []policyCase {
	var cases []policyCase
	for _, value := range inside {
		cases = append(cases, policyCase{spec: fmt.Sprintf(format, value)})
	}
	for _, value := range outside {
		cases = append(cases, policyCase{spec: fmt.Sprintf(format, value), refused: field})
	}
	return cases
}

// on has cases tried on another backend.
func on(appProtocol string, names bool, cases []policyCase) []policyCase {
	for i := range cases {
		cases[i].appProtocol, cases[i].names = appProtocol, names
	}
	return cases
}

func join(tables ...[]policyCase) []policyCase {
	var all []policyCase
	for _, table := range tables {
		all = append(all, table...)
	}
	return all
}

func values(v ...any) []any { return v }

const longest = "99999h99999h99999h99999h"

func basicPolicies() []policyCase {
	return join(
		both("connectTimeout: %v", "spec.connectTimeout", values("1ms", "5s", longest), values("0s", "1.5s", `"-1s"`, `""`)),
		both("perConnectionBufferLimitBytes: %v", "spec.perConnectionBufferLimitBytes", values(0, 1, 2147483647), values(-1)),
		on("", true, join(
			both("dns: {refreshRate: %v}", "spec.dns.refreshRate", values("100ms", "1h", longest), values("0s", "1ms", "99ms")),
			both("dns: {refreshRate: 1s, jitter: %v}", "spec.dns.jitter", values("0s", "1s"), values("1001ms")),
			both("dns: {jitter: %v}", "spec.dns.jitter", values("0s", longest), nil),
			both("dns: {respectTTL: %v}", "", values(true, false), nil),
			both("dns: {refreshRate: 500ms, respectTTL: %v}", "", values(true, false), nil),
		)),
		both("tcpKeepalive: %v", "", values("{}"), nil),
		both("tcpKeepalive: {keepAliveProbes: %v}", "spec.tcpKeepalive.keepAliveProbes", values(0, 1, 127), values(-1, 128)),
		both("tcpKeepalive: {keepAliveTime: %v}", "spec.tcpKeepalive.keepAliveTime", values("1s", "1500ms", "32767s"), values("999ms", "32768s")),
		both("tcpKeepalive: {keepAliveInterval: %v}", "spec.tcpKeepalive.keepAliveInterval", values("1s", "32767s"), values("0s", "32768s")),
		both("upstreamProxyProtocol: {version: %v}", "spec.upstreamProxyProtocol.version", values("V1", "V2"), values("V3")),
		both("upstreamProxyProtocol: %v", "", values("{}"), nil),
		both("circuitBreakers: {maxConnections: %v}", "spec.circuitBreakers.maxConnections", values(1, 2147483647), values(0, -1)),
		both("circuitBreakers: {maxPendingRequests: %v}", "spec.circuitBreakers.maxPendingRequests", values(1, 2147483647), values(0)),
		both("circuitBreakers: {maxRequests: %v}", "spec.circuitBreakers.maxRequests", values(1, 2147483647), values(0)),
		both("circuitBreakers: {maxRetries: %v}", "spec.circuitBreakers.maxRetries", values(0, 2147483647), values(-1)),
		both("circuitBreakers: {maxRetries: 1, trackRemaining: %v}", "", values(true, false), nil),
	)
}

func httpPolicies() []policyCase {
	common := func(field string, inside, outside []any) []policyCase {
		return both("commonHttpProtocolOptions: {"+field+": %v}", "spec.commonHttpProtocolOptions."+field, inside, outside)
	}
	http2 := func(field string, inside, outside []any) []policyCase {
		return on(h2c, false, both("http2ProtocolOptions: {"+field+": %v}", "spec.http2ProtocolOptions."+field, inside, outside))
	}
	ping := func(text string, outside ...policyCase) []policyCase {
		return on(h2c, false, append(both("http2ProtocolOptions: {connectionKeepalive: {%v}}", "", values(text), nil), outside...))
	}
	refused := func(field, text string) policyCase {
		return policyCase{spec: "http2ProtocolOptions: {connectionKeepalive: {" + text + "}}", refused: "spec.http2ProtocolOptions.connectionKeepalive." + field}
	}
	windows := values(65535, 2147483647, `1Mi`, `"65535"`, "64.5Ki", "65535000m", "65536e3")
	noWindows := values(65534, "2147483648", "4Gi", "65535500m", "65535.5", "2147483647500m", "-1Mi", "1e30", "0.5")
	return join(
		common("idleTimeout", values("0s", "1ms", longest), values("1")),
		common("maxConnectionDuration", values("0s", "1ms", longest), values("1.5s")),
		common("maxHeadersCount", values(1, 2147483647), values(0, -1)),
		common("maxStreamDuration", values("0s", "1ms", longest), values("x")),
		common("maxRequestsPerConnection", values(0, 1, 2147483647), values(-1)),
		on(h2c, false, common("idleTimeout", values("1s"), nil)),
		both("http1ProtocolOptions: {enableTrailers: %v}", "", values(true, false), nil),
		both("http1ProtocolOptions: {preserveHttp1HeaderCase: %v}", "", values(true, false), nil),
		both("http1ProtocolOptions: {overrideStreamErrorOnInvalidHttpMessage: %v}", "", values(true, false), nil),
		http2("initialStreamWindowSize", windows, noWindows),
		http2("initialConnectionWindowSize", windows, noWindows),
		http2("maxConcurrentStreams", values(1, 2147483647), values(0, -1)),
		http2("overrideStreamErrorOnInvalidHttpMessage", values(true, false), nil),
		ping("timeout: 1ms"),
		ping("timeout: 1s, interval: 100ms, connectionIdleInterval: 1ms", refused("timeout", "timeout: 0s"),
			refused("interval", "timeout: 1s, interval: 99ms"), refused("connectionIdleInterval", "timeout: 1s, connectionIdleInterval: 0s")),
		ping("timeout: "+longest+", interval: "+longest),
		[]policyCase{{spec: "{http1ProtocolOptions: {}, http2ProtocolOptions: {}}", refused: "spec.http1ProtocolOptions"}},
	)
}

func balancerPolicies() []policyCase {
	const lb = "spec.loadBalancer."
	slow := func(field string, inside, outside []any) []policyCase {
		return join(
			both("loadBalancer: {leastRequest: {slowStart: {window: 1s, "+field+": %v}}}", lb+"leastRequest.slowStart."+field, inside, outside),
			both("loadBalancer: {roundRobin: {slowStart: {"+field+": %v}}}", lb+"roundRobin.slowStart."+field, inside, outside))
	}
	zone := func(text string) policyCase {
		return policyCase{spec: "loadBalancer: {random: {}, zoneAware: {" + text + "}}"}
	}
	bad := func(spec, field string) policyCase {
		return policyCase{spec: "loadBalancer: {" + spec + "}", refused: "spec." + field}
	}
	var kinds []any
	for _, kind := range []string{"leastRequest", "roundRobin", "ringHash", "maglev", "random"} {
		kinds = append(kinds, kind+": {}", kind+": {}, localityType: WeightedLb", kind+": {}, healthyPanicThreshold: 50, updateMergeWindow: 1s")
	}
	const prefer = "loadBalancer: {leastRequest: {}, zoneAware: {preferLocal: {%s: %%v}}}"
	zones := lb + "zoneAware.preferLocal."
	return join(
		both("loadBalancer: {%v}", "", kinds, nil),
		both("loadBalancer: {random: {}, healthyPanicThreshold: %v}", lb+"healthyPanicThreshold", values(0, 100), values(-1, 101)),
		both("loadBalancer: {random: {}, updateMergeWindow: %v}", lb+"updateMergeWindow", values("0s", longest), values("1.5s")),
		both("loadBalancer: {random: {}, closeConnectionsOnHostSetChange: %v}", "", values(true, false), nil),
		both("loadBalancer: {leastRequest: {choiceCount: %v}}", lb+"leastRequest.choiceCount", values(2, 100), values(0, 1, 101)),
		slow("aggression", values(`"1.0"`, `"0.0000001"`, `"1e6"`), values(`"0"`, `"-1"`, "NaN", "Inf", `"0x1p4"`, `"1e999"`, `""`)),
		slow("minWeightPercent", values(0, 100), values(-1, 101)),
		both("loadBalancer: {roundRobin: {slowStart: {window: %v}}}", lb+"roundRobin.slowStart.window", values("0s", longest), values("s")),
		both("loadBalancer: {ringHash: {minimumRingSize: %v}}", lb+"ringHash.minimumRingSize", values(1, 131072), values(0, 131073)),
		both("loadBalancer: {ringHash: {maximumRingSize: %v}}", lb+"ringHash.maximumRingSize", values(1024, 8388608), values(0, 8388609)),
		both("loadBalancer: {ringHash: {minimumRingSize: 1, maximumRingSize: %v}}", "", values(1), nil),
		on("", true, both("loadBalancer: {ringHash: {useHostnameForHashing: %v}}", "", values(true, false), nil)),
		on("", true, both("loadBalancer: {maglev: {useHostnameForHashing: %v}}", "", values(true, false), nil)),
		(both(fmt.Sprintf(prefer, "minEndpointsThreshold"), zones+"minEndpointsThreshold", values(1, "9007199254740991"), values(0))),
		(both(fmt.Sprintf(prefer, "routingEnabled"), zones+"routingEnabled", values(0, 100), values(-1, 101))),
		(both("loadBalancer: {roundRobin: {}, zoneAware: {preferLocal: {force: {minEndpointsInZoneThreshold: %v}}}}",
			zones+"force.minEndpointsInZoneThreshold", values(1, 2147483647), values(0))),
		[]policyCase{
			zone("preferLocal: {force: {}}"),
			bad("", "loadBalancer"),
			bad("random: {}, roundRobin: {}", "loadBalancer"),
			bad("random: {}, localityType: Other", "loadBalancer.localityType"),
			bad("random: {}, localityType: WeightedLb, zoneAware: {preferLocal: {}}", "loadBalancer.zoneAware"),
			bad("ringHash: {}, zoneAware: {preferLocal: {}}", "loadBalancer.zoneAware"),
			bad("maglev: {}, zoneAware: {preferLocal: {}}", "loadBalancer.zoneAware"),
			bad("random: {}, zoneAware: {}", "loadBalancer.zoneAware"),
			bad("ringHash: {minimumRingSize: 2, maximumRingSize: 1}", "loadBalancer.ringHash"),
			bad("ringHash: {maximumRingSize: 1023}", "loadBalancer.ringHash"),
		})
}

func hashPolicies() []policyCase {
	var cases []policyCase
	for _, method := range []string{"ringHash", "maglev"} {
		spec := func(policies string) string {
			return "loadBalancer: {" + method + ": {hashPolicies: [" + policies + "]}}"
		}
		for _, good := range []string{
			"{header: {name: X-User}}", "{header: {name: ':authority'}}", "{sourceIP: {}}", "{sourceIP: {}, terminal: true}",
			"{cookie: {name: a}}", "{cookie: {name: a, ttl: 0s}}", "{cookie: {name: a, ttl: 1h, path: /a}}",
			"{cookie: {name: a, ttl: 1s, secure: true, httpOnly: true, sameSite: Strict}}",
			"{cookie: {name: a, ttl: 1s, sameSite: Lax}}", "{cookie: {name: a, ttl: 1s, sameSite: None}}",
			strings.Repeat("{sourceIP: {}},", 15) + "{sourceIP: {}}",
		} {
			cases = append(cases, policyCase{spec: spec(good)})
		}
		for policies, field := range map[string]string{
			"{}": "[0]", "{sourceIP: {}, header: {name: a}}": "[0]", "{header: {name: 'a b'}}": "[0].header.name", "{header: {name: ''}}": "[0].header.name",
			"{sourceIP: {}},{cookie: {name: 'a;b'}}": "[1].cookie.name", `{cookie: {name: a, path: "/\r\nx"}}`: "[0].cookie.path",
			"{cookie: {name: a, path: '/; Domain=b'}}": "[0].cookie.path", "{cookie: {name: a, sameSite: Any}}": "[0].cookie.sameSite",
			"{cookie: {name: a, ttl: '1.5s'}}":                       "[0].cookie.ttl",
			strings.Repeat("{sourceIP: {}},", 16) + "{sourceIP: {}}": "",
		} {
			cases = append(cases, policyCase{spec: spec(policies), refused: "spec.loadBalancer." + method + ".hashPolicies" + field})
		}
	}
	return cases
}

func probePolicies() []policyCase {
	const check = "spec.healthCheck."
	probe := func(kind string) string {
		return "healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, " + kind + "}"
	}
	of := func(timeout, interval, unhealthy, healthy any) string {
		return fmt.Sprintf("healthCheck: {timeout: %v, interval: %v, unhealthyThreshold: %v, healthyThreshold: %v, tcp: {}}", timeout, interval, unhealthy, healthy)
	}
	bad := func(spec, field string) policyCase { return policyCase{spec: spec, refused: check + field} }
	hex := strings.Repeat("0a", 512)
	return join(
		both("%v", "", values(of("1ms", "100ms", 0, 0), of("10s", longest, 2147483647, 2147483647)), nil),
		both(probe("http: {path: /, method: %v}"), check+"http.method",
			values("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"), values("CONNECT", "get", `""`)),
		both(probe("http: {path: %v}"), check+"http.path", values("/", "'/a?b=c'"), values("a", `""`, `"/ a"`, `"/\n"`)),
		both(probe("http: {path: /, host: %v}"), check+"http.host", values("a.example", "'a.example:8080'", "'[::1]'", `""`), values("'a b'", "'a/b'")),
		on(h2c, false, join(
			both(probe("http: {path: %v}"), "", values("/"), nil),
			both(probe("grpc: %v"), "", values("{}", "{serviceName: a.b.C, authority: a.example}"), nil),
			both(probe("grpc: {authority: %v}"), check+"grpc.authority", nil, values("'a b'")),
		)),
		both(probe("tcp: {send: %v}"), check+"tcp.send", values("'00'", "'"+hex+"'"), values("''", "'0'", "'0g'", "'00"+hex+"'")),
		both(probe("tcp: {send: '00', receive: [%v]}"), check+"tcp.receive[0]", values("'00'", "'fF'", "'"+hex+"'"), values("''", "zz")),
		both(probe("tcp: {send: '00', receive: [%v]}"), check+"tcp.receive", values(strings.Repeat("'00',", 15)+"'00'"), values(strings.Repeat("'00',", 16)+"'00'")),
		on("", true, both(probe("http: {path: %v}"), "", values("/"), nil)),
		[]policyCase{
			bad(of("0s", "1s", 1, 1), "timeout"), bad(of("10001ms", "1s", 1, 1), "timeout"), bad(of("1s", "99ms", 1, 1), "interval"),
			bad(of("1s", "1s", -1, 1), "unhealthyThreshold"), bad(of("1s", "1s", 1, -1), "healthyThreshold"),
			bad(probe("tcp: {receive: ['00']}"), "tcp.receive"),
			{spec: probe(""), refused: "spec.healthCheck"}, {spec: probe("tcp: {}, grpc: {}"), refused: "spec.healthCheck"},
		})
}

func outlierPolicies() []policyCase {
	outlier := func(field string, inside, outside []any) []policyCase {
		return both("outlierDetection: {"+field+": %v}", "spec.outlierDetection."+field, inside, outside)
	}
	return join(
		both("outlierDetection: %v", "", values("{}"), nil),
		outlier("consecutive5xx", values(0, 1, 2147483647), values(-1)),
		outlier("interval", values("100ms", longest), values("0s", "99ms")),
		outlier("baseEjectionTime", values("1ms", longest), values("0s")),
		outlier("maxEjectionPercent", values(0, 100), values(-1, 101)),
		outlier("enforcingConsecutive5xx", values(0, 100), values(-1, 101)),
		outlier("splitExternalLocalOriginErrors", values(true, false), nil),
		outlier("consecutiveLocalOriginFailure", values(0, 2147483647), values(-1)),
		outlier("enforcingConsecutiveLocalOriginFailure", values(0, 100), values(-1, 101)),
	)
}

// tlsPolicies has every way to trust, and what of other fields is no name of an
// algorithm: package translate tries those.
func tlsPolicies() []policyCase {
	trusted := func(rest string) string {
		return "tls: {wellKnownCACertificates: System, sni: a.example, " + rest + "}"
	}
	parameters := func(format string, inside []any, outside ...any) []policyCase {
		return both(trusted("parameters: {"+format+"}"), "spec.tls.parameters", inside, outside)
	}
	oldSuites := func(field string) string { return field + ": %v, cipherSuites: [ECDHE-ECDSA-AES128-SHA]" }
	return join(
		both("tls: %v", "", values("{wellKnownCACertificates: System}", "{insecureSkipVerify: true}", "{secretRef: {name: pair}}",
			"{secretRef: {name: pair}, simpleTLS: true}", "{files: {rootCA: CA_FILE}}", "{files: {rootCA: CA_FILE, tlsCertificate: CERT_FILE, tlsKey: KEY_FILE}}",
			"{secretRef: {name: pair}, verifySubjectAltNames: [a.example, '*.b.example']}"), nil),
		on("", true, both("tls: {wellKnownCACertificates: System, %v}", "", values("simpleTLS: false", "verifySubjectAltNames: [a.example]"), nil)),
		parameters("minVersion: %v", values("AUTO", "'1.0'", "'1.1'", "'1.2'", "'1.3'"), "'1.4'"),
		parameters("maxVersion: %v", values("AUTO", "'1.2'", "'1.3'"), "'1.0'", "'1.1'", "'2'"),
		parameters(oldSuites("maxVersion"), values("'1.0'", "'1.1'")),
		parameters("cipherSuites: %v", values("['[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]', AES128-SHA]"),
			"[NULL-SHA]", "['[AES128-SHA']", "[TLS_AES_128_GCM_SHA256]", "['']", "['ALL']"),
		parameters("ecdhCurves: %v", values("[X25519, x25519, P-256]"), "[P-224]", "['']"),
		parameters("signatureAlgorithms: %v", values("[ed25519, ed25519]"), "[rsa]", "['']"),
		both(trusted("alpnProtocols: %v"), "spec.tls.alpnProtocols",
			values("[h2]", "[http/1.1]", "[h2, http/1.1]", "[acme-tls/1]", "["+strings.Repeat("a", 255)+"]", alpn(65535)),
			values("['']", "['h2,']", "[',']", "['h2,http/1.1']", "[h2, ',http/1.1']", "["+strings.Repeat("a", 256)+"]", alpn(65536))),
		both(trusted("allowRenegotiation: %v"), "", values(true, false), nil),
		both(trusted("simpleTLS: %v"), "", values(true, false), nil),
		both("{upstreamProxyProtocol: {version: V2}, tls: {insecureSkipVerify: true, alpnProtocols: [h2, http/1.1]}, "+
			"healthCheck: {timeout: 1s, interval: 1s, unhealthyThreshold: 1, healthyThreshold: 1, %v}}", "",
			values("http: {path: /}", "grpc: {}", "tcp: {}"), nil),
	)
}

// alpn are protocols that take so many bytes in a handshake.
func alpn(bytes int) string {
	const longest = 255
	var protocols []string
	for ; bytes > 0; bytes -= longest + 1 {
		protocols = append(protocols, strings.Repeat("a", min(longest, bytes-1)))
	}
	return "[" + strings.Join(protocols, ", ") + "]"
}

// backendPolicies has every value of a Backend's own enumerations.
func backendPolicies() []policyCase {
	const hosts = "static: {hosts: [{host: 127.0.0.1, port: 1}]"
	cases := []policyCase{{backend: "{type: Static, " + hosts + "}}", spec: "connectTimeout: 1s"}}
	for _, protocol := range []string{"http2", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws"} {
		cases = append(cases,
			policyCase{backend: "{" + hosts + ", appProtocol: " + protocol + "}}", spec: "connectTimeout: 1s"},
			policyCase{backend: "{" + hosts + ", appProtocol: " + protocol + "}}", spec: "tls: {insecureSkipVerify: true}"})
	}
	return cases
}
