package identity

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

const (
	day = 24 * time.Hour
	// authorityLife is how long a CA lives.
	authorityLife = 365 * day
	// renewFraction of a life is left when what lives is made anew.
	renewFraction = 3
	// propagation is how long a CA must have been trusted before it signs.
	propagation = day
	// presentMargin is what a CA must have left for the controller to show a
	// certificate of it.
	presentMargin = 30 * day
	// backdate lets replicas, and machines of proxies, differ in their clocks.
	backdate = time.Hour

	// How long a CA that has vanished from the Secret goes on: to sign what
	// the controller shows, to be in the bundle, and to be accepted.
	departedShown    = 5 * time.Minute
	departedBundled  = 15 * time.Minute
	departedAccepted = 30 * time.Minute
)

// authority is one CA.
type authority struct {
	*pki.Pair
	id [sha256.Size]byte
}

func newAuthority(pair *pki.Pair) authority {
	return authority{Pair: pair, id: sha256.Sum256(pair.Certificate().Raw)}
}

// made is when the CA was made.
func (a authority) made() time.Time { return a.Certificate().NotBefore.Add(backdate) }

func (a authority) ends() time.Time { return a.Certificate().NotAfter }

// spread tells whether the CA has had time to be trusted everywhere.
func (a authority) spread(now time.Time) bool { return !now.Before(a.made().Add(propagation)) }

// ring are CAs, the oldest first.
type ring []authority

func newRing(authorities ...authority) ring {
	r := slices.Clone(authorities)
	slices.SortFunc(r, func(a, b authority) int {
		return cmp.Or(a.made().Compare(b.made()), bytes.Compare(a.id[:], b.id[:]))
	})
	return slices.CompactFunc(r, func(a, b authority) bool { return a.id == b.id })
}

func (r ring) has(a authority) bool {
	return slices.ContainsFunc(r, func(other authority) bool { return other.id == a.id })
}

func (r ring) equal(other ring) bool {
	return slices.EqualFunc(r, other, func(a, b authority) bool { return a.id == b.id })
}

// unexpired are those that have not ended.
func (r ring) unexpired(now time.Time) ring {
	return slices.DeleteFunc(slices.Clone(r), func(a authority) bool { return !now.Before(a.ends()) })
}

// signer is the CA that signs the proxies' certificates: the newest that has
// had time to be trusted everywhere. If none has, nothing is gained by
// waiting, and it is the oldest. r must not be empty.
func (r ring) signer(now time.Time) authority {
	for _, a := range slices.Backward(r) {
		if a.spread(now) {
			return a
		}
	}
	return r[0]
}

// shown is the CA of the certificate that the controller shows: the oldest
// that will do, since that is trusted most widely. r must not be empty.
func (r ring) shown(now time.Time) authority {
	for _, a := range r {
		if a.spread(now) && a.ends().Sub(now) >= presentMargin {
			return a
		}
	}
	return r.signer(now)
}

// due is when the next CA is to be made. r must not be empty.
func (r ring) due() time.Time {
	newest := r[len(r)-1]
	return newest.ends().Add(-newest.ends().Sub(newest.made()) / renewFraction)
}

// turns are the times at which one of the answers above changes.
func (r ring) turns() []time.Time {
	var at []time.Time
	for _, a := range r {
		at = append(at, a.ends(), a.ends().Add(-presentMargin), a.made().Add(propagation))
	}
	return at
}

// departed is a CA that has vanished from the Secret before its time.
type departed struct {
	authority
	since time.Time
}

// within are those of gone that vanished less than limit ago.
func within(gone []departed, limit time.Duration, now time.Time) ring {
	var r ring
	for _, d := range gone {
		if now.Before(d.since.Add(limit)) {
			r = append(r, d.authority)
		}
	}
	return newRing(r...).unexpired(now)
}

// view is what follows from the CAs at one moment.
type view struct {
	// signer signs for proxies; shown signs for the controller.
	signer, shown authority
	// current are the CAs of the Secret; bundle and accepted have departed
	// ones too. All are empty when there is no CA.
	current, bundle, accepted ring
}

func look(r ring, gone []departed, now time.Time) view {
	current := r.unexpired(now)
	v := view{
		current:  current,
		bundle:   newRing(append(within(gone, departedBundled, now), current...)...),
		accepted: newRing(append(within(gone, departedAccepted, now), current...)...),
	}
	if len(current) == 0 {
		return v
	}
	v.signer, v.shown = current.signer(now), current.shown(now)
	if old := within(gone, departedShown, now); len(old) > 0 {
		v.shown = old.shown(now)
	}
	return v
}

// usable tells whether there is a CA that signs.
func (v view) usable() bool { return len(v.current) > 0 }

// differs tells whether proxies must be given something else than in other.
func (v view) differs(other view) bool {
	return v.signer.id != other.signer.id || !v.bundle.equal(other.bundle) || !v.current.equal(other.current)
}

// nextTurn is the first moment after now at which look may say otherwise, and
// no later than limit from now.
func nextTurn(r ring, gone []departed, now time.Time, limit time.Duration) time.Duration {
	turns := r.turns()
	for _, d := range gone {
		turns = append(turns, d.since.Add(departedShown), d.since.Add(departedBundled), d.since.Add(departedAccepted))
	}
	for _, at := range turns {
		if left := at.Sub(now); left > 0 {
			limit = min(limit, left)
		}
	}
	return limit
}
