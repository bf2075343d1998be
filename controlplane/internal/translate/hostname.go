package translate

import (
	"cmp"
	"iter"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// anyHost is the domain that matches every host.
const anyHost = "*"

// domain is a Gateway API hostname as a domain of Envoy: in lower case, and
// "*" where it is absent or empty.
func domain[T ~string](hostname *T) string {
	if hostname == nil || *hostname == "" {
		return anyHost
	}
	return strings.ToLower(string(*hostname))
}

// covers tells whether every host that inner matches is matched by outer.
// Wildcards match any number of labels, but not none.
func covers(outer, inner string) bool {
	if outer == anyHost || outer == inner {
		return true
	}
	suffix, wildcard := strings.CutPrefix(outer, "*")
	return wildcard && inner != anyHost && strings.HasSuffix(inner, suffix)
}

// intersect is the domain of the hosts that both match.
func intersect(a, b string) (string, bool) {
	switch {
	case covers(a, b):
		return b, true
	case covers(b, a):
		return a, true
	default:
		return "", false
	}
}

// widening yields a domain and then every domain that covers it, from the
// most to the least specific.
func widening(d string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(d) {
			return
		}
		rest := strings.TrimPrefix(d, "*.")
		for {
			_, parent, ok := strings.Cut(rest, ".")
			if !ok {
				break
			}
			if !yield("*." + parent) {
				return
			}
			rest = parent
		}
		if d != anyHost {
			yield(anyHost)
		}
	}
}

// compareDomains orders the more specific domain first: exact before
// wildcard, longer before shorter, then by name.
func compareDomains(a, b string) int {
	return cmp.Or(
		cmp.Compare(wildcardRank(a), wildcardRank(b)),
		cmp.Compare(len(b), len(a)),
		cmp.Compare(a, b),
	)
}

func wildcardRank(d string) int {
	if strings.HasPrefix(d, "*") {
		return 1
	}
	return 0
}

// validDomain tells whether d is "*", a DNS name, or a DNS name after "*.".
// The API server has checked it; manifests from elsewhere it has not.
func validDomain(d string) bool {
	if d == anyHost {
		return true
	}
	return validDNSName(strings.TrimPrefix(d, "*."))
}

// validDNSName tells whether name is a DNS name and not an IP address.
func validDNSName(name string) bool {
	if len(validation.IsDNS1123Subdomain(strings.ToLower(name))) > 0 {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}
