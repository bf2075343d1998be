//go:build e2e

package kind

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// team is the namespace of the second Gateway.
const team = "team-blue"

// deployed are the kinds of what each Gateway gets.
const deployed = "deployments,services,serviceaccounts,poddisruptionbudgets,configmaps,secrets"

// TestSecondGateway: a Gateway in another namespace has proxies of its own,
// set as its parameters say; what is deployed for it goes with it.
func TestSecondGateway(t *testing.T) {
	s := shared(t)
	s.backend(t, team)
	s.apply(t, "gateway", "NAMESPACE", team, "REPLICAS", "1", "MEMORY", "48Mi")
	s.awaitCondition(t, own, "Programmed", "True", "Programmed", "gateway", "shop", "-n", team)
	s.rolledOut(t, team, "shop")
	wantDeployed(t, s)
	s.originateShop(t)
	s.apply(t, "shop", "NAMESPACE", team, "SNI", site, "CA", quoted(s.site.CertPEM()))
	s.shopAnswers(t)
	if got := s.wantVerdict(t, "svc/httpbin", "Verified", "-n", team, "--path", "/anything"); got.Gateway == nil || got.Gateway.Namespace != team {
		t.Errorf("it was verified through %+v, want the team's own Gateway", got.Gateway)
	}
	wantAddress(t, s)
	// The dev Gateway has nothing of it.
	s.await(t, soon, "shop.example", "/anything", http.StatusNotFound)

	s.apply(t, "gateway", "NAMESPACE", team, "REPLICAS", "2", "MEMORY", "56Mi")
	poll.Until(t, slow, "two proxies with 56Mi", func() (bool, string) {
		got := s.kubectl(t, "get", "deployment", "shop", "-n", team, "-o",
			"jsonpath={.status.readyReplicas} {.status.updatedReplicas} {.spec.template.spec.containers[0].resources.requests.memory}")
		return got == "2 2 56Mi", got
	})
	s.shopAnswers(t)

	s.kubectl(t, "delete", "gateway", "shop", "-n", team)
	poll.Until(t, slow, "nothing is left of the Gateway", func() (bool, string) {
		left := s.names(t, deployed+",pods", "-l", contract.LabelGatewayName+"=shop")
		return len(left) == 0, strings.Join(left, ", ")
	})
}

// originateShop has the plugin make the way through the team's Gateway, which
// it has to be told, and take it back.
func (s *suite) originateShop(t *testing.T) {
	t.Helper()
	s.rolledOut(t, team, "httpbin")
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, s.site.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	before := s.names(t, originates)
	args := []string{"originate", "svc/httpbin", "-n", team, "--sni", site, "--expose", "shop.example", "--ca-from", ca}
	says(t, s.exits(t, 2, args...), "several Gateways", "--gateway", team+"/shop")
	if diff := cmp.Diff(before, s.names(t, originates)); diff != "" {
		t.Errorf("it refused and yet wrote (-before +now):\n%s", diff)
	}
	says(t, s.ok(t, append(args, "--gateway", team+"/shop")...), "created")
	parents := s.kubectl(t, "get", "httproutes", "-n", team, "-o", "jsonpath={.items[*].spec.parentRefs[*].name}")
	if parents != "shop" {
		t.Errorf("the routes of the team are of the Gateways %q, want shop", parents)
	}
	s.shopAnswers(t)
	if got := s.wantVerdict(t, "svc/httpbin", "Verified", "-n", team, "--path", "/anything"); got.Gateway == nil || got.Gateway.Namespace != team {
		t.Errorf("it was verified through %+v, want the team's own Gateway", got.Gateway)
	}
	s.ok(t, "remove", "svc/httpbin", "-n", team)
	if diff := cmp.Diff(before, s.names(t, originates)); diff != "" {
		t.Errorf("after remove (-before originate +now):\n%s", diff)
	}
}

// wantDeployed looks at the objects that were made for the Gateway: their
// names, whose they are, and what is passed on to them.
func wantDeployed(t *testing.T, s *suite) {
	t.Helper()
	want := []string{
		"ConfigMap team-blue/shop-bootstrap", "Deployment team-blue/shop", "PodDisruptionBudget team-blue/shop",
		"Secret team-blue/shop-xds", "Service team-blue/shop", "ServiceAccount team-blue/shop",
	}
	selector := contract.LabelGatewayName + "=shop," + contract.LabelGatewayClassName + "=" + contract.GatewayClassName + ",team=blue"
	var objects struct {
		Items []struct {
			Kind     string
			Metadata struct {
				Namespace, Name string
				Annotations     map[string]string
				OwnerReferences []struct {
					Kind, Name string
					Controller bool
				}
			}
		}
	}
	s.object(t, &objects, deployed, "-n", team, "-l", selector)
	var got []string
	for _, object := range objects.Items {
		name := fmt.Sprintf("%s %s/%s", object.Kind, object.Metadata.Namespace, object.Metadata.Name)
		got = append(got, name)
		owners := object.Metadata.OwnerReferences
		if len(owners) != 1 || owners[0].Kind != "Gateway" || owners[0].Name != "shop" || !owners[0].Controller {
			t.Errorf("%s is owned by %+v, want the Gateway", name, owners)
		}
		if object.Metadata.Annotations["example.com/contact"] != "blue" {
			t.Errorf("%s has annotations %v, want those of the Gateway's infrastructure", name, object.Metadata.Annotations)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is deployed with labels %s (-want +got):\n%s", selector, diff)
	}
	if pods := s.pods(t, team, proxyOf("shop")+",team=blue"); len(pods) != 1 {
		t.Errorf("the proxies with the infrastructure's label are %v, want one", pods)
	}
}

func proxyOf(gateway string) string { return contract.LabelGatewayName + "=" + gateway }

// shopAnswers asks through a port-forward to the Gateway's Service.
func (s *suite) shopAnswers(t *testing.T) {
	t.Helper()
	service := s.forwardTo(t, team, "service/shop", ":80")
	answer := awaitURL(t, soon, service.url+"/anything", "shop.example", http.StatusOK)
	if !strings.Contains(answer.Body, `"Host": "shop.example"`) {
		t.Errorf("the backend says %s", answer)
	}
}

// wantAddress wants the address of the Service in the Gateway's status.
func wantAddress(t *testing.T, s *suite) {
	t.Helper()
	address := s.kubectl(t, "get", "gateway", "shop", "-n", team, "-o", "jsonpath={.status.addresses[*].value}")
	if ip := s.kubectl(t, "get", "service", "shop", "-n", team, "-o", "jsonpath={.spec.clusterIP}"); address != ip {
		t.Errorf("the Gateway's addresses are %q, want %q of its Service", address, ip)
	}
}

// TestDriftHeals: what is deployed for a Gateway comes back, as it was.
func TestDriftHeals(t *testing.T) {
	s := shared(t)
	s.originated(t)
	const namespace, name = contract.DevGatewayNamespace, contract.DevGatewayName
	selector := contract.LabelGatewayName + "=" + name
	before := s.names(t, deployed, "-n", namespace, "-l", selector)
	for _, kind := range []string{"deployment", "service", "serviceaccount", "poddisruptionbudget", "configmap"} {
		s.kubectl(t, "delete", kind, "-n", namespace, "-l", selector)
	}
	poll.Until(t, slow, "what was deleted comes back", func() (bool, string) {
		diff := cmp.Diff(before, s.names(t, deployed, "-n", namespace, "-l", selector))
		return diff == "", diff
	})
	s.gatewayRolledOut(t)
	s.await(t, slow, sampleHost, "/", http.StatusOK)
	s.wantVerdict(t, "svc/nginx", "Verified")

	s.kubectl(t, "patch", "deployment", name, "-n", namespace, "--type=json",
		"-p", `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"docker.io/library/nginx:stable"}]`)
	poll.Until(t, slow, "the proxies' own image comes back", func() (bool, string) {
		image := s.kubectl(t, "get", "deployment", name, "-n", namespace, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
		return image == contract.EnvoyImage, image
	})
	s.gatewayRolledOut(t)
	s.await(t, slow, sampleHost, "/", http.StatusOK)
}

// TestForeignObjectIsLeftAlone: what has the name of a Gateway and belongs to
// somebody else stays as it is, and the Gateway says why it is not there.
func TestForeignObjectIsLeftAlone(t *testing.T) {
	s := shared(t)
	const namespace = "team-red"
	s.kubectl(t, "create", "namespace", namespace)
	s.cleanup(t, func(ctx context.Context) { s.try(ctx, "delete", "namespace", namespace) })
	s.kubectl(t, "create", "configmap", "shop-bootstrap", "-n", namespace, "--from-literal=mine=yes")
	s.apply(t, "gateway", "NAMESPACE", namespace, "REPLICAS", "1", "MEMORY", "48Mi")
	poll.Until(t, soon, "the Gateway names the object in its way", func() (bool, string) {
		message := s.kubectl(t, "get", "gateway", "shop", "-n", namespace, "-o",
			`jsonpath={range .status.conditions[?(@.type=="Programmed")]}{.status} {.message}{end}`)
		return strings.HasPrefix(message, "False") && strings.Contains(message, "shop-bootstrap"), message
	})
	if data := s.kubectl(t, "get", "configmap", "shop-bootstrap", "-n", namespace, "-o", "jsonpath={.data}"); data != `{"mine":"yes"}` {
		t.Errorf("the ConfigMap of somebody else is now %s", data)
	}
}
