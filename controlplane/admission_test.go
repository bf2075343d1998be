package controlplane_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

const (
	// The places are for more metadata and for the rest.
	anObject = `
apiVersion: %s
kind: %s
metadata: {name: %s, namespace: %s%s}
%s`
	ours = `, labels: {app.kubernetes.io/name: tlsgw-proxy, app.kubernetes.io/managed-by: tlsgw-controller}`
	// Nobody looks whether the owner is there.
	owner      = `, ownerReferences: [{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, name: http, uid: a, controller: %t}]`
	otherOwner = `, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: http, uid: a, controller: true}]`

	aPod = `
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      automountServiceAccountToken: %t
      %s
      containers: [{name: envoy, image: a, securityContext: {allowPrivilegeEscalation: false%s}}]`
)

// admission holds what the account cannot do with its rights: whoever has got
// hold of it is to get no further.
func (in *installation) admission(t *testing.T) {
	in.apply(t, namespaceManifest, "victim")
	in.apply(t, anObject, "v1", "ConfigMap", "theirs", "victim", "", "data: {a: b}")
	in.apply(t, anObject, "v1", "ConfigMap", "ours", "victim", ours+fmt.Sprintf(owner, true), "data: {a: b}")
	in.apply(t, anObject, "v1", "ConfigMap", "istios", "victim", fmt.Sprintf(owner, true), "data: {a: b}")
	account, err := client.New(in.account, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(object *unstructured.Unstructured) error {
		return account.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.DryRunAll,
			client.FieldOwner("account"), client.ForceOwnership)
	}
	// The API server takes a moment to read the policy.
	envoytest.Eventually(t, patient, func() error {
		err := attempt(parse(t, anObject, "v1", "ConfigMap", "theirs", "victim", "", "data: {a: c}")[0])
		if err == nil || !strings.Contains(err.Error(), "may write only what a Gateway owns") {
			return fmt.Errorf("the policy is not in force: %w", err)
		}
		return nil
	})
	mine := ours + fmt.Sprintf(owner, true)
	const unowned, unlabelled, token, node = "what a Gateway owns", "labelled as its own", "mounts a token or a part of its node", "rights on its node"
	for _, test := range []struct {
		name, version, kind, object, namespace, metadata, rest string
		// want is a part of the refusal; empty: it is admitted.
		want string
	}{
		{"ours", "v1", "ConfigMap", "new", "victim", mine, "data: {a: b}", ""},
		{"ours, changed", "v1", "ConfigMap", "ours", "victim", mine, "data: {a: c}", ""},
		{"nobody's", "v1", "ConfigMap", "new", "victim", ours, "data: {a: b}", unowned},
		{"a Deployment's", "v1", "ConfigMap", "new", "victim", ours + otherOwner, "", unowned},
		{"of a Gateway that does not control it", "v1", "ConfigMap", "new", "victim", ours + fmt.Sprintf(owner, false), "", unowned},
		{"taking over what is not", "v1", "ConfigMap", "theirs", "victim", mine, "data: {a: c}", unowned},
		{"of another controller's Gateway", "v1", "ConfigMap", "new", "victim", fmt.Sprintf(owner, true), "", unlabelled},
		{"its own configuration", "v1", "ConfigMap", "config", contract.SystemNamespace, "", "data: {a: b}", unowned},
		{"a report", "v1", "ConfigMap", "pod-proxies", contract.SystemNamespace, ", labels: {tlsgw.dev/replica-report: proxies}", "", ""},
		{"a report elsewhere", "v1", "ConfigMap", "pod-proxies", "victim", ", labels: {tlsgw.dev/replica-report: proxies}", "", unowned},
		{"an identity", "v1", "Secret", "http-xds", "victim", mine, "type: tlsgw.dev/xds-identity", ""},
		{"any Secret", "v1", "Secret", "http-xds", "victim", mine, "type: Opaque", "identity of a proxy"},
		{"another account's token", "v1", "Secret", "token", "victim",
			mine + `, annotations: {kubernetes.io/service-account.name: default}`, "type: kubernetes.io/service-account-token", "identity of a proxy"},
		{"the CA", "v1", "Secret", contract.XDSAuthoritySecret, contract.SystemNamespace, "", "type: Opaque", ""},
		{"a CA elsewhere", "v1", "Secret", contract.XDSAuthoritySecret, "victim", "", "type: Opaque", unowned},
		{"a Service", "v1", "Service", "http", "victim", mine, "spec: {ports: [{port: 80}], type: LoadBalancer}", ""},
		{"an alias", "v1", "Service", "http", "victim", mine, "spec: {type: ExternalName, externalName: example.com}", "ExternalName"},
		{"somebody's address", "v1", "Service", "http", "victim", mine, "spec: {ports: [{port: 80}], externalIPs: [192.0.2.1]}", "external IPs"},
		{"an account", "v1", "ServiceAccount", "http", "victim", mine, "automountServiceAccountToken: false", ""},
		{"an account with its token", "v1", "ServiceAccount", "http", "victim", mine, "", "whose token is mounted"},
		{"a budget", "policy/v1", "PodDisruptionBudget", "http", "victim", mine, "spec: {maxUnavailable: 1}", ""},
		{"nobody's budget", "policy/v1", "PodDisruptionBudget", "http", "victim", ours, "spec: {maxUnavailable: 1}", unowned},
		{"a Deployment", "apps/v1", "Deployment", "http", "victim", mine,
			fmt.Sprintf(aPod, false, "volumes: [{name: a, configMap: {name: b}}, {name: c, secret: {secretName: d}}, {name: e, emptyDir: {}}]", ""), ""},
		{"itself", "apps/v1", "Deployment", contract.ControllerDeployment, contract.SystemNamespace, mine, "spec: {replicas: 0}", unowned},
		{"a pod with a token", "apps/v1", "Deployment", "http", "victim", mine, fmt.Sprintf(aPod, true, "", ""), token},
		{"a pod that projects a token", "apps/v1", "Deployment", "http", "victim", mine,
			fmt.Sprintf(aPod, false, "volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: b}}]}}]", ""), token},
		{"a pod with a folder of its node", "apps/v1", "Deployment", "http", "victim", mine,
			fmt.Sprintf(aPod, false, "volumes: [{name: a, hostPath: {path: /}}]", ""), token},
		{"a pod in its node's network", "apps/v1", "Deployment", "http", "victim", mine, fmt.Sprintf(aPod, false, "hostNetwork: true", ""), node},
		{"a pod among its node's processes", "apps/v1", "Deployment", "http", "victim", mine, fmt.Sprintf(aPod, false, "hostPID: true", ""), node},
		{"a pod with a capability", "apps/v1", "Deployment", "http", "victim", mine,
			fmt.Sprintf(aPod, false, "", ", capabilities: {add: [SYS_ADMIN]}"), node},
		{"a pod with a second container", "apps/v1", "Deployment", "http", "victim", mine,
			fmt.Sprintf(aPod, false, "initContainers: [{name: b, image: a}]", ""), node},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := attempt(parse(t, anObject, test.version, test.kind, test.object, test.namespace, test.metadata, test.rest)[0])
			checkAttempt(t, err, test.want)
		})
	}
	for name, want := range map[string]string{"ours": "", "theirs": unowned, "istios": unlabelled} {
		t.Run("deletion of "+name, func(t *testing.T) {
			object := parse(t, anObject, "v1", "ConfigMap", name, "victim", "", "")[0]
			checkAttempt(t, account.Delete(t.Context(), object, client.DryRunAll), want)
		})
	}
}

func checkAttempt(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
