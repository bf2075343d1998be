// Package envoy turns the intermediate representation of one Gateway into
// Envoy resources. In comes an ir.Gateway, out come validated listeners, route
// configurations, clusters, endpoints and secrets by name. It is pure: equal
// input gives equal bytes.
package envoy

import (
	"bytes"
	"encoding/json"
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Resources are the xDS resources of one Gateway by name. They are closed:
// each endpoint, route and secret is named by a cluster or listener in it, and
// each name that a cluster or listener refers to is in it. They must not be
// modified.
type Resources struct {
	Clusters  map[string]*clusterv3.Cluster
	Endpoints map[string]*endpointv3.ClusterLoadAssignment
	Listeners map[string]*listenerv3.Listener
	Routes    map[string]*routev3.RouteConfiguration
	Secrets   map[string]*tlsv3.Secret
}

func newResources() *Resources {
	return &Resources{
		Clusters:  map[string]*clusterv3.Cluster{},
		Endpoints: map[string]*endpointv3.ClusterLoadAssignment{},
		Listeners: map[string]*listenerv3.Listener{},
		Routes:    map[string]*routev3.RouteConfiguration{},
		Secrets:   map[string]*tlsv3.Secret{},
	}
}

// MarshalJSON prints all resources, sorted by name, with private keys
// redacted. The names of the fields are those of Envoy's configuration.
func (r *Resources) MarshalJSON() ([]byte, error) {
	dump := map[string]map[string]json.RawMessage{}
	for _, err := range []error{
		dumpInto(dump, "clusters", r.Clusters),
		dumpInto(dump, "endpoints", r.Endpoints),
		dumpInto(dump, "listeners", r.Listeners),
		dumpInto(dump, "routes", r.Routes),
		dumpInto(dump, "secrets", redactedSecrets(r.Secrets)),
	} {
		if err != nil {
			return nil, err
		}
	}
	return json.Marshal(dump)
}

func dumpInto[M proto.Message](dump map[string]map[string]json.RawMessage, kind string, resources map[string]M) error {
	if len(resources) == 0 {
		return nil
	}
	byName := map[string]json.RawMessage{}
	for name, resource := range resources {
		encoded, err := stableJSON(resource)
		if err != nil {
			return fmt.Errorf("print %s %q: %w", kind, name, err)
		}
		byName[name] = encoded
	}
	dump[kind] = byName
	return nil
}

// stableJSON undoes the whitespace that protojson varies on purpose.
func stableJSON(m proto.Message) ([]byte, error) {
	encoded, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, encoded); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

func redactedSecrets(secrets map[string]*tlsv3.Secret) map[string]*tlsv3.Secret {
	redacted := map[string]*tlsv3.Secret{}
	for name, secret := range secrets {
		if secret.GetTlsCertificate().GetPrivateKey() != nil {
			secret = proto.CloneOf(secret)
			secret.GetTlsCertificate().PrivateKey = &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: "[redacted]"},
			}
		}
		redacted[name] = secret
	}
	return redacted
}
