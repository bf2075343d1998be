// Package kube reaches the cluster for the verbs: typed clients from kubectl's
// own flags, server-side apply, waiting, and connections to pods, Services,
// Envoy's admin interface and a Gateway's listeners.
//
// In go cli-runtime's flags and objects; out come plain net.Conn and
// http.Client values and errors of package fail that a person can read as
// they are. Nothing here listens on a port or writes a file.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"sort"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Clients is what a verb needs to talk to one cluster.
type Clients struct {
	// Config is the connection, without a client-side rate limit.
	Config *rest.Config
	// Client reads and writes without a cache.
	Client client.WithWatch
	// Namespace is that of the flags or the context, else "default".
	Namespace string
	// ContextNamespace is that of a command without the flag --namespace.
	ContextNamespace string
	// Context is the kubeconfig context in use; empty inside a cluster.
	Context string
	// Flags are those, as given, that another command needs to reach the same
	// cluster: "--context", "NAME".
	Flags []string
}

// requestTimeout bounds every single request to the API server, unless
// --request-timeout says otherwise. Watches are bounded by their context.
const requestTimeout = 30 * time.Second

// reachTimeout bounds the first request, which only asks whether there is a
// cluster at all.
const reachTimeout = 5 * time.Second

// Scheme knows every kind that the verbs read or write.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme,
		authorizationv1.AddToScheme,
		corev1.AddToScheme,
		discoveryv1.AddToScheme,
		apiextensionsv1.AddToScheme,
		gatewayv1.Install,
		v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	return scheme, nil
}

// New connects to the cluster that kubectl's flags name and makes sure that
// it answers. A wrong flag or kubeconfig is a fail.CodeUsage error, a cluster
// that does not answer a fail.CodeUnreachable one.
func New(flags *genericclioptions.ConfigFlags) (*Clients, error) {
	loader := flags.ToRawKubeConfigLoader()
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, kubeconfigError(err)
	}
	if len(raw.Contexts) == 0 && !set(flags.APIServer) && !set(flags.Context) && !inCluster() {
		return nil, fail.Usage("no kubeconfig found, or it has no context").
			WithFix("kubectl tlsgw dev-up    # or give --kubeconfig or set KUBECONFIG")
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		if set(flags.Context) && strings.Contains(err.Error(), "does not exist") {
			return nil, unknownContext(*flags.Context, contextNames(raw.Contexts))
		}
		return nil, kubeconfigError(err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, kubeconfigError(err)
	}
	clients, err := NewForConfig(config, namespace)
	if err != nil {
		return nil, err
	}
	clients.Context = raw.CurrentContext
	if set(flags.KubeConfig) {
		clients.Flags = append(clients.Flags, "--kubeconfig", *flags.KubeConfig)
	}
	if set(flags.Context) {
		clients.Context = *flags.Context
		clients.Flags = append(clients.Flags, "--context", *flags.Context)
	}
	if set(flags.Namespace) {
		clients.ContextNamespace = namespaceOf(raw.Contexts[clients.Context])
	}
	return clients, clients.reach()
}

// namespaceOf is the namespace of a context, which may be nil.
func namespaceOf(context *clientcmdapi.Context) string {
	if context == nil || context.Namespace == "" {
		return corev1.NamespaceDefault
	}
	return context.Namespace
}

// NewForConfig makes clients for a configuration that is already known, and
// does not contact the cluster.
func NewForConfig(config *rest.Config, namespace string) (*Clients, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	if config.Timeout == 0 {
		config.Timeout = requestTimeout
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fail.Usage("connection to %s cannot be set up: %w", config.Host, err)
	}
	if namespace == "" {
		namespace = corev1.NamespaceDefault
	}
	return &Clients{Config: config, Client: c, Namespace: namespace, ContextNamespace: namespace}, nil
}

// reach asks the API server for its version.
func (c *Clients) reach() error {
	config := rest.CopyConfig(c.Config)
	config.Timeout = min(config.Timeout, reachTimeout)
	versions, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return kubeconfigError(err)
	}
	if _, err := versions.ServerVersion(); err != nil {
		return c.Explain(err)
	}
	return nil
}

// Explain turns an error of a request to the API server into one sentence
// with the right exit code: a server that does not answer, or does not let us
// in, is fail.CodeUnreachable. A request that was cancelled says nothing about
// the server. Other errors come back as they are.
func (c *Clients) Explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fail.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fail.Interrupted(err)
	}
	where := c.Config.Host
	if c.Context != "" {
		where = fmt.Sprintf("%s (context %s)", where, c.Context)
	}
	if apierrors.IsUnauthorized(err) {
		return fail.Unreachable("cluster %s refuses the credentials of the kubeconfig: %w", where, err).
			WithFix("kubectl auth whoami    # log in again, or choose another --context")
	}
	if apierrors.IsForbidden(err) {
		return fail.Failed("not allowed: %w", err).WithFix("kubectl auth whoami    # then ask for the permission, or choose another --context")
	}
	if isNetworkError(err) {
		return fail.Unreachable("cluster %s does not answer: %w", where, innermost(err)).
			WithFix("kubectl config get-contexts    # then choose one with --context, or start one with: kubectl tlsgw dev-up")
	}
	return err
}

func isNetworkError(err error) bool {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// innermost drops the URL that http.Client puts around a network error: the
// sentence names the server already.
func innermost(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func set(flag *string) bool { return flag != nil && *flag != "" }

func inCluster() bool {
	_, err := rest.InClusterConfig()
	return err == nil
}

func contextNames[T any](contexts map[string]T) []string {
	names := make([]string, 0, len(contexts))
	for name := range contexts {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func unknownContext(name string, known []string) error {
	err := fail.Usage("the kubeconfig has no context %q", name)
	if len(known) > 0 {
		return err.WithFix("use --context with one of: %s", strings.Join(known, ", "))
	}
	return err.WithFix("kubectl tlsgw dev-up    # or give another --kubeconfig")
}

func kubeconfigError(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return fail.Usage("kubeconfig %s cannot be read: %w", pathErr.Path, pathErr.Err).
			WithFix("give an existing file with --kubeconfig or KUBECONFIG")
	}
	if clientcmd.IsEmptyConfig(err) {
		return fail.Usage("no kubeconfig found, or it has no cluster").
			WithFix("kubectl tlsgw dev-up    # or give --kubeconfig or set KUBECONFIG")
	}
	return fail.Usage("kubeconfig cannot be used: %w", err).
		WithFix("kubectl config view    # shows what is set")
}
