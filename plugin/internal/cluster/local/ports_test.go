package local

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

func TestPortsAreFreeAndDifferent(t *testing.T) {
	t.Parallel()
	chosen, err := choosePorts(t.Context(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range []int{chosen.Etcd, chosen.EtcdPeer, chosen.APIServer, chosen.XDS, chosen.Health, chosen.Sample} {
		if seen[port] {
			t.Errorf("port %d is chosen twice", port)
		}
		seen[port] = true
		if port < firstPort || port >= endPort {
			t.Errorf("port %d is out of range", port)
		}
	}
}

func TestSettingsMerge(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options      cluster.Options
		noSample     bool
		refused      string
		broken       cluster.Break
		staysAsItWas bool
	}{
		"nothing given":     {broken: cluster.BreakNothing, staysAsItWas: true},
		"the same":          {options: cluster.Options{HTTPPort: 8080, GatewayAPI: "standard"}, broken: cluster.BreakNothing, staysAsItWas: true},
		"another HTTP port": {options: cluster.Options{HTTPPort: 81}, refused: "--http-port=8080 and not 81"},
		"another channel":   {options: cluster.Options{GatewayAPI: "experimental"}, refused: "--gateway-api=standard"},
		"no sample":         {options: cluster.Options{NoSample: true}, refused: "--no-sample=false"},
		"break":             {options: cluster.Options{Break: cluster.BreakCA}, broken: cluster.BreakCA},
		"break what is not": {options: cluster.Options{Break: cluster.BreakCA}, noSample: true, refused: "nothing to break"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSettings(cluster.Options{NoSample: tt.noSample})
			s.Complete = true
			tt.options.Name = "tlsgw"
			err := s.merge(tt.options)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || fail.Code(err) != fail.CodeUsage {
					t.Errorf("merge() = %v, want %q", err, tt.refused)
				}
				return
			}
			if err != nil || s.Break != tt.broken || s.Complete != tt.staysAsItWas {
				t.Errorf("merge() = %v, %+v", err, s)
			}
		})
	}
}
