// Package suite is the Gateway API conformance suite, as it is, in a program of
// its own: its module has the versions that the suite wants, whatever those of
// the project are. Flags come in, as the suite defines them; the results of its
// tests go out, and a report.
package suite

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

// TestConformance runs the suite.
func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
