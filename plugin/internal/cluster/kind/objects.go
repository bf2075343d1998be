package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/definitions"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/gateway"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/installation"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// classParameters name the GatewayParameters of all Gateways: there is no load
// balancer, which would be their default.
const classParameters = "tlsgw-dev"

// systemCA names the ConfigMap with the bundle of --system-ca-file, and its
// key.
const (
	systemCAName = "tlsgw-system-ca"
	systemCAKey  = "ca-certificates.crt"
)

const kindDeployment = "Deployment"

// readyTimeout bounds the wait for each of the pods: their images may have to
// be pulled.
const readyTimeout = 5 * time.Minute

// ready is nil when the API server serves.
func (u *up) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return u.clients.Client.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &corev1.Namespace{})
}

// requestTimeout bounds one question to an API server that may be starting.
const requestTimeout = 5 * time.Second

// install puts definitions and controller into the cluster, and what goes for
// all Gateways. Whatever was changed by hand is as it should be again: the
// cluster is ours.
func (u *up) install(ctx context.Context, p *part) error {
	planned, err := installation.Plan(installation.Options{
		Channel: u.GatewayAPI,
		Image:   u.imageRef,
		ClassParameters: &gatewayv1.ParametersReference{
			Group: v1alpha1.GroupName, Kind: "GatewayParameters", Name: classParameters,
			Namespace: ptr.To(gatewayv1.Namespace(contract.SystemNamespace)),
		},
	})
	if err != nil {
		return err
	}
	var wanted []*apiextensionsv1.CustomResourceDefinition
	var rest []client.Object
	for _, object := range planned {
		if definition, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
			wanted = append(wanted, definition)
		} else {
			rest = append(rest, object)
		}
	}
	if err := u.annotateImage(rest); err != nil {
		return err
	}
	if err := installation.CheckVersion(ctx, u.clients, "leave out --node-image, or give one of a newer Kubernetes"); err != nil {
		return err
	}
	if p.changed, err = definitions.Ensure(ctx, u.clients, wanted); err != nil {
		return err
	}
	if err := u.applyAtOnce(ctx, p, rest); err != nil {
		return err
	}
	return u.applyParameters(ctx, p, contract.SystemNamespace, classParameters, v1alpha1.KubernetesProxy{
		Service: &v1alpha1.ProxyService{Type: ptr.To(corev1.ServiceTypeNodePort)},
	})
}

// annotationImage on the controller's pods is the ID of an image that was given:
// another image of the same name makes other pods.
const annotationImage = "dev.tlsgw.dev/image-id"

func (u *up) annotateImage(objects []client.Object) error {
	if u.imageID == "" {
		return nil
	}
	for _, object := range objects {
		deployment, ok := object.(*unstructured.Unstructured)
		if !ok || deployment.GetKind() != kindDeployment {
			continue
		}
		if err := unstructured.SetNestedField(deployment.Object, u.imageID, "spec", "template", "metadata", "annotations", annotationImage); err != nil {
			return fmt.Errorf("annotate deployment %s: %w", deployment.GetName(), err)
		}
	}
	return nil
}

func (u *up) applyParameters(ctx context.Context, p *part, namespace, name string, proxy v1alpha1.KubernetesProxy) error {
	objects, err := templates.GatewayParameters(namespace, name, proxy)
	if err != nil {
		return err
	}
	return u.apply(ctx, p, objects...)
}

func (u *up) apply(ctx context.Context, p *part, objects ...client.Object) error {
	applied, err := u.clients.Apply(ctx, objects, kube.ApplyOptions{Force: true})
	for _, one := range applied {
		p.changed = p.changed || one.Change != kube.Unchanged
	}
	return err
}

// applyAtOnce applies Namespaces, then what needs them at the same time, then
// Deployments, which need the rest.
func (u *up) applyAtOnce(ctx context.Context, p *part, objects []client.Object) error {
	rank := func(object client.Object) int {
		switch object.GetObjectKind().GroupVersionKind().Kind {
		case "Namespace":
			return 0
		case kindDeployment:
			return 2
		}
		return 1
	}
	for now := range 3 {
		group, applying := errgroup.WithContext(ctx)
		var changed atomic.Bool
		for _, object := range objects {
			if rank(object) != now {
				continue
			}
			group.Go(func() error {
				one := &part{}
				err := u.apply(applying, one, object)
				if one.changed {
					changed.Store(true)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		p.changed = p.changed || changed.Load()
	}
	return nil
}

// applyMissing makes what is not there. What the user has changed stays.
func (u *up) applyMissing(ctx context.Context, p *part, objects ...client.Object) error {
	for _, object := range objects {
		there := &unstructured.Unstructured{}
		there.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		err := u.clients.Client.Get(ctx, client.ObjectKeyFromObject(object), there)
		if err == nil {
			continue
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("get %s %s: %w", there.GetKind(), object.GetName(), err)
		}
		if err := u.apply(ctx, p, object); err != nil {
			return err
		}
	}
	return nil
}

// ensureGateway makes the dev Gateway behind nodePort.
func (u *up) ensureGateway(ctx context.Context, p *part) error {
	objects, err := templates.Gateway(templates.GatewayValues{
		Port: contract.DevHTTPPort, Parameters: contract.DevGatewayName,
	})
	if err != nil {
		return err
	}
	namespace, rest := objects[0], objects[1:]
	if err := u.applyMissing(ctx, p, namespace); err != nil {
		return err
	}
	proxy := v1alpha1.KubernetesProxy{Service: &v1alpha1.ProxyService{
		Type:  ptr.To(corev1.ServiceTypeNodePort),
		Ports: []v1alpha1.ProxyPort{{Port: contract.DevHTTPPort, NodePort: ptr.To(int32(nodePort))}},
	}}
	if u.systemCA != nil {
		proxy.SystemCA = &v1alpha1.SystemCA{Name: systemCAName, Key: ptr.To(systemCAKey)}
		if err := u.apply(ctx, p, u.systemCAObject()); err != nil {
			return err
		}
	}
	if err := u.applyParameters(ctx, p, contract.DevGatewayNamespace, contract.DevGatewayName, proxy); err != nil {
		return err
	}
	return u.applyMissing(ctx, p, rest...)
}

func (u *up) systemCAObject() client.Object {
	return &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: contract.DevGatewayNamespace, Name: systemCAName,
			Labels: map[string]string{contract.LabelManagedBy: contract.FieldManager},
		},
		Data: map[string]string{systemCAKey: string(u.systemCA)},
	}
}

// readBundle reads the file of --system-ca-file, which was checked when it was
// given.
func readBundle(path string) ([]byte, error) {
	content, err := os.ReadFile(path) // #nosec G304 -- the user's own
	if err != nil {
		return nil, fail.Failed("--system-ca-file cannot be read: %w", err).WithFix("give a file with CA certificates as PEM")
	}
	return bytes.TrimSpace(content), nil
}

func (u *up) waitController(ctx context.Context) error {
	if u.options.NoWait {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := installation.WaitReady(ctx, u.clients, u.steps.Detail); err != nil {
		return err
	}
	if u.found && u.changed {
		u.removeOldImages(ctx)
	}
	return nil
}

// waitGateway waits until Envoy runs the Gateway, and answers on the port of
// this machine.
func (u *up) waitGateway(ctx context.Context) error {
	if u.options.NoWait {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	hopeful, stop := u.clients.WhileHopeful(ctx, contract.DevGatewayNamespace, proxyLabels())
	defer stop()
	object := gateway.Dev()
	err := u.clients.Wait(hopeful, object, "programmed", func(o client.Object) (bool, string) {
		done, seen := gateway.Programmed(o)
		u.steps.Detail(seen)
		return done, seen
	})
	if err == nil {
		err = u.waitProxies(hopeful, object)
	}
	if err != nil {
		return u.withPods(ctx, err, hopeful.Err() != nil && ctx.Err() == nil)
	}
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err = poll(asking, func(ctx context.Context) error { return gateway.Answers(ctx, u.HTTPPort) })
	if err != nil && ctx.Err() == nil {
		err = fail.Failed("the gateway is programmed, and does not answer on localhost:%d: %w", u.HTTPPort, err).
			WithFix("kubectl describe service -n %s %s", contract.DevGatewayNamespace, contract.ProxyName(contract.DevGatewayName))
		err = u.withPods(ctx, err, false)
	}
	return err
}

// answerWithin is how long the way from a port of this machine to a pod may
// take to come about.
const answerWithin = 60 * time.Second

// proxyLabels are those of the pods of the dev Gateway.
func proxyLabels() map[string]string {
	return map[string]string{contract.LabelGatewayName: contract.DevGatewayName}
}

// withPreload says how an image comes to the node whose registry it cannot
// reach. A new cluster has to outlive the failure for that.
func (u *up) withPreload(err error) error {
	missing, ok := errors.AsType[*kube.UnreachableError](err)
	if !ok {
		return err
	}
	const otherwise = `or let it reach a mirror; without any registry see "Without a container registry" in the README`
	load := kube.GiveImage(u.engine.Name, u.name+controlPlane, missing.Image)
	if u.found || u.options.Retain {
		return fail.As(err).WithFix("%s    # then dev-up again; %s", load, otherwise)
	}
	return fail.As(err).WithFix("%s    # then %s, and dev-up again; %s", u.retain(), load, otherwise)
}

// withPods adds what is wrong with the proxies of the dev Gateway and, unless
// they are hopeless by themselves, what the controller says.
func (u *up) withPods(ctx context.Context, err error, hopeless bool) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	failure := fail.As(err)
	if hopeless {
		failure.Details = append(failure.Details, u.clients.PodTrouble(ctx, contract.DevGatewayNamespace, proxyLabels())...)
		return failure
	}
	failure.Details = append(failure.Details, u.clients.PodState(ctx, contract.DevGatewayNamespace, proxyLabels())...)
	failure.Details = append(failure.Details, installation.ControllerState(ctx, u.clients)...)
	return failure
}

func (u *up) waitSample(ctx context.Context) error {
	if u.options.NoWait {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return u.clients.WaitRollout(ctx, templates.SampleNamespace, templates.SampleName, u.steps.Detail)
}

// deployed gives the annotations of the sample's Deployment; none when there
// is none.
func (u *up) deployed(ctx context.Context) (map[string]string, error) {
	deployment := &appsv1.Deployment{}
	err := u.clients.Client.Get(ctx, client.ObjectKey{Namespace: templates.SampleNamespace, Name: templates.SampleName}, deployment)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get deployment %s: %w", templates.SampleName, err)
	}
	return deployment.Spec.Template.Annotations, nil
}
