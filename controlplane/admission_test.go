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
	ours       = `, labels: {app.kubernetes.io/name: tlsgw-proxy, app.kubernetes.io/managed-by: tlsgw-controller}`
	oursInPart = `, labels: {app.kubernetes.io/name: tlsgw-proxy}`
	// Nobody looks whether the owner is there.
	owner      = `, ownerReferences: [{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, name: http, uid: a, controller: %t}]`
	otherOwner = `, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: http, uid: a, controller: true}]`

	// aDeployment is admitted; others are made of it by deploymentWith.
	aDeployment = `
spec:
  selector: {matchLabels: {app.kubernetes.io/name: tlsgw-proxy}}
  template:
    metadata: {labels: {app.kubernetes.io/name: tlsgw-proxy}}
    spec:
      automountServiceAccountToken: false
      serviceAccountName: http
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: envoy, image: a, securityContext: {allowPrivilegeEscalation: false}}]
      volumes: [{name: a, configMap: {name: b}}, {name: c, secret: {secretName: d}}, {name: e, emptyDir: {}}]`
	ofProxies = `selector: {app.kubernetes.io/name: tlsgw-proxy}`
)

// deploymentWith has something in place of a part of aDeployment.
func deploymentWith(old, instead string) string { return strings.Replace(aDeployment, old, instead, 1) }

// admission holds what the account cannot do with its rights: whoever has got
// hold of it is to get no further.
func (in *installation) admission(t *testing.T) {
	in.apply(t, namespaceManifest, "victim")
	mine := ours + fmt.Sprintf(owner, true)
	in.apply(t, anObject, "v1", "ConfigMap", "theirs", "victim", "", "data: {a: b}")
	in.apply(t, anObject, "v1", "ConfigMap", "ours-bootstrap", "victim", mine, "data: {a: b}")
	in.apply(t, anObject, "v1", "ConfigMap", "half-ours-bootstrap", "victim", oursInPart+fmt.Sprintf(owner, true), "data: {a: b}")
	in.apply(t, anObject, "v1", "ConfigMap", "istios-bootstrap", "victim", fmt.Sprintf(owner, true), "data: {a: b}")
	in.apply(t, anObject, "v1", "Secret", contract.XDSAuthoritySecret, contract.SystemNamespace, "", "type: Opaque")
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
	for _, test := range admissionTests(mine) {
		t.Run(test.name, func(t *testing.T) {
			err := attempt(parse(t, anObject, test.version, test.kind, test.object, test.namespace, test.metadata, test.rest)[0])
			checkAttempt(t, err, test.want)
		})
	}
	for name, want := range map[string]string{"ours-bootstrap": "", "theirs": unowned, "istios-bootstrap": unlabelled} {
		t.Run("deletion of "+name, func(t *testing.T) {
			object := parse(t, anObject, "v1", "ConfigMap", name, "victim", "", "")[0]
			checkAttempt(t, account.Delete(t.Context(), object, client.DryRunAll), want)
		})
	}
	authority := parse(t, anObject, "v1", "Secret", contract.XDSAuthoritySecret, contract.SystemNamespace, "", "")[0]
	t.Run("deletion of the CA", func(t *testing.T) {
		checkAttempt(t, account.Delete(t.Context(), authority, client.DryRunAll), unowned)
	})
	if err := in.Delete(t.Context(), authority); err != nil {
		t.Fatal(err)
	}
	// As after a deletion by somebody who may.
	for kind, want := range map[string]string{"Opaque": "", "kubernetes.io/service-account-token": unowned, "example.com/other": unowned} {
		t.Run("the CA made as "+kind, func(t *testing.T) {
			object := parse(t, anObject, "v1", "Secret", contract.XDSAuthoritySecret, contract.SystemNamespace,
				`, annotations: {kubernetes.io/service-account.name: tlsgw-controller}`, "type: "+kind)[0]
			checkAttempt(t, attempt(object), want)
		})
	}
}

const (
	unowned, unlabelled   = "what a Gateway owns", "labelled as its own"
	unnamed, noIdentity   = "but those of a proxy", "identity of a proxy"
	selected, token, node = "select no pods", "mounts a token or a part of its node", "rights on its node"
	anAccount, confined   = "account has another name", "less confined"
	probed, prioritised   = "host probed", "priority of a pod"
)

// admissionTest is something that the account attempts.
type admissionTest struct {
	name, version, kind, object, namespace, metadata, rest string
	// want is a part of the refusal; empty: it is admitted.
	want string
}

// admissionTests are attempts with the metadata of what belongs to a Gateway,
// and with others.
func admissionTests(mine string) []admissionTest {
	tests := []admissionTest{
		{"ours", "v1", "ConfigMap", "new-bootstrap", "victim", mine, "data: {a: b}", ""},
		{"ours, changed", "v1", "ConfigMap", "ours-bootstrap", "victim", mine, "data: {a: c}", ""},
		{"ours, labelled again", "v1", "ConfigMap", "half-ours-bootstrap", "victim", mine, "data: {a: c}", ""},
		{"of another name", "v1", "ConfigMap", "aws-auth", "victim", mine, "data: {a: b}", unnamed},
		{"nobody's", "v1", "ConfigMap", "new-bootstrap", "victim", ours, "data: {a: b}", unowned},
		{"a Deployment's", "v1", "ConfigMap", "new-bootstrap", "victim", ours + otherOwner, "", unowned},
		{"of a Gateway that does not control it", "v1", "ConfigMap", "new-bootstrap", "victim", ours + fmt.Sprintf(owner, false), "", unowned},
		{"taking over what is not", "v1", "ConfigMap", "theirs", "victim", mine, "data: {a: c}", unowned},
		{"of another controller's Gateway", "v1", "ConfigMap", "new-bootstrap", "victim", fmt.Sprintf(owner, true), "", unlabelled},
		{"taking over another controller's", "v1", "ConfigMap", "istios-bootstrap", "victim", mine, "data: {a: c}", unlabelled},
		{"its own configuration", "v1", "ConfigMap", "config", contract.SystemNamespace, "", "data: {a: b}", unowned},
		{"a report", "v1", "ConfigMap", "pod-proxies", contract.SystemNamespace, ", labels: {tlsgw.dev/replica-report: proxies}", "", ""},
		{"a report elsewhere", "v1", "ConfigMap", "pod-proxies", "victim", ", labels: {tlsgw.dev/replica-report: proxies}", "", unowned},
		{"an identity", "v1", "Secret", "http-xds", "victim", mine, "type: tlsgw.dev/xds-identity", ""},
		{"an identity of another name", "v1", "Secret", "http", "victim", mine, "type: tlsgw.dev/xds-identity", unnamed},
		{"any Secret", "v1", "Secret", "http-xds", "victim", mine, "type: Opaque", noIdentity},
		{"another account's token", "v1", "Secret", "token-xds", "victim",
			mine + `, annotations: {kubernetes.io/service-account.name: default}`, "type: kubernetes.io/service-account-token", noIdentity},
		{"the CA, rotated", "v1", "Secret", contract.XDSAuthoritySecret, contract.SystemNamespace, "", "stringData: {a: b}", ""},
		{"a CA elsewhere", "v1", "Secret", contract.XDSAuthoritySecret, "victim", "", "type: Opaque", unowned},
		{"a CA beside it", "v1", "Secret", contract.XDSAuthoritySecret + "-2", contract.SystemNamespace, "", "type: Opaque", unowned},
		{"a Service", "v1", "Service", "http", "victim", mine, "spec: {ports: [{port: 80}], type: LoadBalancer, " + ofProxies + "}", ""},
		{"a Service of other pods", "v1", "Service", "http", "victim", mine, "spec: {ports: [{port: 80}], selector: {app: theirs}}", selected},
		{"a Service of no pods", "v1", "Service", "http", "victim", mine, "spec: {ports: [{port: 80}]}", selected},
		{"an alias", "v1", "Service", "http", "victim", mine, "spec: {type: ExternalName, externalName: example.com, " + ofProxies + "}", "ExternalName"},
		{"somebody's address", "v1", "Service", "http", "victim", mine,
			"spec: {ports: [{port: 80}], externalIPs: [192.0.2.1], " + ofProxies + "}", "external IPs"},
		{"an account", "v1", "ServiceAccount", "http", "victim", mine, "automountServiceAccountToken: false", ""},
		{"an account with its token", "v1", "ServiceAccount", "http", "victim", mine, "", "whose token is mounted"},
		{"a budget", "policy/v1", "PodDisruptionBudget", "http", "victim", mine,
			"spec: {maxUnavailable: 1, selector: {matchLabels: {app.kubernetes.io/name: tlsgw-proxy}}}", ""},
		{"a budget for all pods", "policy/v1", "PodDisruptionBudget", "http", "victim", mine, "spec: {maxUnavailable: 0, selector: {}}", selected},
		{"nobody's budget", "policy/v1", "PodDisruptionBudget", "http", "victim", ours, "spec: {maxUnavailable: 1}", unowned},
		{"itself", "apps/v1", "Deployment", contract.ControllerDeployment, contract.SystemNamespace, mine, "spec: {replicas: 0}", unowned},
	}
	for name, test := range podTests() {
		tests = append(tests, admissionTest{name, "apps/v1", "Deployment", "http", "victim", mine, test.rest, test.want})
	}
	return tests
}

// podTests are Deployments, and what is a part of their refusal.
func podTests() map[string]struct{ rest, want string } {
	const pod, container, volumes = "serviceAccountName: http", "allowPrivilegeEscalation: false}", "volumes: ["
	inPod := func(setting string) string { return deploymentWith(pod, pod+"\n      "+setting) }
	inSecurity := func(setting string) string {
		return deploymentWith(container, "allowPrivilegeEscalation: false, "+setting+"}")
	}
	inContainer := func(setting string) string { return deploymentWith(container, container+", "+setting) }
	return map[string]struct{ rest, want string }{
		"a Deployment":               {aDeployment, ""},
		"a Deployment of other pods": {strings.ReplaceAll(aDeployment, "tlsgw-proxy", "theirs"), selected},

		"a pod with a token": {deploymentWith("Token: false", "Token: true"), token},
		"a pod that projects a token": {
			deploymentWith(volumes, volumes+"{name: f, projected: {sources: [{serviceAccountToken: {path: b}}]}}, "), token,
		},
		"a pod with a folder of its node": {deploymentWith(volumes, volumes+"{name: f, hostPath: {path: /}}, "), token},
		"a pod of another account":        {deploymentWith("serviceAccountName: http", "serviceAccountName: other"), anAccount},
		"a pod of the default account":    {deploymentWith("serviceAccountName: http", "enableServiceLinks: false"), anAccount},

		"a pod in its node's network":      {inPod("hostNetwork: true"), node},
		"a pod among its node's processes": {inPod("hostPID: true"), node},
		"a pod in its node's memory":       {inPod("hostIPC: true"), node},
		"a pod with a capability":          {inSecurity("capabilities: {add: [SYS_ADMIN]}"), node},
		"a pod with a port of its node":    {inContainer("ports: [{containerPort: 80, hostPort: 80}]"), node},
		"a pod with a second container":    {inPod("initContainers: [{name: b, image: a}]"), node},

		"a pod of root":                        {deploymentWith("runAsNonRoot: true", "runAsNonRoot: false"), confined},
		"a pod that may call all":              {deploymentWith("RuntimeDefault", "Unconfined"), confined},
		"a pod with a label of the node":       {deploymentWith("runAsNonRoot: true", "runAsNonRoot: true, seLinuxOptions: {type: spc_t}"), confined},
		"a container of root":                  {inSecurity("runAsNonRoot: false"), confined},
		"a container that may call all":        {inSecurity("seccompProfile: {type: Unconfined}"), confined},
		"a container with a label of the node": {inSecurity("seLinuxOptions: {type: spc_t}"), confined},
		"a container that sees all of /proc":   {strings.Replace(inSecurity("procMount: Unmasked"), pod, pod+"\n      hostUsers: false", 1), confined},

		"a pod whose node asks another host": {inContainer("livenessProbe: {httpGet: {host: 192.0.2.1, port: 80}}"), probed},
		"a pod whose node asks another port": {inContainer("readinessProbe: {tcpSocket: {host: 192.0.2.1, port: 80}}"), probed},
		"a pod whose node asks in the end":   {inContainer("lifecycle: {preStop: {httpGet: {host: 192.0.2.1, port: 80}}}"), probed},
		"a pod whose node asks itself":       {inContainer("lifecycle: {preStop: {httpGet: {path: /, port: 80}}}"), ""},
		"a pod before all others":            {inPod("priorityClassName: system-node-critical"), prioritised},
	}
}

func checkAttempt(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
