package controlplane

import (
	"cmp"
	"errors"
	"net"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
)

// Options configure Run.
type Options struct {
	// Config connects to the API server. Its rate limits are not used.
	Config *rest.Config
	// XDSListener accepts the proxies' connections. Run closes it.
	XDSListener net.Listener
	// XDSTLS are the files of the mutual TLS on it; not used with Cluster.
	XDSTLS TLSFiles
	// HealthListener answers /healthz, /readyz and /metrics in plain HTTP. Nil:
	// nobody does. Run closes it.
	HealthListener net.Listener
	// Cluster makes this controller one of several replicas that run in the
	// cluster and deploy the proxies. Nil: it is the only one, serves whatever
	// proxies come, and deploys none.
	Cluster *ClusterOptions

	Translation TranslationOptions
	// GatewayAddress is what the status of every Gateway says where it can be
	// reached: an IP address or host name. Empty: nothing is said.
	GatewayAddress string

	Log logr.Logger
	// Clock is nil for the real one.
	Clock clock.WithTicker
}

// ClusterOptions are those of a replica.
type ClusterOptions struct {
	// Namespace holds the controller's own objects. Empty means
	// contract.SystemNamespace.
	Namespace string
	// Identity is unlike that of any other replica: the name of the Pod.
	Identity string
	// PodUID is that Pod's, so that what the replica leaves behind goes with
	// it. Empty: it stays.
	PodUID string
	// EnvoyImage is what proxies run that say nothing else. Empty means
	// contract.EnvoyImage.
	EnvoyImage string
	// XDSHost and XDSPort are where proxies reach any of the replicas. Zero
	// means the controller's Service in Namespace and contract.XDSPort.
	XDSHost string
	XDSPort uint16
	// Times are the defaults where they are zero.
	Times Times
}

// Times are those of a replica.
type Times struct {
	// Lease is how long a leader that does not renew is waited for, Renew how
	// long it tries to, and Retry how often: 15 s, 10 s, 2 s.
	Lease, Renew, Retry time.Duration
	// Beat is how often a replica says that it is alive; after four that it
	// has missed, what it has said counts no more. 3 s.
	Beat time.Duration
	// Propagation is how long a replica that ends still serves, until nobody
	// sends it new connections any more: 5 s.
	Propagation time.Duration
	// DrainOver is the time over which it then ends the proxies' streams: 5 s.
	DrainOver time.Duration
	// MaxAge is how long a proxy stays connected to one replica, give or take
	// a tenth: 30 min.
	MaxAge time.Duration
	// Settle is how long proxies have to come back after a start before statuses
	// say that they are gone: 15 s.
	Settle time.Duration
	// Grace is how long the last proxy of a Gateway may be gone before the
	// status says so: 5 s.
	Grace time.Duration
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
	// Deploy: the controller deploys the proxies, so that parameters mean
	// something and addresses come from Services. Run sets it, FileFolders and
	// SystemCAFile for Options.Cluster.
	Deploy bool
	// FileFolders are the folders of the proxy below which policies may name
	// files. Nil: they may name any.
	FileFolders []string
}

const (
	// Changes are gathered until there was none for quiet, but no longer than
	// most.
	quiet = 5 * time.Millisecond
	most  = 50 * time.Millisecond
	// usualSettle is how long proxies have to come back after a start before
	// statuses say that they are gone.
	usualSettle = 15 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	var missing []error
	if o.Config == nil {
		missing = append(missing, errors.New("no connection to an API server is given"))
	}
	if o.XDSListener == nil {
		missing = append(missing, errors.New("no listener for xDS is given"))
	}
	if o.Cluster == nil && (o.XDSTLS.CA == "" || o.XDSTLS.Certificate == "" || o.XDSTLS.Key == "") {
		missing = append(missing, errors.New("xDS needs a CA, a certificate and a key"))
	}
	if o.Cluster != nil {
		cluster, err := o.Cluster.withDefaults()
		missing = append(missing, err)
		o.Cluster = &cluster
		o.Translation.Deploy = true
		o.Translation.FileFolders, o.Translation.SystemCAFile = deploy.FileFolders(), deploy.SystemCAFile
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.Translation = o.Translation.withDefaults()
	return o, errors.Join(missing...)
}

func (o ClusterOptions) withDefaults() (ClusterOptions, error) {
	o.Namespace = cmp.Or(o.Namespace, contract.SystemNamespace)
	o.EnvoyImage = cmp.Or(o.EnvoyImage, contract.EnvoyImage)
	o.XDSHost = cmp.Or(o.XDSHost, contract.ControllerDeployment+"."+o.Namespace+".svc")
	o.XDSPort = cmp.Or(o.XDSPort, contract.XDSPort)
	t := &o.Times
	for _, each := range []struct {
		time  *time.Duration
		usual time.Duration
	}{
		{&t.Lease, 15 * time.Second}, {&t.Renew, 10 * time.Second}, {&t.Retry, 2 * time.Second},
		{&t.Beat, 3 * time.Second}, {&t.Propagation, 5 * time.Second}, {&t.DrainOver, 5 * time.Second},
		{&t.MaxAge, 30 * time.Minute}, {&t.Settle, usualSettle}, {&t.Grace, 5 * time.Second},
	} {
		*each.time = cmp.Or(*each.time, each.usual)
	}
	if o.Identity == "" {
		return o, errors.New("a replica needs an identity of its own")
	}
	return o, nil
}

func (o TranslationOptions) withDefaults() TranslationOptions {
	if o.ControllerName == "" {
		o.ControllerName = contract.ControllerName
	}
	return o
}
