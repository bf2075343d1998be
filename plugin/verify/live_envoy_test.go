package verify

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
)

func liveScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	allow := func(o *Options) { o.AllowInsecure = true }
	h1 := tls.Config{Certificates: []tls.Certificate{a.leaf(a.root, nameOf("warm-h1"), nil)}, MinVersion: tls.VersionTLS12}
	h2 := tls.Config{
		Certificates: []tls.Certificate{a.leaf(a.root, nameOf("warm-h2"), nil)},
		MinVersion:   tls.VersionTLS12, NextProtos: []string{"h2"},
	}
	return []*scenario{
		{name: "plain-live", plain: true, port: serve(t, listen(t), ok()), want: diagnose.PlaintextUpstream},
		{name: "insecure", live: noValidation, port: good(t, a, "insecure"), want: diagnose.VerificationDisabled},
		{name: "insecure-allowed", live: noValidation, options: allow, port: good(t, a, "insecure-allowed"), want: diagnose.Verified},
		{name: "no-cluster", noCluster: true, want: diagnose.GatewayNotProgrammed},
		{name: "stale", port: good(t, a, "stale"), want: diagnose.GatewayNotProgrammed,
			live: func(c object) { c["sni"] = "old.example.com" }},
		{name: "stale-trust", port: good(t, a, "stale-trust"), want: diagnose.GatewayNotProgrammed, bundle: "configmap/old-ca"},
		{name: "stale-names", port: good(t, a, "stale-names"), want: diagnose.GatewayNotProgrammed, live: func(c object) {
			names(c)["match_typed_subject_alt_names"] = []object{{"san_type": "DNS", "matcher": object{"exact": "old.example.com"}}}
		}},
		{name: "stale-versions", port: good(t, a, "stale-versions"), want: diagnose.GatewayNotProgrammed, change: func(o *objects) {
			o.policy.Spec.Options = map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue{contract.OptionMinTLSVersion: "1.3"}
		}},
		{name: "outdated", port: good(t, a, "outdated"), want: diagnose.PolicyNotAccepted, change: observed, after: edited},
		{name: "other-tenant", port: good(t, a, "other-tenant"), want: diagnose.Verified, change: through("shared"),
			also: func(t *testing.T, results []report.Result, _ string) {
				t.Helper()
				if warnings := strings.Join(results[0].Warnings, "\n"); !strings.Contains(warnings, "not programmed as a whole") {
					t.Errorf("warnings %q", warnings)
				}
			}},
		{name: "no-endpoints", want: diagnose.NoEndpoints},
		{name: "not-found", want: diagnose.UnexpectedStatus, port: serveTLS(t, &tls.Config{
			Certificates: []tls.Certificate{a.leaf(a.root, nameOf("not-found"), nil)}, MinVersion: tls.VersionTLS12,
		}, answer(http.StatusNotFound, "no such page"))},
		{name: "no-admin-iface", port: good(t, a, "no-admin-iface"), change: through("no-admin"),
			want: diagnose.StatsUnavailable, exit: fail.CodeUnreachable},
		{name: "no-listener", port: good(t, a, "no-listener"), change: through("no-listener"),
			want: diagnose.GatewayUnreachable, exit: fail.CodeUnreachable},
		{name: "warm-h1", port: serveTLS(t, &h1, together(warmWidth)), want: diagnose.Verified, also: forced},
		{name: "warm-h2", http2: true, live: func(c object) { common(c)["alpn_protocols"] = []string{"h2"} },
			port: serveTLS(t, &h2, ok()), want: diagnose.NoHandshakeObserved, also: otherwiseProven},
	}
}

// forced: the connections were there, and a new one was brought about.
func forced(t *testing.T, results []report.Result, stderr string) {
	t.Helper()
	r := results[0]
	if r.Handshakes.Before == 0 || r.Extra == 0 || r.Extra > maxExtra {
		t.Errorf("handshakes %+v, %d extra requests", r.Handshakes, r.Extra)
	}
	for _, want := range []string{"$ curl -i -H 'Host: warm-h1.example.com' http://127.0.0.1:", "1: 200 OK", "parallel bursts"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
}

// otherwiseProven: no handshake is claimed, and what else proves TLS is told.
func otherwiseProven(t *testing.T, results []report.Result, _ string) {
	t.Helper()
	r := results[0]
	if r.Handshakes.Before == 0 || r.Handshakes.After != r.Handshakes.Before || r.Extra > maxExtra {
		t.Errorf("handshakes %+v, %d extra requests", r.Handshakes, r.Extra)
	}
	if evidence := strings.Join(r.Evidence, "\n"); !strings.Contains(evidence, "SNI warm-h2.example.com") ||
		!strings.Contains(evidence, "every connection ever made to it was TLS") {
		t.Errorf("evidence %s", evidence)
	}
}
