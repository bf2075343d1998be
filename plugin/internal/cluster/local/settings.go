package local

import (
	"cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
)

// settings are what a later dev-up or dev-down must know of a cluster.
type settings struct {
	state.Settings
	AdminPort int      `json:"adminPort"`
	Ports     ports    `json:"ports"`
	Programs  programs `json:"programs"`
}

// programs are the paths of what the cluster runs.
type programs struct {
	Etcd      string `json:"etcd"`
	APIServer string `json:"apiserver"`
	Envoy     string `json:"envoy"`
}

// newSettings are those of a cluster that is to be made.
func newSettings(o cluster.Options) settings {
	return settings{Settings: state.NewSettings(o), AdminPort: cmp.Or(o.AdminPort, contract.AdminPort)}
}

// merge changes what can be changed in a cluster that is there, and refuses
// the rest.
func (s *settings) merge(o cluster.Options) error {
	if err := state.Fixed(o.Name, "--admin-port", o.AdminPort, s.AdminPort); err != nil {
		return err
	}
	before := s.Break
	if err := s.Merge(o); err != nil {
		return err
	}
	if s.Break != before {
		s.Complete = false // until the cluster trusts the new sample
	}
	return nil
}
