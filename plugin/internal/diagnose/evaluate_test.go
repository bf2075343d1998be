package diagnose

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestVerdicts compares the verdict for each evidence with its golden file,
// and makes sure that every code has one.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	cases := evidences(t)
	covered := map[Code]bool{}
	for _, c := range cases {
		verdict := Evaluate(c.evidence)
		covered[verdict.Code] = true
		if verdict.Code != c.want {
			t.Errorf("%s: verdict %s, want %s: %s", c.name, verdict.Code, c.want, verdict.Message)
		}
		if verdict.Code != Verified && (!strings.Contains(verdict.Hint, "kubectl ") || verdict.Message == "" || verdict.Expected == "") {
			t.Errorf("%s: no command as hint, no message or nothing expected: %+v", c.name, verdict)
		}
		golden(t, c.name, verdict)
	}
	for _, code := range Codes() {
		if !covered[code] {
			t.Errorf("no evidence leads to %s", code)
		}
		if code != Verified && code.Stage() == "" {
			t.Errorf("%s has no stage", code)
		}
	}
	stale(t, cases)
}

func golden(t *testing.T, name string, verdict Verdict) {
	t.Helper()
	got, err := yaml.Marshal(verdict)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%s: %v (-update writes it)", name, err)
		return
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// stale golden files are an error, and go with -update.
func stale(t *testing.T, cases []testCase) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if slices.ContainsFunc(cases, func(c testCase) bool { return c.name == name }) {
			continue
		}
		if !*update {
			t.Errorf("%s belongs to no evidence", file)
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEvaluateIsPure: the same evidence gives the same verdict, unchanged.
func TestEvaluateIsPure(t *testing.T) {
	t.Parallel()
	for _, c := range evidences(t) {
		before := fmt.Sprintf("%+v", *c.evidence)
		first, second := Evaluate(c.evidence), Evaluate(c.evidence)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s: two verdicts (-first +second):\n%s", c.name, diff)
		}
		if after := fmt.Sprintf("%+v", *c.evidence); after != before {
			t.Errorf("%s: the evidence was changed", c.name)
		}
	}
}

type testCase struct {
	name     string
	want     Code
	evidence *Evidence
}

// sound is evidence of a set-up in order, changed by change.
func sound(a *authorities, change func(*Evidence)) *Evidence {
	yes := &Condition{True: true, Reason: "Accepted"}
	e := &Evidence{
		Now: noon(), ContextNamespace: "default",
		Target: Target{Kind: "Service", Namespace: "default", Name: "nginx", Port: 8443},
		Policy: &Policy{Kind: "BackendTLSPolicy", Namespace: "default", Name: "nginx-tls", Targets: 1, Statuses: []PolicyStatus{
			{Controller: "tlsgw.dev/gateway-controller", Kind: "Gateway", Namespace: "kgateway-system", Name: "http", Accepted: yes},
		}, Flags: []Flag{{"sni", "example.com"}, {"ca-from", "configmap/ca"}}},
		Trust: trusting(a.root), Identity: identity("example.com"),
		Route: &Route{Kind: "HTTPRoute", Namespace: "default", Name: "nginx-route", Accepted: yes, ResolvedRefs: yes},
		Gateway: &Gateway{Namespace: "kgateway-system", Name: "http", Controller: "tlsgw.dev/gateway-controller", Listener: "web",
			Programmed: &Condition{True: true, Reason: "Programmed"}, Whole: &Condition{True: true, Reason: "Programmed"}},
		Sent: true, Expect: "2xx,3xx",
		Live: Live{
			StatName: "kube_default_nginx_8443",
			Proxies: []Proxy{{
				Name: "pod kgateway-system/http-1",
				Cluster: &probe.Cluster{Name: "kube_default_nginx_8443~0123456789", StatName: "kube_default_nginx_8443", TLS: &probe.TLSContext{
					SNI: "example.com", SANs: []string{"DNS:example.com"}, Trust: "secret trust/default/configmap/ca", MinVersion: "1.2", MaxVersion: "1.3",
				}},
				Secret:    &probe.Secret{Found: true, Trusts: true},
				Endpoints: []probe.Endpoint{{Address: "10.0.0.1:8443"}},
			}},
			Before: probe.Stats{"ssl.handshake": 12, "upstream_cx_total": 12, "upstream_rq_total": 20},
			After:  probe.Stats{"ssl.handshake": 15, "upstream_cx_total": 15, "upstream_rq_total": 23, "upstream_cx_active": 3},
		},
	}
	for range 3 {
		e.Requests = append(e.Requests, Exchange{
			URL: "http://localhost:8080/", Host: "example.com", Expected: true,
			Response: probe.Response{Status: 200, Header: http.Header{"X-Envoy-Upstream-Service-Time": {"3"}}},
		})
	}
	change(e)
	return e
}

// failing makes every request end in a 503 with that body, and the counters
// rise.
func failing(e *Evidence, body string, rise map[string]uint64) {
	for i := range e.Requests {
		e.Requests[i].Expected, e.Requests[i].Status, e.Requests[i].Body = false, 503, body
	}
	e.Live.After = probe.Stats{}
	e.Live.After.Add(e.Live.Before)
	e.Live.After.Add(rise)
}

const silent = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"

func no(reason, message string) *Condition { return &Condition{Reason: reason, Message: message} }

func evidences(t *testing.T) []testCase {
	t.Helper()
	a := newAuthorities(t)
	return slices.Concat(
		configEvidences(a), liveEvidences(a), connectEvidences(a), handshakeEvidences(a), certificateEvidences(a), answerEvidences(a))
}

func configEvidences(a *authorities) []testCase {
	config := func(name string, want Code, change func(*Evidence)) testCase {
		return testCase{name, want, sound(a, func(e *Evidence) {
			e.Sent, e.Requests, e.Live.Proxies = false, nil, nil
			change(e)
		})}
	}
	trust := func(name string, code Code, detail string) testCase {
		return config(name, code, func(e *Evidence) {
			e.Trust.Certificates = nil
			e.Trust.Problems = []TrustProblem{{Code: code, Ref: "configmap/ca", Detail: detail}}
		})
	}
	return []testCase{
		config("policy-not-found", PolicyNotFound, func(e *Evidence) { e.Policy = nil }),
		config("policy-not-accepted", PolicyNotAccepted, func(e *Evidence) {
			e.Policy.Statuses[0].Accepted = no("Invalid", "tlsgw.dev/alpn: \"h4\" is unknown")
		}),
		config("policy-without-status", PolicyNotAccepted, func(e *Evidence) { e.Policy.Statuses = nil }),
		config("policy-conflicted", PolicyConflicted, func(e *Evidence) {
			e.Policy.Winner = "BackendTLSPolicy/older"
			e.Policy.Statuses[0].Accepted = no("Conflicted", "default/older is older")
		}),
		config("target-not-found", TargetNotFound, func(e *Evidence) {
			e.Target.Missing, e.Target.Nearest = `Service default/nginx has no port named "htps"`, "https"
		}),
		trust("ca-ref-not-found", CARefNotFound, "does not exist in namespace default"),
		trust("ca-key-missing", CAKeyMissing, "has no key ca.crt; it has tls.crt"),
		trust("ca-malformed", CAMalformed, `key ca.crt is not PEM: line 4 has "&#43;" where base64 has "+" (HTML-escaped, as copied from a web page)`),
		trust("ca-expired", CAExpired, "key ca.crt: CN=example.com expired on 2026-07-07"),
		trust("ca-not-yet-valid", CANotYetValid, "key ca.crt: CN=example.com is valid only from 2027-01-01 on"),
		config("route-missing", RouteMissing, func(e *Evidence) { e.Route, e.Gateway = nil, nil }),
		config("route-other", RouteMissing, func(e *Evidence) { e.Route, e.Gateway, e.OtherRoute = nil, nil, "GRPCRoute default/calls" }),
		config("route-missing-all-settings", RouteMissing, func(e *Evidence) {
			e.Route, e.Gateway, e.Through, e.Policy.Flags = nil, nil, "edge/http", allFlags()
		}),
		config("route-missing-of-others", RouteMissing, func(e *Evidence) {
			e.Route, e.Gateway, e.Policy.Foreign, e.Policy.Flags = nil, nil, true, nil
		}),
		config("policy-outdated", PolicyNotAccepted, func(e *Evidence) {
			e.Policy.Generation = 3
			e.Policy.Statuses[0].Accepted = &Condition{True: true, Generation: 2}
		}),
		config("not-readable", NotReadable, func(e *Evidence) {
			e.Unread = &Unread{Reason: `gateways "http" is forbidden`, Verb: "get", Resource: "gateways.gateway.networking.k8s.io", Namespace: "edge"}
		}),
		config("not-readable-now", NotReadable, func(e *Evidence) { e.Unread = &Unread{Reason: "get Gateway edge/http: the server is busy"} }),
		config("listener-rejected", ConfigRejected, func(e *Evidence) { e.Gateway.Programmed = no("Invalid", "Envoy rejected: bad chain") }),
		config("listenerset-not-programmed", GatewayNotProgrammed, func(e *Evidence) {
			e.Gateway.Listener, e.Gateway.Set = "", &ListenerSet{Namespace: "default", Name: "more"}
			e.Gateway.Programmed = no("NotAllowed", "the Gateway takes no ListenerSets")
		}),
		config("listenerset-missing", GatewayNotProgrammed, func(e *Evidence) {
			e.Gateway = &Gateway{Set: &ListenerSet{Namespace: "default", Name: "more", Missing: true}}
		}),
		config("route-not-accepted", RouteNotAccepted, func(e *Evidence) { e.Route.Accepted = no("NotAllowedByListeners", "other namespace") }),
		config("gateway-not-programmed", GatewayNotProgrammed, func(e *Evidence) { e.Gateway.Programmed = no("Pending", "waiting for Envoy") }),
		config("gateway-missing", GatewayNotProgrammed, func(e *Evidence) { e.Gateway.Missing = true }),
		config("config-rejected", ConfigRejected, func(e *Evidence) {
			e.Policy.Statuses[0].Accepted = no("Invalid", "Envoy rejected: Failed to load trusted CA certificates")
		}),
	}
}

// allFlags are all that originate has for a BackendConfigPolicy.
func allFlags() []Flag {
	return []Flag{
		{"policy", "BackendConfigPolicy"}, {"name", "other"}, {"label", "team=a"}, {"sni", "example.com"}, {"san", "a.example.com"}, {"san", "b.example.com"},
		{"client-cert", "secret/pair"}, {"alpn", "h2"}, {"alpn", "http/1.1"}, {"min-tls", "1.2"}, {"max-tls", "1.3"},
		{"cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, {"curve", "X25519"},
	}
}

func liveEvidences(a *authorities) []testCase {
	cluster := func(e *Evidence) *probe.Cluster { return e.Live.Proxies[0].Cluster }
	return []testCase{
		{"verified", Verified, sound(a, func(*Evidence) {})},
		{"verified-insecure", Verified, sound(a, func(e *Evidence) {
			cluster(e).TLS.Trust, e.Live.Proxies[0].Secret, e.AllowInsecure = "", nil, true
		})},
		{"verified-one-bad-ca", Verified, sound(a, func(e *Evidence) {
			e.Trust.Problems = []TrustProblem{{Code: CARefNotFound, Ref: "configmap/other", Detail: "does not exist"}}
			e.Trust.Drift = "configmap/ca was copied from secret/ca:ca.crt, which has changed since"
		})},
		{"plaintext-upstream", PlaintextUpstream, sound(a, func(e *Evidence) {
			cluster(e).TLS = nil
			kgateway(e)
		})},
		{"verification-disabled", VerificationDisabled, sound(a, func(e *Evidence) {
			cluster(e).TLS.Trust, e.Live.Proxies[0].Secret, e.Trust = "", nil, Trust{None: true}
			e.Policy.Flags = []Flag{{"insecure-skip-verify", ""}}
		})},
		{"verification-disabled-names", VerificationDisabled, sound(a, func(e *Evidence) {
			cluster(e).TLS.SANs = nil
			kgateway(e)
		})},
		{"verification-disabled-empty-secret", VerificationDisabled, sound(a, func(e *Evidence) { e.Live.Proxies[0].Secret.Trusts = false })},
		{"live-cluster-missing", GatewayNotProgrammed, sound(a, func(e *Evidence) { e.Live.Proxies[0].Cluster = nil })},
		{"live-cluster-rejected", ConfigRejected, sound(a, func(e *Evidence) { cluster(e).Rejected = "bad" })},
		{"live-secret-warming", GatewayNotProgrammed, sound(a, func(e *Evidence) { e.Live.Proxies[0].Secret.Warming = true })},
		{"live-older-trust", GatewayNotProgrammed, sound(a, func(e *Evidence) { cluster(e).TLS.Trust = "secret trust/default/configmap/old" })},
		{"live-older-names", GatewayNotProgrammed, sound(a, func(e *Evidence) { cluster(e).TLS.SANs = []string{"DNS:old.example.com"} })},
		{"live-older-sni", GatewayNotProgrammed, sound(a, func(e *Evidence) { cluster(e).TLS.SNI = "old.example.com" })},
		{"live-warming", NoEndpoints, sound(a, func(e *Evidence) { cluster(e).Warming, e.Live.Proxies[0].Endpoints = true, nil })},
	}
}

// kgateway makes another controller run the Gateway.
func kgateway(e *Evidence) {
	e.Gateway.Controller, e.Policy.Statuses[0].Controller = "kgateway.dev/kgateway", "kgateway.dev/kgateway"
}

func connectEvidences(a *authorities) []testCase {
	dial := func(name string, want Code, body string, failure probe.Failure) testCase {
		return testCase{name, want, sound(a, func(e *Evidence) {
			failing(e, body, map[string]uint64{"upstream_cx_connect_fail": 3})
			e.Direct = &Direct{DialFailure: failure, DialError: "connect to 10.0.0.1 port 8443: " + string(failure)}
		})}
	}
	return []testCase{
		{"no-endpoints", NoEndpoints, sound(a, func(e *Evidence) {
			failing(e, "no healthy upstream", map[string]uint64{"upstream_cx_none_healthy": 3})
			e.Live.Proxies[0].Endpoints = nil
		})},
		{"no-healthy-endpoints", NoEndpoints, sound(a, func(e *Evidence) {
			failing(e, "no healthy upstream", nil)
			e.Live.Proxies[0].Endpoints[0].Unhealthy = "failed_outlier_check"
		})},
		dial("connection-refused", ConnectionRefused, silent, probe.Refused),
		dial("connect-timeout", ConnectTimeout, "upstream connect error; reset reason: connection timeout", probe.Timeout),
		dial("name-not-resolved", NameNotResolved, "no healthy upstream", probe.NameNotResolved),
		dial("connection-reset", ConnectionReset, silent, probe.Reset),
		{"connection-reset-by-envoy-alone", ConnectionReset, sound(a, func(e *Evidence) { failing(e, silent, nil) })},
	}
}

func handshakeEvidences(a *authorities) []testCase {
	broken := func(name string, want Code, failure probe.Failure, change func(*Direct)) testCase {
		return testCase{name, want, sound(a, func(e *Evidence) {
			failing(e, silent, map[string]uint64{"ssl.connection_error": 3})
			e.Direct = &Direct{Failure: &probe.HandshakeError{Failure: failure, Err: errors.New(string(failure))}}
			if change != nil {
				change(e.Direct)
			}
		})}
	}
	wide := func(version, suite uint16) func(*Direct) {
		return func(d *Direct) {
			d.Wide, d.Presented = true, &probe.Presented{Version: version, CipherSuite: suite, Chain: a.chain(a.root, nil)}
		}
	}
	return []testCase{
		broken("not-tls", NotTLS, probe.NotTLS, func(d *Direct) { d.Failure.Answer = "HTTP/1.1 400 Bad Request" }),
		{"handshake-timeout", HandshakeTimeout, sound(a, func(e *Evidence) {
			failing(e, "reset reason: connection timeout", map[string]uint64{"upstream_cx_connect_timeout": 3})
			e.Direct = &Direct{Failure: &probe.HandshakeError{Failure: probe.Timeout, Err: errors.New("deadline")}}
		})},
		broken("protocol-version", ProtocolVersionMismatch, probe.ProtocolVersion, wide(0x0302, 0xc013)),
		broken("protocol-version-alone", ProtocolVersionMismatch, probe.ProtocolVersion, nil),
		broken("cipher", CipherMismatch, probe.HandshakeRefused, wide(0x0303, 0xc009)),
		broken("sni-rejected", SNIRejected, probe.UnrecognizedName, nil),
		broken("client-certificate", ClientCertificateRequired, probe.CertificateRequired, nil),
		broken("alpn", ALPNMismatch, probe.NoApplicationProtocol, nil),
		{"handshake-by-envoy-alone", ProtocolVersionMismatch, sound(a, func(e *Evidence) {
			failing(e, silent+", transport failure reason: TLS_error:|268436526:SSL routines:OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION:TLS_error_end",
				map[string]uint64{"ssl.connection_error": 3})
		})},
		{"client-certificate-400", ClientCertificateRequired, sound(a, func(e *Evidence) {
			failing(e, "<center>No required SSL certificate was sent</center>", map[string]uint64{"ssl.handshake": 3})
			for i := range e.Requests {
				e.Requests[i].Status = 400
			}
			e.Direct = &Direct{Presented: &probe.Presented{AsksClientCertificate: true, Chain: a.chain(a.root, nil)}}
		})},
	}
}
