package local

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
)

// controller runs this very binary.
func (u *up) controller() part {
	own := u.dir.pair(xdsServerCert)
	argv := []string{
		u.driver.Executable, "controller",
		"--kubeconfig=" + u.dir.path("pki", controllerKubeconfig),
		"--xds-address=" + port.Address(u.Ports.XDS),
		"--xds-cert=" + own.certificate, "--xds-key=" + own.key,
		"--xds-ca=" + u.dir.pair(xdsCA).certificate,
		"--health-address=" + port.Address(u.Ports.Health),
		"--listen-address=" + port.Loopback,
		"--gateway-address=" + port.Loopback,
		// The sample is a process of this machine.
		"--allow-loopback-backends",
	}
	inputs := []string{own.certificate, u.dir.pair(xdsCA).certificate, u.dir.path("pki", controllerKubeconfig)}
	if u.systemCA != "" {
		argv = append(argv, "--system-ca-file="+u.systemCA)
	}
	return part{
		name:   "controller",
		title:  "the controller",
		argv:   argv,
		inputs: inputs,
		ports:  []port.Use{{Number: u.Ports.XDS}, {Number: u.Ports.Health}},
		check:  u.checkController,
	}
}

// controllerKubeconfig is in the folder pki: it holds a key.
const controllerKubeconfig = "controller.kubeconfig"

func (u *up) checkController(ctx context.Context) error {
	if _, err := get(ctx, &http.Transport{DisableKeepAlives: true}, "http://"+port.Address(u.Ports.Health)+"/readyz"); err != nil {
		return err
	}
	return u.checkXDS(ctx)
}

// checkXDS asks whether the controller listens, which it does before it
// serves.
func (u *up) checkXDS(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", port.Address(u.Ports.XDS))
	if err != nil {
		return fmt.Errorf("connect to xDS: %w", err)
	}
	return conn.Close()
}
