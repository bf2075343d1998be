package identity

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	testclock "k8s.io/utils/clock/testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// offline is an Authority that knows only what the test has it observe.
func offline(clock *testclock.FakeClock) *Authority {
	a := create(Options{Clock: clock, Rand: rand.Reader})
	a.held.synced = true
	return a
}

// keep puts r in a Secret and has a observe it.
func (a *Authority) keep(tb testing.TB, r ring) {
	tb.Helper()
	secret, err := secretOf("tlsgw-system", r)
	if err != nil {
		tb.Fatal(err)
	}
	a.observe(secret)
}

// grow brings r up to the present as the leader does.
func (a *Authority) grow(tb testing.TB, r ring) ring {
	tb.Helper()
	r, err := a.after(r)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// letters names CAs A, B, C in the order in which they are first seen.
type letters struct{ seen []authority }

func (l *letters) of(r ring) string {
	var out strings.Builder
	for _, a := range r {
		i := 0
		for i < len(l.seen) && l.seen[i].id != a.id {
			i++
		}
		if i == len(l.seen) {
			l.seen = append(l.seen, a)
		}
		fmt.Fprintf(&out, "%c", 'A'+i)
	}
	return out.String()
}

func (l *letters) describe(v view) string {
	if !v.usable() {
		return "none"
	}
	return fmt.Sprintf("signs %s, shows %s, bundle %s, accepts %s",
		l.of(ring{v.signer}), l.of(ring{v.shown}), l.of(v.bundle), l.of(v.accepted))
}

// TestPhases lives through the days of the package comment.
func TestPhases(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// from are the days on which the leader looks besides those of steps.
		steps []step
	}{
		{"one rotation after the other", []step{
			{"0h", "signs A, shows A, bundle A, accepts A"},
			{"5839h", "signs A, shows A, bundle A, accepts A"},    // a third is left after 5840 h
			{"5841h", "signs A, shows A, bundle AB, accepts AB"},  // trusted, does not sign
			{"5864h", "signs A, shows A, bundle AB, accepts AB"},  // not yet for a day
			{"5865h", "signs B, shows A, bundle AB, accepts AB"},  // signs for proxies
			{"8040h", "signs B, shows A, bundle AB, accepts AB"},  // 30 days are left
			{"8041h", "signs B, shows B, bundle AB, accepts AB"},  // less
			{"8759h", "signs B, shows B, bundle AB, accepts AB"},  // to the end
			{"8760h", "signs B, shows B, bundle B, accepts B"},    // of A
			{"11682h", "signs B, shows B, bundle BC, accepts BC"}, // again
			{"11706h", "signs C, shows B, bundle BC, accepts BC"}, //
			{"14602h", "signs C, shows C, bundle C, accepts C"},   //
			{"40000h", "signs D, shows D, bundle D, accepts D"},   // all had expired
		}},
		{"nobody leads until shortly before the end", []step{
			{"0h", "signs A, shows A, bundle A, accepts A"},
			{"8700h", "signs A, shows A, bundle AB, accepts AB"},
			{"8723h", "signs A, shows A, bundle AB, accepts AB"},
			{"8724h", "signs B, shows B, bundle AB, accepts AB"},
		}},
		{"nobody leads until hours before the end", []step{
			{"0h", "signs A, shows A, bundle A, accepts A"},
			{"8750h", "signs A, shows A, bundle AB, accepts AB"},
			{"8760h", "signs B, shows B, bundle B, accepts B"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			clock := testclock.NewFakeClock(noon())
			a, names := offline(clock), &letters{}
			var r ring
			for _, s := range test.steps {
				after, err := time.ParseDuration(s.after)
				if err != nil {
					t.Fatal(err)
				}
				clock.SetTime(noon().Add(after))
				r = a.grow(t, r)
				a.keep(t, r)
				if diff := cmp.Diff(s.want, names.describe(a.look())); diff != "" {
					t.Errorf("after %s (-want +got):\n%s", s.after, diff)
				}
			}
		})
	}
}

type step struct{ after, want string }

// TestDeparted holds what becomes of a CA whose Secret was deleted.
func TestDeparted(t *testing.T) {
	t.Parallel()
	clock := testclock.NewFakeClock(noon())
	a, names := offline(clock), &letters{}
	a.keep(t, a.grow(t, nil))
	expect := func(when, want string) {
		t.Helper()
		if diff := cmp.Diff(want, names.describe(a.look())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	expect("in the beginning", "signs A, shows A, bundle A, accepts A")
	before := a.held.ring
	clock.Step(time.Minute)
	a.observe(nil)
	expect("while there is no Secret", "signs A, shows A, bundle A, accepts A")
	if err := a.Ready(); err != nil {
		t.Errorf("not ready while there is no Secret: %v", err)
	}
	clock.Step(time.Minute)
	a.keep(t, a.grow(t, nil))
	expect("when there is another", "signs B, shows A, bundle AB, accepts AB")
	clock.Step(5*time.Minute - 1)
	expect("before 5 minutes", "signs B, shows A, bundle AB, accepts AB")
	clock.Step(1)
	expect("after 5 minutes", "signs B, shows B, bundle AB, accepts AB")
	clock.Step(10 * time.Minute)
	expect("after 15 minutes", "signs B, shows B, bundle B, accepts AB")
	clock.Step(15 * time.Minute)
	expect("after 30 minutes", "signs B, shows B, bundle B, accepts B")

	// Whoever puts the old Secret back means it.
	a.keep(t, before)
	clock.Step(time.Second)
	expect("when the old one is back", "signs A, shows B, bundle AB, accepts AB")
	clock.Step(departedAccepted)
	expect("and later", "signs A, shows A, bundle A, accepts A")
}

// TestTurns holds that the consumer is told of every change that time brings,
// at its time.
func TestTurns(t *testing.T) {
	t.Parallel()
	clock := testclock.NewFakeClock(noon())
	a := offline(clock)
	a.keep(t, a.grow(t, nil))
	told := func() bool {
		a.tick()
		select {
		case <-a.Changed():
			return true
		default:
			return false
		}
	}
	if !told() || told() {
		t.Error("not told once of the first CA")
	}
	a.keep(t, a.grow(t, nil))
	if !told() || told() {
		t.Error("not told once of the CA in its place")
	}
	for _, left := range []time.Duration{departedShown, departedBundled - departedShown} {
		if got := a.tick(); got != left {
			t.Errorf("looks again after %s, want %s", got, left)
		}
		clock.Step(left)
	}
	if !told() {
		t.Error("not told that the old CA has left the bundle")
	}
	clock.Step(departedAccepted)
	if got := a.tick(); got != glance {
		t.Errorf("looks again after %s, want %s", got, glance)
	}
}

func TestKeep(t *testing.T) {
	t.Parallel()
	clock := testclock.NewFakeClock(noon())
	a := offline(clock)
	if err := a.Keep("infra", "http", nil, nil); err != nil {
		t.Errorf("before there is a CA: %v", err)
	}
	if _, _, _, err := a.Issue("infra", "http"); err == nil || !strings.Contains(err.Error(), "infra/http") {
		t.Errorf("issued without a CA: %v", err)
	}
	a.keep(t, a.grow(t, nil))
	certificate, key, notAfter, err := a.Issue("infra", "http")
	if err != nil {
		t.Fatal(err)
	}
	if want := noon().Add(90 * day); !notAfter.Equal(want) {
		t.Errorf("lives until %s, want %s", notAfter, want)
	}
	_, otherKey, _, err := a.Issue("infra", "http")
	if err != nil {
		t.Fatal(err)
	}
	const uri = "spiffe://tlsgw.dev/ns/infra/gateway/http"
	self, selfKey := encoded(t)(a.maker.SelfSigned(pki.Spec{URIs: []string{uri}, Usage: pki.Client}))
	both, bothKey := encoded(t)(a.leaf(a.look().signer, day, pki.Spec{URIs: []string{uri}, Usage: pki.ServerAndClient}))
	for name, test := range map[string]struct {
		gateway          string
		certificate, key []byte
		want             string
	}{
		"its own":         {"http", certificate, key, ""},
		"another Gateway": {"other", certificate, key, "not for spiffe://tlsgw.dev/ns/infra/gateway/other"},
		"another key":     {"http", certificate, otherKey, "private key does not match"},
		"another CA":      {"http", self, selfKey, "no longer in use"},
		"too much":        {"http", both, bothKey, "not one for a client"},
		"nothing":         {"http", nil, nil, "failed to find any PEM data"},
	} {
		err := a.Keep("infra", test.gateway, test.certificate, test.key)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	clock.Step(59 * day)
	if err := a.Keep("infra", "http", certificate, key); err != nil {
		t.Errorf("more than a third is left: %v", err)
	}
	clock.Step(2 * day)
	if err := a.Keep("infra", "http", certificate, key); err == nil || !strings.Contains(err.Error(), "2027-02-21") {
		t.Errorf("a third is left: %v", err)
	}
}

func TestIssueRefusesNames(t *testing.T) {
	t.Parallel()
	a := offline(testclock.NewFakeClock(noon()))
	a.keep(t, a.grow(t, nil))
	for _, name := range []string{"", "a/b", "a%2fb", "a?b", "a#b"} {
		if _, _, _, err := a.Issue("infra", name); err == nil {
			t.Errorf("issued a certificate for a Gateway named %q", name)
		}
	}
}

// encoded gives a certificate and its key as PEM.
func encoded(t *testing.T) func(*pki.Pair, error) (certificate, key []byte) {
	t.Helper()
	return func(pair *pki.Pair, err error) (certificate, key []byte) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if key, err = pair.Key().PEM(); err != nil {
			t.Fatal(err)
		}
		return pair.CertPEM(), key
	}
}

// TestNothingOutlivesItsAuthority looks shortly before a CA ends.
func TestNothingOutlivesItsAuthority(t *testing.T) {
	t.Parallel()
	clock := testclock.NewFakeClock(noon())
	a := offline(clock)
	r := a.grow(t, nil)
	a.keep(t, r)
	clock.Step(360 * day)
	_, _, notAfter, err := a.Issue("infra", "http")
	if err != nil || !notAfter.Equal(r[0].ends()) {
		t.Errorf("a proxy's lives until %s, the CA until %s: %v", notAfter, r[0].ends(), err)
	}
	config, err := a.handshake()
	if err != nil {
		t.Fatal(err)
	}
	if end := config.Certificates[0].Leaf.NotAfter; !end.Equal(r[0].ends()) {
		t.Errorf("the controller's lives until %s, the CA until %s", end, r[0].ends())
	}
	authority, server := a.Expiry()
	if !authority.Equal(r[0].ends()) || !server.Equal(r[0].ends()) {
		t.Errorf("Expiry is %s and %s", authority, server)
	}
	clock.Step(10 * day)
	if _, err := a.handshake(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("a handshake with a CA that has expired: %v", err)
	}
}
