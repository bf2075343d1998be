package translate

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// optionPrefix is the domain of the options that this controller defines.
const optionPrefix = "tlsgw.dev/"

// tlsSettings is what a policy makes of TLS, whatever it targets.
type tlsSettings struct {
	// tls is nil where the policy is not valid.
	tls     *ir.UpstreamTLS
	secrets []*ir.Secret
	// accepted and resolved are what keeps the policy from being valid, and
	// which of its references do not resolve.
	accepted, resolved *problem
	// notes are remarks on a valid policy.
	notes []string
}

// backendTLSPolicy evaluates a BackendTLSPolicy, once.
func (t *translation) backendTLSPolicy(policy *gatewayv1.BackendTLSPolicy) *tlsSettings {
	name := nameOf(policy)
	if known, ok := t.tlsPolicies[name]; ok {
		return known
	}
	s := &tlsSettings{}
	t.tlsPolicies[name] = s
	tls := &ir.UpstreamTLS{SNI: strings.ToLower(string(policy.Spec.Validation.Hostname))}
	t.btpTrust(policy, tls, s)
	if err := setIdentity(&policy.Spec.Validation, tls); err != nil && s.accepted == nil {
		s.accepted = problemf(string(gatewayv1.PolicyReasonInvalid), "spec.validation: %v", err)
	}
	ignored, err := setOptions(policy.Spec.Options, tls)
	if err != nil && s.accepted == nil {
		s.accepted = problemf(string(gatewayv1.PolicyReasonInvalid), "spec.options: %v", err)
	}
	if len(ignored) > 0 {
		s.notes = append(s.notes, "spec.options: ignored keys that this controller does not know: "+strings.Join(ignored, ", "))
	}
	if s.accepted == nil {
		s.tls = tls
	}
	return s
}

// btpTrust resolves where the policy's trust comes from.
func (t *translation) btpTrust(policy *gatewayv1.BackendTLSPolicy, tls *ir.UpstreamTLS, s *tlsSettings) {
	validation := &policy.Spec.Validation
	wellKnown := validation.WellKnownCACertificates
	switch {
	case wellKnown != nil && *wellKnown != "" && len(validation.CACertificateRefs) > 0:
		s.accepted = problemf(string(gatewayv1.PolicyReasonInvalid),
			"spec.validation: caCertificateRefs and wellKnownCACertificates exclude each other")
	case wellKnown != nil && *wellKnown != "":
		s.accepted = t.systemTrust(string(*wellKnown), tls)
	case len(validation.CACertificateRefs) == 0:
		s.accepted = problemf(string(gatewayv1.PolicyReasonInvalid),
			"spec.validation: one of caCertificateRefs and wellKnownCACertificates is required")
	default:
		t.btpCARefs(policy, tls, s)
	}
}

// systemTrust trusts the bundle that the proxy has.
func (t *translation) systemTrust(value string, tls *ir.UpstreamTLS) *problem {
	if value != string(gatewayv1.WellKnownCACertificatesSystem) {
		return problemf(string(gatewayv1.PolicyReasonInvalid),
			"wellKnownCACertificates %q is unknown: use %s", value, gatewayv1.WellKnownCACertificatesSystem)
	}
	if t.options.SystemCAFile == "" {
		return problemf(string(gatewayv1.PolicyReasonInvalid),
			"wellKnownCACertificates: the proxies of this controller have no system bundle")
	}
	tls.TrustFile = t.options.SystemCAFile
	return nil
}

// btpCARefs trusts all references that resolve, and says which do not.
func (t *translation) btpCARefs(policy *gatewayv1.BackendTLSPolicy, tls *ir.UpstreamTLS, s *tlsSettings) {
	var sources []source
	var problems []*problem
	for i, ref := range policy.Spec.Validation.CACertificateRefs {
		from, ok := caSource(policy.Namespace, ref)
		if !ok {
			problems = append(problems, problemf(string(gatewayv1.BackendTLSPolicyReasonInvalidKind),
				"caCertificateRefs[%d]: kind %s of group %q is not supported: use a ConfigMap or a Secret", i, ref.Kind, ref.Group))
			continue
		}
		if !slices.Contains(sources, from) {
			sources = append(sources, from)
		}
	}
	secret, errs := t.trustBundle(policy.Namespace, sources)
	for _, err := range errs {
		reason := string(gatewayv1.BackendTLSPolicyReasonInvalidCACertificateRef)
		if errors.Is(err, errExpired) {
			reason = contract.ReasonExpiredCertificate
		}
		problems = append(problems, &problem{reason: reason, message: "caCertificateRefs: " + err.Error()})
	}
	s.resolved = joinProblems(problems)
	if secret != nil {
		tls.TrustBundle = secret.Name
		s.secrets = append(s.secrets, secret)
		return
	}
	reason := string(gatewayv1.BackendTLSPolicyReasonNoValidCACertificate)
	if slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, errExpired) }) {
		reason = contract.ReasonExpiredCertificate
	}
	s.accepted = &problem{reason: reason, message: s.resolved.message + "; requests get 500"}
}

// setIdentity sets who the backend must prove to be: any one of the
// subjectAltNames, or the hostname where there are none.
func setIdentity(validation *gatewayv1.BackendTLSPolicyValidation, tls *ir.UpstreamTLS) error {
	if !validDNSName(tls.SNI) {
		return fmt.Errorf("hostname %q is not a DNS name", validation.Hostname)
	}
	if len(validation.SubjectAltNames) == 0 {
		tls.SANs = []ir.SAN{{Type: ir.SANDNS, Value: tls.SNI}}
		return nil
	}
	for i, name := range validation.SubjectAltNames {
		san, err := subjectAltName(name)
		if err != nil {
			return fmt.Errorf("subjectAltNames[%d]: %w", i, err)
		}
		tls.SANs = append(tls.SANs, san)
	}
	return nil
}

func subjectAltName(name gatewayv1.SubjectAltName) (ir.SAN, error) {
	switch name.Type {
	case gatewayv1.HostnameSubjectAltNameType:
		value := strings.ToLower(string(name.Hostname))
		if value == anyHost || !validDomain(value) {
			return ir.SAN{}, fmt.Errorf("hostname %q is not a DNS name", name.Hostname)
		}
		return ir.SAN{Type: ir.SANDNS, Value: value}, nil
	case gatewayv1.URISubjectAltNameType:
		value := string(name.URI)
		if parsed, err := url.Parse(value); err != nil || parsed.Scheme == "" || !printable(value) {
			return ir.SAN{}, fmt.Errorf("uri %q is not an absolute URI", name.URI)
		}
		return ir.SAN{Type: ir.SANURI, Value: value}, nil
	default:
		return ir.SAN{}, fmt.Errorf("type %q is unknown: use Hostname or URI", name.Type)
	}
}

// setOptions applies spec.options. Keys of other domains are for other
// controllers and are given back to be reported. A key of our own domain that
// we do not know is an error: it is most likely a slip of the pen in a
// setting that somebody relies on.
func setOptions(options map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue, tls *ir.UpstreamTLS) (ignored []string, err error) {
	var minimum, maximum string
	for key, value := range options {
		switch key {
		case contract.OptionMinTLSVersion:
			minimum = string(value)
		case contract.OptionMaxTLSVersion:
			maximum = string(value)
		case contract.OptionALPN:
			tls.ALPN = splitList(string(value))
		case contract.OptionCipherSuites:
			tls.CipherSuites = splitList(string(value))
		default:
			ignored = append(ignored, string(key))
		}
	}
	slices.Sort(ignored)
	for _, key := range ignored {
		if strings.HasPrefix(key, optionPrefix) {
			return nil, fmt.Errorf("key %q is unknown: use %s, %s, %s or %s", key,
				contract.OptionMinTLSVersion, contract.OptionMaxTLSVersion, contract.OptionALPN, contract.OptionCipherSuites)
		}
	}
	if err := setVersions(tls, minimum, maximum); err != nil {
		return ignored, err
	}
	if err := checkALPN(tls.ALPN); err != nil {
		return ignored, err
	}
	if tls.CipherSuites, err = canonicalCiphers(tls.CipherSuites); err != nil {
		return ignored, err
	}
	return ignored, checkSuites(tls)
}

func splitList(text string) []string {
	var values []string
	for value := range strings.SplitSeq(text, ",") {
		values = append(values, strings.TrimSpace(value))
	}
	return values
}
