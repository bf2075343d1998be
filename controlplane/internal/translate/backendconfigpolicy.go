package translate

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// configSettings is what a BackendConfigPolicy asks for.
type configSettings struct {
	tlsSettings
	// settings are those beside tls. They count where the policy is accepted.
	settings settings
}

// backendConfigPolicy evaluates a BackendConfigPolicy, once. One whose tls is
// not valid counts for nothing else, and its backends are not reached; other
// fields that are not valid are left out.
func (t *translation) backendConfigPolicy(policy *v1alpha1.BackendConfigPolicy) *configSettings {
	name := nameOf(policy)
	if known, ok := t.configPolicies[name]; ok {
		return known
	}
	s := &configSettings{settings: connectionSettings(&policy.Spec)}
	t.configPolicies[name] = s
	if policy.Spec.TLS != nil {
		tls, err := t.bcpTLS(policy, &s.tlsSettings)
		if err != nil {
			reason := v1alpha1.PolicyReasonInvalid
			if errors.Is(err, errExpired) {
				reason = contract.ReasonExpiredCertificate
			}
			s.accepted = problemf(reason, "%s", strings.Join(append([]string{"spec.tls." + err.Error()}, s.settings.errs...), "; "))
			return s
		}
		s.tls = tls
	}
	if len(s.settings.errs) > 0 && s.tls == nil && len(s.settings.list) == 0 {
		s.accepted = problemf(v1alpha1.PolicyReasonInvalid, "%s", strings.Join(s.settings.errs, "; "))
	}
	return s
}

// bcpTLS evaluates spec.tls. Errors start with the field that is wrong.
func (t *translation) bcpTLS(policy *v1alpha1.BackendConfigPolicy, s *tlsSettings) (*ir.UpstreamTLS, error) {
	spec := policy.Spec.TLS
	tls := &ir.UpstreamTLS{AllowRenegotiation: isTrue(spec.AllowRenegotiation), NoClientCertificate: isTrue(spec.SimpleTLS)}
	if err := checkRenamed(spec); err != nil {
		return nil, err
	}
	if err := t.bcpTrust(policy.Namespace, spec, tls, s); err != nil {
		return nil, err
	}
	if err := setNames(spec, tls); err != nil {
		return nil, err
	}
	if err := checkALPN(spec.ALPNProtocols); err != nil {
		return nil, fmt.Errorf("alpnProtocols: %w", err)
	}
	tls.ALPN = spec.ALPNProtocols
	if err := setParameters(spec.Parameters, tls); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	if tls.InsecureSkipVerify {
		s.notes = append(s.notes, "insecureSkipVerify: the backend's certificate is NOT verified")
	} else if tls.SNI == "" && len(tls.SANs) == 0 {
		s.notes = append(s.notes, "neither sni nor verifySubjectAltNames is set: of a backend without a DNS name only the chain is verified")
	}
	return tls, nil
}

// checkRenamed refuses fields under the names that they had in older versions
// of the API, whose schema may be the one that is installed: a policy that asks
// for more than is read must not be taken for one that asks for less.
func checkRenamed(spec *v1alpha1.TLS) error {
	parameters := deref(spec.Parameters, v1alpha1.TLSParameters{})
	for _, field := range []struct {
		isSet    bool
		old, now string
	}{
		{spec.OldFiles != nil, "tlsFiles", "files"},
		{spec.OldSimpleTLS != nil, "oneWayTLS", "simpleTLS"},
		{spec.OldVerifySubjectAltNames != nil, "verifySubjectAltName", "verifySubjectAltNames"},
		{parameters.OldMinVersion != nil, "parameters.tlsMinVersion", "minVersion"},
		{parameters.OldMaxVersion != nil, "parameters.tlsMaxVersion", "maxVersion"},
	} {
		if field.isSet {
			return fmt.Errorf("%s: it was renamed: use %s", field.old, field.now)
		}
	}
	return nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// bcpTrust takes the one source of trust that the policy names.
func (t *translation) bcpTrust(namespace string, spec *v1alpha1.TLS, tls *ir.UpstreamTLS, s *tlsSettings) error {
	named := 0
	for _, isSet := range []bool{spec.SecretRef != nil, spec.Files != nil, spec.InsecureSkipVerify != nil, spec.WellKnownCACertificates != nil} {
		if isSet {
			named++
		}
	}
	if named != 1 {
		return fmt.Errorf("secretRef, files, insecureSkipVerify, wellKnownCACertificates: exactly one is required, %d are set", named)
	}
	switch {
	case spec.SecretRef != nil:
		return t.bcpSecret(ir.Name{Namespace: namespace, Name: spec.SecretRef.Name}, isTrue(spec.SimpleTLS), tls, s)
	case spec.Files != nil:
		return t.setFiles(spec.Files, isTrue(spec.SimpleTLS), tls)
	case spec.WellKnownCACertificates != nil:
		if p := t.systemTrust(string(*spec.WellKnownCACertificates), tls); p != nil {
			return errors.New(p.message)
		}
		return nil
	case !*spec.InsecureSkipVerify:
		return errors.New("insecureSkipVerify: false chooses no trust: set secretRef, files or wellKnownCACertificates in its place")
	}
	tls.InsecureSkipVerify = true
	return nil
}

// bcpSecret takes the CA bundle and, unless told otherwise, the client
// certificate of a Secret.
func (t *translation) bcpSecret(name ir.Name, simple bool, tls *ir.UpstreamTLS, s *tlsSettings) error {
	sources := []source{{kind: kindSecret, name: name}}
	trust, errs := t.trustBundle(name.Namespace, sources)
	if trust == nil {
		return fmt.Errorf("secretRef: %w", errors.Join(errs...))
	}
	tls.TrustBundle = trust.Name
	s.secrets = append(s.secrets, trust)
	secret := t.objects.secrets[name]
	if simple || len(secret.Data[corev1.TLSCertKey]) == 0 && len(secret.Data[corev1.TLSPrivateKeyKey]) == 0 {
		return nil
	}
	pair, err := t.keyPair(secret)
	if err != nil {
		return fmt.Errorf("secretRef: client certificate: %w", err)
	}
	tls.ClientCertificate = pair.Name
	s.secrets = append(s.secrets, pair)
	return nil
}

// setFiles takes files of the proxy. Whether they exist only Envoy knows.
func (t *translation) setFiles(files *v1alpha1.TLSFiles, simple bool, tls *ir.UpstreamTLS) error {
	paths := []struct {
		field string
		value *string
	}{{"rootCA", files.RootCA}, {"tlsCertificate", files.TLSCertificate}, {"tlsKey", files.TLSKey}}
	for _, p := range paths {
		if p.value == nil {
			continue
		}
		if err := t.checkFile(*p.value); err != nil {
			return fmt.Errorf("files.%s: %w", p.field, err)
		}
	}
	if files.RootCA == nil {
		return errors.New("files.rootCA is required: without it nothing would be verified")
	}
	if (files.TLSCertificate == nil) != (files.TLSKey == nil) {
		return errors.New("files.tlsCertificate and files.tlsKey need each other")
	}
	tls.TrustFile = *files.RootCA
	if files.TLSKey != nil && !simple {
		tls.ClientCertFile, tls.ClientKeyFile = *files.TLSCertificate, *files.TLSKey
	}
	return nil
}

// checkFile tells whether a policy may name a file of the proxy: it must be
// below one of the allowed folders, and written as it is.
func (t *translation) checkFile(name string) error {
	if !path.IsAbs(name) || !printable(name) {
		return fmt.Errorf("%q is not an absolute path", name)
	}
	if t.options.FileFolders == nil {
		return nil
	}
	plain := path.Clean(name)
	below := func(folder string) bool { return strings.HasPrefix(plain, path.Clean(folder)+"/") }
	switch {
	case !slices.ContainsFunc(t.options.FileFolders, below):
		return fmt.Errorf("%q is not below %s, where a policy may name files of the proxy", plain, strings.Join(t.options.FileFolders, " or "))
	case plain != name:
		return fmt.Errorf("%q is not written plainly: use %q", name, plain)
	}
	return nil
}

// setNames sets the SNI and the names that the certificate must have: those
// that are listed, else the SNI.
func setNames(spec *v1alpha1.TLS, tls *ir.UpstreamTLS) error {
	if spec.SNI != nil {
		tls.SNI = strings.ToLower(*spec.SNI)
		if !validDNSName(tls.SNI) {
			return fmt.Errorf("sni: %q is not a DNS name", *spec.SNI)
		}
	}
	if tls.InsecureSkipVerify {
		if len(spec.VerifySubjectAltNames) > 0 {
			return errors.New("verifySubjectAltNames contradicts insecureSkipVerify: nothing would be verified")
		}
		return nil
	}
	for i, name := range spec.VerifySubjectAltNames {
		value := strings.ToLower(name)
		if value == anyHost || !validDomain(value) {
			return fmt.Errorf("verifySubjectAltNames[%d]: %q is not a DNS name", i, name)
		}
		tls.SANs = append(tls.SANs, ir.SAN{Type: ir.SANDNS, Value: value})
	}
	if len(tls.SANs) == 0 && tls.SNI != "" {
		tls.SANs = []ir.SAN{{Type: ir.SANDNS, Value: tls.SNI}}
	}
	return nil
}

func setParameters(p *v1alpha1.TLSParameters, tls *ir.UpstreamTLS) error {
	if p == nil {
		p = &v1alpha1.TLSParameters{}
	}
	if err := setVersions(tls, version(p.MinVersion), version(p.MaxVersion)); err != nil {
		return err
	}
	var errCiphers, errCurves, errAlgorithms error
	tls.CipherSuites, errCiphers = canonicalCiphers(p.CipherSuites)
	tls.Curves, errCurves = canonical(p.ECDHCurves, curves(), "curve")
	tls.SignatureAlgorithms, errAlgorithms = canonical(p.SignatureAlgorithms, signatureAlgorithms(), "signature algorithm")
	if err := errors.Join(errCiphers, errCurves, errAlgorithms); err != nil {
		return err
	}
	return checkSuites(tls)
}

// version gives "" for AUTO: the default.
func version(v *v1alpha1.TLSVersion) string {
	if v == nil || *v == v1alpha1.TLSVersionAuto {
		return ""
	}
	return string(*v)
}
