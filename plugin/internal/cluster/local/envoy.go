package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
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

// checkGateway asks for any answer at the Gateway's port.
func (u *up) checkGateway(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+port.Address(u.HTTPPort)+"/", nil)
	if err != nil {
		return fmt.Errorf("ask the gateway: %w", err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ask the gateway: %w", err)
	}
	if response.Header.Get("Server") != "envoy" {
		err = errors.New("another server than Envoy answers")
	}
	return errors.Join(err, response.Body.Close())
}
