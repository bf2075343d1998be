package verify

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
)

// policyScenarios are the other kinds of policy and target.
func policyScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, a.root.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := func(c object) {
		noValidation(c)
		delete(c, "sni")
		common(c)["validation_context"] = object{"trusted_ca": object{"filename": file}}
	}
	return []*scenario{
		{name: "config-secret", bundle: "secret/config-secret-ca", port: good(t, a, "config-secret"), want: diagnose.Verified, change: func(o *objects) {
			o.replacePolicy(configPolicy(o, &v1alpha1.TLS{
				SecretRef: &corev1.LocalObjectReference{Name: "config-secret-ca"}, SNI: pointer(nameOf("config-secret")),
			}), &corev1.Secret{ObjectMeta: named("config-secret-ca"), Data: map[string][]byte{"ca.crt": []byte(o.trust.Data["ca.crt"])}})
		}},
		{name: "config-secret-missing", noCluster: true, want: diagnose.CARefNotFound, change: func(o *objects) {
			o.replacePolicy(configPolicy(o, &v1alpha1.TLS{SecretRef: &corev1.LocalObjectReference{Name: "nowhere"}}))
		}},
		{name: "config-selector", noSNI: true, port: good(t, a, "config-selector"), want: diagnose.Verified, live: fromFile, change: func(o *objects) {
			o.service.Labels = map[string]string{"tls": "config-selector"}
			p := configPolicy(o, &v1alpha1.TLS{Files: &v1alpha1.TLSFiles{RootCA: &file}})
			p.Spec.TargetRefs = nil
			p.Spec.TargetSelectors = []v1alpha1.TargetSelector{{Kind: "Service", MatchLabels: o.service.Labels}}
			o.replacePolicy(p)
		}, also: func(t *testing.T, results []report.Result, _ string) {
			t.Helper()
			if len(results[0].Warnings) != 1 {
				t.Errorf("chain-only is not warned of: %+v", results[0].Warnings)
			}
		}},
		{name: "config-insecure", port: good(t, a, "config-insecure"), want: diagnose.VerificationDisabled, live: noValidation,
			change: func(o *objects) { o.replacePolicy(configPolicy(o, &v1alpha1.TLS{InsecureSkipVerify: pointer(true)})) }},
		{name: "config-overridden", port: good(t, a, "config-overridden"), want: diagnose.Verified, exit: 1, change: func(o *objects) {
			o.more = append(o.more, configPolicy(o, &v1alpha1.TLS{InsecureSkipVerify: pointer(true)}))
		}, also: func(t *testing.T, results []report.Result, _ string) {
			t.Helper()
			if len(results) != 2 || results[0].Verdict != diagnose.PolicyConflicted {
				t.Errorf("the overridden policy is not told: %+v", results)
			}
		}},
		{name: "proxied", proxied: true, port: behindProxyHeader(t, good(t, a, "proxied")), want: diagnose.Verified},
		{name: "static-backend", backend: true, port: good(t, a, "static-backend"), want: diagnose.Verified, change: toBackend},
		{name: "static-wrong-name", backend: true, port: good(t, a, "other"), want: diagnose.HostnameMismatch, change: toBackend},
		{name: "by-policy", port: good(t, a, "by-policy"), want: diagnose.Verified, options: func(o *Options) {
			o.Targets = []TargetRef{{kindBackendTLSPolicy, "by-policy-tls"}}
		}},
		{name: "copied-ca", bundle: "configmap/copied-ca-ca+configmap/copied-ca-more", port: good(t, a, "copied-ca"), want: diagnose.Verified, change: func(o *objects) {
			more := &corev1.ConfigMap{ObjectMeta: named("copied-ca-more"), Data: o.trust.Data}
			refs := &o.policy.Spec.Validation.CACertificateRefs
			*refs = append(*refs, gatewayv1.LocalObjectReference{Kind: "ConfigMap", Name: gatewayv1.ObjectName(more.Name)})
			o.trust.Annotations = map[string]string{"tlsgw.dev/ca-source": "secret/copied-ca-source:tls.crt"}
			o.more = append(o.more, more, &corev1.Secret{ObjectMeta: named("copied-ca-source"), Data: map[string][]byte{"tls.crt": a.stranger.CertPEM()}})
		}, also: func(t *testing.T, results []report.Result, _ string) {
			t.Helper()
			if len(results[0].Warnings) != 1 {
				t.Errorf("drift is not warned of: %+v", results[0].Warnings)
			}
		}},
	}
}

// replacePolicy takes another policy in place of the BackendTLSPolicy.
func (o *objects) replacePolicy(all ...client.Object) {
	o.policy, o.trust = nil, nil
	o.more = append(o.more, all...)
}

func configPolicy(o *objects, tls *v1alpha1.TLS) *v1alpha1.BackendConfigPolicy {
	return &v1alpha1.BackendConfigPolicy{
		ObjectMeta: named(o.service.Name + "-config"),
		Spec: v1alpha1.BackendConfigPolicySpec{
			TargetRefs: []v1alpha1.TargetRef{{Kind: "Service", Name: gatewayv1.ObjectName(o.service.Name)}},
			TLS:        tls,
		},
		Status: policyStatus("http", accepted(), isTrue("Attached", "Attached")),
	}
}

// toBackend puts a static Backend in the place of the Service.
func toBackend(o *objects) {
	name, port := o.service.Name, *o.endpoints.Ports[0].Port
	o.service, o.endpoints = nil, nil
	o.more = append(o.more, &v1alpha1.Backend{ObjectMeta: named(name), Spec: v1alpha1.BackendSpec{
		Static: &v1alpha1.StaticBackend{Hosts: []v1alpha1.Host{{Host: "backend.localhost", Port: port}}},
	}})
	target := &o.policy.Spec.TargetRefs[0]
	target.Group, target.Kind = v1alpha1.GroupName, kindBackend
	ref := &o.route.Spec.Rules[0].BackendRefs[0].BackendObjectReference
	ref.Group, ref.Kind, ref.Port = pointer(gatewayv1.Group(v1alpha1.GroupName)), pointer(gatewayv1.Kind(kindBackend)), nil
}
