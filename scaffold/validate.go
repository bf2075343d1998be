package scaffold

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// maxSubjectAltNames is the bound of BackendTLSPolicy (GEP-1897).
const maxSubjectAltNames = 5

// Validate says what is wrong with a Spec, in the order in which a person
// would fix it. Every error is a *FieldError.
func (s *Spec) Validate() error {
	for _, check := range []func(*Spec) *FieldError{
		(*Spec).checkNames,
		(*Spec).checkLabels,
		(*Spec).checkTrust,
		(*Spec).checkIdentity,
		(*Spec).checkProtocol,
		(*Spec).checkPolicy,
		(*Spec).checkRoute,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) checkNames() *FieldError {
	if problems := validation.IsDNS1123Label(s.Namespace); len(problems) > 0 {
		return invalid("--namespace", "%q is not a namespace: %s", s.Namespace, problems[0])
	}
	for _, name := range []string{s.PolicyName(), s.RouteName(), s.BundleName(), s.BackendName()} {
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			return invalid("--name", "%q does not make a valid name: %s: %s", s.name(), name, problems[0])
		}
	}
	if s.Target.Kind == Host && (s.Target.Port < 1 || s.Target.Port > 65535) {
		return invalid("TARGET", "%q has port %d: a port is a number from 1 to 65535", s.Target, s.Target.Port)
	}
	return nil
}

func (s *Spec) checkLabels() *FieldError {
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		value := s.Labels[key]
		if key == contract.LabelOriginate || key == contract.LabelManagedBy {
			return invalid("--label", "%q is set by originate itself", key)
		}
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			return invalid("--label", "%q is not the name of a label: %s", key, problems[0])
		}
		if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
			return invalid("--label", "%s=%s: %s", key, value, problems[0])
		}
	}
	return nil
}

func (s *Spec) checkTrust() *FieldError {
	var chosen int
	for _, set := range []bool{
		s.Trust.System, s.Trust.ConfigMap != "", s.Trust.Secret != "", len(s.Trust.Bundle) > 0, s.Trust.Insecure,
	} {
		if set {
			chosen++
		}
	}
	switch {
	case chosen == 0:
		return invalid("--ca-from", "or --system-ca is needed: nothing says whom to trust")
	case chosen > 1:
		return invalid("--ca-from", "only one of --ca-from, --system-ca and --insecure-skip-verify can be given")
	}
	return nil
}

func (s *Spec) checkIdentity() *FieldError {
	if s.SNI == "" && !s.Trust.Insecure {
		return invalid("--sni", "is needed: it is the name that the backend's certificate must be for")
	}
	if s.SNI != "" {
		if problem := hostnameProblem(s.SNI); problem != "" {
			return invalid("--sni", "%q is not a DNS name: %s", s.SNI, problem)
		}
	}
	for _, san := range s.SANs {
		if err := s.checkSAN(san); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) checkSAN(san string) *FieldError {
	if !IsURI(san) {
		if problem := hostnameProblem(san); problem != "" {
			return invalid("--san", "%q is neither a DNS name nor a URI: %s", san, problem)
		}
		return nil
	}
	if u, err := url.Parse(san); err != nil || u.Host == "" {
		return invalid("--san", "%q is not an absolute URI, as spiffe://example.com/service", san)
	}
	return nil
}

// IsURI says whether a subject alternative name is a URI rather than a DNS
// name.
func IsURI(san string) bool { return strings.Contains(san, "://") }

func hostnameProblem(name string) string {
	if validation.IsValidIP(nil, name) == nil {
		return "an IP address cannot be sent as server name"
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return "write one as example.com: lower case letters, digits, dashes and dots"
	}
	return ""
}

// TLSVersions are the versions that --min-tls and --max-tls take, oldest
// first.
func TLSVersions() []string { return []string{"1.0", "1.1", "1.2", "1.3"} }

func (s *Spec) checkProtocol() *FieldError {
	versions := TLSVersions()
	for _, given := range []struct{ flag, version string }{{"--min-tls", s.MinTLS}, {"--max-tls", s.MaxTLS}} {
		if given.version != "" && !slices.Contains(versions, given.version) {
			return invalid(given.flag, "%q is not a version of TLS: write one of %s", given.version, strings.Join(versions, ", "))
		}
	}
	if s.MinTLS != "" && s.MaxTLS != "" && s.MinTLS > s.MaxTLS {
		return invalid("--min-tls", "%s is above --max-tls %s", s.MinTLS, s.MaxTLS)
	}
	if len(s.Ciphers) > 0 && s.MinTLS == "1.3" {
		return invalid("--cipher", "has no effect with --min-tls 1.3: the cipher suites of TLS 1.3 cannot be chosen")
	}
	for _, given := range []struct {
		flag   string
		values []string
	}{{"--alpn", s.ALPN}, {"--cipher", s.Ciphers}, {"--curve", s.Curves}} {
		for _, value := range given.values {
			if value == "" || strings.ContainsAny(value, ", \t\n") {
				return invalid(given.flag, "%q is not one name: repeat the flag for several", value)
			}
		}
	}
	return nil
}

func (s *Spec) checkPolicy() *FieldError {
	switch s.Policy {
	case BackendTLSPolicy:
		return s.checkBackendTLSPolicy()
	case BackendConfigPolicy:
		return s.checkBackendConfigPolicy()
	default:
		return invalid("--policy", "%q is unknown: write auto, %s or %s", s.Policy, BackendTLSPolicy, BackendConfigPolicy)
	}
}

func (s *Spec) checkBackendTLSPolicy() *FieldError {
	const hint = "leave out --policy or use --policy BackendConfigPolicy"
	switch {
	case s.Trust.Insecure:
		return invalid("--insecure-skip-verify", "cannot be said in a BackendTLSPolicy: %s", hint)
	case s.ClientCertificate != "":
		return invalid("--client-cert", "cannot be said in a BackendTLSPolicy: %s", hint)
	case len(s.Curves) > 0:
		return invalid("--curve", "cannot be said in a BackendTLSPolicy: %s", hint)
	case s.Trust.Secret != "":
		return invalid("--ca-from", "secret/%s is not referred to by a BackendTLSPolicy but copied", s.Trust.Secret)
	case len(s.SANs) > maxSubjectAltNames:
		return invalid("--san", "is given %d times: a BackendTLSPolicy takes at most %d", len(s.SANs), maxSubjectAltNames)
	}
	return nil
}

func (s *Spec) checkBackendConfigPolicy() *FieldError {
	switch {
	case slices.ContainsFunc(s.SANs, IsURI):
		return invalid("--san", "with a URI cannot be said in a BackendConfigPolicy: use a DNS name, or no flag that needs BackendConfigPolicy")
	case s.Trust.Insecure && len(s.SANs) > 0:
		return invalid("--san", "has no effect with --insecure-skip-verify")
	case s.Trust.ConfigMap != "":
		return invalid("--ca-from", "configmap/%s is not referred to by a BackendConfigPolicy but copied", s.Trust.ConfigMap)
	case s.ClientCertificate != "" && s.Trust.Secret != s.ClientCertificate:
		return invalid("--client-cert", "secret/%s must also hold the CA: put it under its key %s and use --ca-from secret/%s",
			s.ClientCertificate, contract.CAKey, s.ClientCertificate)
	}
	return nil
}

func (s *Spec) checkRoute() *FieldError {
	if s.Route == nil {
		return nil
	}
	route := s.Route
	check := validation.IsDNS1123Subdomain
	if strings.HasPrefix(route.Hostname, "*.") {
		check = validation.IsWildcardDNS1123Subdomain
	}
	if problems := check(route.Hostname); len(problems) > 0 || validation.IsValidIP(nil, route.Hostname) == nil {
		return invalid("--expose", "%q is not a hostname: write one as www.example.com or *.example.com", route.Hostname)
	}
	if route.GatewayName == "" || route.GatewayNamespace == "" {
		return invalid("--gateway", "is needed: write NAMESPACE/NAME")
	}
	if route.PathPrefix != "" && !strings.HasPrefix(route.PathPrefix, "/") {
		return invalid("--path-prefix", "%q does not begin with /", route.PathPrefix)
	}
	if s.Target.Kind == Service && (route.ServicePort < 1 || route.ServicePort > 65535) {
		return invalid("--port", "is needed: the route must name a port of the Service")
	}
	return nil
}
