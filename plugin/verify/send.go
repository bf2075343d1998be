package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/shell"
)

const (
	// maxExtra bounds the requests that are sent only to make Envoy open a
	// new connection. Where many are open, there may be extraBursts times as many
	// as the first burst has, and mostExtra at most.
	maxExtra    = 128
	extraBursts = 4
	mostExtra   = 512
	// spare is by how much the first burst outnumbers the open connections.
	spare = 4
	// burstTimeout bounds one burst; Envoy's own limits on connecting to a
	// backend are shorter.
	burstTimeout = 20 * time.Second
)

// sender sends the requests of one subject and takes the counters after them.
type sender struct {
	options      *Options
	dial         probe.Dialer
	address, via string
	// pods is how many proxies dial goes to in turn; 0 where it is not known.
	pods    int
	request probe.Request
	// counters are nil where Envoy cannot be asked.
	counters *probe.Counters
	evidence *diagnose.Evidence
	// told are the proxies of which it was said that they went away.
	told int
}

// run sends the requests that were asked for, all at once. Envoy keeps its
// connections to a backend open, so that these need not bring a handshake
// about: then it sends ever wider bursts, until more requests are in flight
// than there are connections, and stops at the first handshake.
func (s *sender) run(ctx context.Context) {
	s.curl()
	if s.pods > s.options.Requests {
		s.options.note("  to %d of %d pods; all get one with --requests %d", s.options.Requests, s.pods, s.pods)
	}
	responses := s.burst(ctx, s.options.Requests)
	for i, response := range responses {
		x := diagnose.Exchange{
			Response: response, URL: s.url(), Host: s.request.Host,
			Expected: s.options.Expect.Contains(response.Status),
		}
		s.evidence.Requests = append(s.evidence.Requests, x)
		s.exchange(i, x)
	}
	s.count(ctx)
	if s.mayForce() {
		s.force(ctx)
	}
}

func (s *sender) burst(ctx context.Context, width int) []probe.Response {
	ctx, cancel := context.WithTimeout(ctx, burstTimeout)
	defer cancel()
	return probe.Send(ctx, s.dial, slices.Repeat([]probe.Request{s.request}, width))
}

// mayForce: only where all went well but for the handshake, and only with
// methods that change nothing at the backend (RFC 9110, section 9.2.1).
func (s *sender) mayForce() bool {
	safe := slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, s.request.Method)
	failed := slices.ContainsFunc(s.evidence.Requests, func(x diagnose.Exchange) bool { return !x.Expected })
	return safe && !failed && s.evidence.Live.Unavailable == "" && s.tls() && s.handshakes() == 0
}

// tls: in every proxy the cluster has a TLS transport socket; without one
// there is nothing to make happen.
func (s *sender) tls() bool {
	return !slices.ContainsFunc(s.evidence.Live.Proxies, func(p diagnose.Proxy) bool { return p.Cluster == nil || p.Cluster.TLS == nil })
}

func (s *sender) handshakes() uint64 { return s.evidence.Live.Risen()["ssl.handshake"] }

func (s *sender) force(ctx context.Context) {
	live := &s.evidence.Live
	width, most := extra(live.After["upstream_cx_active"])
	for s.evidence.Extra < most && s.handshakes() == 0 && ctx.Err() == nil && live.Unavailable == "" {
		width = min(width, most-s.evidence.Extra)
		s.burst(ctx, width)
		s.evidence.Extra += width
		width *= 2
		s.count(ctx)
	}
	s.options.note("  %d more requests in parallel bursts, to make Envoy open a new connection: ssl.handshake +%d",
		s.evidence.Extra, s.handshakes())
}

// extra is how many requests the first burst has where so many connections are
// open, and all bursts together. A burst that outnumbers them may not be in
// flight as a whole: the second one is twice as wide.
func extra(open uint64) (first, all int) {
	first = int(min(open, mostExtra-spare)) + spare // #nosec G115 -- bounded
	return first, min(max(maxExtra, extraBursts*first), mostExtra)
}

func (s *sender) count(ctx context.Context) {
	live := &s.evidence.Live
	if live.Unavailable != "" {
		return
	}
	if err := s.counters.Read(ctx); err != nil {
		live.Unavailable = err.Error()
		return
	}
	live.Before, live.After = s.counters.Before(), s.counters.After()
	for _, lost := range s.counters.Lost()[s.told:] {
		live.Lost = true
		s.options.note("  a proxy went away, and is not counted any more: %s", lost)
		s.told++
	}
}

func (s *sender) url() string {
	scheme := "http"
	if s.request.ServerName != "" {
		scheme = "https"
	}
	return scheme + "://" + s.address + s.request.Path
}

// curl prints what a person would type to send the same request.
func (s *sender) curl() {
	pod, forwarded := strings.CutPrefix(s.via, "pod ")
	if forwarded {
		namespace, name, _ := strings.Cut(pod, "/")
		s.options.note("$ kubectl port-forward -n %s pod/%s %s &", namespace, name, portOf(s.address))
	}
	s.options.note("$ %s", s.curlCommand())
}

func (s *sender) curlCommand() string {
	words := []string{"curl", "-i"}
	target := s.url()
	if s.request.Method != http.MethodGet {
		words = append(words, "-X", s.request.Method)
	}
	if s.request.ServerName != "" {
		port := portOf(s.address)
		words = append(words, "-k", "--resolve", shell.Quote(fmt.Sprintf("%s:%s:%s", s.request.ServerName, port, hostOf(s.address))))
		target = "https://" + s.request.ServerName + ":" + port + s.request.Path
	} else {
		words = append(words, "-H", shell.Quote("Host: "+s.request.Host))
	}
	for _, name := range sortedHeaders(s.request.Header) {
		words = append(words, "-H", shell.Quote(name+": "+s.request.Header.Get(name)))
	}
	return strings.Join(append(words, shell.Quote(target)), " ")
}

func (s *sender) exchange(i int, x diagnose.Exchange) {
	if x.Err != nil {
		s.options.note("  %d: no answer: %v (%s)", i+1, x.Err, x.Duration.Round(time.Millisecond))
		return
	}
	s.options.note("  %d: %d %s (%s) %s", i+1, x.Status, http.StatusText(x.Status), x.Duration.Round(time.Millisecond), x.Body)
}
