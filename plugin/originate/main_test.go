package originate

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube/kubetest"
)

var cluster *kubetest.Cluster

func TestMain(m *testing.M) { kubetest.Main(m, true, &cluster) }

// outcome is what one run of the verb printed and returned.
type outcome struct {
	stdout, stderr string
	code           int
}

// text is all that a person reads.
func (o outcome) text() string { return o.stdout + o.stderr }

// invocation is one run of the verb against clients.
type invocation struct {
	clients *kube.Clients
	// system stands for the system bundle; nil is an empty one.
	system *x509.CertPool
	// input is typed on a terminal; empty means that there is none.
	input string
	// silent: there is a terminal, at which nobody types.
	silent bool
	// interruptAt is what is said when Ctrl-C comes; empty is never.
	// interruptOn is what happens then.
	interruptAt string
	interruptOn <-chan struct{}
}

func (i invocation) originate(t *testing.T, target string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr bytes.Buffer
	watched := writerFunc(func(text []byte) (int, error) {
		if i.interruptAt != "" && bytes.Contains(text, []byte(i.interruptAt)) {
			cancel()
		}
		return stderr.Write(text)
	})
	go func() {
		select {
		case <-i.interruptOn:
			cancel()
		case <-ctx.Done():
		}
	}()
	streams := genericiooptions.IOStreams{In: strings.NewReader(i.input), Out: &stdout, ErrOut: watched}
	if i.silent {
		reader, writer := io.Pipe()
		t.Cleanup(func() { _ = writer.Close() })
		streams.In = reader
	}
	given := &values{}
	set := pflag.NewFlagSet("originate", pflag.ContinueOnError)
	set.SortFlags = false
	given.addFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	options, err := given.options(target, streams)
	if err == nil {
		options.command = commandOf("kubectl tlsgw originate", target, set)
		options.Clients = i.clients
		options.Terminal = i.input != "" || i.silent
		options.SystemPool = func() (*x509.CertPool, error) {
			if i.system == nil {
				return x509.NewCertPool(), nil
			}
			return i.system, nil
		}
		err = options.Run(ctx)
	}
	result := outcome{code: fail.Code(err)}
	result.stdout = stdout.String()
	result.stderr = stderr.String() + errorText(err)
	return result
}

// writerFunc writes by a function.
type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(text []byte) (int, error) { return w(text) }

// errorText is an error as the root command prints it.
func errorText(err error) string {
	if err == nil || errors.Is(err, fail.ErrSilent) {
		return ""
	}
	text := "error: " + err.Error() + "\n"
	if failure, ok := errors.AsType[*fail.Error](err); ok {
		for _, detail := range failure.Details {
			text += "  " + detail + "\n"
		}
		text += "  fix: " + failure.Fix + "\n" + failure.Outcome + "\n"
	}
	return text
}

func maker() *pki.Maker { return pki.NewMaker(time.Now, rand.Reader) }

func pair(t *testing.T) func(*pki.Pair, error) *pki.Pair {
	t.Helper()
	return func(made *pki.Pair, err error) *pki.Pair {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
}

func authority(t *testing.T, name string) *pki.Pair {
	t.Helper()
	return pair(t)(maker().CA(pki.Spec{CommonName: name}))
}

func leaf(t *testing.T, issuer *pki.Pair, names ...string) *pki.Pair {
	t.Helper()
	return pair(t)(maker().Leaf(issuer, pki.Spec{CommonName: names[0], DNSNames: names}))
}

// serve answers every connection on a port of this machine.
func serve(t *testing.T, answer func(net.Conn)) int32 {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				answer(conn)
			}()
		}
	}()
	return int32(listener.Addr().(*net.TCPAddr).Port)
}

func serveTLS(t *testing.T, config *tls.Config) int32 {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			_, _ = io.Copy(io.Discard, server)
		}
	})
}

// backendOf makes svc/nginx behind which a server presents a pair.
func backendOf(t *testing.T, clients *kube.Clients, presented *pki.Pair) {
	t.Helper()
	port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{presented.TLS()}})
	kubetest.Service(t, clients, "nginx", 8443, port)
}

func configMap(name string, content string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{contract.CAKey: content}}
}

func secret(name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}
}

func gateway(t *testing.T, clients *kube.Clients, name string) {
	t.Helper()
	kubetest.Create(t, clients, &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: gatewayv1.GatewaySpec{GatewayClassName: "tlsgw", Listeners: []gatewayv1.Listener{{
			Name: "http", Port: 8080, Protocol: gatewayv1.HTTPProtocolType,
		}}},
	})
}

// made counts the objects that originate has left in the namespace.
func made(t *testing.T, clients *kube.Clients) []string {
	t.Helper()
	var names []string
	for _, list := range []client.ObjectList{
		&corev1.ConfigMapList{}, &corev1.SecretList{}, &v1alpha1.BackendList{},
		&gatewayv1.BackendTLSPolicyList{}, &v1alpha1.BackendConfigPolicyList{}, &gatewayv1.HTTPRouteList{},
	} {
		err := clients.Client.List(t.Context(), list, client.InNamespace(clients.Namespace),
			client.HasLabels{contract.LabelOriginate})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, namesIn(list)...)
	}
	return names
}

func namesIn(list client.ObjectList) []string {
	var names []string
	switch l := list.(type) {
	case *corev1.ConfigMapList:
		for _, o := range l.Items {
			names = append(names, "configmap/"+o.Name)
		}
	case *corev1.SecretList:
		for _, o := range l.Items {
			names = append(names, "secret/"+o.Name)
		}
	case *v1alpha1.BackendList:
		for _, o := range l.Items {
			names = append(names, "backend/"+o.Name)
		}
	case *gatewayv1.BackendTLSPolicyList:
		for _, o := range l.Items {
			names = append(names, "backendtlspolicy/"+o.Name)
		}
	case *v1alpha1.BackendConfigPolicyList:
		for _, o := range l.Items {
			names = append(names, "backendconfigpolicy/"+o.Name)
		}
	case *gatewayv1.HTTPRouteList:
		for _, o := range l.Items {
			names = append(names, "httproute/"+o.Name)
		}
	}
	return names
}

func tlsConfig(presented *pki.Pair) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{presented.TLS()}}
}

func itoa(port int32) string { return strconv.Itoa(int(port)) }
