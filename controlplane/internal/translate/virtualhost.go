package translate

import (
	"net/http"
	"slices"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// site is what one table of routes serves: the listeners whose routes go in,
// and all listeners of the port, which share its hosts out.
type site struct {
	serving, all []*listener
	// tables are the sorted entries of each serving listener, by domain.
	tables map[*listener]map[string][]*entry
}

// virtualHosts makes the virtual hosts of a table of routes, sorted by domain.
//
// Each host belongs to the listener whose hostname is the most specific that
// matches it, and only routes of that listener serve it (listener isolation).
// Where a listener has routes for several domains that match a host, those of
// the more specific domain are asked first, and then those of the others;
// Envoy looks into one virtual host only, so they are all put into it.
//
// The host of a request need not be the one that a client named when it began
// TLS: it may use a connection for several. Where all listeners of the port do
// not serve from one table, a host that belongs to another listener is answered
// by 421, and one that belongs to none by 404.
func virtualHosts(serving, all []*listener) []ir.VirtualHost {
	s := site{serving: serving, all: all, tables: map[*listener]map[string][]*entry{}}
	domains := map[string]struct{}{}
	for _, l := range all {
		domains[l.domain] = struct{}{}
	}
	for _, l := range serving {
		s.tables[l] = l.table()
		for d := range s.tables[l] {
			domains[d] = struct{}{}
		}
	}
	routes := make(map[string][]*ir.Route, len(domains))
	for d := range domains {
		routes[d] = s.routes(d)
	}
	hosts := make([]ir.VirtualHost, 0, len(domains))
	for d := range domains {
		if len(routes[d]) == 0 && !shadows(d, routes) {
			continue
		}
		hosts = append(hosts, ir.VirtualHost{Name: d, Domain: d, Routes: routes[d]})
	}
	slices.SortFunc(hosts, func(a, b ir.VirtualHost) int { return compareDomains(a.Domain, b.Domain) })
	return hosts
}

// routes are those of a domain in the order in which they are tried.
func (s *site) routes(d string) []*ir.Route {
	table, ok := s.tables[owner(s.all, d)]
	if !ok {
		return []*ir.Route{misdirected()}
	}
	var routes []*ir.Route
	seen := map[*entry]bool{}
	for wider := range widening(d) {
		for _, e := range table[wider] {
			if seen[e] {
				continue
			}
			seen[e] = true
			routes = append(routes, e.route)
			if matchesAll(&e.route.Match) {
				return routes // What follows is never asked.
			}
		}
	}
	return routes
}

// misdirected asks a client to use another connection.
func misdirected() *ir.Route {
	return &ir.Route{
		Name: "misdirected", Match: ir.Match{PathType: ir.Prefix, Path: "/"}, Status: http.StatusMisdirectedRequest,
	}
}

// shadows tells whether a domain without routes keeps hosts from a wider one.
func shadows(d string, routes map[string][]*ir.Route) bool {
	for wider := range widening(d) {
		if wider != d && len(routes[wider]) > 0 {
			return true
		}
	}
	return false
}

// owner is the listener to which the hosts of a domain belong.
func owner(all []*listener, d string) *listener {
	var best *listener
	for _, l := range all {
		if covers(l.domain, d) && (best == nil || compareDomains(l.domain, best.domain) < 0) {
			best = l
		}
	}
	return best
}

// table are the entries of a listener's routes by domain, in the order in
// which they are tried.
func (l *listener) table() map[string][]*entry {
	table := map[string][]*entry{}
	for _, a := range slices.Concat(l.attached, l.refusing) {
		entries := a.route.entriesFor(l)
		for _, d := range a.domains {
			table[d] = append(table[d], entries...)
		}
	}
	for _, entries := range table {
		slices.SortFunc(entries, compareEntries)
	}
	return table
}
