package scaffold

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// backendTLSPolicy is the policy as Gateway API's GEP-1897 has it; what it has
// no field for goes into its options.
func (s *Spec) backendTLSPolicy() client.Object {
	policy := &gatewayv1.BackendTLSPolicy{
		TypeMeta: metav1.TypeMeta{
			APIVersion: gatewayv1.GroupVersion.String(),
			Kind:       string(BackendTLSPolicy),
		},
		ObjectMeta: s.meta(s.PolicyName()),
		Spec: gatewayv1.BackendTLSPolicySpec{
			TargetRefs: []gatewayv1.LocalPolicyTargetReferenceWithSectionName{{
				LocalPolicyTargetReference: s.policyTarget(),
			}},
			Validation: gatewayv1.BackendTLSPolicyValidation{
				Hostname:        gatewayv1.PreciseHostname(s.SNI),
				SubjectAltNames: subjectAltNames(s.SANs),
			},
			Options: s.options(),
		},
	}
	if s.PortName != "" {
		name := gatewayv1.SectionName(s.PortName)
		policy.Spec.TargetRefs[0].SectionName = &name
	}
	validation := &policy.Spec.Validation
	if s.Trust.System {
		system := gatewayv1.WellKnownCACertificatesSystem
		validation.WellKnownCACertificates = &system
		return policy
	}
	name := s.Trust.ConfigMap
	if name == "" {
		name = s.BundleName()
	}
	validation.CACertificateRefs = []gatewayv1.LocalObjectReference{{
		Kind: "ConfigMap", Name: gatewayv1.ObjectName(name),
	}}
	return policy
}

func (s *Spec) policyTarget() gatewayv1.LocalPolicyTargetReference {
	if s.Target.Kind == Service {
		return gatewayv1.LocalPolicyTargetReference{Kind: "Service", Name: gatewayv1.ObjectName(s.Target.Name)}
	}
	return gatewayv1.LocalPolicyTargetReference{
		Group: v1alpha1.GroupName, Kind: v1alpha1.KindBackend, Name: gatewayv1.ObjectName(s.BackendName()),
	}
}

func subjectAltNames(names []string) []gatewayv1.SubjectAltName {
	var sans []gatewayv1.SubjectAltName
	for _, name := range names {
		san := gatewayv1.SubjectAltName{Type: gatewayv1.HostnameSubjectAltNameType, Hostname: gatewayv1.Hostname(name)}
		if IsURI(name) {
			san = gatewayv1.SubjectAltName{Type: gatewayv1.URISubjectAltNameType, URI: gatewayv1.AbsoluteURI(name)}
		}
		sans = append(sans, san)
	}
	return sans
}

func (s *Spec) options() map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue {
	options := map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue{}
	for key, value := range map[gatewayv1.AnnotationKey]string{
		contract.OptionMinTLSVersion: s.MinTLS,
		contract.OptionMaxTLSVersion: s.MaxTLS,
		contract.OptionALPN:          strings.Join(s.ALPN, ","),
		contract.OptionCipherSuites:  strings.Join(s.Ciphers, ","),
	} {
		if value != "" {
			options[key] = gatewayv1.AnnotationValue(value)
		}
	}
	if len(options) == 0 {
		return nil
	}
	return options
}
