package identity

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// FuzzRotation lives through some years at random: leaders that are away for
// months, Secrets that are deleted, replicas that see the Secret late or are cut
// off from the API server, proxies that get their certificates late. At every moment every proxy whose
// certificate and bundle have not run out is accepted by every replica, and
// accepts what it shows.
func FuzzRotation(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		newLife(t, seed).live(25)
	})
}

const (
	// How late a replica may see the Secret, and a proxy its certificates
	// after that.
	replicaLag, proxyLag = 30 * time.Second, 3 * time.Minute
	// How long a replica can be cut off from the API server.
	cutOffFor = 20 * time.Hour
	proxies   = 3
)

// life is a controller of three replicas, the first of which leads.
type life struct {
	t        *testing.T
	seed     uint64
	rand     *rand.Rand
	clock    *testclock.FakeClock
	replicas []*Authority
	proxies  []identity
	ring     ring
}

// identity is what a proxy has.
type identity struct {
	certificate, key, bundle []byte
}

func newLife(t *testing.T, seed uint64) *life {
	t.Helper()
	l := &life{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), clock: testclock.NewFakeClock(noon())}
	for range 3 {
		l.replicas = append(l.replicas, offline(l.clock))
	}
	l.lead(false)
	l.proxies = make([]identity, proxies)
	l.deliver(l.renewed())
	return l
}

func (l *life) upTo(most time.Duration) time.Duration {
	return time.Duration(l.rand.Int64N(int64(most)))
}

// live takes that many steps in time.
func (l *life) live(steps int) {
	for range steps {
		switch l.rand.IntN(12) {
		case 0:
			// The controller is away.
			l.pass(l.upTo(200 * day))
		case 1:
			l.ring = nil
			for _, replica := range l.replicas {
				replica.observe(nil)
			}
			l.pass(l.upTo(time.Minute))
		case 2, 3:
			l.pass(l.upTo(2 * time.Hour))
		default:
			l.pass(l.upTo(40 * day))
		}
		cutOff := l.rand.IntN(4) == 0 && l.ring != nil
		l.lead(cutOff)
		late := l.renewed()
		l.pass(l.upTo(proxyLag))
		l.deliver(late)
		// From now on the leader is there: what time alone changes is handed
		// out within minutes.
		for range 3 {
			l.pass(l.upTo(2 * departedShown))
			l.deliver(l.renewed())
		}
		if cutOff {
			l.pass(l.upTo(cutOffFor))
			l.lead(false)
		}
	}
}

func (l *life) pass(d time.Duration) {
	l.clock.Step(d)
	l.check()
}

// lead writes the Secret, which the replicas see one after the other, but for
// the last if that is cut off from the API server.
func (l *life) lead(cutOff bool) {
	l.ring = l.replicas[0].grow(l.t, l.ring)
	order := l.rand.Perm(len(l.replicas))
	for _, i := range order {
		if cutOff && i == len(l.replicas)-1 {
			continue
		}
		l.replicas[i].keep(l.t, l.ring)
		if l.proxies != nil {
			l.pass(l.upTo(replicaLag) / time.Duration(len(order)))
		}
	}
}

// renewed is what the leader would have each proxy have.
func (l *life) renewed() []identity {
	l.t.Helper()
	out := make([]identity, proxies)
	copy(out, l.proxies)
	for i := range out {
		leader := l.replicas[0]
		out[i].bundle = leader.Bundle()
		if leader.Keep("infra", name(i), out[i].certificate, out[i].key) == nil {
			continue
		}
		var err error
		if out[i].certificate, out[i].key, _, err = leader.Issue("infra", name(i)); err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}

func name(i int) string { return fmt.Sprintf("proxy-%d", i) }

func (l *life) deliver(p []identity) {
	l.proxies = p
	l.check()
}

// check connects every proxy with every replica.
func (l *life) check() {
	l.t.Helper()
	now := l.clock.Now()
	for i, p := range l.proxies {
		certificate, bundle := parse(l.t, p.certificate)[0], pool(parse(l.t, p.bundle)...)
		if !now.Before(certificate.NotAfter) {
			continue // The controller was away for too long.
		}
		for j, replica := range l.replicas {
			config, err := replica.handshake()
			if err != nil {
				l.t.Fatalf("seed %d, %s: replica %d: %v", l.seed, now, j, err)
			}
			_, err = certificate.Verify(x509.VerifyOptions{
				Roots: config.ClientCAs, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			})
			if err != nil {
				l.t.Fatalf("seed %d, %s: replica %d does not accept proxy %d: %v", l.seed, now, j, i, err)
			}
			_, err = config.Certificates[0].Leaf.Verify(x509.VerifyOptions{
				Roots: bundle, CurrentTime: now, DNSName: contract.XDSServerName,
			})
			if err != nil {
				l.t.Fatalf("seed %d, %s: proxy %d does not accept replica %d: %v", l.seed, now, i, j, err)
			}
		}
	}
}
