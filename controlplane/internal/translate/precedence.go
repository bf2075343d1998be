package translate

import (
	"cmp"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// entry is a route of Envoy with what decides about its place in a virtual
// host.
type entry struct {
	route   *ir.Route
	created time.Time
	// rank counts in GRPCRoutes only.
	rank rank
	// owner is the route object; rule and match are places in it.
	owner       ir.Name
	rule, match int
}

// compareEntries orders the routes of one hostname as HTTPRoute has it: exact
// path, longest prefix, method, most headers, most query parameters, oldest
// HTTPRoute, its name, place in it. Regular expressions, whose place is left
// to implementations, come between exact paths and prefixes: after a prefix
// "/" they would never be asked.
//
// Those of GRPCRoutes, which never share a hostname with HTTPRoutes, are in
// the order of GRPCRoute: longest service, longest method, then as above from
// most headers on.
func compareEntries(a, b *entry) int {
	m, n := &a.route.Match, &b.route.Match
	byRequest := a.rank.compare(b.rank)
	if !a.route.GRPC && !b.route.GRPC {
		byRequest = compareRequests(m, n)
	}
	return cmp.Or(
		byRequest,
		cmp.Compare(len(n.Headers), len(m.Headers)),
		cmp.Compare(len(n.Query), len(m.Query)),
		a.created.Compare(b.created),
		a.owner.Compare(b.owner),
		cmp.Compare(a.rule, b.rule),
		cmp.Compare(a.match, b.match),
	)
}

// compareRequests orders by path and method.
func compareRequests(m, n *ir.Match) int {
	return cmp.Or(
		cmp.Compare(pathRank(m.PathType), pathRank(n.PathType)),
		cmp.Compare(len(n.Path), len(m.Path)),
		cmp.Compare(methodRank(m), methodRank(n)),
	)
}

func pathRank(t ir.MatchType) int {
	switch t {
	case ir.Exact:
		return 0
	case ir.Regex:
		return 1
	case ir.Prefix:
		return 2
	}
	return 3
}

func methodRank(m *ir.Match) int {
	if m.Method != "" {
		return 0
	}
	return 1
}

// matchesAll tells whether no request passes a match by.
func matchesAll(m *ir.Match) bool {
	return m.PathType == ir.Prefix && m.Path == "/" && m.Method == "" && len(m.Headers) == 0 && len(m.Query) == 0
}
