package status

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const gatewayGroup = "gateway.networking.k8s.io"

func gatewayName() ir.Name { return ir.Name{Namespace: "infra", Name: "http"} }

func gatewayStatus(conditions, listener []ir.Condition) ir.ObjectStatus {
	return ir.ObjectStatus{
		Ref: ir.Ref{Group: gatewayGroup, Kind: gatewayKind, Name: gatewayName()}, Generation: 3,
		Conditions: conditions,
		Listeners:  []ir.ListenerStatus{{Name: "http", Conditions: listener}},
	}
}

func TestProgrammed(t *testing.T) {
	t.Parallel()
	yes := []ir.Condition{accepted(ir.True, "")}
	no := []ir.Condition{accepted(ir.False, "bad")}
	running := Live{Connected: 1, Acknowledged: true}
	rejecting := func(part Part) Live {
		return Live{Connected: 1, Acknowledged: true, Rejections: []Rejection{{Part: part, Name: "x", Message: "Envoy rejected: x"}}}
	}
	for _, test := range []struct {
		name                string
		live                Live
		conditions          []ir.Condition
		gateway, onListener string
		keep                bool
	}{
		{"runs", running, yes, "True Programmed Envoy runs this generation", "True Programmed Envoy runs this generation", false},
		{"no proxy", Live{}, yes, "False Pending no Envoy is connected to the controller", "False Pending no Envoy is connected to the controller", false},
		{"no proxy yet", Live{Settling: true}, yes, "False Pending no Envoy is connected to the controller", "False Pending no Envoy is connected to the controller", true},
		{"no answer", Live{Connected: 2}, yes, "False Pending Envoy has not acknowledged this generation yet", "False Pending Envoy has not acknowledged this generation yet", false},
		{"held", Live{Connected: 1, Held: "waiting"}, yes, "False Pending waiting", "False Pending waiting", false},
		{"not accepted", running, no, "False Invalid Accepted is False: bad", "False Invalid Accepted is False: bad", false},
		{"cluster rejected", rejecting(PartCluster), yes, "False Invalid Envoy rejected: x", "True Programmed Envoy runs this generation", false},
		{"listener rejected", rejecting(PartListener), yes, "False Invalid Envoy rejected: x", "False Invalid Envoy rejected: x", false},
		{"something rejected", rejecting(PartUnknown), yes, "False Invalid Envoy rejected: x", "False Invalid Envoy rejected: x", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := &ir.Result{Statuses: []ir.ObjectStatus{gatewayStatus(test.conditions, test.conditions)}}
			got := Complete(r, map[ir.Name]Live{gatewayName(): test.live}, "192.0.2.1")[0]
			if last := text(got.Conditions); last != test.gateway {
				t.Errorf("Gateway: %s, want %s", last, test.gateway)
			}
			if last := text(got.Listeners[0].Conditions); last != test.onListener {
				t.Errorf("listener: %s, want %s", last, test.onListener)
			}
			if got.KeepProgrammed != test.keep || !slices.Equal(got.Addresses, []string{"192.0.2.1"}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestDeployed is about Gateways whose proxies the controller deploys.
func TestDeployed(t *testing.T) {
	t.Parallel()
	const (
		runs      = "True Programmed Envoy runs this generation"
		noAddress = "False AddressNotAssigned the Service has no address yet"
		noEnvoy   = "False Pending no Envoy is connected to the controller"
	)
	running := Live{Connected: 1, Acknowledged: true}
	undeployed := Live{Connected: 1, Acknowledged: true, Undeployed: "no room"}
	rejecting := undeployed
	rejecting.Rejections = []Rejection{{Part: PartListener, Message: "Envoy rejected: x"}}
	addresses := []string{"192.0.2.7", "lb.example"}
	for name, test := range map[string]struct {
		live                Live
		addresses           []string
		gateway, onListener string
	}{
		"runs":                   {running, addresses, runs, runs},
		"no address":             {running, nil, noAddress, runs},
		"neither proxy":          {Live{}, nil, noEnvoy, noEnvoy},
		"not deployed":           {undeployed, addresses, "False NoResources no room", runs},
		"not deployed, rejected": {rejecting, addresses, "False Invalid Envoy rejected: x", "False Invalid Envoy rejected: x"},
	} {
		yes := []ir.Condition{accepted(ir.True, "")}
		r := &ir.Result{
			Statuses:    []ir.ObjectStatus{gatewayStatus(yes, yes)},
			Deployments: []*ir.Deployment{{Gateway: gatewayName(), Addresses: test.addresses}},
		}
		got := Complete(r, map[ir.Name]Live{gatewayName(): test.live}, "198.51.100.1")[0]
		if last := text(got.Conditions); !strings.HasPrefix(last, test.gateway) {
			t.Errorf("%s: Gateway: %s, want %s", name, last, test.gateway)
		}
		if last := text(got.Listeners[0].Conditions); last != test.onListener {
			t.Errorf("%s: listener: %s, want %s", name, last, test.onListener)
		}
		if !slices.Equal(got.Addresses, test.addresses) {
			t.Errorf("%s: addresses %q", name, got.Addresses)
		}
	}
}

// TestRequestedAddresses is about Gateways that ask for addresses.
func TestRequestedAddresses(t *testing.T) {
	t.Parallel()
	running := Live{Connected: 1, Acknowledged: true}
	for name, test := range map[string]struct {
		live    Live
		d       ir.Deployment
		gateway string
	}{
		"has them": {running, ir.Deployment{Requested: []string{"10.0.0.7"}, Addresses: []string{"10.0.0.7"}}, "True Programmed "},
		"others":   {running, ir.Deployment{Requested: []string{"10.0.0.7"}, Addresses: []string{"10.0.0.8"}}, "False AddressNotUsable the Service has not the addresses"},
		"not yet":  {running, ir.Deployment{Requested: []string{"10.0.0.7"}}, "False AddressNotAssigned "},
		"refused":  {Live{Undeployed: "apply Service a/b: not in the range"}, ir.Deployment{Requested: []string{"10.0.0.7"}}, "False AddressNotUsable "},
		"unusable": {Live{}, ir.Deployment{Requested: []string{"::1"}, Unusable: "no"}, "False AddressNotUsable no"},
		"no room":  {Live{Undeployed: "no room"}, ir.Deployment{Requested: []string{"10.0.0.7"}}, "False NoResources no room"},
	} {
		yes := []ir.Condition{accepted(ir.True, "")}
		test.d.Gateway = gatewayName()
		r := &ir.Result{Statuses: []ir.ObjectStatus{gatewayStatus(yes, yes)}, Deployments: []*ir.Deployment{&test.d}}
		got := Complete(r, map[ir.Name]Live{gatewayName(): test.live}, "")[0]
		if last := text(got.Conditions); !strings.HasPrefix(last, test.gateway) {
			t.Errorf("%s: %s, want %s", name, last, test.gateway)
		}
	}
}

// text is the last condition.
func text(conditions []ir.Condition) string {
	c := conditions[len(conditions)-1]
	return strings.Join([]string{string(c.Status), c.Reason, c.Message}, " ")
}

func TestBlame(t *testing.T) {
	t.Parallel()
	policy := ir.Ref{Group: gatewayGroup, Kind: backendTLSPolicyKind, Name: ir.Name{Namespace: "a", Name: "p"}}
	backend := ir.Ref{Group: "gateway.kgateway.dev", Kind: backendKind, Name: ir.Name{Namespace: "a", Name: "b"}}
	route := ir.Ref{Group: gatewayGroup, Kind: httpRouteKind, Name: ir.Name{Namespace: "a", Name: "r"}}
	namespace, good := "infra", []ir.Condition{accepted(ir.True, "fine")}
	here := ir.ParentRef{Namespace: &namespace, Name: "http"}
	elsewhere := ir.ParentRef{Namespace: &namespace, Name: "other"}
	result := func() *ir.Result {
		return &ir.Result{
			Gateways: []*ir.Gateway{{Name: gatewayName(), Clusters: []*ir.Cluster{
				{Name: "c~1", Origin: []ir.Ref{backend, policy}, TLS: &ir.UpstreamTLS{TrustBundle: "trust"}}, {Name: "d~1"},
			}}},
			Statuses: []ir.ObjectStatus{
				{Ref: backend, Conditions: good},
				{Ref: policy, Ancestors: []ir.AncestorStatus{{Ancestor: here, Conditions: good}, {Ancestor: elsewhere, Conditions: good}}},
				{Ref: route, Parents: []ir.ParentStatus{{Parent: here, Conditions: good}}},
			},
		}
	}
	for _, test := range []struct {
		name      string
		rejection Rejection
		// want are the statuses of the backend, of the policy here and
		// elsewhere, and of the route.
		want string
	}{
		{"cluster", Rejection{Part: PartCluster, Name: "c~1"}, "False False True True"},
		{"another cluster", Rejection{Part: PartCluster, Name: "d~1"}, "True True True True"},
		{"secret", Rejection{Part: PartSecret, Name: "trust"}, "False False True True"},
		{"route", Rejection{Part: PartRoute, Name: "a/r/rule/0/match/0"}, "True True True False"},
		{"listener", Rejection{Part: PartListener, Name: "http-8080"}, "True True True True"},
		{"secret without a name", Rejection{Part: PartSecret}, "True True True True"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.rejection.Message = strings.Repeat("x", 5000)
			r := result()
			got := Complete(r, map[ir.Name]Live{gatewayName(): {Rejections: []Rejection{test.rejection}}}, "")
			all := []ir.Condition{
				got[0].Conditions[0], got[1].Ancestors[0].Conditions[0], got[1].Ancestors[1].Conditions[0], got[2].Parents[0].Conditions[0],
			}
			var statuses []string
			for _, c := range all {
				statuses = append(statuses, string(c.Status))
				if len(c.Message) > maxMessage {
					t.Errorf("a message has %d bytes", len(c.Message))
				}
			}
			if s := strings.Join(statuses, " "); s != test.want {
				t.Errorf("got %s, want %s", s, test.want)
			}
			if diff := cmp.Diff(result(), r); diff != "" {
				t.Errorf("the result of the translation was changed:\n%s", diff)
			}
		})
	}
}
