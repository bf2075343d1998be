package verify

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// TestOriginated: from the policy that originate writes, its flags come back.
func TestOriginated(t *testing.T) {
	t.Parallel()
	service := scaffold.Target{Kind: scaffold.Service, Name: "nginx"}
	for name, test := range map[string]struct {
		spec     scaffold.Spec
		portFlag string
		want     string
	}{
		"plain": {scaffold.Spec{Target: service, SNI: "a.test", Trust: scaffold.Trust{ConfigMap: "ca"}}, "",
			"--sni a.test --ca-from configmap/ca"},
		"everything": {scaffold.Spec{Target: service, Name: "other", Labels: map[string]string{"team": "a", "app": "shop"}, PortName: "https",
			SNI: "a.test", SANs: []string{"b.test", "spiffe://c"}, Trust: scaffold.Trust{System: true},
			ALPN: []string{"h2", "http/1.1"}, MinTLS: "1.2", MaxTLS: "1.3", Ciphers: []string{"ECDHE-RSA-AES128-GCM-SHA256"}}, "https",
			"--name other --label app=shop --label team=a --sni a.test --san b.test --san spiffe://c --system-ca --alpn h2 --alpn http/1.1 --min-tls 1.2 --max-tls 1.3 --cipher ECDHE-RSA-AES128-GCM-SHA256"},
		"the usual name of a port": {scaffold.Spec{Target: service, Name: "nginx-https", PortName: "https", SNI: "a.test", Trust: scaffold.Trust{System: true}}, "https",
			"--sni a.test --system-ca"},
		"a port that needs no name": {scaffold.Spec{Target: service, PortName: "https", SNI: "a.test", Trust: scaffold.Trust{System: true}}, "",
			"--port https --sni a.test --system-ca"},
		"the other kind": {scaffold.Spec{Target: scaffold.Target{Kind: scaffold.Backend, Name: "b"}, Policy: scaffold.BackendConfigPolicy,
			SNI: "a.test", Trust: scaffold.Trust{System: true}}, "",
			"--policy BackendConfigPolicy --sni a.test --system-ca"},
		"curves": {scaffold.Spec{Target: service, Policy: scaffold.BackendConfigPolicy, SNI: "a.test", Curves: []string{"X25519"}, Trust: scaffold.Trust{System: true}}, "",
			"--sni a.test --system-ca --curve X25519"},
		"insecure": {scaffold.Spec{Target: service, Policy: scaffold.BackendConfigPolicy, Trust: scaffold.Trust{Insecure: true}}, "",
			"--insecure-skip-verify"},
	} {
		s := written(t, test.spec, test.portFlag)
		flags, ok := (&world{}).originated(t.Context(), s)
		var words []string
		for _, flag := range flags {
			words = append(words, strings.TrimSpace("--"+flag.Name+" "+flag.Value))
		}
		if diff := cmp.Diff(test.want, strings.Join(words, " ")); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, diff)
		}
	}
}

// written is the policy of a Spec as a subject.
func written(t *testing.T, spec scaffold.Spec, portFlag string) *subject {
	t.Helper()
	spec.Namespace = "default"
	if spec.Policy == "" {
		spec.Policy = scaffold.BackendTLSPolicy
	}
	objects, err := spec.Objects()
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{kind: kindService, namespace: "default", name: spec.Target.Name, portFlag: portFlag}
	if spec.Target.Kind == scaffold.Backend {
		s.kind = kindBackend
	}
	switch made := objects[0].(type) {
	case *gatewayv1.BackendTLSPolicy:
		s.policy = fromBackendTLSPolicy(made)
	case *v1alpha1.BackendConfigPolicy:
		s.policy = fromBackendConfigPolicy(made)
	}
	return s
}

// TestNotOriginated: a policy that says more than flags can is left alone.
func TestNotOriginated(t *testing.T) {
	t.Parallel()
	plain := scaffold.Spec{Target: scaffold.Target{Kind: scaffold.Service, Name: "nginx"}, SNI: "a.test", Trust: scaffold.Trust{ConfigMap: "ca"}}
	for name, change := range map[string]func(*gatewayv1.BackendTLSPolicy){
		"of others":    func(p *gatewayv1.BackendTLSPolicy) { p.Labels = nil },
		"another name": func(p *gatewayv1.BackendTLSPolicy) { p.Name = "mine" },
		"two bundles": func(p *gatewayv1.BackendTLSPolicy) {
			p.Spec.Validation.CACertificateRefs = append(p.Spec.Validation.CACertificateRefs, gatewayv1.LocalObjectReference{Kind: "ConfigMap", Name: "b"})
		},
		"a Secret": func(p *gatewayv1.BackendTLSPolicy) { p.Spec.Validation.CACertificateRefs[0].Kind = "Secret" },
		"two targets": func(p *gatewayv1.BackendTLSPolicy) {
			p.Spec.TargetRefs = append(p.Spec.TargetRefs, p.Spec.TargetRefs[0])
		},
		"other options": func(p *gatewayv1.BackendTLSPolicy) {
			p.Spec.Options = map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue{"x.test/y": "z"}
		},
	} {
		s := written(t, plain, "")
		object := s.policy.object.(*gatewayv1.BackendTLSPolicy)
		change(object)
		s.policy = fromBackendTLSPolicy(object)
		if flags, ok := (&world{}).originated(t.Context(), s); ok {
			t.Errorf("%s: %v", name, flags)
		}
	}
	if flags, ok := (&world{}).originated(t.Context(), written(t, plain, "https")); ok {
		t.Errorf("a policy for all ports: %v", flags)
	}
}
