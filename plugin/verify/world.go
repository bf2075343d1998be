package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// world is what the API server says, read once.
type world struct {
	clients *kube.Clients
	// namespace of the policies; empty for all.
	namespace string
	now       time.Time
	// settled is until when a status may come that was not there when all was
	// read.
	settled  time.Time
	policies []*policy
	// unreadPolicies are the kinds of policies that may not be listed, and
	// unreadRoutes why there are no routes; nil if all could be read.
	unreadPolicies []error
	routes         []gatewayv1.HTTPRoute
	unreadRoutes   error
}

func (w *world) load(ctx context.Context) error {
	w.settled = time.Now().Add(settleTime)
	var tlsPolicies gatewayv1.BackendTLSPolicyList
	var configPolicies v1alpha1.BackendConfigPolicyList
	for _, list := range []client.ObjectList{&tlsPolicies, &configPolicies} {
		if err := w.list(ctx, list, w.namespace); err != nil {
			if w.hopeless(err) {
				return err
			}
			w.unreadPolicies = append(w.unreadPolicies, err)
		}
	}
	for i := range tlsPolicies.Items {
		w.policies = append(w.policies, fromBackendTLSPolicy(&tlsPolicies.Items[i]))
	}
	for i := range configPolicies.Items {
		if p := fromBackendConfigPolicy(&configPolicies.Items[i]); p != nil {
			w.policies = append(w.policies, p)
		}
	}
	slices.SortFunc(w.policies, func(a, b *policy) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	for _, p := range w.policies {
		if p.unread = w.choose(ctx, p); p.unread != nil && w.hopeless(p.unread) {
			return p.unread
		}
	}
	return w.loadRoutes(ctx)
}

// loadRoutes reads the routes of all namespaces, because a route may lead to
// a backend of another.
func (w *world) loadRoutes(ctx context.Context) error {
	var routes gatewayv1.HTTPRouteList
	err := w.listAll(ctx, &routes)
	w.routes = routes.Items
	if err != nil && !w.hopeless(err) {
		w.unreadRoutes, err = err, nil
	}
	return err
}

// listAll reads one kind in all namespaces; whoever may not read all sees those
// of one.
func (w *world) listAll(ctx context.Context, into client.ObjectList) error {
	err := w.list(ctx, into, "")
	if w.namespace != "" && apierrors.IsForbidden(err) {
		err = w.list(ctx, into, w.namespace)
	}
	return err
}

// list reads one kind; a kind that is not installed has no objects.
func (w *world) list(ctx context.Context, into client.ObjectList, namespace string) error {
	err := w.clients.Client.List(ctx, into, client.InNamespace(namespace))
	if err == nil || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsForbidden(err) {
		return &forbidden{"list", namespace, err}
	}
	return w.clients.Explain(fmt.Errorf("list %s: %w", w.kindOf(into), err))
}

// get reads one object; found is false when it, or its kind, does not exist.
func (w *world) get(ctx context.Context, namespace, name string, into client.Object) (found bool, err error) {
	err = w.clients.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return false, &forbidden{"get", namespace, err}
	}
	return false, w.clients.Explain(fmt.Errorf("get %s %s/%s: %w", w.kindOf(into), namespace, name, err))
}

// subject is one backend port to verify, under one policy.
type subject struct {
	kind, namespace, name string
	// port is 0 when it is not known, and for a Backend.
	port int32
	// missing, nearest and portFlag as in diagnose.Target.
	missing, nearest, portFlag string
	// policy is nil when none targets the backend.
	policy, winner *policy
	// unread is why the backend cannot be judged; nil if it can.
	unread error
}

// subjects turns targets into backend ports with their policies.
func (w *world) subjects(ctx context.Context, targets []TargetRef) ([]subject, error) {
	if len(targets) == 0 {
		var all []subject
		for _, p := range w.policies {
			found, err := w.ofPolicy(ctx, p)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	var all []subject
	for _, target := range targets {
		found, err := w.ofTarget(ctx, target)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (w *world) ofTarget(ctx context.Context, target TargetRef) ([]subject, error) {
	namespace := w.clients.Namespace
	if target.Kind == kindBackendTLSPolicy || target.Kind == kindBackendConfigPolicy {
		for _, p := range w.policies {
			if p.kind == target.Kind && p.name == target.Name {
				return w.ofPolicy(ctx, p)
			}
		}
		return nil, fail.Failed("%s %s/%s does not exist, or has no tls", target.Kind, namespace, target.Name).
			WithFix("kubectl get %s -n %s", kindBackendTLSPolicy+","+kindBackendConfigPolicy, namespace)
	}
	var all []subject
	for _, p := range w.policies {
		for _, t := range p.targets {
			if t.kind != target.Kind || t.name != target.Name {
				continue
			}
			found, err := w.ofPolicyTarget(ctx, p, t)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return w.unprotected(ctx, namespace, target)
}

// unprotected is a backend without policy: an error if there is none at all.
func (w *world) unprotected(ctx context.Context, namespace string, target TargetRef) ([]subject, error) {
	s := subject{kind: target.Kind, namespace: namespace, name: target.Name, unread: errors.Join(w.unreadPolicies...)}
	if target.Kind == kindBackend {
		found, err := w.get(ctx, namespace, target.Name, &v1alpha1.Backend{})
		if err == nil && !found {
			return nil, w.missing(ctx, target, "backend", "backends.gateway.kgateway.dev", &v1alpha1.BackendList{})
		}
		return w.alone(s, err)
	}
	service := &corev1.Service{}
	found, err := w.get(ctx, namespace, target.Name, service)
	if err == nil && !found {
		return nil, w.missing(ctx, target, "svc", "services", &corev1.ServiceList{})
	}
	if len(service.Spec.Ports) == 1 {
		s.port = service.Spec.Ports[0].Port
	}
	return w.alone(s, err)
}

// alone is a subject that could not be read, unless nothing can be.
func (w *world) alone(s subject, err error) ([]subject, error) {
	if err != nil && w.hopeless(err) {
		return nil, err
	}
	s.unread = cmp.Or(err, s.unread)
	return []subject{s}, nil
}

func (w *world) ofPolicy(ctx context.Context, p *policy) ([]subject, error) {
	var all []subject
	for _, t := range p.targets {
		found, err := w.ofPolicyTarget(ctx, p, t)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(p.targets) == 0 || p.unread != nil {
		all = append(all, subject{kind: kindService, namespace: p.namespace, name: "-", policy: p, unread: p.unread,
			missing: fmt.Sprintf("the targetSelectors of %s/%s choose nothing", p.kind, p.name)})
	}
	return all, nil
}

func (w *world) ofPolicyTarget(ctx context.Context, p *policy, t policyTarget) ([]subject, error) {
	s := subject{kind: t.kind, namespace: p.namespace, name: t.name, policy: p}
	if t.kind == kindBackend {
		found, err := w.get(ctx, p.namespace, t.name, &v1alpha1.Backend{})
		if err == nil && !found {
			s.missing = fmt.Sprintf("Backend %s/%s, which %s/%s targets, does not exist", p.namespace, t.name, p.kind, p.name)
		}
		s.winner = w.winner(s, "")
		return w.alone(s, err)
	}
	service := &corev1.Service{}
	found, err := w.get(ctx, p.namespace, t.name, service)
	if err != nil {
		return w.alone(s, err)
	}
	if !found {
		s.missing = fmt.Sprintf("%s %s/%s, which %s/%s targets, does not exist", t.kind, p.namespace, t.name, p.kind, p.name)
		return []subject{s}, nil
	}
	return w.ports(s, t, service), nil
}

// ports of a Service that a policy is for: the one it names, else those that
// routes lead to and no more specific policy takes, else the only one.
func (w *world) ports(s subject, t policyTarget, service *corev1.Service) []subject {
	if t.section != "" {
		for _, port := range service.Spec.Ports {
			if port.Name == t.section {
				s.port, s.portFlag = port.Port, portFlag(service, port)
				s.winner = w.winner(s, port.Name)
				return []subject{s}
			}
		}
		s.missing = fmt.Sprintf("Service %s/%s has no port named %q", s.namespace, s.name, t.section)
		s.nearest = nearestPort(t.section, service)
		return []subject{s}
	}
	var all []subject
	for _, port := range service.Spec.Ports {
		if len(service.Spec.Ports) > 1 && !w.routed(s, port.Port) {
			continue
		}
		one := s
		one.port, one.portFlag = port.Port, portFlag(service, port)
		one.winner = w.winner(one, port.Name)
		if one.winner != nil && one.winner.targetsSection(s, port.Name) && len(service.Spec.Ports) > 1 {
			continue // that policy's own line tells about this port
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return []subject{s}
	}
	return all
}

// portFlag is the --port of originate; empty where the port goes without
// saying.
func portFlag(service *corev1.Service, port corev1.ServicePort) string {
	switch {
	case len(service.Spec.Ports) == 1:
		return ""
	case port.Name != "":
		return port.Name
	}
	return strconv.Itoa(int(port.Port))
}

func (p *policy) targetsSection(s subject, section string) bool {
	return slices.Contains(p.targets, policyTarget{s.kind, s.name, section}) && section != ""
}

// winner is the policy that is in effect for a port: one that names it before
// one that does not, then by the order of policies.
func (w *world) winner(s subject, section string) *policy {
	var best *policy
	bestNamed := false
	for _, p := range w.policies {
		if p.namespace != s.namespace {
			continue
		}
		named := p.targetsSection(s, section)
		if !named && !slices.Contains(p.targets, policyTarget{s.kind, s.name, ""}) {
			continue
		}
		if best == nil || named && !bestNamed || named == bestNamed && p.beats(best) < 0 {
			best, bestNamed = p, named
		}
	}
	return best
}

// choose adds what a policy's selectors choose to what it names.
func (w *world) choose(ctx context.Context, p *policy) error {
	for _, selector := range p.selectors {
		var list client.ObjectList = &corev1.ServiceList{}
		if string(selector.Kind) == kindBackend {
			list = &v1alpha1.BackendList{}
		}
		err := w.clients.Client.List(ctx, list, client.InNamespace(p.namespace), client.MatchingLabels(selector.MatchLabels))
		if apierrors.IsForbidden(err) {
			return &forbidden{"list", p.namespace, err}
		}
		if err != nil && !meta.IsNoMatchError(err) {
			return w.clients.Explain(fmt.Errorf("list targets of %s/%s: %w", p.kind, p.name, err))
		}
		err = meta.EachListItem(list, func(object runtime.Object) error {
			named, err := meta.Accessor(object)
			if err != nil {
				return err
			}
			if t := (policyTarget{kind: string(selector.Kind), name: named.GetName()}); !slices.Contains(p.targets, t) {
				p.targets = append(p.targets, t)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("targets of %s/%s: %w", p.kind, p.name, err)
		}
	}
	return nil
}
