package local

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const settingsFile = "settings.json"

// settings are what a later dev-up or dev-down must know of a cluster.
type settings struct {
	// Complete is set once the cluster was up as a whole.
	Complete     bool              `json:"complete"`
	HTTPPort     int               `json:"httpPort"`
	AdminPort    int               `json:"adminPort"`
	Ports        ports             `json:"ports"`
	GatewayAPI   string            `json:"gatewayAPI"`
	Sample       bool              `json:"sample"`
	Break        cluster.Break     `json:"break"`
	SystemCAFile string            `json:"systemCAFile,omitempty"`
	Kubeconfig   kubeconfig.Change `json:"kubeconfig"`
	Programs     programs          `json:"programs"`
}

// programs are the paths of what the cluster runs.
type programs struct {
	Etcd      string `json:"etcd"`
	APIServer string `json:"apiserver"`
	Envoy     string `json:"envoy"`
}

// loadSettings returns false when there is no such cluster.
func loadSettings(s stateDir) (settings, bool, error) {
	var loaded settings
	data, err := os.ReadFile(s.path(settingsFile))
	if errors.Is(err, os.ErrNotExist) {
		return loaded, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &loaded)
	}
	if err != nil {
		return loaded, false, fmt.Errorf("read settings of the dev cluster: %w", err)
	}
	return loaded, true, nil
}

func (s settings) save(dir stateDir) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write settings of the dev cluster: %w", err)
	}
	return dir.write(data, settingsFile)
}

// newSettings are those of a cluster that is to be made.
func newSettings(o cluster.Options) settings {
	return settings{
		HTTPPort:     cmp.Or(o.HTTPPort, contract.DevHTTPPort),
		AdminPort:    cmp.Or(o.AdminPort, contract.AdminPort),
		GatewayAPI:   cmp.Or(o.GatewayAPI, cluster.ChannelStandard),
		Sample:       !o.NoSample,
		Break:        cmp.Or(o.Break, cluster.BreakNothing),
		SystemCAFile: o.SystemCAFile,
	}
}

// merge changes what can be changed in a cluster that is there, and refuses
// the rest.
func (s *settings) merge(o cluster.Options) error {
	for _, fixed := range []struct {
		flag        string
		asked, have any
		given       bool
	}{
		{"--http-port", o.HTTPPort, s.HTTPPort, o.HTTPPort != 0},
		{"--admin-port", o.AdminPort, s.AdminPort, o.AdminPort != 0},
		{"--gateway-api", o.GatewayAPI, s.GatewayAPI, o.GatewayAPI != ""},
		{"--no-sample", o.NoSample, !s.Sample, o.NoSample},
	} {
		if fixed.given && fixed.asked != fixed.have {
			return fail.Usage("dev cluster %q is there already, with %s=%v and not %v", o.Name, fixed.flag, fixed.have, fixed.asked).
				WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again, or choose another --name", o.Name).
				WithOutcome("nothing was changed")
		}
	}
	if o.Break != "" && !s.Sample && o.Break != cluster.BreakNothing {
		return fail.Usage("dev cluster %q was made with --no-sample: there is nothing to break", o.Name).
			WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again", o.Name).
			WithOutcome("nothing was changed")
	}
	if o.Break != "" && o.Break != s.Break {
		s.Break = o.Break
		s.Complete = false // until the cluster trusts the new sample
	}
	s.SystemCAFile = cmp.Or(o.SystemCAFile, s.SystemCAFile)
	return nil
}
