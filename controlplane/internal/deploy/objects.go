package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// Where a proxy finds its files.
const (
	bootstrapFolder = "/etc/tlsgw/bootstrap"
	identityFolder  = "/var/run/secrets/tlsgw/xds"
)

// gatewayKind is the owner's.
const gatewayKind = "Gateway"

// Objects are those of one Gateway in the order in which they are to be
// applied, but for the Secret with the proxies' certificate. Equal arguments
// give equal objects. Who has drainToken can make the proxies drain.
func Objects(s Spec, p Proxy, drainToken string) ([]client.Object, error) {
	b := &builder{Spec: s, proxy: p, drainToken: drainToken, name: contract.ProxyName(s.Gateway.Name), kube: filled(s.Merged)}
	configMap, digest, err := b.bootstrap()
	if err != nil {
		return nil, err
	}
	deployment, err := b.deployment(digest)
	if err != nil {
		return nil, fmt.Errorf("deploy the proxies of Gateway %s: %w", s.Gateway, err)
	}
	objects := []client.Object{configMap, b.serviceAccount(), b.disruptionBudget()}
	if len(s.Ports) > 0 {
		objects = append(objects, b.service())
	}
	return append(objects, deployment), nil
}

// builder makes the objects of one Gateway, which are called name.
type builder struct {
	Spec
	proxy      Proxy
	drainToken string
	name       string
	// kube has none of its parts nil but SystemCA.
	kube v1alpha1.KubernetesProxy
}

// filled has every part of parameters.
func filled(p *v1alpha1.KubernetesProxy) v1alpha1.KubernetesProxy {
	if p == nil {
		p = &v1alpha1.KubernetesProxy{}
	}
	return v1alpha1.KubernetesProxy{
		Deployment:     ptr.To(ptr.Deref(p.Deployment, v1alpha1.ProxyDeployment{})),
		EnvoyContainer: ptr.To(ptr.Deref(p.EnvoyContainer, v1alpha1.EnvoyContainer{})),
		Service:        ptr.To(ptr.Deref(p.Service, v1alpha1.ProxyService{})),
		PodTemplate:    ptr.To(ptr.Deref(p.PodTemplate, v1alpha1.ProxyPod{})),
	}
}

// selector chooses the Gateway's pods. It must never change: that of a
// Deployment cannot.
func (s Spec) selector() map[string]string {
	return map[string]string{
		contract.LabelName:        contract.ProxyApp,
		contract.LabelGatewayName: contract.GatewayLabel(s.Gateway.Name),
	}
}

// meta is that of an object called name. What the Gateway passes on can be
// overruled by what parameters add, and neither overrules our own.
func (s Spec) meta(name string, labels, annotations map[string]string) metav1.ObjectMeta {
	own := s.selector()
	own[contract.LabelManagedBy] = contract.ProxyManager
	own[contract.LabelGatewayClassName] = contract.GatewayLabel(s.Class)
	return metav1.ObjectMeta{
		Namespace: s.Gateway.Namespace, Name: name,
		Labels:      together(s.Labels, labels, own),
		Annotations: together(s.Annotations, annotations),
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: gatewayv1.GroupVersion.String(), Kind: gatewayKind,
			Name: s.Gateway.Name, UID: s.uid(), Controller: ptr.To(true),
		}},
	}
}

// together merges maps, the later over the earlier; nil where all are empty.
func together(all ...map[string]string) map[string]string {
	var merged map[string]string
	for _, m := range all {
		if len(m) > 0 && merged == nil {
			merged = map[string]string{}
		}
		maps.Copy(merged, m)
	}
	return merged
}

// bootstrap is what Envoy starts with, and its digest.
func (b *builder) bootstrap() (*corev1.ConfigMap, string, error) {
	files, err := bootstrap.Files(b.bootstrapOptions())
	if err != nil {
		return nil, "", err
	}
	sum := sha256.New()
	data := make(map[string]string, len(files))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_, _ = fmt.Fprintf(sum, "%s %d %s", name, len(files[name]), files[name])
		data[name] = string(files[name])
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: b.meta(b.name+contract.ProxyBootstrapSuffix, nil, nil),
		Data:       data,
	}, hex.EncodeToString(sum.Sum(nil)), nil
}

func (b *builder) bootstrapOptions() bootstrap.Options {
	o := bootstrap.Options{
		Namespace: b.Gateway.Namespace, Gateway: b.Gateway.Name,
		XDSHost: b.proxy.XDSHost, XDSPort: b.proxy.XDSPort,
		CAFile:          identityFolder + "/" + contract.CAKey,
		CertificateFile: identityFolder + "/" + corev1.TLSCertKey,
		KeyFile:         identityFolder + "/" + corev1.TLSPrivateKeyKey,
		Folder:          bootstrapFolder,
		ReadyPort:       contract.ReadyPort,
	}
	if t := b.drainTime(); t > 0 {
		o.Drain = &bootstrap.Drain{Token: b.drainToken, Time: t}
	}
	return o
}

const defaultGracePeriod = 30 // seconds, as Kubernetes has it

// drainTime is how much of a pod's last seconds goes to draining. The rest is
// for requests that came last.
func (b *builder) drainTime() time.Duration {
	grace := min(ptr.Deref(b.kube.PodTemplate.TerminationGracePeriodSeconds, defaultGracePeriod), math.MaxInt32)
	return time.Duration(grace*2/3) * time.Second
}

func (b *builder) serviceAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   b.meta(b.name, nil, nil),
		AutomountServiceAccountToken: ptr.To(false),
	}
}

// disruptionBudget lets a node be drained of one proxy at a time, also where
// there is only one, and of those that do not work.
func (b *builder) disruptionBudget() *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: b.meta(b.name, nil, nil),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             ptr.To(intstr.FromInt32(1)),
			Selector:                   &metav1.LabelSelector{MatchLabels: b.selector()},
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}

// request asks for the addresses of the Gateway. The API server, or the load
// balancer, refuses those that somebody else has.
func (b *builder) request(spec *corev1.ServiceSpec) {
	switch {
	case len(b.Requested) == 0:
	case spec.Type == corev1.ServiceTypeLoadBalancer:
		spec.LoadBalancerIP = b.Requested[0]
	default:
		spec.ClusterIP, spec.ClusterIPs = b.Requested[0], b.Requested
		if len(b.Requested) > 1 {
			spec.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyRequireDualStack)
		}
	}
}

func (b *builder) service() *corev1.Service {
	p := b.kube.Service
	spec := corev1.ServiceSpec{
		Type:     ptr.Deref(p.Type, corev1.ServiceTypeLoadBalancer),
		Selector: b.selector(),
	}
	// What parameters of a class say for another type is left aside.
	nodePorts := map[int32]int32{}
	if spec.Type != corev1.ServiceTypeClusterIP {
		spec.ExternalTrafficPolicy = ptr.Deref(p.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
		for _, port := range p.Ports {
			nodePorts[port.Port] = ptr.Deref(port.NodePort, 0)
		}
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		spec.LoadBalancerClass = p.LoadBalancerClass
	}
	b.request(&spec)
	for _, port := range b.Ports {
		number := int32(port.Number)
		spec.Ports = append(spec.Ports, corev1.ServicePort{
			Name: port.Name, Protocol: corev1.ProtocolTCP,
			Port: number, TargetPort: intstr.FromInt32(number), NodePort: nodePorts[number],
		})
	}
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: b.meta(b.name, p.ExtraLabels, p.ExtraAnnotations),
		Spec:       spec,
	}
}
