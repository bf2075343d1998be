package crd

import "strings"

func healthCheckAdmissions() map[string]admission {
	in := func(kind string) string {
		return "healthCheck: {timeout: 1s, interval: 5s, unhealthyThreshold: 0, healthyThreshold: 0, " + kind + "}"
	}
	const one = "exactly one of the fields in [http grpc tcp]"
	tests := map[string]admission{
		"http":         {spec: in("http: {path: /health, host: a}")},
		"grpc":         {spec: in("grpc: {serviceName: a, authority: b}")},
		"grpc, plain":  {spec: in("grpc: {}")},
		"tcp, connect": {spec: in("tcp: {}")},
		"tcp, bytes":   {spec: in("tcp: {send: '50494e47', receive: [504f4e47, 'aF']}")},
		"tcp, longest": {spec: in("tcp: {send: '" + strings.Repeat("ab", 512) + "', receive: [" + strings.Repeat("ab,", 16) + "]}")},

		"none":                 {spec: "healthCheck: {timeout: 1s, interval: 5s, unhealthyThreshold: 1, healthyThreshold: 1}", want: []string{"spec.healthCheck", one}},
		"two":                  {spec: in("grpc: {}, tcp: {}"), want: []string{one}},
		"http without path":    {spec: in("http: {}"), want: []string{"spec.healthCheck.http.path", "Required"}},
		"an unknown method":    {spec: in("http: {path: /, method: CONNECT}"), want: []string{"spec.healthCheck.http.method", `"GET"`}},
		"receive without send": {spec: in("tcp: {receive: [aa]}"), want: []string{"spec.healthCheck.tcp", "receive needs send"}},
		"nothing to send":      {spec: in("tcp: {send: ''}"), want: []string{"spec.healthCheck.tcp.send"}},
		"half a byte":          {spec: in("tcp: {send: abc}"), want: []string{"spec.healthCheck.tcp.send", "should match"}},
		"not hexadecimal":      {spec: in("tcp: {send: zz}"), want: []string{"spec.healthCheck.tcp.send", "should match"}},
		"too much to send":     {spec: in("tcp: {send: '" + strings.Repeat("ab", 513) + "'}"), want: []string{"spec.healthCheck.tcp.send", "1024"}},
		"nothing to receive":   {spec: in("tcp: {send: aa, receive: []}"), want: []string{"spec.healthCheck.tcp.receive", "at least 1 items"}},
		"much to receive":      {spec: in("tcp: {send: aa, receive: [" + strings.Repeat("ab,", 17) + "]}"), want: []string{"spec.healthCheck.tcp.receive", "at most 16 items"}},
		"receive no bytes":     {spec: in("tcp: {send: aa, receive: [abc]}"), want: []string{"spec.healthCheck.tcp.receive[0]"}},
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"} {
		tests["http "+method] = admission{spec: in("http: {path: /, method: " + method + "}")}
	}
	required := []string{"timeout: 1s", "interval: 5s", "unhealthyThreshold: 1", "healthyThreshold: 1"}
	for i, field := range required {
		name, _, _ := strings.Cut(field, ":")
		others := append(append([]string{"tcp: {}"}, required[:i]...), required[i+1:]...)
		tests[name+" missing"] = admission{
			spec: "healthCheck: {" + strings.Join(others, ", ") + "}", want: []string{"spec.healthCheck." + name, "Required"},
		}
		if strings.HasSuffix(name, "Threshold") {
			for _, bad := range []string{"-1", "2147483648"} {
				tests[name+" "+bad] = admission{
					spec: "healthCheck: {" + strings.Join(others, ", ") + ", " + name + ": " + bad + "}",
					want: []string{"spec.healthCheck." + name, "than or equal to"},
				}
			}
		}
	}
	return tests
}

func outlierAdmissions() map[string]admission {
	tests := map[string]admission{
		"empty":      {spec: "outlierDetection: {}"},
		"turned off": {spec: "outlierDetection: {consecutive5xx: 0}"},
		"local":      {spec: "outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 3}"},
	}
	bounds("outlierDetection.consecutive5xx", 0, maxInt32, tests)
	bounds("outlierDetection.consecutiveLocalOriginFailure", 0, maxInt32, tests)
	bounds("outlierDetection.maxEjectionPercent", 0, 100, tests)
	bounds("outlierDetection.enforcingConsecutive5xx", 0, 100, tests)
	return bounds("outlierDetection.enforcingConsecutiveLocalOriginFailure", 0, 100, tests)
}

func circuitBreakerAdmissions() map[string]admission {
	const one = "at least one of the fields in [maxConnections maxPendingRequests maxRequests maxRetries]"
	tests := map[string]admission{
		"all":        {spec: "circuitBreakers: {maxConnections: 1, maxPendingRequests: 1, maxRequests: 1, maxRetries: 0, trackRemaining: true}"},
		"none":       {spec: "circuitBreakers: {}", want: []string{"spec.circuitBreakers", one}},
		"track only": {spec: "circuitBreakers: {trackRemaining: true}", want: []string{one}},
	}
	bounds("circuitBreakers.maxConnections", 1, maxInt32, tests)
	bounds("circuitBreakers.maxPendingRequests", 1, maxInt32, tests)
	bounds("circuitBreakers.maxRequests", 1, maxInt32, tests)
	return bounds("circuitBreakers.maxRetries", 0, maxInt32, tests)
}
