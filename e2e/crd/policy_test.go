package crd

import (
	"fmt"
	"strings"
)

// policyAdmissions are by section of spec.
func policyAdmissions() map[string]map[string]admission {
	return map[string]map[string]admission{
		"targets":        targetAdmissions(),
		"tls":            tlsAdmissions(),
		"durations":      durationAdmissions(),
		"connection":     connectionAdmissions(),
		"http":           httpAdmissions(),
		"loadBalancer":   loadBalancerAdmissions(),
		"hashPolicies":   hashPolicyAdmissions(),
		"healthCheck":    healthCheckAdmissions(),
		"outlier":        outlierAdmissions(),
		"circuitBreaker": circuitBreakerAdmissions(),
	}
}

func targetAdmissions() map[string]admission {
	refs := func(n int) string {
		return "targetRefs: [" + strings.Repeat(`{group: "", kind: Service, name: a},`, n) + "]"
	}
	const kinds = `a target is a Service`
	return map[string]admission{
		"no target":          {spec: "{}"},
		"Service":            {spec: refs(1)},
		"16 targets":         {spec: refs(16)},
		"Backend":            {spec: "targetRefs: [{group: gateway.kgateway.dev, kind: Backend, name: a}]"},
		"Hostname":           {spec: "targetRefs: [{group: networking.istio.io, kind: Hostname, name: a.example.com}]"},
		"by labels":          {spec: `targetSelectors: [{group: "", kind: Service, matchLabels: {a: b}}]`},
		"many selectors":     {spec: "targetSelectors: [" + strings.Repeat(`{group: gateway.kgateway.dev, kind: Backend, matchLabels: {a: b}},`, 40) + "]"},
		"the longest name":   {spec: `targetRefs: [{group: "", kind: Service, name: ` + strings.Repeat("a", 253) + `}]`},
		"none listed":        {spec: "targetRefs: []", want: []string{"spec.targetRefs", "at least 1 items"}},
		"17 targets":         {spec: refs(17), want: []string{"spec.targetRefs", "at most 16 items"}},
		"a name too long":    {spec: `targetRefs: [{group: "", kind: Service, name: ` + strings.Repeat("a", 254) + `}]`, want: []string{"name", "253"}},
		"no name":            {spec: `targetRefs: [{group: "", kind: Service, name: ""}]`, want: []string{"name", "at least 1"}},
		"name missing":       {spec: `targetRefs: [{group: "", kind: Service}]`, want: []string{"name", "Required"}},
		"group missing":      {spec: `targetRefs: [{kind: Service, name: a}]`, want: []string{"group", "Required"}},
		"kind missing":       {spec: `targetRefs: [{group: "", name: a}]`, want: []string{"kind", "Required"}},
		"Pod":                {spec: `targetRefs: [{group: "", kind: Pod, name: a}]`, want: []string{"spec.targetRefs[0]", kinds}},
		"Backend of core":    {spec: `targetRefs: [{group: "", kind: Backend, name: a}]`, want: []string{kinds}},
		"Service of ours":    {spec: `targetRefs: [{group: gateway.kgateway.dev, kind: Service, name: a}]`, want: []string{kinds}},
		"group not a name":   {spec: `targetRefs: [{group: "A B", kind: Service, name: a}]`, want: []string{"group", "should match"}},
		"section":            {spec: `targetRefs: [{group: "", kind: Service, name: a, sectionName: b}]`, want: []string{"unknown field", "sectionName"}},
		"Pods by labels":     {spec: `targetSelectors: [{group: "", kind: Pod, matchLabels: {a: b}}]`, want: []string{"spec.targetSelectors[0]", kinds}},
		"labels missing":     {spec: `targetSelectors: [{group: "", kind: Service}]`, want: []string{"matchLabels", "Required"}},
		"label not a string": {spec: `targetSelectors: [{group: "", kind: Service, matchLabels: {a: 1}}]`, want: []string{"matchLabels", "string"}},
	}
}

// durationAdmissions try every form of a duration at connectTimeout, and the
// least value of each field that has one.
func durationAdmissions() map[string]admission {
	tests := map[string]admission{}
	for _, good := range []string{"0s", "1ms", "5s", "1m30s", "99999h", "1h2m3s4ms", "1s1s", "1500ms"} {
		tests[good] = admission{spec: fmt.Sprintf("connectTimeout: %q", good)}
	}
	for _, bad := range []string{"", "0", "5", "-1s", "+1s", "1.5s", "100000s", "1s1s1s1s1s", "1d", "1us", "1s ", "s"} {
		tests[fmt.Sprintf("%q", bad)] = admission{
			spec: fmt.Sprintf("connectTimeout: %q", bad), want: []string{"spec.connectTimeout", "should match"},
		}
	}
	tests["a number"] = admission{spec: "connectTimeout: 5", want: []string{"spec.connectTimeout", "string"}}
	tests["too long"] = admission{spec: "connectTimeout: " + strings.Repeat("1", 33), want: []string{"spec.connectTimeout"}}
	for _, field := range []struct{ path, least, less string }{
		{"dns.refreshRate", "1ms", "0s"},
		{"tcpKeepalive.keepAliveTime", "1s", "999ms"},
		{"tcpKeepalive.keepAliveInterval", "1s", "999ms"},
		{"http2ProtocolOptions.connectionKeepalive.timeout", "1ms", "0s"},
		{"http2ProtocolOptions.connectionKeepalive.interval", "1ms", "0s"},
		{"http2ProtocolOptions.connectionKeepalive.connectionIdleInterval", "1ms", "0s"},
		{"outlierDetection.interval", "1ms", "0s"},
		{"outlierDetection.baseEjectionTime", "1ms", "0s"},
	} {
		tests[field.path+" at least"] = admission{spec: nested(field.path, field.least)}
		tests[field.path+" below"] = admission{spec: nested(field.path, field.less), want: []string{"spec." + field.path, "at least " + field.least}}
	}
	return tests
}

// nested is YAML of a value at a path. What keepalive requires beside it is
// added.
func nested(path, value string) string {
	fields := strings.Split(path, ".")
	open := strings.Join(fields, ": {")
	if strings.Contains(path, "connectionKeepalive.") && fields[len(fields)-1] != "timeout" {
		value += ", timeout: 1s"
	}
	return open + ": " + value + strings.Repeat("}", len(fields)-1)
}

// bounds are a number's least and greatest value that is taken, and the next
// that are not.
func bounds(path string, least, greatest int64, known map[string]admission) map[string]admission {
	for _, value := range []int64{least, greatest} {
		known[fmt.Sprintf("%s %d", path, value)] = admission{spec: nested(path, fmt.Sprint(value))}
	}
	for _, value := range []int64{least - 1, greatest + 1} {
		known[fmt.Sprintf("%s %d", path, value)] = admission{spec: nested(path, fmt.Sprint(value)), want: []string{"spec." + path}}
	}
	return known
}

const maxInt32 = 1<<31 - 1

func connectionAdmissions() map[string]admission {
	tests := map[string]admission{
		"dns":                         {spec: "dns: {refreshRate: 10s, jitter: 10s, respectTTL: true}"},
		"jitter alone":                {spec: "dns: {jitter: 1h}"},
		"jitter above refresh":        {spec: "dns: {refreshRate: 1m, jitter: 61s}", want: []string{"spec.dns", "jitter must not be longer than refreshRate"}},
		"respectTTL no boolean":       {spec: "dns: {respectTTL: 'yes'}", want: []string{"spec.dns.respectTTL", "boolean"}},
		"keepalive":                   {spec: "tcpKeepalive: {keepAliveProbes: 3, keepAliveTime: 30s, keepAliveInterval: 5s}"},
		"PROXY protocol V1":           {spec: "upstreamProxyProtocol: {version: V1}"},
		"PROXY protocol V2":           {spec: "upstreamProxyProtocol: {version: V2}"},
		"PROXY protocol of lowercase": {spec: "upstreamProxyProtocol: {version: v1}", want: []string{"spec.upstreamProxyProtocol.version", `"V1"`}},
	}
	bounds("perConnectionBufferLimitBytes", 0, maxInt32, tests)
	return bounds("tcpKeepalive.keepAliveProbes", 0, maxInt32, tests)
}

func httpAdmissions() map[string]admission {
	tests := map[string]admission{
		"common":  {spec: "commonHttpProtocolOptions: {idleTimeout: 0s, maxHeadersCount: 1, maxStreamDuration: 1m, maxRequestsPerConnection: 0}"},
		"HTTP/1":  {spec: "http1ProtocolOptions: {enableTrailers: true, preserveHttp1HeaderCase: true, overrideStreamErrorOnInvalidHttpMessage: true}"},
		"HTTP/2":  {spec: "http2ProtocolOptions: {maxConcurrentStreams: 1, overrideStreamErrorOnInvalidHttpMessage: true, connectionKeepalive: {timeout: 1s}}"},
		"neither": {spec: "http2ProtocolOptions: {}"},
		"both":    {spec: "http1ProtocolOptions: {}\nhttp2ProtocolOptions: {}", want: []string{"http1ProtocolOptions http2ProtocolOptions"}},

		"keepalive without timeout": {spec: "http2ProtocolOptions: {connectionKeepalive: {interval: 1s}}", want: []string{"timeout", "Required"}},
		"headerFormat":              {spec: "http1ProtocolOptions: {headerFormat: PreserveCaseHeaderKeyFormat}", want: []string{"headerFormat was renamed", "preserveHttp1HeaderCase"}},
	}
	bounds("commonHttpProtocolOptions.maxHeadersCount", 0, maxInt32, tests)
	bounds("commonHttpProtocolOptions.maxRequestsPerConnection", 0, maxInt32, tests)
	bounds("http2ProtocolOptions.maxConcurrentStreams", 1, maxInt32, tests)
	for _, field := range []string{"initialStreamWindowSize", "initialConnectionWindowSize"} {
		for _, good := range []string{"65535", "2147483647", "'65535'", "64Ki", "'2147483647'", "1Gi", "65535000m", "64.5Ki"} {
			tests[field+" "+good] = admission{spec: nested("http2ProtocolOptions."+field, good), rewritten: true}
		}
		for _, bad := range []string{"65534", "2147483648", "'65534'", "63Ki", "2Gi", "-64Ki", "65534999m", "1e30", "'1e1.5'", "9999999999999999999", "'9999999999999999999999'"} {
			tests[field+" "+bad] = admission{spec: nested("http2ProtocolOptions."+field, bad), want: []string{"spec.http2ProtocolOptions." + field}}
		}
		tests[field+" says its bounds"] = admission{spec: nested("http2ProtocolOptions."+field, "1Ki"), want: []string{"from 65535 to 2147483647 bytes"}}
	}
	return tests
}
