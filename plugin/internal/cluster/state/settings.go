package state

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// settingsFile is in the folder of a cluster.
const settingsFile = "settings.json"

// Settings are what a later dev-up or dev-down must know of a cluster of any
// driver. A driver embeds them in its own.
type Settings struct {
	// Complete is set once the cluster was up as a whole.
	Complete     bool              `json:"complete"`
	HTTPPort     int               `json:"httpPort"`
	GatewayAPI   string            `json:"gatewayAPI"`
	Sample       bool              `json:"sample"`
	Break        cluster.Break     `json:"break"`
	SystemCAFile string            `json:"systemCAFile,omitempty"`
	Kubeconfig   kubeconfig.Change `json:"kubeconfig"`
}

// NewSettings are those of a cluster that is to be made.
func NewSettings(o cluster.Options) Settings {
	return Settings{
		HTTPPort:     cmp.Or(o.HTTPPort, contract.DevHTTPPort),
		GatewayAPI:   cmp.Or(o.GatewayAPI, cluster.ChannelStandard),
		Sample:       !o.NoSample,
		Break:        cmp.Or(o.Break, cluster.BreakNothing),
		SystemCAFile: o.SystemCAFile,
	}
}

// Merge changes what can be changed in a cluster that is there, and refuses
// the rest.
func (s *Settings) Merge(o cluster.Options) error {
	if err := cmp.Or(
		Fixed(o.Name, "--http-port", o.HTTPPort, s.HTTPPort),
		Fixed(o.Name, "--gateway-api", o.GatewayAPI, s.GatewayAPI),
		Fixed(o.Name, "--no-sample", o.NoSample, !s.Sample),
		s.fixedKubeconfig(o),
	); err != nil {
		return err
	}
	if o.Break != "" && !s.Sample && o.Break != cluster.BreakNothing {
		return fail.Usage("dev cluster %q was made with --no-sample: there is nothing to break", o.Name).
			WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again", o.Name).
			WithOutcome("nothing was changed")
	}
	s.Break = cmp.Or(o.Break, s.Break)
	if s.SystemCAFile = cmp.Or(o.SystemCAFile, s.SystemCAFile); o.OwnBundle {
		s.SystemCAFile = ""
	}
	return nil
}

// CheckBundle fails where the file of --system-ca-file, which was checked when
// it was given, is there no more or is another one now.
func (s *Settings) CheckBundle(o cluster.Options) error {
	if s.SystemCAFile == "" || s.SystemCAFile == o.SystemCAFile {
		return nil
	}
	content, err := os.ReadFile(s.SystemCAFile)
	if err == nil {
		_, err = bundle.Parse(content)
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if err == nil {
		return nil
	}
	return fail.Failed("dev cluster %q was given --system-ca-file %s by an earlier dev-up, which cannot be used any more: %w", o.Name, s.SystemCAFile, err).
		WithFix("kubectl tlsgw dev-up --name %s --system-ca-file=    # for the system's own bundle, or give another file", o.Name)
}

// fixedKubeconfig refuses another file than the context was written to: dev-down
// takes it away from there alone.
func (s *Settings) fixedKubeconfig(o cluster.Options) error {
	if o.Kubeconfig == "" {
		return nil
	}
	asked, err := kubeconfig.Files(nil, o.Kubeconfig)
	if err != nil {
		return err
	}
	list := string(filepath.ListSeparator)
	return Fixed(o.Name, "--kubeconfig", strings.Join(asked, list), strings.Join(s.Kubeconfig.Files, list))
}

// Check fails for settings that no cluster has: those of a file that somebody
// has cut off or emptied.
func (s Settings) Check() error {
	if s.HTTPPort == 0 || s.GatewayAPI == "" {
		return errors.New("they are not whole")
	}
	return nil
}

// checked are the settings of any driver.
type checked interface{ Check() error }

// Fixed refuses, for a flag that a cluster keeps for its life, another value
// than it has. The zero value asks for nothing.
func Fixed[T comparable](name, flag string, asked, have T) error {
	var nothing T
	if asked == nothing || asked == have {
		return nil
	}
	return fail.Usage("dev cluster %q is there already, with %s=%v and not %v", name, flag, have, asked).
		WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again, or choose another --name", name).
		WithOutcome("nothing was changed")
}

// LoadSettings reads the settings of a driver; it returns false when there is
// no such cluster. After an error they are zero.
func LoadSettings[T checked](dir Dir) (settings T, found bool, err error) {
	data, err := os.ReadFile(dir.Path(settingsFile))
	if errors.Is(err, os.ErrNotExist) {
		return settings, false, nil
	}
	if err != nil {
		return settings, false, fmt.Errorf("read settings of the dev cluster: %w", err)
	}
	settings, err = DecodeSettings[T](data)
	return settings, true, err
}

// DecodeSettings reads what EncodeSettings made. After an error they are zero.
func DecodeSettings[T checked](data []byte) (settings T, err error) {
	err = json.Unmarshal(data, &settings)
	if err == nil {
		err = settings.Check()
	}
	if err != nil {
		var none T
		return none, fmt.Errorf("read settings of the dev cluster: %w", err)
	}
	return settings, nil
}

// EncodeSettings gives the content of the file; the same for equal settings.
func EncodeSettings[T any](settings T) ([]byte, error) {
	data, err := json.MarshalIndent(settings, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write settings of the dev cluster: %w", err)
	}
	return data, nil
}

// SaveSettings writes the settings of a driver, into a folder that need not be
// there yet.
func SaveSettings[T any](dir Dir, settings T) error {
	data, err := EncodeSettings(settings)
	if err != nil {
		return err
	}
	if err := dir.Make(); err != nil {
		return err
	}
	return dir.Write(data, settingsFile)
}
