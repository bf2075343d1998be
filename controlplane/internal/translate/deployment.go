package translate

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/parameters"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// maxAddresses is how many the API allows in a Gateway's status.
const maxAddresses = 16

// setDeployment reads how the Gateway's proxies are to be deployed. Parameters
// that are not valid change nothing of what the proxies do: they only keep
// their deployment as it is.
func (t *translation) setDeployment(g *gateway) {
	class := t.objects.classes[string(g.object.Spec.GatewayClassName)]
	d := &ir.Deployment{
		Gateway: g.name, UID: string(g.object.UID), Class: class.Name, Addresses: t.addresses(g.object),
	}
	g.deployment = d
	var all []*v1alpha1.GatewayParameters
	ofClass, p := t.classParameters(class)
	if p != nil {
		g.parameters = problemf(string(gatewayv1.GatewayReasonInvalidParameters), "GatewayClass %s is not accepted: %s", class.Name, p.message)
		return
	}
	if ofClass != nil {
		all = append(all, ofClass)
	}
	if infrastructure := g.object.Spec.Infrastructure; infrastructure != nil {
		d.Labels, d.Annotations = texts(infrastructure.Labels), texts(infrastructure.Annotations)
		own, p := t.gatewayParameters(g.name.Namespace, infrastructure.ParametersRef)
		if p != nil {
			g.parameters = p
			return
		}
		if own != nil {
			all = append(all, own)
		}
	}
	for _, p := range all {
		d.Parameters = append(d.Parameters, nameOf(p))
	}
	merged := parameters.Merge(all...)
	d.Requested = requestedAddresses(g.object)
	d.Unusable = unusable(d.Requested, merged)
	g.parameters = t.setParameters(d, merged)
}

// setParameters checks the parameters as they are together.
func (t *translation) setParameters(d *ir.Deployment, merged *v1alpha1.KubernetesProxy) *problem {
	invalid := string(gatewayv1.GatewayReasonInvalidParameters)
	if err := parameters.Check(merged); err != nil {
		return problemf(invalid, "GatewayParameters of the class and of the Gateway do not go together: %v", err)
	}
	if merged.SystemCA == nil {
		return nil
	}
	ca := &ir.SystemCA{ConfigMap: merged.SystemCA.Name, Key: deref(merged.SystemCA.Key, parameters.SystemCAKey)}
	name := ir.Name{Namespace: d.Gateway.Namespace, Name: ca.ConfigMap}
	object, ok := t.objects.configMaps[name]
	if !ok {
		return problemf(invalid, "GatewayParameters spec.kube.systemCA: ConfigMap %s does not exist", name)
	}
	ca.Digest = snapshot.Digest(cmp.Or(object.Data[ca.Key], string(object.BinaryData[ca.Key])))
	if ca.Digest == "" {
		return problemf(invalid, "GatewayParameters spec.kube.systemCA: key %s of ConfigMap %s has no CA certificates in PEM", ca.Key, name)
	}
	d.SystemCA = ca
	return nil
}

// classParameters are those of a class of this controller; nil where it names
// none.
func (t *translation) classParameters(class *gatewayv1.GatewayClass) (*v1alpha1.GatewayParameters, *problem) {
	ref := class.Spec.ParametersRef
	if ref == nil {
		return nil, nil
	}
	const field = "spec.parametersRef"
	invalid := string(gatewayv1.GatewayClassReasonInvalidParameters)
	if ref.Namespace == nil && ref.Kind == v1alpha1.KindGatewayParameters {
		return nil, problemf(invalid, field+": namespace is required, as GatewayParameters are in one")
	}
	name := ir.Name{Namespace: string(deref(ref.Namespace, "")), Name: ref.Name}
	return t.parametersOf(field, invalid, string(ref.Group), string(ref.Kind), name)
}

// gatewayParameters are those of a Gateway; nil where it names none.
func (t *translation) gatewayParameters(namespace string, ref *gatewayv1.LocalParametersReference) (*v1alpha1.GatewayParameters, *problem) {
	if ref == nil {
		return nil, nil
	}
	return t.parametersOf("spec.infrastructure.parametersRef", string(gatewayv1.GatewayReasonInvalidParameters),
		string(ref.Group), string(ref.Kind), ir.Name{Namespace: namespace, Name: ref.Name})
}

func (t *translation) parametersOf(field, invalid, group, kind string, name ir.Name) (*v1alpha1.GatewayParameters, *problem) {
	if !t.options.Deploy {
		return nil, problemf(invalid, "%s is not supported: this controller deploys no proxies that could have parameters", field)
	}
	if group != groupKgateway || kind != v1alpha1.KindGatewayParameters {
		return nil, problemf(invalid, "%s: kind %s of group %q is not supported: use %s of group %s",
			field, kind, group, v1alpha1.KindGatewayParameters, groupKgateway)
	}
	object, ok := t.objects.parameters[name]
	if !ok {
		return nil, problemf(invalid, "%s: GatewayParameters %s does not exist", field, name)
	}
	if err := parameters.Check(parameters.Merge(object)); err != nil {
		return nil, problemf(invalid, "%s: GatewayParameters %s: %v", field, name, err)
	}
	return object, nil
}

// addresses are those of the Service that the controller made for a Gateway.
func (t *translation) addresses(object *gatewayv1.Gateway) []string {
	service, ok := t.objects.services[ir.Name{Namespace: object.Namespace, Name: contract.ProxyName(object.Name)}]
	if !ok || !metav1.IsControlledBy(service, object) {
		return nil
	}
	found := slices.Clone(service.Spec.ClusterIPs)
	if service.Spec.Type == corev1.ServiceTypeLoadBalancer {
		found = nil
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			found = append(found, cmp.Or(ingress.IP, ingress.Hostname))
		}
	}
	var addresses []string
	for _, address := range found {
		if address != "" && address != corev1.ClusterIPNone && !slices.Contains(addresses, address) && len(addresses) < maxAddresses {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// deployed is how the Gateway's proxies are to be deployed, once all is known
// of its listeners.
func (g *gateway) deployed() *ir.Deployment {
	g.deployment.Frozen = g.refused != nil || g.parameters != nil || g.deployment.Unusable != ""
	for _, l := range g.listeners {
		port := ir.Port{Name: listenerName(l.port, l.usesTLS()), Number: l.port}
		if l.accepted() && !slices.Contains(g.deployment.Ports, port) {
			g.deployment.Ports = append(g.deployment.Ports, port)
		}
	}
	slices.SortFunc(g.deployment.Ports, func(a, b ir.Port) int { return cmp.Compare(a.Number, b.Number) })
	return g.deployment
}

// texts has the keys and values of labels or annotations of Gateway API.
func texts[K, V ~string](m map[K]V) map[string]string {
	if len(m) == 0 {
		return nil
	}
	plain := make(map[string]string, len(m))
	for key, value := range m {
		plain[string(key)] = string(value)
	}
	return plain
}
