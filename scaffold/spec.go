package scaffold

import "fmt"

// PolicyKind is the kind of policy that carries the TLS settings.
type PolicyKind string

// The kinds of policies.
const (
	BackendTLSPolicy    PolicyKind = "BackendTLSPolicy"
	BackendConfigPolicy PolicyKind = "BackendConfigPolicy"
)

// Spec says how one backend is reached over TLS. Validate says whether it can
// be said in Kubernetes objects.
type Spec struct {
	Target    Target
	Namespace string
	// Name is the base name of all objects; empty is Target.ObjectName.
	Name string
	// Originate is the value of contract.LabelOriginate; empty is
	// Target.Label. It differs where a Backend that was made for a host is
	// addressed as a Backend.
	Originate string
	// BundleTaken: somebody else's object has the name that a copied CA would
	// get first.
	BundleTaken bool
	// Labels are put on every object beside those of the contract.
	Labels map[string]string
	Policy PolicyKind
	// PortName restricts the policy to one named port of a Service.
	PortName string

	Trust Trust
	// SNI is the server name that is sent, and the name that the certificate
	// must be for unless SANs are given.
	SNI string
	// SANs are DNS names or URIs of which any one must be in the certificate.
	SANs []string
	ALPN []string
	// MinTLS and MaxTLS are "1.0" to "1.3"; empty leaves it to Envoy.
	MinTLS, MaxTLS  string
	Ciphers, Curves []string
	// ClientCertificate names a Secret with tls.crt and tls.key.
	ClientCertificate string

	// Route is nil when no HTTPRoute is wanted.
	Route *Route
}

// Trust is what the backend's certificate must chain to. Exactly one of
// System, ConfigMap, Secret, Bundle and Insecure is set.
type Trust struct {
	// System is the bundle that the proxy's system has.
	System bool
	// ConfigMap and Secret name an object whose key ca.crt is referred to.
	ConfigMap, Secret string
	// OneWay withholds a client certificate that Secret also holds.
	OneWay bool
	// Bundle is PEM that is copied into an object of its own, and Source is
	// its provenance: "KIND/NAME:KEY" in the same namespace, else what it was.
	Bundle []byte
	Source string
	// Insecure verifies nothing.
	Insecure bool
}

// Route is the HTTPRoute that exposes the backend.
type Route struct {
	// Hostname may begin with a "*." label.
	Hostname string
	// GatewayNamespace and GatewayName are the parent, unless listeners of the
	// Gateway that a ListenerSet has are meant.
	GatewayNamespace, GatewayName         string
	ListenerSetNamespace, ListenerSetName string
	// PathPrefix is the only path that is routed; empty is all.
	PathPrefix string
	// ServicePort is the port of a Service target.
	ServicePort int32
}

// FieldError says which flag of a Spec is wrong, and how.
type FieldError struct {
	// Field is the flag, as "--sni", or TARGET.
	Field   string
	Problem string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

func invalid(field, format string, args ...any) *FieldError {
	return &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// name is the base name of the objects.
func (s *Spec) name() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Target.ObjectName()
}

// PolicyName is the policy's name: NAME-tls-policy for a Service, else NAME.
func (s *Spec) PolicyName() string {
	if s.Target.Kind == Service {
		return s.name() + "-tls-policy"
	}
	return s.name()
}

// RouteName is the HTTPRoute's name: NAME-route for a Service, else NAME.
func (s *Spec) RouteName() string {
	if s.Target.Kind == Service {
		return s.name() + "-route"
	}
	return s.name()
}

// BundleName is the name of the object with the copied CA: NAME-ca, or
// NAME-ca-copy.
func (s *Spec) BundleName() string {
	if s.BundleTaken {
		return s.name() + "-ca-copy"
	}
	return s.name() + "-ca"
}

// BackendName is the name of the Backend that is targeted or made.
func (s *Spec) BackendName() string {
	if s.Target.Kind == Host {
		return s.name()
	}
	return s.Target.Name
}

// ChoosePolicy is the kind of policy for a Spec whose Policy is not set, and
// why: a BackendTLSPolicy, unless a setting needs the other.
func (s *Spec) ChoosePolicy() (kind PolicyKind, why string) {
	switch {
	case s.Trust.Insecure:
		return BackendConfigPolicy, "--insecure-skip-verify needs it"
	case s.ClientCertificate != "":
		return BackendConfigPolicy, "--client-cert needs it"
	case len(s.Curves) > 0:
		return BackendConfigPolicy, "--curve needs it"
	}
	return BackendTLSPolicy, "no flag needs BackendConfigPolicy"
}
