package xds

import (
	"strconv"
	"strings"
	"time"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
)

// kind is a type of resource.
type kind int

// The kinds, in the order in which a change reaches a proxy.
const (
	secrets kind = iota
	endpoints
	clusters
	routes
	listeners
	kindCount
)

func (k kind) typeURL() string {
	return [kindCount]string{
		secrets:   resource.SecretType,
		endpoints: resource.EndpointType,
		clusters:  resource.ClusterType,
		routes:    resource.RouteType,
		listeners: resource.ListenerType,
	}[k]
}

// wildcard tells whether a proxy asks for all resources of the kind rather
// than by name.
func (k kind) wildcard() bool { return k == clusters || k == listeners }

// splits tells whether each resource is sent in a response of its own. Where
// Envoy asks by name it hands the resources of a response out one after the
// other, and at a bad one it stops and forgets the rest; and it does not notice
// when a bad secret is sent again, so that it must be alone the first time.
// Endpoints are too many for that, and are checked when they are built.
func (k kind) splits() bool { return k == secrets || k == routes }

const noncePart = "."

// partNonce is the nonce of a part of a response, and wholeNonce the one that
// go-control-plane gave the response.
func partNonce(nonce string, part int) string { return nonce + noncePart + strconv.Itoa(part) }

func wholeNonce(nonce string) string {
	whole, _, _ := strings.Cut(nonce, noncePart)
	return whole
}

func kindOf(typeURL string) (kind, bool) {
	for k := range kindCount {
		if k.typeURL() == typeURL {
			return k, true
		}
	}
	return 0, false
}

// versioned is a resource and the hash of its bytes, which is also the version
// that go-control-plane gives it over the delta protocol.
type versioned struct {
	version  string
	resource types.Resource
}

// target is what a Gateway's proxies shall run.
type target struct {
	revision uint64
	// published is when Publish was called.
	published time.Time
	sets      [kindCount]map[string]versioned
}

// newTarget hashes the resources. Those that are the same value as before are
// not hashed again.
func newTarget(revision uint64, r *envoy.Resources, before *target) (*target, error) {
	t := &target{revision: revision}
	if before == nil {
		before = &target{}
	}
	for _, err := range []error{
		addSet(t, before, secrets, r.Secrets),
		addSet(t, before, endpoints, r.Endpoints),
		addSet(t, before, clusters, r.Clusters),
		addSet(t, before, routes, r.Routes),
		addSet(t, before, listeners, r.Listeners),
	} {
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

func addSet[R types.Resource](t, before *target, k kind, resources map[string]R) error {
	set := make(map[string]versioned, len(resources))
	for name, r := range resources {
		if old, ok := before.sets[k][name]; ok && old.resource == types.Resource(r) {
			set[name] = old
			continue
		}
		encoded, err := cache.MarshalResource(r)
		if err != nil {
			return err
		}
		set[name] = versioned{version: cache.HashResource(encoded), resource: r}
	}
	t.sets[k] = set
	return nil
}
