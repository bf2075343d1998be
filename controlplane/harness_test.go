package controlplane_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/apiservertest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

const patient = 15 * time.Second

// cluster is a real API server with the kinds that the controller reads, and
// what a controller and proxies need to find each other.
type cluster struct {
	// admin may do everything, controller only what the ClusterRole allows.
	client.Client
	admin, controller *rest.Config

	ca    *envoytest.CA
	files controlplane.TLSFiles
	// xds is the address of every controller, one after the other.
	xds string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	environment := apiservertest.WithCRDs(t)
	admin := apiservertest.Start(t, environment)
	user := apiservertest.User(t, environment, fmt.Sprintf("system:serviceaccount:%s:%s", contract.SystemNamespace, contract.ControllerServiceAccount))
	c := &cluster{admin: admin, controller: user, ca: envoytest.NewCA(t, "xds"), xds: "127.0.0.1:0"}
	scheme, err := controlplane.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := rbacv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if c.Client, err = client.New(admin, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	own := c.ca.Issue(t, []string{contract.XDSServerName}, nil)
	c.files = controlplane.TLSFiles{
		CA:          envoytest.WriteFile(t, "ca.crt", c.ca.PEM),
		Certificate: envoytest.WriteFile(t, "tls.crt", own.Certificate),
		Key:         envoytest.WriteFile(t, "tls.key", own.Key),
	}
	objects, err := templates.ControllerAccess()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatalf("create %s: %v", object.GetName(), err)
		}
	}
	return c
}

// late holds up the controller's watches of some resources, so that it sees what
// was written after one of their objects before that object. The order between
// kinds is never certain; this makes the bad one certain.
func late(resources ...string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(request)
			if err == nil && slices.Contains(resources, path.Base(request.URL.Path)) && request.URL.Query().Has("watch") {
				response.Body = lateBody{response.Body}
			}
			return response, err
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// lateBody gives what has been read only later.
type lateBody struct{ io.ReadCloser }

func (b lateBody) Read(p []byte) (int, error) {
	const late = 60 * time.Millisecond
	n, err := b.ReadCloser.Read(p)
	<-time.After(late)
	return n, err
}

// run starts a controller, which ends with the returned function.
func (c *cluster) run(t *testing.T, change ...func(*controlplane.Options)) (stop func()) {
	t.Helper()
	var xds net.Listener
	envoytest.Eventually(t, patient, func() (err error) {
		xds, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", c.xds)
		return err
	})
	c.xds = xds.Addr().String()
	health, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := controlplane.Options{
		Config: c.controller, XDSListener: xds, XDSTLS: c.files, HealthListener: health,
		Translation: controlplane.TranslationOptions{
			ListenAddress: "127.0.0.1", AllowLoopbackBackends: true,
			SystemCAFile: c.files.CA,
		},
		GatewayAddress: "127.0.0.1", Log: testr.New(t),
	}
	for _, f := range change {
		f(&options)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- controlplane.Run(ctx, options) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the controller ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	envoytest.Eventually(t, patient, func() error { return ready(t, health.Addr().String()) })
	return stop
}

func ready(t *testing.T, address string) error {
	t.Helper()
	code, body, err := get(t, "http://"+address+"/readyz", "")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("/readyz: %d %s", code, body)
	}
	return err
}

// envoy starts a proxy of a Gateway.
func (c *cluster) envoy(t *testing.T, namespace, gateway string) *envoytest.Envoy {
	t.Helper()
	pair := c.ca.Issue(t, nil, []string{contract.NodeURI(namespace, gateway)})
	address, err := net.ResolveTCPAddr("tcp", c.xds)
	if err != nil {
		t.Fatal(err)
	}
	options := bootstrap.Options{
		Namespace: namespace, Gateway: gateway,
		XDSHost: address.IP.String(), XDSPort: address.AddrPort().Port(),
		CAFile:          c.files.CA,
		CertificateFile: envoytest.WriteFile(t, "tls.crt", pair.Certificate),
		KeyFile:         envoytest.WriteFile(t, "tls.key", pair.Key),
		AdminPort:       envoytest.FreePort(t),
	}
	proxy := envoytest.Start(t, envoytest.Bootstrap(t, options), options.AdminPort)
	proxy.WaitReady(t)
	return proxy
}

// get sends one request on a connection of its own.
func get(t *testing.T, url, host string) (code int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	request.Host = host
	httpClient := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := httpClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return response.StatusCode, string(read), err
}

// flood sends requests one after the other until it is stopped, which tells how
// often each status came. One without an answer is an error.
func flood(t *testing.T, port uint16, host string) (stop func() map[int]int) {
	t.Helper()
	codes := map[int]int{}
	stopped := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stopped:
				return
			case <-t.Context().Done():
				return
			default:
			}
			code, _, err := get(t, fmt.Sprintf("http://127.0.0.1:%d/", port), host)
			if err != nil {
				if t.Context().Err() == nil {
					t.Errorf("%s: %v", host, err)
				}
				return
			}
			codes[code]++
		}
	})
	return func() map[int]int {
		close(stopped)
		running.Wait()
		return codes
	}
}

// expect waits until the gateway answers host with code.
func expect(t *testing.T, port uint16, host string, code int) {
	t.Helper()
	envoytest.Eventually(t, patient, func() error {
		got, body, err := get(t, fmt.Sprintf("http://127.0.0.1:%d/", port), host)
		if err == nil && got != code {
			err = fmt.Errorf("GET %s: %d %q, want %d", host, got, body, code)
		}
		return err
	})
}

// apply applies YAML documents in their order.
func (c *cluster) apply(t *testing.T, manifests string, arguments ...any) {
	t.Helper()
	for _, object := range parse(t, manifests, arguments...) {
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// remove deletes what manifests name.
func (c *cluster) remove(t *testing.T, manifests string, arguments ...any) {
	t.Helper()
	for _, object := range parse(t, manifests, arguments...) {
		if err := c.Delete(t.Context(), object); err != nil {
			t.Fatalf("delete %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

func parse(t *testing.T, manifests string, arguments ...any) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(fmt.Sprintf(manifests, arguments...), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("parse %s: %v", document, err)
		}
		objects = append(objects, object)
	}
	return objects
}

// fetch reads an object that is known to be there.
func fetch[T client.Object](t *testing.T, c *cluster, into T, namespace, name string) T {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatalf("get %s/%s: %v", namespace, name, err)
	}
	return into
}
