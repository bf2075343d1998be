package verify

import (
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
)

// result puts evidence and verdict into the words of the report.
func result(e *diagnose.Evidence, v diagnose.Verdict) report.Result {
	r := report.Result{
		Target:  report.Target{Kind: e.Target.Kind, Namespace: e.Target.Namespace, Name: e.Target.Name, Port: e.Target.Port},
		Cluster: e.Live.StatName,
		Verdict: v.Code, Stage: v.Stage, Message: v.Message, Hint: v.Hint,
		Expected: v.Expected, Presented: v.Presented, Envoy: v.Envoy,
		Warnings:   v.Warnings,
		Extra:      e.Extra,
		Handshakes: report.Handshakes{Before: e.Live.Before["ssl.handshake"], After: e.Live.After["ssl.handshake"]},
		TLS:        negotiated(e),
		Stats:      counters(e.Live),
	}
	if p := e.Policy; p != nil {
		r.Policy = &report.Object{Kind: p.Kind, Namespace: p.Namespace, Name: p.Name}
	}
	if g := e.Gateway; g != nil && g.Name != "" {
		r.Gateway = &report.Name{Namespace: g.Namespace, Name: g.Name}
	}
	if v.Stage == diagnose.StageEvidence {
		r.Evidence = v.Proof
	}
	for _, f := range v.Others {
		r.Findings = append(r.Findings, report.Finding{Code: f.Code, Stage: f.Code.Stage(), Message: f.Message, Hint: f.Hint})
	}
	for _, x := range e.Requests {
		request := report.Request{URL: x.URL, Host: x.Host, Status: x.Status, DurationMS: x.Duration.Milliseconds()}
		if x.Err != nil {
			request.Error = x.Err.Error()
		}
		r.Requests = append(r.Requests, request)
	}
	return r
}

// negotiated is what Envoy's counters say was agreed on in the new
// handshakes, and whose certificate the direct handshake showed.
func negotiated(e *diagnose.Evidence) report.TLS {
	risen := e.Live.Risen()
	t := report.TLS{Version: most(risen, "ssl.versions."), Cipher: most(risen, "ssl.ciphers.")}
	for _, p := range e.Live.Proxies {
		if p.Cluster != nil && p.Cluster.TLS != nil {
			t.SNI = p.Cluster.TLS.SNI
		}
	}
	if e.Direct != nil && e.Direct.Presented != nil && len(e.Direct.Presented.Chain) > 0 {
		leaf := e.Direct.Presented.Chain[0]
		t.PeerSubject, t.PeerIssuer = leaf.Subject.String(), leaf.Issuer.String()
		t.PeerSANs = append(t.PeerSANs, leaf.DNSNames...)
		for _, uri := range leaf.URIs {
			t.PeerSANs = append(t.PeerSANs, uri.String())
		}
		t.NotAfter = report.Time(leaf.NotAfter)
	}
	return t
}

// most is what follows prefix in the counter that rose most.
func most(risen map[string]uint64, prefix string) string {
	best := ""
	for name, value := range risen {
		rest, found := strings.CutPrefix(name, prefix)
		if !found {
			continue
		}
		if best == "" || value > risen[prefix+best] || value == risen[prefix+best] && rest < best {
			best = rest
		}
	}
	return best
}

// counters are by how much the telling counters rose; those of failures are
// there also when they did not.
func counters(live diagnose.Live) map[string]uint64 {
	stats := map[string]uint64{}
	if len(live.After) == 0 {
		return stats
	}
	risen := live.Risen()
	telling := []string{"upstream_cx_total", "upstream_cx_active", "upstream_cx_connect_fail", "upstream_rq_total"}
	for name, value := range risen {
		if strings.HasPrefix(name, "ssl.") || slices.Contains(telling, name) {
			stats[name] = value
		}
	}
	for _, name := range []string{"ssl.handshake", "ssl.fail_verify_error", "ssl.fail_verify_san", "ssl.connection_error"} {
		stats[name] = risen[name]
	}
	return stats
}
