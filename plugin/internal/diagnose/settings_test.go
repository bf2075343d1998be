package diagnose

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
)

// TestDiffers: in what a live cluster is not as the policy says; of another
// controller only what contradicts the policy.
func TestDiffers(t *testing.T) {
	t.Parallel()
	own := probe.TLSContext{
		SNI: "a.test", SANs: []string{"DNS:a.test"}, Trust: "secret trust/ns/configmap/ca", MinVersion: "1.2", MaxVersion: "1.3",
	}
	asked := Settings{SNI: "A.test", Names: []string{"DNS:A.test"}, Refs: []string{"configmap/ca"}}
	for name, test := range map[string]struct {
		change     func(*Settings, *probe.TLSContext)
		own, other string
	}{
		"the same":         {func(*Settings, *probe.TLSContext) {}, "", ""},
		"SNI":              {func(_ *Settings, c *probe.TLSContext) { c.SNI = "old.test" }, "SNI old.test", "SNI old.test"},
		"no SNI":           {func(_ *Settings, c *probe.TLSContext) { c.SNI = "" }, "SNI none", "SNI none"},
		"automatic SNI":    {func(_ *Settings, c *probe.TLSContext) { c.SNI, c.AutoSNI = "", true }, "SNI none", ""},
		"SNI not asked":    {func(s *Settings, _ *probe.TLSContext) { s.SNI, s.Names = "", nil }, "SNI a.test", ""},
		"trust":            {func(_ *Settings, c *probe.TLSContext) { c.Trust = "secret trust/ns/configmap/old-ca" }, "trust secret trust/ns/configmap/old-ca", ""},
		"more trust":       {func(_ *Settings, c *probe.TLSContext) { c.Trust = "secret trust/ns/configmap/b+configmap/ca" }, "trust secret trust/ns/configmap/b+configmap/ca", ""},
		"inline trust":     {func(_ *Settings, c *probe.TLSContext) { c.Trust = "inline" }, "trust inline", ""},
		"system trust":     {func(s *Settings, c *probe.TLSContext) { s.Refs, c.Trust = nil, "file /etc/ssl/ca.pem" }, "", ""},
		"file":             {func(s *Settings, c *probe.TLSContext) { s.Refs, s.File, c.Trust = nil, "/a", "file /b" }, "trust file /b", ""},
		"names":            {func(_ *Settings, c *probe.TLSContext) { c.SANs = []string{"DNS:old.test"} }, "names DNS:old.test", "names DNS:old.test"},
		"one of the names": {func(_ *Settings, c *probe.TLSContext) { c.SANs = []string{"DNS:b.test", "DNS:a.test"} }, "names DNS:b.test, DNS:a.test", ""},
		"names by suffix":  {func(_ *Settings, c *probe.TLSContext) { c.SANs = []string{"DNS:suffix .test"} }, "names DNS:suffix .test", ""},
		"names untyped":    {func(_ *Settings, c *probe.TLSContext) { c.SANs = []string{"ANY:a.test"} }, "names ANY:a.test", ""},
		"any name":         {func(_ *Settings, c *probe.TLSContext) { c.SANs = nil }, "any name", ""},
		"order of names": {func(s *Settings, c *probe.TLSContext) {
			s.Names, c.SANs = []string{"DNS:a.test", "URI:spiffe://a"}, []string{"URI:spiffe://a", "DNS:a.test"}
		}, "", ""},
		"insecure":         {func(s *Settings, c *probe.TLSContext) { s.Refs, s.Insecure, c.Trust, c.SANs = nil, true, "", nil }, "", ""},
		"versions":         {func(s *Settings, _ *probe.TLSContext) { s.MinTLS = "1.3" }, "TLS 1.2 to 1.3", ""},
		"newest":           {func(s *Settings, c *probe.TLSContext) { s.MinTLS, c.MinVersion = "1.3", "1.3" }, "", ""},
		"oldest":           {func(s *Settings, c *probe.TLSContext) { s.MaxTLS, c.MinVersion, c.MaxVersion = "1.1", "1.1", "1.1" }, "", ""},
		"no longer newest": {func(_ *Settings, c *probe.TLSContext) { c.MinVersion = "1.3" }, "TLS 1.3 to 1.3", ""},
	} {
		s, live := asked, own
		test.change(&s, &live)
		for _, of := range []struct {
			own  bool
			want string
		}{{true, test.own}, {false, test.other}} {
			got := ""
			if d := s.Differs(&live, of.own); d != nil {
				got = d.Presented
			}
			if diff := cmp.Diff(of.want, got); diff != "" {
				t.Errorf("%s, own %v (-want +got):\n%s", name, of.own, diff)
			}
		}
	}
}
