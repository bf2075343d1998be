package local

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
)

// envoy is the proxy of the Gateway kgateway-system/http.
func (u *up) envoy() (part, error) {
	own, ca := u.dir.pair(xdsClientCert), u.dir.pair(xdsCA).certificate
	config, err := bootstrap.JSON(bootstrap.Options{
		Namespace: contract.DevGatewayNamespace, Gateway: contract.DevGatewayName,
		XDSHost: port.Loopback, XDSPort: uint16(u.Ports.XDS), // #nosec G115 -- ports fit
		CAFile: ca, CertificateFile: own.certificate, KeyFile: own.key,
		AdminPort: uint16(u.AdminPort), // #nosec G115 -- ports fit
	})
	if err != nil {
		return part{}, err
	}
	if err := u.dir.write(config, "envoy", "bootstrap.json"); err != nil {
		return part{}, err
	}
	return part{
		name:  "envoy",
		title: "Envoy",
		argv: []string{
			u.envoyPath,
			"--config-path", u.dir.path("envoy", "bootstrap.json"),
			// Its shared memory would be one for all Envoys of a machine.
			"--disable-hot-restart",
			"--log-level", "warning",
			"--concurrency", "2",
		},
		inputs: []string{u.dir.path("envoy", "bootstrap.json"), own.certificate, ca},
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
