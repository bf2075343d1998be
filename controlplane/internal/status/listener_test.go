package status

import (
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestRejectionsOfListeners has a Gateway with HTTP on one port, and two hosts
// of HTTPS on another.
func TestRejectionsOfListeners(t *testing.T) {
	t.Parallel()
	host := func(name string) ir.FilterChain {
		return ir.FilterChain{
			Name:   "https-443/" + name,
			TLS:    &ir.DownstreamTLS{Certificates: []string{"keypair/" + name}, Clients: &ir.ClientValidation{TrustBundle: "trust/" + name}},
			Routes: ir.RouteConfig{Name: "https-443/" + name, VirtualHosts: []ir.VirtualHost{{Name: "host/" + name}}},
		}
	}
	g := &ir.Gateway{Listeners: []ir.Listener{
		{Name: "http-80", Chains: []ir.FilterChain{{Name: "http-80", Routes: ir.RouteConfig{Name: "http-80"}}}},
		{Name: "https-443", Chains: []ir.FilterChain{host("a"), host("b")}},
	}}
	listeners := map[string][]string{"http": {"http-80"}, "a": {"https-443/a"}, "b": {"https-443/b"}, "refused": nil}
	for name, test := range map[string]struct {
		rejection Rejection
		want      []string
	}{
		"a listener":            {Rejection{Part: PartListener, Name: "https-443"}, []string{"a", "b"}},
		"a chain":               {Rejection{Part: PartListener, Name: "https-443/b"}, []string{"b"}},
		"a key pair":            {Rejection{Part: PartSecret, Name: "keypair/a"}, []string{"a"}},
		"a bundle for clients":  {Rejection{Part: PartSecret, Name: "trust/b"}, []string{"b"}},
		"a bundle for backends": {Rejection{Part: PartSecret, Name: "trust/other"}, nil},
		"routes":                {Rejection{Part: PartRouteConfig, Name: "http-80"}, []string{"http"}},
		"a virtual host":        {Rejection{Part: PartRouteConfig, Name: "host/a"}, []string{"a"}},
		"a route":               {Rejection{Part: PartRoute, Name: "x"}, nil},
		"a cluster":             {Rejection{Part: PartCluster, Name: "x"}, nil},
		"a listener of nobody":  {Rejection{Part: PartListener, Name: "x"}, []string{"http", "a", "b", "refused"}},
		"nothing that is named": {Rejection{Part: PartListener}, []string{"http", "a", "b", "refused"}},
		"nothing that is known": {Rejection{}, []string{"http", "a", "b", "refused"}},
		"a secret without name": {Rejection{Part: PartSecret}, []string{"http", "a", "b", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]bool{}
			for _, listener := range test.want {
				want[listener] = true
			}
			for listener, chains := range listeners {
				if got := len(rejectionsOf(g, []Rejection{test.rejection}, chains)) == 1; got != want[listener] {
					t.Errorf("the rejection is about listener %s: %v, want %v", listener, got, want[listener])
				}
			}
		})
	}
}

// TestGatewayWithClosedListeners: a Gateway that opens no port is not
// programmed, whatever Envoy says of the rest.
func TestGatewayWithClosedListeners(t *testing.T) {
	t.Parallel()
	live := map[ir.Name]Live{gatewayName(): {Connected: 1, Acknowledged: true}}
	unresolved := []ir.Condition{accepted(ir.True, ""), {Type: conditionResolvedRefs, Status: ir.False, Message: "no certificate"}}
	open := ir.ListenerStatus{Name: "open", Conditions: []ir.Condition{accepted(ir.True, "")}}
	partly := ir.ListenerStatus{Name: "partly", Conditions: unresolved}
	shut := ir.ListenerStatus{Name: "shut", Conditions: unresolved, Closed: true}
	const (
		runs   = "True Programmed Envoy runs this generation"
		isShut = "False Invalid ResolvedRefs is False: no certificate"
		none   = "False Invalid no listener is open; of shut, ResolvedRefs is False: no certificate"
	)
	for name, test := range map[string]struct {
		listeners []ir.ListenerStatus
		gateway   string
		members   []string
	}{
		"one is open":        {[]ir.ListenerStatus{shut, open}, runs, []string{isShut, runs}},
		"one is partly good": {[]ir.ListenerStatus{shut, partly}, runs, []string{isShut, runs}},
		"all are closed":     {[]ir.ListenerStatus{shut, shut}, none, []string{isShut, isShut}},
		"there is none":      {nil, runs, nil},
	} {
		r := &ir.Result{Gateways: []*ir.Gateway{{Name: gatewayName()}}, Statuses: []ir.ObjectStatus{{
			Ref:        ir.Ref{Group: gatewayGroup, Kind: gatewayKind, Name: gatewayName()},
			Conditions: []ir.Condition{accepted(ir.True, "")}, Listeners: test.listeners,
		}}}
		got := Complete(r, live, "192.0.2.1")[0]
		if last := text(got.Conditions); last != test.gateway {
			t.Errorf("%s: Gateway: %s, want %s", name, last, test.gateway)
		}
		for i, want := range test.members {
			if last := text(got.Listeners[i].Conditions); last != want {
				t.Errorf("%s: listener %d: %s, want %s", name, i, last, want)
			}
		}
	}
}
