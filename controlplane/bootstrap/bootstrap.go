// Package bootstrap makes the static configuration with which a Gateway's
// Envoy starts. In go addresses, ports and paths of certificates; out comes
// JSON that Envoy reads with --config-path (JSON is YAML too).
package bootstrap

// Options describe one Envoy.
type Options struct {
	// Namespace and Gateway name the Gateway that this Envoy serves.
	Namespace, Gateway string
	// XDSHost and XDSPort are where the controller serves ADS.
	XDSHost string
	XDSPort uint16
	// CAFile verifies the controller; CertificateFile and KeyFile are the
	// proxy's own, with the URI SAN contract.NodeURI. All are PEM files that
	// Envoy reads again when their directory is moved into place.
	CAFile, CertificateFile, KeyFile string
	// AdminPort is the port of the admin interface on 127.0.0.1.
	AdminPort uint16
	// ReadyAddress and ReadyPort are where Envoy answers readiness probes
	// with the state of its initialisation. Port zero: nowhere.
	ReadyAddress string
	ReadyPort    uint16
	// SOTW uses the state-of-the-world protocol in place of the delta one.
	SOTW bool
}

// JSON makes the bootstrap.
func JSON(o Options) ([]byte, error) {
	return nil, nil
}
