package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
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
		"nothing given":      {broken: cluster.BreakNothing, staysAsItWas: true},
		"the same":           {options: cluster.Options{HTTPPort: 8080, GatewayAPI: "standard"}, broken: cluster.BreakNothing, staysAsItWas: true},
		"another HTTP port":  {options: cluster.Options{HTTPPort: 81}, refused: "--http-port=8080 and not 81"},
		"another channel":    {options: cluster.Options{GatewayAPI: "experimental"}, refused: "--gateway-api=standard"},
		"no sample":          {options: cluster.Options{NoSample: true}, refused: "--no-sample=false"},
		"break":              {options: cluster.Options{Break: cluster.BreakCA}, broken: cluster.BreakCA},
		"another admin port": {options: cluster.Options{AdminPort: 83}, refused: "--admin-port=19000 and not 83"},
		"break what is not":  {options: cluster.Options{Break: cluster.BreakCA}, noSample: true, refused: "nothing to break"},
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

// A file that an earlier dev-up wrote is read as ever, and written the same.
func TestSettingsSurvive(t *testing.T) {
	t.Parallel()
	const stored = `{"complete":true,"httpPort":81,"adminPort":82,"ports":{"etcd":1,"etcdPeer":2,"apiserver":3,"xds":4,"health":5,"sample":6},"gatewayAPI":"standard","sample":true,
		"break":"none","kubeconfig":{"files":["/k"]},"programs":{"etcd":"/e","apiserver":"/a","envoy":"/v"}}`
	loaded, err := state.DecodeSettings[settings]([]byte(stored))
	want := settings{
		Settings: state.Settings{
			Complete: true, HTTPPort: 81, GatewayAPI: "standard", Sample: true, Break: cluster.BreakNothing,
			Kubeconfig: kubeconfig.Change{Files: []string{"/k"}},
		},
		AdminPort: 82, Ports: ports{Etcd: 1, EtcdPeer: 2, APIServer: 3, XDS: 4, Health: 5, Sample: 6},
		Programs: programs{Etcd: "/e", APIServer: "/a", Envoy: "/v"},
	}
	if diff := cmp.Diff(want, loaded); err != nil || diff != "" {
		t.Errorf("DecodeSettings() = %v (-want +got):\n%s", err, diff)
	}
	encoded, err := state.EncodeSettings(loaded)
	var before, after map[string]any
	if err := errors.Join(err, json.Unmarshal([]byte(stored), &before), json.Unmarshal(encoded, &after)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("EncodeSettings() (-before +after):\n%s", diff)
	}
}
