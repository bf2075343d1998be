package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// Settings are what a policy makes of TLS to a backend, as far as a live
// cluster can be compared with it.
type Settings struct {
	// SNI is sent; empty where the policy leaves it open.
	SNI string
	// Names are accepted in the certificate, written as in probe.TLSContext;
	// empty where the policy names none.
	Names []string
	// Refs are what the trust bundle is put together from, "configmap/NAME", in
	// the order of the policy. File is a path in the proxy in their place.
	// Neither is the system's bundle, unless Insecure: nothing is verified.
	Refs     []string
	File     string
	Insecure bool
	// MinTLS and MaxTLS are "1.0" to "1.3"; empty leaves them to the
	// controller.
	MinTLS, MaxTLS string
}

// Difference is in what a live cluster is not as a policy says.
type Difference struct {
	// Expected and Presented are a few words each, as "SNI example.com".
	Expected, Presented string
}

// What our controller takes where a policy names no version.
const (
	defaultMinTLS = "1.2"
	defaultMaxTLS = "1.3"
)

// Differs says in what live is not as the settings say; nil if in nothing that
// can be told. Only of our own controller it is known how it writes all of
// them: of others, what counts is what contradicts the policy however it is
// written.
func (s *Settings) Differs(live *probe.TLSContext, own bool) *Difference {
	if s.otherSNI(live, own) {
		return &Difference{"SNI " + cmp.Or(s.SNI, "none"), "SNI " + cmp.Or(live.SNI, "none")}
	}
	if !own {
		return s.otherNames(live)
	}
	switch {
	case !s.trusts(live.Trust):
		return &Difference{"trust " + s.trust(), "trust " + cmp.Or(live.Trust, "nothing")}
	case len(s.Names) > 0 && !s.Insecure && !slices.Equal(sorted(live.SANs), sorted(s.Names)):
		return &Difference{listed(s.Names), listed(live.SANs)}
	case s.MinTLS != "" && live.MinVersion != s.MinTLS, s.MaxTLS != "" && live.MaxVersion != s.MaxTLS,
		s.MinTLS == "" && live.MinVersion > defaultMinTLS, s.MaxTLS == "" && live.MaxVersion < defaultMaxTLS:
		return &Difference{
			fmt.Sprintf("TLS %s to %s", cmp.Or(s.MinTLS, min(defaultMinTLS, cmp.Or(s.MaxTLS, defaultMaxTLS))), cmp.Or(s.MaxTLS, defaultMaxTLS)),
			fmt.Sprintf("TLS %s to %s", live.MinVersion, live.MaxVersion),
		}
	}
	return nil
}

// otherSNI: where a policy names neither a server nor a certificate, our
// controller sends no name, or each endpoint's own.
func (s *Settings) otherSNI(live *probe.TLSContext, own bool) bool {
	if s.SNI == "" {
		return own && live.SNI != "" && len(s.Names) == 0
	}
	return !strings.EqualFold(live.SNI, s.SNI) && (own || !live.AutoSNI)
}

// otherNames: the cluster of another controller takes only exact names, none
// of which the policy has.
func (s *Settings) otherNames(live *probe.TLSContext) *Difference {
	if len(s.Names) == 0 || s.Insecure || len(live.SANs) == 0 {
		return nil
	}
	wanted := sorted(s.Names)
	for _, name := range sorted(live.SANs) {
		kind, value, _ := strings.Cut(name, ":")
		inexact := strings.Contains(value, " ") // "suffix example.com"
		untyped := kind == "any" && slices.ContainsFunc(wanted, func(w string) bool { return strings.HasSuffix(w, ":"+value) })
		if inexact || untyped || slices.Contains(wanted, name) {
			return nil
		}
	}
	return &Difference{listed(s.Names), listed(live.SANs)}
}

// trusts says whether our controller's cluster trusts what the policy refers
// to: it names the bundle by its sources.
func (s *Settings) trusts(live string) bool {
	switch {
	case s.Insecure:
		return live == ""
	case s.File != "":
		return live == "file "+s.File
	case len(s.Refs) == 0:
		return strings.HasPrefix(live, "file ") || live == "system"
	}
	return strings.HasSuffix(live, "/"+strings.Join(s.Refs, "+"))
}

func (s *Settings) trust() string {
	switch {
	case s.Insecure:
		return "nothing"
	case s.File != "":
		return "file " + s.File
	case len(s.Refs) == 0:
		return "the system bundle"
	}
	return strings.Join(s.Refs, ", ")
}

func listed(names []string) string {
	if len(names) == 0 {
		return "any name"
	}
	return "names " + strings.Join(names, ", ")
}

// sorted names, each once; in what case they are written is no difference.
func sorted(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
