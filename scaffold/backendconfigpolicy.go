package scaffold

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// backendConfigPolicy says the same in kgateway's policy, which knows no
// single port of a Service: it applies to all.
func (s *Spec) backendConfigPolicy() client.Object {
	target := s.policyTarget()
	return &v1alpha1.BackendConfigPolicy{
		TypeMeta: metav1.TypeMeta{
			APIVersion: v1alpha1.SchemeGroupVersion().String(),
			Kind:       v1alpha1.KindBackendConfigPolicy,
		},
		ObjectMeta: s.meta(s.PolicyName()),
		Spec: v1alpha1.BackendConfigPolicySpec{
			TargetRefs: []v1alpha1.TargetRef{{Group: target.Group, Kind: target.Kind, Name: target.Name}},
			TLS:        s.tls(),
		},
	}
}

func (s *Spec) tls() *v1alpha1.TLS {
	tls := &v1alpha1.TLS{
		VerifySubjectAltNames: s.SANs,
		ALPNProtocols:         s.ALPN,
		Parameters:            s.parameters(),
	}
	if s.SNI != "" {
		tls.SNI = &s.SNI
	}
	yes := true
	switch {
	case s.Trust.Insecure:
		tls.InsecureSkipVerify = &yes
	case s.Trust.System:
		system := v1alpha1.WellKnownCACertificatesSystem
		tls.WellKnownCACertificates = &system
	case s.Trust.Secret != "":
		tls.SecretRef = &corev1.LocalObjectReference{Name: s.Trust.Secret}
		if s.Trust.OneWay {
			tls.SimpleTLS = &yes
		}
	default:
		tls.SecretRef = &corev1.LocalObjectReference{Name: s.BundleName()}
	}
	return tls
}

func (s *Spec) parameters() *v1alpha1.TLSParameters {
	parameters := &v1alpha1.TLSParameters{CipherSuites: s.Ciphers, ECDHCurves: s.Curves}
	if s.MinTLS != "" {
		version := v1alpha1.TLSVersion(s.MinTLS)
		parameters.MinVersion = &version
	}
	if s.MaxTLS != "" {
		version := v1alpha1.TLSVersion(s.MaxTLS)
		parameters.MaxVersion = &version
	}
	if s.MinTLS == "" && s.MaxTLS == "" && len(s.Ciphers) == 0 && len(s.Curves) == 0 {
		return nil
	}
	return parameters
}
