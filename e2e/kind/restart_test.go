//go:build e2e

package kind

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

// TestSampleScaledToZero: no endpoints is 503 and says so; back is good.
func TestSampleScaledToZero(t *testing.T) {
	s := shared(t)
	s.originated(t)
	s.cleanup(t, func(ctx context.Context) { s.try(ctx, "scale", "deployment/nginx", "--replicas=1") })
	s.kubectl(t, "scale", "deployment/nginx", "--replicas=0")
	// While the last pod ends, its connections fail, which is 503 too.
	poll.Until(t, slow, "the gateway knows of no endpoint", func() (bool, string) {
		got, err := traffic.Get(t.Context(), s.url("/"), sampleHost)
		return err == nil && got.Status == http.StatusServiceUnavailable && strings.Contains(got.Body, "no healthy upstream"), fmt.Sprint(got, err)
	})
	s.wantVerdict(t, "svc/nginx", "NoEndpoints")
	s.kubectl(t, "scale", "deployment/nginx", "--replicas=1")
	s.await(t, slow, sampleHost, "/", http.StatusOK)
	s.wantVerdict(t, "svc/nginx", "Verified")
}

// pods are the names of the pods with a label, sorted, without those that are
// being deleted.
func (s *suite) pods(t *testing.T, namespace, selector string) []string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
		}
	}
	s.object(t, &list, "pods", "-n", namespace, "-l", selector)
	var names []string
	for _, pod := range list.Items {
		if pod.Metadata.DeletionTimestamp == "" {
			names = append(names, pod.Metadata.Name)
		}
	}
	slices.Sort(names)
	return names
}

// oneProxy waits until the proxies that were replaced have gone: what is read
// through the Deployment is else of one of them, and later of another.
func (s *suite) oneProxy(t *testing.T) {
	t.Helper()
	poll.Until(t, slow, "one proxy", func() (bool, string) {
		now := s.kubectl(t, "get", "pods", "-n", contract.DevGatewayNamespace, "-l", proxies, "-o", "name")
		return len(strings.Fields(now)) == 1, now
	})
}

const (
	proxies     = "gateway.networking.k8s.io/gateway-name=" + contract.DevGatewayName
	controllers = "app.kubernetes.io/name=" + contract.ControllerDeployment
)

// TestProxyPodDeleted: another one takes over, with the same configuration.
func TestProxyPodDeleted(t *testing.T) {
	s := shared(t)
	s.originated(t)
	before := s.pods(t, contract.DevGatewayNamespace, proxies)
	s.kubectl(t, "delete", "pod", "-n", contract.DevGatewayNamespace, "-l", proxies, "--wait=false")
	poll.Until(t, slow, "another pod", func() (bool, string) {
		now := s.pods(t, contract.DevGatewayNamespace, proxies)
		return len(now) == len(before) && !slices.Equal(now, before), fmt.Sprint(now)
	})
	s.gatewayRolledOut(t)
	s.await(t, slow, sampleHost, "/", http.StatusOK)
	s.wantVerdict(t, "svc/nginx", "Verified")
}

// leader is the pod that writes status and deploys.
func (s *suite) leader(t *testing.T) string {
	t.Helper()
	return s.kubectl(t, "get", "lease", contract.ControllerDeployment, "-n", contract.SystemNamespace,
		"-o", "jsonpath={.spec.holderIdentity}")
}

// TestControllerPodDeleted: traffic goes on without the leader and without the
// other one, and changes are taken up again.
func TestControllerPodDeleted(t *testing.T) {
	s := shared(t)
	s.originated(t)
	for _, which := range []string{"follower", "leader"} {
		t.Run(which, func(t *testing.T) {
			s.rolledOut(t, contract.SystemNamespace, contract.ControllerDeployment)
			requests := s.stream(t)
			requests.flowing(t, requests.began, 20)
			leader := s.leader(t)
			pods := s.pods(t, contract.SystemNamespace, controllers)
			if !slices.Contains(pods, leader) || len(pods) != 2 {
				t.Fatalf("the leader is %s, of %v; want one of two", leader, pods)
			}
			victim := leader
			if which == "follower" {
				victim = pods[1-slices.Index(pods, leader)]
			}
			// Hardly any time to end: a second, instead of what a drain takes.
			s.kubectl(t, "delete", "pod", victim, "-n", contract.SystemNamespace, "--grace-period=0", "--force")
			s.changesLand(t)
			s.rolledOut(t, contract.SystemNamespace, contract.ControllerDeployment)
			if now := s.leader(t); which == "leader" && now == leader {
				t.Errorf("%s is gone and still the leader", leader)
			}
			requests.wantNoneFailed(t)
		})
	}
}

// changesLand makes a new route, and waits until the gateway serves it and its
// status says so: a replica serves xDS, and one of them leads.
func (s *suite) changesLand(t *testing.T) {
	t.Helper()
	host := fmt.Sprintf("change-%d.example", time.Now().UnixNano())
	name := strings.TrimSuffix(host, ".example")
	s.apply(t, "route", "NAME", name, "HOST", host)
	s.await(t, slow, host, "/", http.StatusOK)
	s.awaitCondition(t, ".status.parents[*].conditions", "Accepted", "True", "Accepted", "httproute", name)
}

// TestControllerRolled: no request notices that the controllers are replaced.
func TestControllerRolled(t *testing.T) {
	s := shared(t)
	s.originated(t)
	requests := s.stream(t)
	requests.flowing(t, requests.began, 20)
	before := s.pods(t, contract.SystemNamespace, controllers)
	s.kubectl(t, "rollout", "restart", "deployment/"+contract.ControllerDeployment, "-n", contract.SystemNamespace)
	s.rolledOut(t, contract.SystemNamespace, contract.ControllerDeployment)
	for _, pod := range s.pods(t, contract.SystemNamespace, controllers) {
		if slices.Contains(before, pod) {
			t.Errorf("%s was not replaced", pod)
		}
	}
	s.changesLand(t)
	requests.wantNoneFailed(t)
	s.wantVerdict(t, "svc/nginx", "Verified")
}

// TestProxyRolled: no request notices that the proxies are replaced.
func TestProxyRolled(t *testing.T) {
	s := shared(t)
	s.originated(t)
	s.setGatewayParameters(t, `{"spec":{"kube":{"deployment":{"replicas":2}}}}`, `{"spec":{"kube":{"deployment":{"replicas":null}}}}`)
	poll.Until(t, slow, "two proxies", func() (bool, string) {
		now := s.pods(t, contract.DevGatewayNamespace, proxies)
		return len(now) == 2, fmt.Sprint(now)
	})
	s.gatewayRolledOut(t)
	requests := s.stream(t)
	requests.flowing(t, requests.began, 20)
	before := s.pods(t, contract.DevGatewayNamespace, proxies)
	s.kubectl(t, "rollout", "restart", "deployment/"+contract.DevGatewayName, "-n", contract.DevGatewayNamespace)
	s.gatewayRolledOut(t)
	poll.Until(t, slow, "the old proxies have gone", func() (bool, string) {
		now := s.kubectl(t, "get", "pods", "-n", contract.DevGatewayNamespace, "-l", proxies, "-o", "name")
		return !slices.ContainsFunc(before, func(old string) bool { return strings.Contains(now, old) }), now
	})
	requests.wantNoneFailed(t)
	s.wantVerdict(t, "svc/nginx", "Verified")
}

// setGatewayParameters patches the parameters of the dev Gateway, and patches
// them back with the test.
func (s *suite) setGatewayParameters(t *testing.T, patch, back string) {
	t.Helper()
	args := []string{"patch", "gatewayparameters", contract.DevGatewayName, "-n", contract.DevGatewayNamespace, "--type=merge", "-p"}
	s.cleanup(t, func(ctx context.Context) {
		if ran := s.try(ctx, append(args, back)...); ran.Code != 0 {
			t.Error(ran)
		}
	})
	s.kubectl(t, append(args, patch)...)
}

// TestPolicyChangedUnderTraffic: a change from one good policy to another
// fails no request.
func TestPolicyChangedUnderTraffic(t *testing.T) {
	s := shared(t)
	s.originated(t)
	requests := s.stream(t)
	requests.flowing(t, requests.began, 20)
	for range 2 {
		for _, version := range []string{"1.3", "1.2"} {
			s.ok(t, "originate", "svc/nginx", "--sni", sampleHost, "--expose", sampleHost, "--min-tls", version)
			requests.flowing(t, time.Now(), 20)
		}
	}
	requests.wantNoneFailed(t)
}
