package originate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/nearest"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// backend is what the cluster knows about the target.
type backend struct {
	// dial opens a connection to it.
	dial func(ctx context.Context) (net.Conn, error)
	// outside: this machine's network need not be the proxy's, so that a
	// failed connection says little.
	outside bool
	// statName is the name of its cluster in Envoy's statistics.
	statName string
	// port and portName are of a Service; several says that it has more.
	port     int32
	portName string
	several  bool
	// serverName is the SNI where no flag says one; labels are its own.
	serverName string
	labels     map[string]string
	// originate is the label of an object that was made for another target
	// of the same backend.
	originate string
}

// resolve finds the target in the cluster.
func (r *run) resolve(ctx context.Context) (*backend, error) {
	switch r.spec.Target.Kind {
	case scaffold.Service:
		return r.resolveService(ctx)
	case scaffold.Backend:
		return r.resolveBackend(ctx)
	default:
		return r.resolveHost(), nil
	}
}

func (r *run) resolveHost() *backend {
	target := r.spec.Target
	found := &backend{
		outside:  true,
		statName: contract.BackendStatName(r.spec.Namespace, r.spec.BackendName()),
		dial: func(ctx context.Context) (net.Conn, error) {
			return r.clients.DialHost(ctx, target.Name, target.Port)
		},
	}
	if target.IsName() {
		found.serverName = target.Name
	}
	return found
}

func (r *run) resolveBackend(ctx context.Context) (*backend, error) {
	name, namespace := r.spec.Target.Name, r.spec.Namespace
	object := &v1alpha1.Backend{}
	object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion().WithKind(v1alpha1.KindBackend))
	if _, err := r.clients.ResourceName(object); err != nil {
		return nil, err
	}
	err := r.clients.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return nil, r.missing(ctx, "backend", v1alpha1.SchemeGroupVersion().WithKind(v1alpha1.KindBackend))
	}
	if err != nil {
		return nil, r.clients.Explain(fmt.Errorf("get backend %s/%s: %w", namespace, name, err))
	}
	if object.Spec.Static == nil || len(object.Spec.Static.Hosts) == 0 {
		return nil, fail.Failed("backend %s/%s has no spec.static.hosts: TLS is only originated to static Backends", namespace, name)
	}
	hosts := object.Spec.Static.Hosts
	found := &backend{
		outside:  true,
		statName: contract.BackendStatName(namespace, name),
		labels:   object.Labels,
		dial: func(ctx context.Context) (net.Conn, error) {
			return r.clients.DialHost(ctx, hosts[0].Host, hosts[0].Port)
		},
	}
	if _, err := netip.ParseAddr(hosts[0].Host); err != nil && len(hosts) == 1 {
		found.serverName = hosts[0].Host
	}
	// A Backend that was made for a host stays with the objects of that host.
	if made := object.Labels[contract.LabelOriginate]; strings.HasPrefix(made, string(scaffold.Host)+".") {
		found.originate = made
	}
	return found, nil
}

func (r *run) resolveService(ctx context.Context) (*backend, error) {
	name, namespace := r.spec.Target.Name, r.spec.Namespace
	service := &corev1.Service{}
	err := r.clients.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, service)
	if apierrors.IsNotFound(err) {
		return nil, r.missing(ctx, "svc", corev1.SchemeGroupVersion.WithKind("Service"))
	}
	if err != nil {
		return nil, r.clients.Explain(fmt.Errorf("get service %s/%s: %w", namespace, name, err))
	}
	port, err := r.choosePort(service)
	if err != nil {
		return nil, err
	}
	return &backend{
		statName: contract.ServiceStatName(namespace, name, port.Port),
		port:     port.Port,
		portName: port.Name,
		several:  len(service.Spec.Ports) > 1,
		labels:   service.Labels,
		dial: func(ctx context.Context) (net.Conn, error) {
			return r.clients.DialService(ctx, namespace, name, port.Port)
		},
	}, nil
}

// choosePort is the port that --port names, or the only one.
func (r *run) choosePort(service *corev1.Service) (*corev1.ServicePort, error) {
	ports := service.Spec.Ports
	where := fmt.Sprintf("svc/%s", service.Name)
	if r.o.Port == "" {
		switch len(ports) {
		case 0:
			return nil, fail.Failed("%s has no ports", where)
		case 1:
			return r.tcpPort(where, &ports[0])
		}
		return nil, fail.Usage("%s has several ports: --port must say which", where).
			WithDetail("it has: %s", describePorts(ports)).
			WithFix("%s", r.o.command.with("port", portWord(likeliest(ports))))
	}
	for i := range ports {
		if r.o.Port == ports[i].Name || r.o.Port == strconv.Itoa(int(ports[i].Port)) {
			return r.tcpPort(where, &ports[i])
		}
	}
	names := make([]string, 0, len(ports))
	for i := range ports {
		names = append(names, portWord(&ports[i]))
	}
	err := fail.Failed("%s has no port %s", where, r.o.Port).WithDetail("it has: %s", describePorts(ports))
	near := nearest.Name(r.o.Port, names)
	if near == "" && len(names) == 1 {
		near = names[0]
	}
	if near != "" {
		return nil, err.WithFix("%s", r.o.command.with("port", near))
	}
	return nil, err
}

// likeliest is the port that speaks TLS, by its name or number; else the
// first.
func likeliest(ports []corev1.ServicePort) *corev1.ServicePort {
	for i := range ports {
		name := strings.ToLower(ports[i].Name)
		if strings.Contains(name, "https") || strings.Contains(name, "tls") || ports[i].Port == 443 || ports[i].Port == 8443 {
			return &ports[i]
		}
	}
	return &ports[0]
}

func (r *run) tcpPort(where string, port *corev1.ServicePort) (*corev1.ServicePort, error) {
	if port.Protocol != "" && port.Protocol != corev1.ProtocolTCP {
		return nil, fail.Failed("%s port %s is %s: TLS needs TCP", where, portWord(port), port.Protocol)
	}
	return port, nil
}

func portWord(port *corev1.ServicePort) string {
	if port.Name != "" {
		return port.Name
	}
	return strconv.Itoa(int(port.Port))
}

func describePorts(ports []corev1.ServicePort) string {
	var words []string
	for i := range ports {
		protocol := ports[i].Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		word := fmt.Sprintf("%d/%s", ports[i].Port, protocol)
		if ports[i].Name != "" {
			word = ports[i].Name + " " + word
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// missing says that the target is not there, with the name that was likely
// meant, or all there are.
func (r *run) missing(ctx context.Context, word string, kind schema.GroupVersionKind) error {
	target := r.spec.Target
	err := fail.Failed("%s/%s does not exist in namespace %s", word, target.Name, r.spec.Namespace)
	kind.Kind += "List"
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	if r.clients.Client.List(ctx, list, client.InNamespace(r.spec.Namespace)) != nil {
		return err.WithFix("give another name, or another namespace with -n")
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	if near := nearest.Name(target.Name, names); near != "" {
		meant := r.o.command
		meant.target = word + "/" + near
		return err.WithFix("%s", meant.with())
	}
	if len(names) > 0 && len(names) <= 10 {
		err = err.WithDetail("there are: %s", strings.Join(names, ", "))
	}
	return err.WithFix("give another name, or another namespace with -n")
}
