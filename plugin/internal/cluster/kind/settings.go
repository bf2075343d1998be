package kind

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

const settingsFile = "settings.json"

// settings are what a later dev-up or dev-down must know of a cluster. Its
// node has a copy, as the mark that it is ours.
type settings struct {
	// Complete is set once the cluster was up as a whole, Marked once its
	// node has the mark.
	Complete bool `json:"complete"`
	Marked   bool `json:"marked"`

	Engine     string        `json:"engine"`
	NodeImage  string        `json:"nodeImage"`
	HTTPPort   int           `json:"httpPort"`
	GatewayAPI string        `json:"gatewayAPI"`
	Sample     bool          `json:"sample"`
	Break      cluster.Break `json:"break"`
	// Image is that of the controller where it was given, LinuxBinary what
	// its image was made of where that was given.
	Image        string `json:"image,omitempty"`
	LinuxBinary  string `json:"linuxBinary,omitempty"`
	SystemCAFile string `json:"systemCAFile,omitempty"`

	// Network is true when kind's network was not there before.
	Network    bool              `json:"network"`
	Kubeconfig kubeconfig.Change `json:"kubeconfig"`
}

// loadSettings returns false when there is no such cluster.
func loadSettings(dir state.Dir) (settings, bool, error) {
	data, err := os.ReadFile(dir.Path(settingsFile))
	if errors.Is(err, os.ErrNotExist) {
		return settings{}, false, nil
	}
	if err != nil {
		return settings{}, false, fmt.Errorf("read settings of the dev cluster: %w", err)
	}
	loaded, err := decodeSettings(data)
	return loaded, true, err
}

func decodeSettings(data []byte) (loaded settings, err error) {
	if err := json.Unmarshal(data, &loaded); err != nil {
		return settings{}, fmt.Errorf("read settings of the dev cluster: %w", err)
	}
	return loaded, nil
}

func (s settings) encode() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write settings of the dev cluster: %w", err)
	}
	return data, nil
}

func (s settings) save(dir state.Dir) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	if err := dir.Make(); err != nil {
		return err
	}
	return dir.Write(data, settingsFile)
}

// newSettings are those of a cluster that is to be made.
func newSettings(o cluster.Options) settings {
	return settings{
		NodeImage:    cmp.Or(o.NodeImage, DefaultNodeImage),
		HTTPPort:     cmp.Or(o.HTTPPort, contract.DevHTTPPort),
		GatewayAPI:   cmp.Or(o.GatewayAPI, cluster.ChannelStandard),
		Sample:       !o.NoSample,
		Break:        cmp.Or(o.Break, cluster.BreakNothing),
		Image:        o.Image,
		LinuxBinary:  o.LinuxBinary,
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
		{"--node-image", o.NodeImage, s.NodeImage, o.NodeImage != ""},
		{"--gateway-api", o.GatewayAPI, s.GatewayAPI, o.GatewayAPI != ""},
		{"--no-sample", o.NoSample, !s.Sample, o.NoSample},
	} {
		if fixed.given && fixed.asked != fixed.have {
			return fail.Usage("dev cluster %q is there already, with %s=%v and not %v", o.Name, fixed.flag, fixed.have, fixed.asked).
				WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again, or choose another --name", o.Name)
		}
	}
	if o.Break != "" && !s.Sample && o.Break != cluster.BreakNothing {
		return fail.Usage("dev cluster %q was made with --no-sample: there is nothing to break", o.Name).
			WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again", o.Name)
	}
	s.Break = cmp.Or(o.Break, s.Break)
	s.SystemCAFile = cmp.Or(o.SystemCAFile, s.SystemCAFile)
	// The last one that was given counts: another binary is another
	// controller.
	if o.Image != "" || o.LinuxBinary != "" {
		s.Image, s.LinuxBinary = o.Image, o.LinuxBinary
	}
	return nil
}

// again are the settings of a cluster whose containers are gone, to make it
// once more: what is asked for now counts.
func (s settings) again(o cluster.Options) settings {
	fresh := newSettings(cluster.Options{
		NodeImage:    cmp.Or(o.NodeImage, s.NodeImage),
		HTTPPort:     cmp.Or(o.HTTPPort, s.HTTPPort),
		GatewayAPI:   cmp.Or(o.GatewayAPI, s.GatewayAPI),
		NoSample:     o.NoSample || !s.Sample && o.Break == "",
		Break:        cmp.Or(o.Break, s.Break),
		SystemCAFile: cmp.Or(o.SystemCAFile, s.SystemCAFile),
	})
	fresh.Image, fresh.LinuxBinary = s.Image, s.LinuxBinary
	if o.Image != "" || o.LinuxBinary != "" {
		fresh.Image, fresh.LinuxBinary = o.Image, o.LinuxBinary
	}
	fresh.Kubeconfig, fresh.Network = s.Kubeconfig, s.Network
	return fresh
}
