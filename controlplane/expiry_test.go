package controlplane

import (
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func bundleSecret(name string, pem []byte) *ir.Result {
	return &ir.Result{TrustBundles: []*ir.Secret{{Name: name, Kind: ir.SecretTrustBundle, Certificates: pem}}}
}

func TestExpiries(t *testing.T) {
	t.Parallel()
	var x expiries
	now := time.Now()
	if got := x.next(now); got != never {
		t.Errorf("without bundles: %v", got)
	}
	x.read(bundleSecret("trust", envoytest.NewCA(t, "one").PEM))
	left := x.next(now)
	if left <= 0 || left == never {
		t.Fatalf("with a bundle: %v", left)
	}
	if got := x.next(now.Add(left)); got != never {
		t.Errorf("after the only certificate has expired: %v", got)
	}
	if got := x.next(now.Add(left - time.Second)); got != time.Second {
		t.Errorf("a second before: %v", got)
	}
	// Until a certificate is valid, others come before it in the bundle.
	if got := x.next(now.Add(-2 * time.Hour)); got > time.Hour+time.Second {
		t.Errorf("an hour before it is valid: %v", got)
	}
	x.read(bundleSecret("trust", nil))
	if got := x.next(now); got != never {
		t.Errorf("after the bundle has gone: %v", got)
	}
}
