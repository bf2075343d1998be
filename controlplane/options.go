package controlplane

import (
	"errors"
	"net"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// Options configure Run.
type Options struct {
	// Config connects to the API server. Its rate limits are not used.
	Config *rest.Config
	// XDSListener accepts the proxies' connections. Run closes it.
	XDSListener net.Listener
	// XDSTLS are the files of the mutual TLS on it.
	XDSTLS TLSFiles
	// HealthListener answers /healthz and /readyz in plain HTTP. Nil: nobody
	// does. Run closes it.
	HealthListener net.Listener

	Translation TranslationOptions
	// GatewayAddress is what the status of every Gateway says where it can be
	// reached: an IP address or host name. Empty: nothing is said.
	GatewayAddress string

	Log logr.Logger
	// Clock is nil for the real one.
	Clock clock.WithTicker
}

// TLSFiles are paths of PEM files, read again whenever they change.
type TLSFiles struct {
	// CA verifies the proxies' client certificates.
	CA string
	// Certificate, for contract.XDSServerName, and its Key.
	Certificate, Key string
}

// TranslationOptions decide what objects mean, whether they come from a
// cluster or from manifests.
type TranslationOptions struct {
	// ControllerName selects the GatewayClasses to serve. Empty means
	// contract.ControllerName.
	ControllerName string
	// ListenAddress is the address on which proxies listen. Empty means every
	// IPv4 address.
	ListenAddress string
	// SystemCAFile is the path, in the proxy, of the bundle that
	// wellKnownCACertificates: System stands for. When empty, policies that
	// ask for it are invalid.
	SystemCAFile string
	// AllowLoopbackBackends permits backends on addresses of the proxy's own
	// machine. Never set it where others than the machine's owner may write
	// Backends: it opens Envoy's admin port to them.
	AllowLoopbackBackends bool
}

const (
	// Changes are gathered until there was none for quiet, but no longer than
	// most.
	quiet = 5 * time.Millisecond
	most  = 50 * time.Millisecond
	// settling is how long proxies have to come back after a start before
	// statuses say that they are gone.
	settling = 15 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	var missing []error
	if o.Config == nil {
		missing = append(missing, errors.New("no connection to an API server is given"))
	}
	if o.XDSListener == nil {
		missing = append(missing, errors.New("no listener for xDS is given"))
	}
	if o.XDSTLS.CA == "" || o.XDSTLS.Certificate == "" || o.XDSTLS.Key == "" {
		missing = append(missing, errors.New("xDS needs a CA, a certificate and a key"))
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.Translation = o.Translation.withDefaults()
	return o, errors.Join(missing...)
}

func (o TranslationOptions) withDefaults() TranslationOptions {
	if o.ControllerName == "" {
		o.ControllerName = contract.ControllerName
	}
	return o
}
