package controlplane

import (
	"errors"
	"testing"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
)

func TestRejections(t *testing.T) {
	t.Parallel()
	got := rejections([]replica.Rejection{
		{TypeURL: resourcev3.ClusterType, Resources: []string{"a", "b"}, Message: "bad path"},
		{TypeURL: resourcev3.ListenerType, Message: "bad address"},
	})
	want := []status.Rejection{
		{Part: status.PartCluster, Name: "a", Message: "Envoy rejected: bad path"},
		{Part: status.PartCluster, Name: "b", Message: "Envoy rejected: bad path"},
		{Part: status.PartListener, Message: "Envoy rejected: bad address"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLeftOut(t *testing.T) {
	t.Parallel()
	got := leftOut([]*envoy.ResourceError{{Kind: "route", Name: "a/r/rule/0/match/0", Err: errors.New("bad regex")}})
	want := []status.Rejection{{Part: status.PartRoute, Name: "a/r/rule/0/match/0", Message: "Envoy would reject: bad regex"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryTypeIsAPart(t *testing.T) {
	t.Parallel()
	for _, typeURL := range []string{
		resourcev3.ClusterType, resourcev3.EndpointType, resourcev3.ListenerType, resourcev3.RouteType, resourcev3.SecretType,
	} {
		if partOf(typeURL) == status.PartUnknown {
			t.Errorf("%s is no part", typeURL)
		}
	}
}
