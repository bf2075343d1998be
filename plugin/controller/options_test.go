package controller

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// certificates writes ca.crt, a pair tls.* for the controller and a pair
// other.* for another name.
func certificates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	maker := pki.NewMaker(time.Now, rand.Reader)
	ca, err := maker.CA(pki.Spec{CommonName: "xds"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ca.crt"), ca.CertPEM())
	write(t, filepath.Join(dir, "no-ca.crt"), []byte("hello"))
	for file, name := range map[string]string{"tls": contract.XDSServerName, "other": "other.example"} {
		pair, err := maker.Leaf(ca, pki.Spec{CommonName: name, DNSNames: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		key, err := pair.Key().PEM()
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, file+".crt"), pair.ChainPEM())
		write(t, filepath.Join(dir, file+".key"), key)
	}
	return dir
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// good are flags without a fault, in the folder of certificates.
func good() []string {
	return []string{"--xds-cert=tls.crt", "--xds-key=tls.key", "--xds-ca=ca.crt", "--xds-address=127.0.0.1:0"}
}

// execute runs the verb with files taken from dir, so that it fails at the
// latest when it looks for a cluster.
func execute(t *testing.T, dir string, arguments ...string) error {
	t.Helper()
	flags := genericclioptions.NewConfigFlags(true)
	streams, _, _, _ := genericiooptions.NewTestIOStreams()
	cmd := NewCommand(flags, streams)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	arguments = append(arguments, "--kubeconfig="+filepath.Join(dir, "no-kubeconfig"))
	for i, a := range arguments {
		if flag, file, ok := strings.Cut(a, "="); ok && strings.HasPrefix(flag, "--xds-") && flag != "--xds-address" {
			arguments[i] = flag + "=" + filepath.Join(dir, file)
		}
	}
	cmd.SetArgs(arguments)
	return cmd.ExecuteContext(t.Context())
}

func TestEveryErrorNamesItsFlag(t *testing.T) {
	t.Parallel()
	dir := certificates(t)
	for _, test := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"nothing but a kubeconfig is missing", nil, "kubeconfig"},
		{"unknown level", []string{"--log-level=loud"}, `--log-level is "loud"`},
		{"no port", []string{"--xds-address=127.0.0.1"}, "--xds-address is"},
		{"port too high", []string{"--xds-address=127.0.0.1:70000"}, "port must be a number"},
		{"address is a name", []string{"--xds-address=example.com:1"}, "IP address of this machine"},
		{"health address", []string{"--health-address=1"}, "--health-address is"},
		{"no certificate", []string{"--xds-cert=missing.crt"}, "--xds-cert"},
		{"no key", []string{"--xds-key=missing.key"}, "--xds-key"},
		{"no CA", []string{"--xds-ca=missing.crt"}, "--xds-ca"},
		{"key of another certificate", []string{"--xds-key=other.key"}, "do not make a pair"},
		{"certificate for another name", []string{"--xds-cert=other.crt", "--xds-key=other.key"}, "is not for " + contract.XDSServerName},
		{"CA without a certificate", []string{"--xds-ca=no-ca.crt"}, "has no CA"},
		{"listen address with a port", []string{"--listen-address=0.0.0.0:80"}, "--listen-address is"},
		{"relative system bundle", []string{"--system-ca-file=ca.crt"}, "absolute path"},
		{"gateway address", []string{"--gateway-address=no_host"}, "--gateway-address is"},
		{"image without proxies", []string{"--envoy-image=a"}, "--envoy-image needs --in-cluster"},
		{"unknown flag", []string{"--xds"}, "unknown flag"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := execute(t, dir, append(good(), test.flags...)...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if code := fail.Code(err); code != fail.CodeUsage && test.name != "unknown flag" {
				t.Errorf("exit code %d, want %d", code, fail.CodeUsage)
			}
		})
	}
}

// replica gives the options of flags with --in-cluster.
func replica(t *testing.T, environment map[string]string, flags ...string) (*Options, error) {
	t.Helper()
	set := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	v := &values{given: set.Changed, getenv: func(name string) string { return environment[name] }}
	v.addFlags(set)
	set.StringVar(&v.namespace, "namespace", "", "")
	if err := set.Parse(append([]string{"--in-cluster"}, flags...)); err != nil {
		t.Fatal(err)
	}
	streams, _, _, _ := genericiooptions.NewTestIOStreams()
	return v.options(streams)
}

func TestAReplica(t *testing.T) {
	t.Parallel()
	pod := map[string]string{"POD_NAME": "tlsgw-controller-1", "POD_UID": "uid"}
	o, err := replica(t, pod)
	if err != nil {
		t.Fatal(err)
	}
	want := &controlplane.ClusterOptions{
		Namespace: contract.SystemNamespace, EnvoyImage: contract.EnvoyImage, Identity: "tlsgw-controller-1", PodUID: "uid",
	}
	if diff := cmp.Diff(want, o.Controller.Cluster); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o, err = replica(t, pod, "--namespace=other", "--envoy-image=example.org/envoy:1"); err != nil {
		t.Fatal(err)
	}
	if c := o.Controller.Cluster; c.Namespace != "other" || c.EnvoyImage != "example.org/envoy:1" {
		t.Errorf("the flags make %+v", c)
	}
	for _, test := range []struct {
		name, flag, want string
		environment      map[string]string
	}{
		{"a certificate", "--xds-cert=tls.crt", "--xds-cert cannot be given with --in-cluster", pod},
		{"a key", "--xds-key=tls.key", "--xds-key cannot be given", pod},
		{"a CA", "--xds-ca=ca.crt", "--xds-ca cannot be given", pod},
		{"an address", "--gateway-address=192.0.2.1", "--gateway-address cannot be given", pod},
		{"a system bundle", "--system-ca-file=/ca.crt", "--system-ca-file cannot be given", pod},
		{"loopback backends", "--allow-loopback-backends", "--allow-loopback-backends cannot be given", pod},
		{"no image", "--envoy-image=", "--envoy-image is", pod},
		{"bad namespace", "--namespace=a/b", "--namespace is", pod},
		{"no name", "--log-level=info", "POD_NAME, which is not set", nil},
		{"bad name", "--log-level=info", "no name of a Pod", map[string]string{"POD_NAME": "a/b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := replica(t, test.environment, test.flag)
			if err == nil || !strings.Contains(err.Error(), test.want) || fail.Code(err) != fail.CodeUsage {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestFilesAreNeeded(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"--xds-cert", "--xds-key", "--xds-ca"} {
		var flags []string
		for _, f := range good() {
			if !strings.HasPrefix(f, missing+"=") {
				flags = append(flags, f)
			}
		}
		err := execute(t, certificates(t), flags...)
		if err == nil || !strings.Contains(err.Error(), missing+" is needed") || fail.Code(err) != fail.CodeUsage {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

func TestAnAddressInUse(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, err = listen(t.Context(), "--xds-address", l.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "--xds-address") || fail.Code(err) != fail.CodeFailed {
		t.Errorf("got %v", err)
	}
}
