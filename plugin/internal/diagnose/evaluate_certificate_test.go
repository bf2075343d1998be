package diagnose

import (
	"crypto/x509"
	"errors"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

func certificateEvidences(a *authorities) []testCase {
	presents := func(name string, want Code, counter string, chain []*x509.Certificate, change func(*Evidence)) testCase {
		return testCase{name, want, sound(a, func(e *Evidence) {
			failing(e, silent, map[string]uint64{counter: 3})
			e.Direct = &Direct{Presented: &probe.Presented{Chain: chain}}
			if change != nil {
				change(e)
			}
		})}
	}
	const chainCounter, nameCounter = "ssl.fail_verify_error", "ssl.fail_verify_san"
	expired := func(s *pki.Spec) { s.NotBefore, s.NotAfter = noon().AddDate(-2, 0, 0), noon().AddDate(-1, 0, 0) }
	other := func(s *pki.Spec) { s.DNSNames = []string{"*.httpbin.example", "httpbin.example"} }
	good := a.chain(a.root, nil)
	return []testCase{
		presents("unknown-authority", UnknownAuthority, chainCounter, a.chain(a.stranger, nil), nil),
		presents("unknown-authority-and-name", UnknownAuthority, chainCounter, a.chain(a.stranger, other), nil),
		presents("incomplete-chain", IncompleteChain, chainCounter, a.chain(a.intermediate, nil)[:1], nil),
		presents("hostname-mismatch", HostnameMismatch, nameCounter, a.chain(a.root, other), nil),
		presents("hostname-mismatch-other-trust-here", HostnameMismatch, nameCounter, a.chain(a.stranger, other),
			func(e *Evidence) {
				e.Trust, e.Policy.Flags = Trust{System: true, SystemPool: x509.NewCertPool()}, []Flag{{"sni", "example.com"}, {"system-ca", ""}}
				e.Live.Proxies[0].Cluster.TLS.Trust, e.Live.Proxies[0].Secret = "file /etc/ssl/certs/ca-certificates.crt", nil
			}),
		presents("certificate-expired", CertificateExpired, chainCounter, a.chain(a.root, expired), nil),
		presents("certificate-not-yet-valid", CertificateNotYetValid, chainCounter,
			a.chain(a.root, func(s *pki.Spec) { s.NotBefore = noon().AddDate(0, 1, 0) }), nil),
		presents("key-usage", KeyUsageInvalid, chainCounter, a.chain(a.root, func(s *pki.Spec) { s.Usage = pki.Client }), nil),
		presents("weak", WeakCertificate, chainCounter, a.chain(a.root, func(s *pki.Spec) { s.Key = pki.RSA1024 }), nil),
		presents("ca-drift", CADrift, chainCounter, a.chain(a.stranger, nil), func(e *Evidence) {
			e.Trust.Drift = "configmap/ca was copied from secret/ca:ca.crt, which has changed since"
		}),
		presents("envoy-disagrees", UnknownAuthority, chainCounter, good, nil),
	}
}

func answerEvidences(a *authorities) []testCase {
	return []testCase{
		{"unexpected-status", UnexpectedStatus, sound(a, func(e *Evidence) {
			for i := range e.Requests {
				e.Requests[i].Expected, e.Requests[i].Status, e.Requests[i].Body = false, 404, "not found"
			}
		})},
		{"no-answer", UnexpectedStatus, sound(a, func(e *Evidence) {
			for i := range e.Requests {
				e.Requests[i] = Exchange{URL: "http://localhost:8080/", Response: probe.Response{Err: errors.New("deadline exceeded"), Failure: probe.Timeout}}
			}
		})},
		{"gateway-unreachable", GatewayUnreachable, sound(a, func(e *Evidence) {
			e.Requests = []Exchange{{URL: "http://localhost:8080/", Response: probe.Response{
				Err: errors.New("connecting to the gateway: connection refused"), Failure: probe.Refused}}}
		})},
		{"gateway-pod-refused", GatewayUnreachable, sound(a, func(e *Evidence) {
			e.Requests = []Exchange{{URL: "http://localhost:8080/", Response: probe.Response{
				Err: errors.New("in the pod: connection refused"), Failure: probe.Refused}}}
		})},
		{"no-handshake-observed", NoHandshakeObserved, sound(a, func(e *Evidence) {
			e.Extra = 128
			e.Live.After = probe.Stats{"ssl.handshake": 12, "upstream_cx_total": 12, "upstream_rq_total": 151, "upstream_cx_active": 2}
		})},
		{"redirected", NoHandshakeObserved, sound(a, func(e *Evidence) {
			for i := range e.Requests {
				e.Requests[i].Status, e.Requests[i].Header = 301, nil
			}
			e.Live.After["upstream_rq_total"] += 100
		})},
		{"some-answered-elsewhere", NoHandshakeObserved, sound(a, func(e *Evidence) { e.Live.After["upstream_rq_total"] = 21 })},
		{"verified-share", Verified, sound(a, func(e *Evidence) { e.Live.After["upstream_rq_total"], e.Route.Shared = 21, true })},
		{"another-backend-answered", NoHandshakeObserved, sound(a, func(e *Evidence) { e.Live.After = e.Live.Before })},
		{"stats-unavailable", StatsUnavailable, sound(a, func(e *Evidence) {
			e.Live = Live{StatName: e.Live.StatName, Unavailable: "no ready pod has label x"}
		})},
	}
}
