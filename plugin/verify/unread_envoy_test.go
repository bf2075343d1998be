package verify

import (
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// testNotReadable: a person who may not read one Gateway, nor any
// BackendConfigPolicy, still gets a result for each policy.
func testNotReadable(t *testing.T, clients *kube.Clients) {
	t.Helper()
	hidden := gatewayOf("hidden", "127.0.0.1:1", 1, isTrue("Programmed", "Programmed"))
	create(t, clients, hidden)
	o := newObjects(&scenario{name: "unread", trusted: "-"})
	through("hidden")(o)
	o.write(t, clients)
	lost := newObjects(&scenario{name: "unread-missing", trusted: "-"})
	through("pending")(lost)
	lost.trust = nil
	lost.write(t, clients)
	reader := readerOf(t, clients)

	r, _, err := run(t, reader, func(o *Options) {
		o.Targets = []TargetRef{{kindService, "unread"}, {kindService, "unread-missing"}, {kindService, "unread-alone"}}
	})
	if fail.Code(err) != fail.CodeFailed || len(r.Results) != 3 {
		t.Fatalf("%d results, %v", len(r.Results), err)
	}
	first, second, third := r.Results[0], r.Results[1], r.Results[2]
	if first.Verdict != diagnose.NotReadable || !strings.Contains(first.Message, `gateways.gateway.networking.k8s.io "hidden" is forbidden`) ||
		!strings.HasPrefix(first.Hint, "kubectl auth can-i get gateways.gateway.networking.k8s.io -n default") {
		t.Errorf("got %+v", first)
	}
	if second.Verdict != diagnose.CARefNotFound || !strings.Contains(strings.Join(second.Warnings, " "), "backendconfigpolicies") {
		t.Errorf("got %+v", second)
	}
	if third.Verdict != diagnose.NotReadable || !strings.HasPrefix(third.Hint, "kubectl auth can-i list backendconfigpolicies.gateway.kgateway.dev -n default") {
		t.Errorf("got %+v", third)
	}
}

// readerOf may read what verify needs, but for the Gateway "hidden" and
// BackendConfigPolicies. It also makes a Service without a policy.
func readerOf(t *testing.T, clients *kube.Clients) *kube.Clients {
	t.Helper()
	alone := newObjects(&scenario{name: "unread-alone"})
	alone.policy, alone.route, alone.trust = nil, nil, nil
	alone.write(t, clients)
	const name = "reader"
	read := []string{"get", "list"}
	rbac, err := rbacclient.NewForConfig(clients.Config)
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "configmaps", "secrets"}, Verbs: read},
		{APIGroups: []string{gatewayv1.GroupName}, Resources: []string{"backendtlspolicies", "httproutes"}, Verbs: read},
		{APIGroups: []string{gatewayv1.GroupName}, Resources: []string{"gateways"}, ResourceNames: []string{"pending"}, Verbs: []string{"get"}},
	}}
	if _, err := rbac.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}}
	if _, err := rbac.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(clients.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name}
	reader, err := kube.NewForConfig(config, "default")
	if err != nil {
		t.Fatal(err)
	}
	// A new role is in effect a moment later.
	poll(t, 10*time.Second, func() error {
		return reader.Client.List(t.Context(), &gatewayv1.BackendTLSPolicyList{}, client.InNamespace("default"))
	})
	return reader
}

// testStatusComes: a status that is written while verify runs is waited for.
func testStatusComes(t *testing.T, clients *kube.Clients) {
	t.Helper()
	o := newObjects(&scenario{name: "judged", trusted: "-"})
	observed(o)
	o.write(t, clients)
	edited(t, clients, o)
	w := &world{clients: clients, namespace: "default", now: time.Now()}
	if err := w.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	subjects, err := w.subjects(t.Context(), []TargetRef{{kindService, "judged"}})
	if err != nil || len(subjects) != 1 {
		t.Fatalf("%+v, %v", subjects, err)
	}
	policy := &gatewayv1.BackendTLSPolicy{}
	if err := clients.Client.Get(t.Context(), client.ObjectKeyFromObject(o.policy), policy); err != nil {
		t.Fatal(err)
	}
	policy.Status.Ancestors[0].Conditions[0].ObservedGeneration = policy.Generation
	if err := clients.Client.Status().Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	e := &diagnose.Evidence{}
	if err := w.judge(t.Context(), &subjects[0], e); err != nil || !diagnose.Unjudged(e) {
		t.Fatalf("what was read before is judged already: %v", err)
	}
	if err := w.awaitStatus(t.Context(), &subjects[0], e); err != nil || diagnose.Unjudged(e) {
		t.Errorf("the status of now is not seen: %v", err)
	}
}
