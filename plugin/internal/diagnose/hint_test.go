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

// TestStaleStatus: a controller that is not running leaves an old status.
func TestStaleStatus(t *testing.T) {
	t.Parallel()
	e := sound(newAuthorities(t), func(e *Evidence) {
		e.Policy.Generation = 3
		e.Policy.Statuses[0].Accepted = &Condition{True: true, Generation: 2}
	})
	warnings := Evaluate(e).Warnings
	if len(warnings) != 1 || !strings.Contains(warnings[0], "generation 3; its status is of 2") {
		t.Errorf("warnings are %q", warnings)
	}
	e.Policy.Statuses[0].Accepted.Generation = 3
	if warnings := Evaluate(e).Warnings; len(warnings) > 0 {
		t.Errorf("a status of now: %q", warnings)
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
