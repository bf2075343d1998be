package originate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

// rotate puts another CA beside the one that a Secret holds.
func rotate(t *testing.T, clients *kube.Clients, held *corev1.Secret) {
	t.Helper()
	held.Data[contract.CAKey] = slices.Concat(held.Data[contract.CAKey], authority(t, "Next CA").CertPEM())
	if err := clients.Client.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
}

// heldBySecret makes svc/nginx with the ports https and grpc, whose CA is in
// secret/tls.
func heldBySecret(t *testing.T, clients *kube.Clients) *corev1.Secret {
	t.Helper()
	twoPorts(t, clients)
	ca := &corev1.ConfigMap{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, "ca"), ca); err != nil {
		t.Fatal(err)
	}
	held := secret("tls", map[string][]byte{contract.CAKey: []byte(ca.Data[contract.CAKey])})
	kubetest.Create(t, clients, held)
	return held
}

func copyOf(t *testing.T, clients *kube.Clients, name string) *corev1.ConfigMap {
	t.Helper()
	copied := &corev1.ConfigMap{}
	if err := clients.Client.Get(t.Context(), keyOf(clients, name), copied); err != nil {
		t.Fatal(err)
	}
	return copied
}

// TestSyncWritesOnlyWhenItShould: to look first is no way to write, and what
// was given to the copy stays.
func TestSyncWritesOnlyWhenItShould(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	held := heldBySecret(t, clients)
	verb := invocation{clients: clients}
	expect(t, verb.originate(t, "svc/nginx", "--port", "https", "--sni", "example.com", "--ca-from", "secret/tls", "-l", "team=blue", noWait), 0)
	before := copyOf(t, clients, "nginx-https-ca")
	rotate(t, clients, held)

	expect(t, verb.originate(t, "svc/nginx", "--sync", "--diff"), 1, "--- configmap/nginx-https-ca (in the cluster)", "+    -----BEGIN CERTIFICATE-----")
	expect(t, verb.originate(t, "svc/nginx", "--sync", "--dry-run"), 0, "configmap/nginx-https-ca applied (client dry run)", "nothing was changed")
	expect(t, verb.originate(t, "svc/nginx", "--sync", "--dry-run=server"), 0, "configmap/nginx-https-ca configured (server dry run)")
	if after := copyOf(t, clients, "nginx-https-ca"); after.ResourceVersion != before.ResourceVersion {
		t.Fatal("the copy was written")
	}
	printed := verb.originate(t, "svc/nginx", "--sync", "-o", "json")
	expect(t, printed, 0, "configmap/nginx-https-ca configured (from secret/tls)")
	var list struct{ Items []corev1.ConfigMap }
	after := copyOf(t, clients, "nginx-https-ca")
	if err := json.Unmarshal([]byte(printed.stdout), &list); err != nil || len(list.Items) != 1 || list.Items[0].Data[contract.CAKey] != after.Data[contract.CAKey] {
		t.Errorf("stdout is not a list of the copy: %v\n%s", err, printed.stdout)
	}
	if after.Labels["team"] != "blue" || after.Data[contract.CAKey] != string(held.Data[contract.CAKey]) {
		t.Errorf("the copy is %+v", after)
	}
	expect(t, verb.originate(t, "svc/nginx", "--sync", "--diff"), 0, "no difference")
}

// TestSyncTakesTheCopyInUse: each policy has its own, and one that no policy
// refers to is of no use.
func TestSyncTakesTheCopyInUse(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	held := heldBySecret(t, clients)
	verb := invocation{clients: clients}
	for _, port := range []string{"https", "grpc"} {
		expect(t, verb.originate(t, "svc/nginx", "--port", port, "--sni", "example.com", "--ca-from", "secret/tls", noWait), 0)
	}
	unused := configMap("a-copy", string(held.Data[contract.CAKey]))
	unused.Labels = map[string]string{contract.LabelOriginate: "svc.nginx", contract.LabelManagedBy: contract.FieldManager}
	unused.Annotations = map[string]string{contract.AnnotationCASource: "secret/tls:ca.crt"}
	kubetest.Create(t, clients, unused)
	rotate(t, clients, held)
	for _, args := range [][]string{{"--port", "grpc"}, {"--port", "9443"}, {"--name", "nginx-grpc"}} {
		got := verb.originate(t, "svc/nginx", append(args, "--sync", "--dry-run=server")...)
		if expect(t, got, 0); got.stdout != "configmap/nginx-grpc-ca configured (server dry run)\n" {
			t.Errorf("%v: got %q", args, got.stdout)
		}
	}
	got := verb.originate(t, "svc/nginx", "--sync")
	if expect(t, got, 0); got.stdout != "configmap/nginx-grpc-ca configured (from secret/tls)\nconfigmap/nginx-https-ca configured (from secret/tls)\n" {
		t.Errorf("got %q", got.stdout)
	}
	expect(t, verb.originate(t, "svc/nginx", "--sync", "--name", "other"), 1, "originate has copied no CA for svc/nginx")
}

// TestSyncOfAHostsBackend: verify names the Backend, whose copy has the label
// of the host.
func TestSyncOfAHostsBackend(t *testing.T) {
	t.Parallel()
	clients := cluster.Clients(t)
	ca := pair(t)(maker().CA(pki.Spec{CommonName: "Private CA"}))
	port := itoa(serveTLS(t, tlsConfig(leaf(t, ca, "api.localhost"))))
	held := secret("tls", map[string][]byte{contract.CAKey: ca.CertPEM()})
	kubetest.Create(t, clients, held)
	verb := invocation{clients: clients}
	expect(t, verb.originate(t, "host/api.localhost:"+port, "--ca-from", "secret/tls", noWait), 0, "configmap/api-localhost-"+port+"-ca created")
	rotate(t, clients, held)
	name := "configmap/api-localhost-" + port + "-ca"
	expect(t, verb.originate(t, "backend/api-localhost-"+port, "--sync"), 0, name+" configured (from secret/tls)")
	expect(t, verb.originate(t, "host/api.localhost:"+port, "--sync"), 0, name+" unchanged")
	copied := copyOf(t, clients, strings.TrimPrefix(name, "configmap/"))
	if copied.Labels[contract.LabelOriginate] != "host.api.localhost_"+port {
		t.Errorf("labels are %v", copied.Labels)
	}
}
