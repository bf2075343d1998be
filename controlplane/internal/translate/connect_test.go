package translate

import (
	"slices"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// checkConnect checks a chain whose connections go to backends as they are.
// TLS of clients goes to clusters that do not encrypt it again, and nothing
// else goes there: no policy protects that way.
func checkConnect(tb testing.TB, g *ir.Gateway, chain *ir.FilterChain) {
	tb.Helper()
	if len(chain.Routes.VirtualHosts) > 0 {
		tb.Errorf("chain %s has routes and a way to a backend", chain.Name)
	}
	total := uint32(0)
	for _, share := range chain.Forward.Clusters {
		total += share.Weight
		if share.Cluster == contract.InvalidCluster {
			continue
		}
		i := slices.IndexFunc(g.Clusters, func(c *ir.Cluster) bool { return c.Name == share.Cluster })
		switch {
		case i < 0:
			tb.Errorf("chain %s leads to cluster %s, which is not sent", chain.Name, share.Cluster)
		case g.Clusters[i].Passthrough != (chain.TLS == nil):
			tb.Errorf("chain %s leads to cluster %s, which is for the other mode of TLS", chain.Name, share.Cluster)
		}
	}
	if total == 0 {
		tb.Errorf("chain %s has no weight", chain.Name)
	}
}

// TestRank orders the matches of GRPCRoutes.
func TestRank(t *testing.T) {
	t.Parallel()
	inOrder := []rank{
		{service: 9, method: 1},
		{service: 9},
		{service: 1, method: 9},
		{service: 1},
		{method: 9},
		{method: 1},
		{servicePattern: 9},
		{servicePattern: 1, methodPattern: 9},
		{methodPattern: 1},
		{},
	}
	for i := range inOrder {
		for j := range inOrder {
			if got := inOrder[i].compare(inOrder[j]); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%+v and %+v compare to %d", inOrder[i], inOrder[j], got)
			}
		}
	}
}
