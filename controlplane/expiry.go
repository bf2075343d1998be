package controlplane

import (
	"bytes"
	"time"

	"k8s.io/utils/clock"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// never is longer than any process runs.
const never = 10 * 365 * 24 * time.Hour

// expiries knows when CA certificates that policies trust begin and cease to be
// valid: then the same objects mean something else.
type expiries struct {
	// bundles by the name of their secret, so that only new ones are parsed.
	bundles map[string]parsed
}

type parsed struct {
	pem []byte
	// bounds are the certificates' notBefore and notAfter times.
	bounds []time.Time
}

// read takes in the trust bundles of a translation.
func (x *expiries) read(r *ir.Result) {
	bundles := map[string]parsed{}
	for _, s := range r.TrustBundles {
		known, found := x.bundles[s.Name]
		if !found || !bytes.Equal(known.pem, s.Certificates) {
			known = parsed{s.Certificates, bounds(s.Certificates)}
		}
		bundles[s.Name] = known
	}
	x.bundles = bundles
}

func bounds(pem []byte) []time.Time {
	b, err := bundle.Parse(pem)
	if err != nil {
		// The translation has made it of certificates: there are none.
		return nil
	}
	times := make([]time.Time, 0, 2*len(b.Certificates))
	for _, c := range b.Certificates {
		times = append(times, c.NotBefore, c.NotAfter)
	}
	return times
}

// next is the time until the next certificate is valid or has expired.
func (x *expiries) next(now time.Time) time.Duration {
	next := never
	for _, b := range x.bundles {
		for _, bound := range b.bounds {
			// A certificate is valid at its bounds, to the second.
			if left := bound.Add(time.Second).Sub(now); left > 0 && left < next {
				next = left
			}
		}
	}
	return next
}

// reset restarts a timer that may have fired.
func reset(t clock.Timer, d time.Duration) {
	if !t.Stop() {
		select {
		case <-t.C():
		default:
		}
	}
	t.Reset(d)
}
