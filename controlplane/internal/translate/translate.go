// Package translate turns Kubernetes objects into the intermediate
// representation that Envoy's configuration and every status are made of.
//
// In goes a snapshot.Snapshot, out comes an ir.Result. Nothing else goes in:
// no context, clock, client or logger; the snapshot is not changed, and the
// same objects in any order give the same bytes. A bad object makes one
// listener, route or backend invalid, never the translation. A backend that a
// TLS policy targets is reached by TLS or not at all: where the policy is
// invalid, routes point to contract.InvalidCluster and Envoy answers 500.
package translate

import (
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// Options are what a translation needs beside the objects.
type Options struct {
	// ControllerName selects the GatewayClasses that are served.
	ControllerName string
	// Now decides which CA certificates have expired.
	Now time.Time
	// SystemCAFile is the path, in the proxy, of the bundle that
	// wellKnownCACertificates: System stands for. When empty, policies that
	// ask for it are invalid.
	SystemCAFile string
	// AllowLoopback permits backends on loopback, link-local and unspecified
	// addresses. Only the local dev driver sets it: it would open Envoy's
	// admin port to whoever may write a Backend.
	AllowLoopback bool
}

// Translate makes the configuration of all Gateways of the controller and the
// status of all objects that it serves.
func Translate(s *snapshot.Snapshot, o Options) *ir.Result {
	return &ir.Result{}
}
