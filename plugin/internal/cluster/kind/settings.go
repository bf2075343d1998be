package kind

import (
	"cmp"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
)

// settings are what a later dev-up or dev-down must know of a cluster. Its
// node has a copy, as the mark that it is ours.
type settings struct {
	state.Settings
	// Marked is set once the node has the mark.
	Marked bool `json:"marked"`

	Engine    string `json:"engine"`
	NodeImage string `json:"nodeImage"`
	// Image is that of the controller where it was given, LinuxBinary what
	// its image was made of where that was given.
	Image string `json:"image,omitempty"`
	// ImageID is what the engine called Image when it was given to the node.
	ImageID     string `json:"imageID,omitempty"`
	LinuxBinary string `json:"linuxBinary,omitempty"`
	// Network is true when kind's network was not there before.
	Network bool `json:"network"`
}

// newSettings are those of a cluster that is to be made.
func newSettings(o cluster.Options) settings {
	return settings{
		Settings:    state.NewSettings(o),
		NodeImage:   cmp.Or(o.NodeImage, DefaultNodeImage),
		Image:       o.Image,
		LinuxBinary: o.LinuxBinary,
	}
}

// merge changes what can be changed in a cluster that is there, and refuses
// the rest.
func (s *settings) merge(o cluster.Options) error {
	if err := state.Fixed(o.Name, "--node-image", o.NodeImage, s.NodeImage); err != nil {
		return err
	}
	if err := s.Merge(o); err != nil {
		return err
	}
	// The last one that was given counts: another binary is another
	// controller.
	if o.Image != "" || o.LinuxBinary != "" || o.OwnProgram {
		if s.Image != o.Image {
			s.ImageID = ""
		}
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
	if o.OwnBundle {
		fresh.SystemCAFile = ""
	}
	if o.Image != "" || o.LinuxBinary != "" || o.OwnProgram {
		fresh.Image, fresh.LinuxBinary = o.Image, o.LinuxBinary
	}
	fresh.Kubeconfig, fresh.Network = s.Kubeconfig, s.Network
	return fresh
}
