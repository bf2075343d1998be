package verify

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// The kinds that verify takes.
const (
	kindService             = "Service"
	kindBackend             = "Backend"
	kindBackendTLSPolicy    = "BackendTLSPolicy"
	kindBackendConfigPolicy = "BackendConfigPolicy"
)

// TargetRef names a backend or a policy of the namespace.
type TargetRef struct {
	Kind, Name string
}

// ParseTarget reads KIND/NAME.
func ParseTarget(arg string) (TargetRef, error) {
	kind, name, found := strings.Cut(arg, "/")
	if !found {
		return TargetRef{}, fail.Usage("target %q is not KIND/NAME", arg).WithFix("kubectl tlsgw verify svc/%s", arg)
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return TargetRef{}, fail.Usage("target %q: %q is not a name: %s", arg, name, problems[0])
	}
	switch strings.ToLower(kind) {
	case "svc", "service", "services":
		return TargetRef{kindService, name}, nil
	case "backend", "backends", "backends.gateway.kgateway.dev":
		return TargetRef{kindBackend, name}, nil
	case "btlspolicy", "backendtlspolicy", "backendtlspolicies", "backendtlspolicies.gateway.networking.k8s.io":
		return TargetRef{kindBackendTLSPolicy, name}, nil
	case "backendconfigpolicy", "backendconfigpolicies", "backendconfigpolicies.gateway.kgateway.dev":
		return TargetRef{kindBackendConfigPolicy, name}, nil
	}
	return TargetRef{}, fail.Usage("target %q: kind %q is not one of svc, backend, backendtlspolicy, backendconfigpolicy", arg, kind)
}
