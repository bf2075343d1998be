package diagnose

import (
	"fmt"
	"slices"
)

// proof asks whether the answers came over handshakes of now, and from the
// backend at all: on a busy Gateway others' requests make handshakes too.
func (e *Evidence) proof() []Finding {
	if !e.answered() {
		return nil
	}
	if e.Live.Unavailable != "" {
		return []Finding{{
			Code:      StatsUnavailable,
			Message:   "the answers came, but Envoy's counters could not be read",
			Expected:  "Envoy's admin interface",
			Presented: oneLine(e.Live.Unavailable),
		}}
	}
	if f := e.elsewhere(); f != nil {
		return []Finding{*f}
	}
	risen := e.Live.Risen()
	if risen["ssl.handshake"] > 0 {
		return nil
	}
	return []Finding{{
		Code:     NoHandshakeObserved,
		Expected: "ssl.handshake of " + e.Live.StatName + " to rise",
		Message: fmt.Sprintf("%s answered over connections that Envoy had open before; no new one could be brought about",
			count(len(e.Requests)+e.Extra, "request")),
		Presented: fmt.Sprintf("ssl.handshake stays at %d, upstream_rq_total +%d over %d open connections",
			e.Live.After["ssl.handshake"], risen["upstream_rq_total"], e.Live.After["upstream_cx_active"]),
	}}
}

// elsewhere: some of the requests did not go to the cluster, so that the
// handshakes may be of others'.
func (e *Evidence) elsewhere() *Finding {
	reached, sent := e.reached(), len(e.Requests)
	f := &Finding{Code: NoHandshakeObserved, Expected: fmt.Sprintf("upstream_rq_total of %s to rise by %d", e.Live.StatName, sent)}
	switch {
	case reached == 0:
		f.Message = fmt.Sprintf("%s answered, but none reached cluster %s: another backend answered", count(sent+e.Extra, "request"), e.Live.StatName)
		f.Presented = "upstream_rq_total did not rise"
		return f
	case reached < sent && !e.Live.Lost && (e.Route == nil || !e.Route.Shared):
		f.Message = fmt.Sprintf("%s answered, of which %d reached cluster %s: another rule or backend answered the others",
			count(sent, "request"), reached, e.Live.StatName)
		f.Presented = fmt.Sprintf("upstream_rq_total +%d", reached)
		return f
	}
	ofEnvoy := e.ofEnvoy()
	if ofEnvoy == 0 {
		return nil
	}
	f.Message = fmt.Sprintf("%s answered, %d of them by Envoy itself, as a redirect is: what %s counted may be of other traffic",
		count(sent, "request"), ofEnvoy, e.Live.StatName)
	f.Expected, f.Presented = "answers of the backend", fmt.Sprintf("status %d without %s", e.firstOfEnvoy().Status, UpstreamTime)
	return f
}

// reached is how many requests the cluster got, those of others included.
func (e *Evidence) reached() int {
	return int(min(e.Live.Risen()["upstream_rq_total"], 1<<30)) // #nosec G115 -- bounded
}

// UpstreamTime is the header that Envoy's router adds to what a backend
// answered, and not to what it answers itself.
const UpstreamTime = "X-Envoy-Upstream-Service-Time"

// ofEnvoy counts the answers that no backend gave, as far as they can be told:
// a Gateway can be set to keep the header to itself, which our own is not.
func (e *Evidence) ofEnvoy() int {
	if e.Route != nil && e.Route.Stripped {
		return 0
	}
	without := 0
	for _, x := range e.Requests {
		if x.local() {
			without++
		}
	}
	if without == len(e.Requests) && !e.own() {
		return 0
	}
	return without
}

func (e *Evidence) firstOfEnvoy() Exchange {
	return e.Requests[slices.IndexFunc(e.Requests, Exchange.local)]
}

func (x Exchange) local() bool { return x.Header.Get(UpstreamTime) == "" }

// shared: the rule has other backends too, which answered some of the requests.
func (e *Evidence) shared() string {
	if e.Route == nil || !e.Route.Shared || !e.answered() || e.Live.Unavailable != "" {
		return ""
	}
	reached := e.reached()
	if reached == 0 || reached >= len(e.Requests) {
		return ""
	}
	return fmt.Sprintf("only %d of %s reached the backend: the rule of %s has others too", reached, count(len(e.Requests), "request"), e.Route)
}
