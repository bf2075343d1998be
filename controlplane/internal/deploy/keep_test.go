package deploy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// TestWriter runs a Writer, with the rights that the controller has, against a
// real API server. Its parts share them, in this order.
func TestWriter(t *testing.T) {
	w := startWorld(t)
	w.start(t)
	t.Cleanup(func() { w.stop() })
	t.Run("a Gateway gets its objects", w.create)
	t.Run("a restart writes nothing", w.restart)
	t.Run("tokens to drain are nobody else's", w.drainTokens)
	t.Run("what others change is brought back", w.drift)
	t.Run("what others add stays", w.additions)
	t.Run("parameters come and go", w.parameters)
	t.Run("without listeners there is no Service", w.noListeners)
	t.Run("addresses that a Gateway asks for", w.addresses)
	t.Run("objects of others are left", w.foreign)
	t.Run("objects of others that Gateways own are left", w.otherGateways)
	t.Run("a Gateway that is made anew", w.anew)
	t.Run("what the API server refuses is said", w.refused)
	t.Run("PodSecurity admits the pods as restricted", w.podSecurity)
	t.Run("certificates are renewed, also of what is frozen", w.renewal)
	t.Run("a Gateway of another class keeps nothing", w.leave)
}

func (w *world) create(t *testing.T) {
	s := w.gateway(t, "http", "{}")
	s.Labels, s.Annotations = map[string]string{"team": "a"}, map[string]string{"note": "kept"}
	w.want(s)
	w.deployed(t, s)
	for kind, object := range all(s) {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		owner := metav1.GetControllerOf(object)
		if owner == nil || string(owner.UID) != s.UID || owner.Kind != "Gateway" {
			t.Errorf("%s belongs to %+v", kind, owner)
		}
		labels := object.GetLabels()
		if labels["team"] != "a" || labels[contract.LabelGatewayName] != "http" || object.GetAnnotations()["note"] != "kept" {
			t.Errorf("%s has labels %v and annotations %v", kind, labels, object.GetAnnotations())
		}
	}
	secret, err := get[*corev1.Secret](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.issuer.Keep(s.Gateway.Namespace, s.Gateway.Name, secret.Data["tls.crt"], secret.Data["tls.key"]); err != nil {
		t.Errorf("the certificate is not good: %v", err)
	}
	if string(secret.Data["ca.crt"]) != string(w.issuer.Bundle()) || secret.Type != contract.SecretTypeIdentity {
		t.Errorf("the Secret is of type %s and has another bundle", secret.Type)
	}
}

// restart has the same Writer run again, and then another one. A Gateway that
// is wanted last shows that the first has been looked at.
func (w *world) restart(t *testing.T) {
	first := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	before := w.versions(t, first)
	w.stop()
	w.run()
	second := w.gateway(t, "second", "{}")
	w.want(second)
	w.deployed(t, second)
	w.stop()
	w.start(t)
	third := w.gateway(t, "third", "{}")
	w.want(third)
	w.deployed(t, third)
	if diff := cmp.Diff(before, w.versions(t, first)); diff != "" {
		t.Errorf("objects were written (-before +after):\n%s", diff)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range []string{"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "ConfigMap", "Secret"} {
		if w.writes[kind] > 3 {
			t.Errorf("%s was written %d times for three Gateways", kind, w.writes[kind])
		}
	}
}

func (w *world) drift(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	deployment, err := get[*appsv1.Deployment](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	image := deployment.Spec.Template.Spec.Containers[0].Image
	deployment.Spec.Template.Spec.Containers[0].Image = "example.com/other"
	deployment.Spec.Template.Spec.AutomountServiceAccountToken = nil
	delete(deployment.Labels, contract.LabelManagedBy)
	if err := w.Update(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	eventually(t, w, s, func(d *appsv1.Deployment) error {
		pod := d.Spec.Template.Spec
		if pod.Containers[0].Image != image || pod.AutomountServiceAccountToken == nil || d.Labels[contract.LabelManagedBy] == "" {
			return fmt.Errorf("it is still %s with labels %v", pod.Containers[0].Image, d.Labels)
		}
		return nil
	})
	service, err := get[*corev1.Service](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	service.Spec.Selector["added"] = "chooses-nothing"
	if err := w.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	eventually(t, w, s, func(s *corev1.Service) error {
		if len(s.Spec.Selector) != 2 {
			return fmt.Errorf("it still selects %v", s.Spec.Selector)
		}
		return nil
	})
	for kind, object := range all(s) {
		if err := w.Delete(t.Context(), object); err != nil {
			t.Fatalf("delete %s: %v", kind, err)
		}
	}
	w.exist(t, s)
}

// exist waits until all of a Gateway's objects are there again.
func (w *world) exist(t *testing.T, s deploy.Spec) {
	t.Helper()
	for kind, object := range all(s) {
		envoytest.Eventually(t, patient, func() error {
			if err := w.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				return fmt.Errorf("%s: %w; the Writer says %q", kind, err, w.writer.Problem(s.Gateway))
			}
			return nil
		})
	}
}

func (w *world) additions(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	deployment, err := get[*appsv1.Deployment](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	// As `kubectl rollout restart` and `kubectl scale` do.
	deployment.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = "now"
	replicas := int32(4)
	deployment.Spec.Replicas = &replicas
	if err := w.Update(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	s.Merged = spec(t, "{envoyContainer: {resources: {limits: {cpu: 2}}}}").Merged
	w.want(s)
	eventually(t, w, s, func(d *appsv1.Deployment) error {
		if d.Spec.Template.Spec.Containers[0].Resources.Limits.Cpu().Value() != 2 {
			return errors.New("the limit has not come")
		}
		if *d.Spec.Replicas != 4 || d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] == "" {
			t.Errorf("what was added is gone: %d replicas, %v", *d.Spec.Replicas, d.Spec.Template.Annotations)
		}
		return nil
	})
}

func (w *world) parameters(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	s.Merged = spec(t, strings.ReplaceAll(everyParameter, "loadBalancerClass: example.com/lb", "")).Merged
	w.want(s)
	eventually(t, w, s, func(d *appsv1.Deployment) error {
		if *d.Spec.Replicas != 3 || d.Spec.Template.Spec.NodeSelector["a"] != "b" {
			return fmt.Errorf("%d replicas on %v", *d.Spec.Replicas, d.Spec.Template.Spec.NodeSelector)
		}
		return nil
	})
	eventually(t, w, s, func(s *corev1.Service) error {
		if s.Spec.Ports[0].NodePort != 30080 || s.Labels["a"] == "" {
			return fmt.Errorf("ports %v, labels %v", s.Spec.Ports, s.Labels)
		}
		return nil
	})
	s.Merged = spec(t, "{service: {type: ClusterIP}}").Merged
	w.want(s)
	eventually(t, w, s, func(d *appsv1.Deployment) error {
		if pod := d.Spec.Template.Spec; pod.NodeSelector != nil || pod.Affinity != nil || len(pod.Tolerations) > 0 {
			return fmt.Errorf("still %v, %v, %v", pod.NodeSelector, pod.Affinity, pod.Tolerations)
		}
		return nil
	})
	// Nothing but this one is taken out.
	s.Merged = spec(t, "{service: {type: ClusterIP}, podTemplate: {nodeSelector: {a: b}}}").Merged
	w.want(s)
	eventually(t, w, s, func(d *appsv1.Deployment) error {
		if d.Spec.Template.Spec.NodeSelector == nil {
			return errors.New("it runs on any node")
		}
		return nil
	})
	s.Merged = spec(t, "{service: {type: ClusterIP}}").Merged
	w.want(s)
	eventually(t, w, s, func(d *appsv1.Deployment) error {
		if selector := d.Spec.Template.Spec.NodeSelector; selector != nil {
			return fmt.Errorf("still %v", selector)
		}
		return nil
	})
	eventually(t, w, s, func(s *corev1.Service) error {
		if s.Spec.Type != corev1.ServiceTypeClusterIP || s.Spec.Ports[0].NodePort != 0 || s.Labels["a"] != "" {
			return fmt.Errorf("still %+v, labels %v", s.Spec, s.Labels)
		}
		return nil
	})
}

// addresses are those that the API server lets the Service have.
func (w *world) addresses(t *testing.T) {
	s := w.gateway(t, "addresses", "{service: {type: ClusterIP}}")
	s.Requested = []string{"192.0.2.1"}
	w.want(s)
	w.problem(t, s, "apply Service ", "192.0.2.1")
	s.Deployment = ptr.To(*s.Deployment)
	s.Requested = []string{"10.0.0.77"}
	w.want(s)
	eventually(t, w, s, func(o *corev1.Service) error {
		if o.Spec.ClusterIP != "10.0.0.77" {
			return fmt.Errorf("the address is %s", o.Spec.ClusterIP)
		}
		return nil
	})
	w.deployed(t, s)

	s.Deployment = ptr.To(*s.Deployment)
	s.Requested = []string{"10.0.0.78"}
	w.want(s)
	w.problem(t, s, "apply Service ", "clusterIP")
}

func (w *world) noListeners(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	with := s
	d := *s.Deployment
	d.Ports = nil
	s.Deployment = &d
	w.want(s)
	envoytest.Eventually(t, patient, func() error {
		_, err := get[*corev1.Service](t, w, s)
		return missing(err)
	})
	w.want(with)
	w.exist(t, with)
}

// missing is nil for the error of an object that is not there.
func missing(err error) error {
	if err == nil {
		return errors.New("it is still there")
	}
	return client.IgnoreNotFound(err)
}

func (w *world) foreign(t *testing.T) {
	s := w.gateway(t, "blocked", "{}")
	theirs := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Gateway.Namespace, Name: "blocked-bootstrap", Labels: map[string]string{contract.LabelManagedBy: "helm"}},
		Data:       map[string]string{"theirs": "yes"},
	}
	if err := w.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	w.want(s)
	w.problem(t, s, "ConfigMap of-blocked/blocked-bootstrap", "does not belong to Gateway of-blocked/blocked")
	// It is in the way of the pods, and of nothing else.
	eventually(t, w, s, func(*corev1.Service) error { return nil })
	if _, err := get[*appsv1.Deployment](t, w, s); !apierrors.IsNotFound(err) {
		t.Errorf("the pods would mount what belongs to others: %v", err)
	}
	after := &corev1.ConfigMap{}
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(theirs), after); err != nil || after.ResourceVersion != theirs.ResourceVersion {
		t.Errorf("it was touched: %v", err)
	}
	if err := w.Delete(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	w.exist(t, s)
	w.deployed(t, s)
	w.unwant(s.Gateway)
	w.gone(t, s)
}

// anew has the objects of a Gateway outlive it, as they do until garbage is
// collected.
func (w *world) anew(t *testing.T) {
	before := w.gateway(t, "anew", "{}")
	w.want(before)
	w.deployed(t, before)
	old := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: before.Gateway.Namespace, Name: before.Gateway.Name}}
	if err := w.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	after := w.gateway(t, "anew", "{}")
	w.want(after)
	for kind, object := range all(after) {
		envoytest.Eventually(t, patient, func() error {
			if err := w.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
			if owner := metav1.GetControllerOf(object); string(owner.UID) != after.UID {
				return fmt.Errorf("%s belongs to %s", kind, owner.UID)
			}
			return nil
		})
	}
	w.deployed(t, after)
	w.unwant(after.Gateway)
}

func (w *world) refused(t *testing.T) {
	s := w.gateway(t, "refused", "{service: {type: NodePort, ports: [{port: 8080, nodePort: 80}]}}")
	w.want(s)
	w.problem(t, s, "Service of-refused/refused", "nodePort", "80")
	s.Merged = spec(t, "{service: {type: NodePort}}").Merged
	w.want(s)
	w.deployed(t, s)

	// As the Deployment's controller says it.
	deployment, err := get[*appsv1.Deployment](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	deployment.Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota: pods=0",
	}}
	if err := w.Status().Update(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	w.problem(t, s, "Deployment of-refused/refused: exceeded quota")
	w.unwant(s.Gateway)
	w.gone(t, s)
}

func (w *world) podSecurity(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "restricted", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := w.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	for name, s := range specs(t) {
		made := objects(t, s)
		template := made[len(made)-1].(*appsv1.Deployment).Spec.Template
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "a", Labels: template.Labels, Annotations: template.Annotations},
			Spec:       template.Spec,
		}
		if err := w.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		pod.Spec.SecurityContext.SeccompProfile = nil
		if err := w.Create(t.Context(), pod, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "restricted") {
			t.Errorf("%s: a pod that is not restricted is admitted: %v", name, err)
		}
	}
}
