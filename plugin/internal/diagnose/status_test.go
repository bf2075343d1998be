package diagnose

import (
	"strings"
	"testing"
)

// TestStatusOfThisGateway: what other Gateways or controllers say of the policy
// is no matter here.
func TestStatusOfThisGateway(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	elsewhere := PolicyStatus{Controller: "tlsgw.dev/gateway-controller", Kind: "Gateway", Namespace: "edge", Name: "http"}
	for name, test := range map[string]struct {
		change func(*Evidence)
		want   Code
	}{
		"rejected by another Gateway's Envoy": {func(e *Evidence) {
			elsewhere.Accepted = no("Invalid", "Envoy rejected: old release")
			e.Policy.Statuses = append(e.Policy.Statuses, elsewhere)
		}, Verified},
		"rejected here, accepted elsewhere": {func(e *Evidence) {
			elsewhere.Accepted = &Condition{True: true}
			e.Policy.Statuses[0].Accepted = no("Invalid", "Envoy rejected: bad")
			e.Policy.Statuses = append(e.Policy.Statuses, elsewhere)
		}, ConfigRejected},
		"another's cluster rejected": {func(e *Evidence) { e.Gateway.Whole = no("Invalid", "Envoy rejected: a cluster of others") }, Verified},
		"and the listener does not say": {func(e *Evidence) {
			e.Gateway.Listener, e.Gateway.Programmed = "", no("Invalid", "Envoy rejected: a cluster of others")
			e.Gateway.Whole = e.Gateway.Programmed
		}, Verified},
		"seen by another controller alone": {func(e *Evidence) {
			e.Policy.Generation = 3
			e.Policy.Statuses[0].Accepted = &Condition{True: true, Generation: 2}
			e.Policy.Statuses = append(e.Policy.Statuses, PolicyStatus{Controller: "other", Kind: "Gateway", Namespace: "edge", Name: "http",
				Accepted: &Condition{True: true, Generation: 3}})
		}, PolicyNotAccepted},
		"seen": {func(e *Evidence) {
			e.Policy.Generation = 3
			e.Policy.Statuses[0].Accepted = &Condition{True: true, Generation: 3}
		}, Verified},
		"a controller that does not count generations": {func(e *Evidence) { e.Policy.Generation = 3 }, Verified},
		"another ancestor": {func(e *Evidence) {
			e.Policy.Statuses[0].Kind, e.Policy.Statuses[0].Accepted = "Service", no("Invalid", "no")
		}, PolicyNotAccepted},
	} {
		e := sound(a, test.change)
		if v := Evaluate(e); v.Code != test.want {
			t.Errorf("%s: %s, want %s: %s", name, v.Code, test.want, v.Message)
		} else if wants := e.Gateway.Whole != nil && !e.Gateway.Whole.True; wants != strings.Contains(strings.Join(v.Warnings, " "), "as a whole") {
			t.Errorf("%s: warnings %q", name, v.Warnings)
		}
	}
}

// TestUnjudged: a status that may come is waited for.
func TestUnjudged(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	for name, test := range map[string]struct {
		change func(*Evidence)
		want   bool
	}{
		"judged":    {func(*Evidence) {}, false},
		"no status": {func(e *Evidence) { e.Policy.Statuses = nil }, true},
		"outdated": {func(e *Evidence) {
			e.Policy.Generation, e.Policy.Statuses[0].Accepted = 2, &Condition{True: true, Generation: 1}
		}, true},
		"no policy": {func(e *Evidence) { e.Policy = nil }, false},
	} {
		if got := Unjudged(sound(a, test.change)); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestProofIsOfTheRequests: a rise of ssl.handshake alone says nothing of them.
func TestProofIsOfTheRequests(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	bare := func(e *Evidence, n int) {
		for i := range n {
			e.Requests[i].Header = nil
		}
	}
	for name, test := range map[string]struct {
		change func(*Evidence)
		want   Code
	}{
		"handshakes of health checks": {func(e *Evidence) { e.Live.After["upstream_rq_total"] = 20 }, NoHandshakeObserved},
		"a proxy was lost":            {func(e *Evidence) { e.Live.After["upstream_rq_total"], e.Live.Lost = 21, true }, Verified},
		"one answer of Envoy's":       {func(e *Evidence) { bare(e, 1) }, NoHandshakeObserved},
		"a filter hides it":           {func(e *Evidence) { bare(e, 3); e.Route.Stripped = true }, Verified},
		"another controller hides it": {func(e *Evidence) { bare(e, 3); kgateway(e) }, Verified},
		"another controller, one":     {func(e *Evidence) { bare(e, 1); kgateway(e) }, NoHandshakeObserved},
		"extra requests failed":       {func(e *Evidence) { e.Extra = 64 }, Verified},
	} {
		if v := Evaluate(sound(a, test.change)); v.Code != test.want {
			t.Errorf("%s: %s, want %s: %s", name, v.Code, test.want, v.Message)
		}
	}
}

// TestTrustOfSeveralReferences: our controller names a bundle by each source
// once, and by none of a kind that it does not know.
func TestTrustOfSeveralReferences(t *testing.T) {
	t.Parallel()
	e := sound(newAuthorities(t), func(e *Evidence) {
		e.Trust.Refs = []string{"configmap/a", "clustertrustbundle/x", "secret/b", "configmap/a"}
		e.Live.Proxies[0].Cluster.TLS.Trust = "secret trust/default/configmap/a+secret/b"
	})
	if v := Evaluate(e); v.Code != Verified {
		t.Errorf("%s: %s, presented %s", v.Code, v.Message, v.Presented)
	}
}

// TestNamesIgnored: a chain alone is not what a policy with a name asks for.
func TestNamesIgnored(t *testing.T) {
	t.Parallel()
	a := newAuthorities(t)
	ignored := func(e *Evidence) {
		e.Live.Proxies[0].Cluster.TLS.SANs = nil
		kgateway(e)
	}
	for name, test := range map[string]struct {
		change func(*Evidence)
		want   Code
	}{
		"ignored":           {ignored, VerificationDisabled},
		"accepted as it is": {func(e *Evidence) { ignored(e); e.AllowInsecure = true }, Verified},
		"only an SNI":       {func(e *Evidence) { ignored(e); e.Identity.Implied = true }, Verified},
		"only an SNI, ours": {func(e *Evidence) { e.Live.Proxies[0].Cluster.TLS.SANs, e.Identity.Implied = nil, true }, VerificationDisabled},
		"by the SNI sent":   {func(e *Evidence) { ignored(e); e.Live.Proxies[0].Cluster.TLS.AutoSANs = true }, Verified},
		"in the secret":     {func(e *Evidence) { ignored(e); e.Live.Proxies[0].Secret.SANs = []string{"DNS:example.com"} }, Verified},
		"pinned":            {func(e *Evidence) { ignored(e); e.Live.Proxies[0].Cluster.TLS.Pinned = true }, Verified},
	} {
		if v := Evaluate(sound(a, test.change)); v.Code != test.want {
			t.Errorf("%s: %s, want %s: %s", name, v.Code, test.want, v.Message)
		}
	}
}
