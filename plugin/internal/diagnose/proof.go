package diagnose

import "fmt"

// proof asks whether the answers came over handshakes of now.
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
	risen := e.Live.Risen()
	if risen["ssl.handshake"] > 0 {
		return nil
	}
	f := Finding{Code: NoHandshakeObserved, Expected: "ssl.handshake of " + e.Live.StatName + " to rise"}
	sent := len(e.Requests) + e.Extra
	switch risen["upstream_rq_total"] {
	case 0:
		f.Message = fmt.Sprintf("%s answered, but none reached cluster %s: another backend answered", count(sent, "request"), e.Live.StatName)
		f.Presented = "upstream_rq_total did not rise"
	default:
		f.Message = fmt.Sprintf("%s answered over connections that Envoy had open before; no new one could be brought about",
			count(sent, "request"))
		f.Presented = fmt.Sprintf("ssl.handshake stays at %d, upstream_rq_total +%d over %d open connections",
			e.Live.After["ssl.handshake"], risen["upstream_rq_total"], e.Live.After["upstream_cx_active"])
	}
	return []Finding{f}
}
