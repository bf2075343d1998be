package envoy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Options are what a deployment decides about all Gateways.
type Options struct {
	// ListenAddress is the IP address on which proxies listen. Empty means
	// "0.0.0.0".
	ListenAddress string
}

// ResourceError says that one resource was left out of Resources, because
// Envoy would reject it.
type ResourceError struct {
	// Kind is "cluster", "listener", "filter chain", "virtual host" or "route".
	Kind string
	// Name is the name of the resource in ir.
	Name string
	Err  error
}

// Error names the resource.
func (e *ResourceError) Error() string {
	return fmt.Sprintf("build %s %q: %v", e.Kind, e.Name, e.Err)
}

// Unwrap gives the cause.
func (e *ResourceError) Unwrap() error { return e.Err }

// Build makes the resources of one Gateway. The Resources are never nil and
// hold everything that is good; the error joins one *ResourceError for each
// thing that was left out, which Problems lists. What is left out takes nobody
// else along, and never opens a way to a backend that was closed: a route that
// cannot be built answers 500 where its match can be built.
func Build(gw *ir.Gateway, o Options) (*Resources, error) {
	b := &builder{
		options:     o,
		resources:   newResources(),
		secrets:     map[string]*ir.Secret{},
		passthrough: map[string]bool{},
		staged:      map[string]*tlsv3.Secret{},
	}
	b.options.ListenAddress = cmp.Or(o.ListenAddress, "0.0.0.0")
	for _, secret := range gw.Secrets {
		if secret != nil {
			b.secrets[secret.Name] = secret
		}
	}
	b.keepCase = keptCase(gw.Clusters)
	for _, cluster := range gw.Clusters {
		if cluster != nil {
			b.passthrough[cluster.Name] = cluster.Passthrough
		}
		b.addCluster(cluster)
	}
	for i := range gw.Listeners {
		b.addListener(&gw.Listeners[i])
	}
	return b.resources, errors.Join(b.problems...)
}

// Problems lists the resource errors that are joined in an error of Build.
func Problems(err error) []*ResourceError {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var problems []*ResourceError
	for _, e := range joined.Unwrap() {
		var problem *ResourceError
		if errors.As(e, &problem) {
			problems = append(problems, problem)
		}
	}
	return problems
}

// builder collects the resources of one Gateway.
type builder struct {
	options   Options
	resources *Resources
	secrets   map[string]*ir.Secret
	// passthrough tells of each cluster whether it is one.
	passthrough map[string]bool
	// staged are the secrets of the cluster or chain that is being built: they
	// become resources only if it does.
	staged map[string]*tlsv3.Secret
	// keepCase are options of listeners; nil where no cluster asks for the case
	// of header names.
	keepCase *corev3.Http1ProtocolOptions
	problems []error
}

func (b *builder) report(kind, name string, err error) {
	b.problems = append(b.problems, &ResourceError{Kind: kind, Name: name, Err: err})
}

// commit makes the staged secrets resources.
func (b *builder) commit() {
	maps.Copy(b.resources.Secrets, b.staged)
	clear(b.staged)
}

// needSecrets stages each named secret.
func (b *builder) needSecrets(kind ir.SecretKind, names ...string) error {
	for _, name := range names {
		if name == "" {
			continue
		}
		secret, ok := b.secrets[name]
		if !ok || secret.Kind != kind {
			return fmt.Errorf("secret %q is not among the Gateway's secrets of its kind", name)
		}
		if _, built := b.resources.Secrets[name]; built {
			continue
		}
		built, err := buildSecret(secret)
		if err != nil {
			return fmt.Errorf("secret %q: %w", name, err)
		}
		b.staged[name] = built
	}
	return nil
}

// message is a proto with the validation of protoc-gen-validate.
type message interface {
	proto.Message
	Validate() error
}

// packed validates a message, because validation does not look into an Any,
// and packs it to the same bytes each time.
func packed(m message) (*anypb.Any, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	return &anypb.Any{
		TypeUrl: "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName()),
		Value:   value,
	}, nil
}

// adsSource says that a resource comes over the proxy's one ADS stream.
func adsSource() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
}

func socketAddress(host string, port uint16) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}
