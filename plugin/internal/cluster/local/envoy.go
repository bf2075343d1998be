package local

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
)

// envoy is the proxy of the Gateway kgateway-system/http.
func (u *up) envoy() (part, error) {
	own, ca := u.dir.pair(xdsClientCert), u.dir.pair(xdsCA).certificate
	files, err := bootstrap.Files(bootstrap.Options{
		Namespace: contract.DevGatewayNamespace, Gateway: contract.DevGatewayName,
		XDSHost: port.Loopback, XDSPort: uint16(u.Ports.XDS), // #nosec G115 -- ports fit
		CAFile: ca, CertificateFile: own.certificate, KeyFile: own.key,
		Folder:    u.dir.path("envoy"),
		AdminPort: uint16(u.AdminPort), // #nosec G115 -- ports fit
	})
	if err != nil {
		return part{}, err
	}
	inputs := []string{own.certificate, ca}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := u.dir.write(files[name], "envoy", name); err != nil {
			return part{}, err
		}
		inputs = append(inputs, u.dir.path("envoy", name))
	}
	return part{
		name:  "envoy",
		title: "Envoy",
		argv: []string{
			u.envoyPath,
			"--config-path", u.dir.path("envoy", bootstrap.Main),
			// Its shared memory would be one for all Envoys of a machine.
			"--disable-hot-restart",
			"--log-level", "warning",
			"--concurrency", "2",
		},
		inputs: inputs,
		ports:  []port.Use{{Number: u.AdminPort, Flag: "--admin-port"}, {Number: u.HTTPPort, Flag: "--http-port"}},
		check:  u.checkEnvoy,
	}, nil
}

// checkEnvoy asks whether Envoy has its first configuration and still has its
// control plane.
func (u *up) checkEnvoy(ctx context.Context) error {
	admin := "http://" + port.Address(u.AdminPort)
	transport := &http.Transport{DisableKeepAlives: true}
	if _, err := get(ctx, transport, admin+"/ready"); err != nil {
		return err
	}
	const connected = "control_plane.connected_state"
	stats, err := get(ctx, transport, admin+"/stats?filter=^"+connected+"$")
	if err != nil {
		return err
	}
	if strings.TrimSpace(stats) != connected+": 1" {
		return fmt.Errorf("no connection of Envoy to the controller (%s)", strings.TrimSpace(stats))
	}
	return nil
}
