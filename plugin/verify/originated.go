package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// originated are the flags with which originate writes the subject's policy as
// it is. ok is false where somebody else made the policy, or it says more than
// flags can: that is asked of the very code that writes policies.
func (w *world) originated(ctx context.Context, s *subject) (flags []diagnose.Flag, ok bool) {
	object := s.policy.object
	if object.GetLabels()[contract.LabelOriginate] == "" {
		return nil, false
	}
	spec := &scaffold.Spec{Namespace: s.namespace, Target: scaffold.Target{Kind: scaffold.Backend, Name: s.name}, Name: s.policy.name}
	if s.kind == kindService {
		base, found := strings.CutSuffix(s.policy.name, "-tls-policy")
		if !found {
			return nil, false
		}
		spec.Target.Kind, spec.Name = scaffold.Service, base
	}
	switch policy := object.(type) {
	case *gatewayv1.BackendTLSPolicy:
		specOfTLS(spec, policy)
		if s.portFlag != "" && s.portFlag != spec.PortName {
			return nil, false // --port would restrict it to one port
		}
	case *v1alpha1.BackendConfigPolicy:
		if !w.specOfConfig(ctx, spec, policy) {
			return nil, false
		}
	}
	if !writes(spec, object) {
		return nil, false
	}
	return flagsFor(spec, s.portFlag, object.GetLabels()), true
}

// writes says whether originate makes of spec what the policy says.
func writes(spec *scaffold.Spec, policy client.Object) bool {
	objects, err := spec.Objects()
	if err != nil {
		return false
	}
	for _, object := range objects {
		switch made := object.(type) {
		case *gatewayv1.BackendTLSPolicy:
			live, ok := policy.(*gatewayv1.BackendTLSPolicy)
			return ok && equality.Semantic.DeepEqual(made.Spec, live.Spec)
		case *v1alpha1.BackendConfigPolicy:
			live, ok := policy.(*v1alpha1.BackendConfigPolicy)
			return ok && equality.Semantic.DeepEqual(made.Spec, live.Spec)
		}
	}
	return false
}

func specOfTLS(spec *scaffold.Spec, policy *gatewayv1.BackendTLSPolicy) {
	spec.Policy = scaffold.BackendTLSPolicy
	for _, ref := range policy.Spec.TargetRefs {
		spec.PortName = string(value(ref.SectionName, ""))
	}
	validation := &policy.Spec.Validation
	spec.SNI = string(validation.Hostname)
	for _, san := range validation.SubjectAltNames {
		spec.SANs = append(spec.SANs, string(san.Hostname)+string(san.URI))
	}
	spec.Trust.System = validation.WellKnownCACertificates != nil
	for _, ref := range validation.CACertificateRefs {
		spec.Trust.ConfigMap = string(ref.Name)
	}
	spec.MinTLS = string(policy.Spec.Options[contract.OptionMinTLSVersion])
	spec.MaxTLS = string(policy.Spec.Options[contract.OptionMaxTLSVersion])
	spec.ALPN = listOf(string(policy.Spec.Options[contract.OptionALPN]))
	spec.Ciphers = listOf(string(policy.Spec.Options[contract.OptionCipherSuites]))
}

func listOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// specOfConfig is false where it cannot be told what the policy's Secret is for.
func (w *world) specOfConfig(ctx context.Context, spec *scaffold.Spec, policy *v1alpha1.BackendConfigPolicy) bool {
	spec.Policy = scaffold.BackendConfigPolicy
	tls := policy.Spec.TLS
	spec.SNI, spec.SANs, spec.ALPN = value(tls.SNI, ""), tls.VerifySubjectAltNames, tls.ALPNProtocols
	if p := tls.Parameters; p != nil {
		spec.MinTLS, spec.MaxTLS = string(value(p.MinVersion, "")), string(value(p.MaxVersion, ""))
		spec.Ciphers, spec.Curves = p.CipherSuites, p.ECDHCurves
	}
	spec.Trust.Insecure, spec.Trust.System = value(tls.InsecureSkipVerify, false), tls.WellKnownCACertificates != nil
	if tls.SecretRef == nil {
		return true
	}
	spec.Trust.Secret, spec.Trust.OneWay = tls.SecretRef.Name, value(tls.SimpleTLS, false)
	secret := &corev1.Secret{}
	if found, err := w.get(ctx, policy.Namespace, tls.SecretRef.Name, secret); err != nil || !found {
		return false
	}
	if !spec.Trust.OneWay && len(secret.Data[corev1.TLSCertKey]) > 0 {
		spec.ClientCertificate = tls.SecretRef.Name
	}
	return true
}

// flagsFor are the flags of a Spec that are not what originate takes by itself.
func flagsFor(spec *scaffold.Spec, portFlag string, labels map[string]string) []diagnose.Flag {
	var flags []diagnose.Flag
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				flags = append(flags, diagnose.Flag{Name: name, Value: v})
			}
		}
	}
	if portFlag == "" {
		add("port", spec.PortName)
	}
	if kind, _ := spec.ChoosePolicy(); kind != spec.Policy {
		add("policy", string(spec.Policy))
	}
	usual := spec.Target.Name
	if portFlag != "" {
		usual += "-" + portFlag
	}
	if spec.Name != usual {
		add("name", spec.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		ours := key == contract.LabelManagedBy || key == contract.LabelOriginate
		if !ours && (key != contract.LabelApp || labels[key] != spec.Target.Name) {
			add("label", key+"="+labels[key])
		}
	}
	add("sni", spec.SNI)
	add("san", spec.SANs...)
	flags = append(flags, trustFlag(spec))
	add("alpn", spec.ALPN...)
	add("min-tls", spec.MinTLS)
	add("max-tls", spec.MaxTLS)
	add("cipher", spec.Ciphers...)
	add("curve", spec.Curves...)
	return flags
}

// trustFlag: a client certificate says with whom it is in one Secret.
func trustFlag(spec *scaffold.Spec) diagnose.Flag {
	switch {
	case spec.Trust.System:
		return diagnose.Flag{Name: "system-ca"}
	case spec.Trust.Insecure:
		return diagnose.Flag{Name: "insecure-skip-verify"}
	case spec.ClientCertificate != "":
		return diagnose.Flag{Name: "client-cert", Value: "secret/" + spec.ClientCertificate}
	case spec.Trust.Secret != "":
		return diagnose.Flag{Name: "ca-from", Value: "secret/" + spec.Trust.Secret}
	}
	return diagnose.Flag{Name: "ca-from", Value: "configmap/" + spec.Trust.ConfigMap}
}
