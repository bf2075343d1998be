package verify

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
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

// ParseTarget reads KIND/NAME, also with the kind's group as kubectl and
// originate print it, and originate's host/NAME[:PORT], which is the Backend
// that originate makes for it.
func ParseTarget(arg string) (TargetRef, error) {
	kind, name, found := strings.Cut(arg, "/")
	if !found {
		return TargetRef{}, fail.Usage("target %q is not KIND/NAME", arg).WithFix("kubectl tlsgw verify svc/%s", arg)
	}
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".")
	if kind == string(scaffold.Host) {
		host, err := scaffold.ParseTarget(arg)
		if err != nil {
			return TargetRef{}, fail.Usage("%w", err)
		}
		return TargetRef{kindBackend, host.ObjectName()}, nil
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return TargetRef{}, fail.Usage("target %q: %q is not a name: %s", arg, name, problems[0])
	}
	switch kind {
	case "svc", "service", "services":
		return TargetRef{kindService, name}, nil
	case "backend", "backends":
		return TargetRef{kindBackend, name}, nil
	case "btlspolicy", "backendtlspolicy", "backendtlspolicies":
		return TargetRef{kindBackendTLSPolicy, name}, nil
	case "backendconfigpolicy", "backendconfigpolicies":
		return TargetRef{kindBackendConfigPolicy, name}, nil
	}
	return TargetRef{}, fail.Usage("target %q is not one of svc/NAME, backend/NAME, host/NAME or a policy", arg).
		WithFix("kubectl tlsgw verify --help")
}
