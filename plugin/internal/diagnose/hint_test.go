package diagnose

import (
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// TestHintNamesThePort: of a Service with several ports.
func TestHintNamesThePort(t *testing.T) {
	t.Parallel()
	e := sound(newAuthorities(t), func(e *Evidence) { e.Target.PortFlag = "https" })
	want := "kubectl tlsgw originate svc/nginx --port https --sni example.com --ca-from configmap/ca --expose example.com"
	if got := e.hint(RouteMissing); got != want {
		t.Errorf("got %s", got)
	}
}

// TestHintLeadsToTheSamePlace: of a target in another namespace than the
// context's, in a cluster that flags name.
func TestHintLeadsToTheSamePlace(t *testing.T) {
	t.Parallel()
	e := sound(newAuthorities(t), func(e *Evidence) { e.ContextNamespace, e.Connection = "other", " --context far" })
	namespace := e.Target.Namespace
	for _, code := range Codes() {
		hint := e.hint(code)
		if !strings.Contains(hint, "kubectl") {
			continue
		}
		if !strings.Contains(hint, " --context far ") || !strings.Contains(hint, " -n ") {
			t.Errorf("%s: %s, want the context and the namespace", code, hint)
		}
	}
	if got, want := e.hint(PolicyNotFound), "kubectl tlsgw originate svc/nginx --context far -n "+namespace+" "; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s...", got, want)
	}
}

// TestForeignHint: originate would refuse to write beside a policy that
// somebody else made, so that no hint tells it to.
func TestForeignHint(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	other := a.chain(a.root, func(s *pki.Spec) { s.DNSNames = []string{"other.example"} })
	e := sound(a, func(e *Evidence) {
		e.Policy.Foreign = true
		e.Identity.Field = "BackendTLSPolicy/nginx-tls validation.hostname"
		e.Direct = &Direct{Presented: &probe.Presented{Chain: other}}
	})
	for code, want := range map[Code]string{
		HostnameMismatch:        `kubectl patch backendtlspolicy/nginx-tls --type merge -p '{"spec":{"validation":{"hostname":"other.example"}}}'`,
		UnknownAuthority:        "kubectl edit backendtlspolicy/nginx-tls    # refer to a CA that verifies the backend",
		CARefNotFound:           "kubectl edit backendtlspolicy/nginx-tls    # refer to a CA that verifies the backend",
		NotTLS:                  "kubectl delete backendtlspolicy/nginx-tls    # or let it target the port that speaks TLS",
		ProtocolVersionMismatch: "kubectl edit backendtlspolicy/nginx-tls    # allow TLS 1.2, or let the backend speak what it allows",
		RouteMissing:            "kubectl get httproutes    # let a rule of one have backendRef svc/nginx, or write one",
		NoEndpoints:             "kubectl get endpointslices -l kubernetes.io/service-name=nginx",
	} {
		if got := e.hint(code); got != want {
			t.Errorf("%s: %s", code, got)
		}
	}
	e.Identity.Field = "BackendTLSPolicy/nginx-tls validation.subjectAltNames"
	if got, want := e.hint(HostnameMismatch), "kubectl edit backendtlspolicy/nginx-tls    # the certificate is for other.example"; got != want {
		t.Errorf("with names of its own: %s", got)
	}
}

// TestHintQuotes: what comes out of an object is pasted into a shell.
func TestHintQuotes(t *testing.T) {
	t.Parallel()
	e := sound(newAuthorities(t), func(e *Evidence) {
		e.Identity.SNI, e.Policy.Flags = "x;id", []Flag{{"sni", "x;id"}, {"label", "a=it's"}}
	})
	if got, want := e.hint(RouteMissing), `kubectl tlsgw originate svc/nginx --sni 'x;id' --label 'a=it'\''s' --expose 'x;id'`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestHintKeepsSettings: a flag that changes takes the place of what it
// replaces, and all others stay.
func TestHintKeepsSettings(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	other := a.chain(a.root, func(s *pki.Spec) { s.DNSNames = []string{"other.example"} })
	e := sound(a, func(e *Evidence) {
		e.Policy.Flags = []Flag{{"sni", "a.test"}, {"san", "b.test"}, {"san", "c.test"}, {"system-ca", ""}, {"max-tls", "1.2"}, {"alpn", "h2"}}
		e.Identity.Field = "BackendTLSPolicy/nginx-tls validation.subjectAltNames"
		e.Direct = &Direct{Presented: &probe.Presented{Chain: other, Version: 0x0304}}
		e.Live.Proxies[0].Cluster.TLS.MaxVersion = "1.2"
	})
	const originate = "kubectl tlsgw originate svc/nginx "
	for code, want := range map[Code]string{
		HostnameMismatch:          originate + "--sni a.test --san other.example --system-ca --max-tls 1.2 --alpn h2",
		SNIRejected:               originate + "--sni NAME --san b.test --san c.test --system-ca --max-tls 1.2 --alpn h2",
		ALPNMismatch:              originate + "--sni a.test --san b.test --san c.test --system-ca --max-tls 1.2 --alpn http/1.1",
		ClientCertificateRequired: originate + "--sni a.test --san b.test --san c.test --client-cert secret/NAME --max-tls 1.2 --alpn h2",
		ProtocolVersionMismatch:   originate + "--sni a.test --san b.test --san c.test --system-ca --max-tls 1.3 --alpn h2",
		UnknownAuthority: originate + "--sni a.test --san b.test --san c.test --ca-from backend --max-tls 1.2 --alpn h2" +
			"    # shows the chain the backend presents, and asks",
	} {
		if got := e.hint(code); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", code, got, want)
		}
	}
	e.Policy.Flags = []Flag{{"sni", "a.test"}, {"client-cert", "secret/pair"}}
	if got, want := e.hint(UnknownAuthority), "kubectl edit secret/pair    # its ca.crt must hold a CA that verifies the backend"; got != want {
		t.Errorf("with a client certificate:\ngot  %s\nwant %s", got, want)
	}
}

// TestRightHint: where the person may not port-forward, looking at the Gateway
// would lead nowhere.
func TestRightHint(t *testing.T) {
	t.Parallel()
	e := sound(newAuthorities(t), func(e *Evidence) {
		e.Live.Unavailable = "port-forward to pod a/b: not allowed: it needs the right to create pods/portforward"
	})
	if got := e.hint(StatsUnavailable); !strings.HasPrefix(got, "kubectl auth can-i create pods/portforward -n "+e.Gateway.Namespace) {
		t.Errorf("got %s", got)
	}
}
