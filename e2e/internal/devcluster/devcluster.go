// Package devcluster drives the real binary as a person does. In goes the
// path of the binary; out come a dev cluster of the local driver in folders
// and on ports of its own, the results of commands run against it, and
// clients for its API server, its gateway and the admin interface of its
// Envoy.
package devcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// commandTimeout is beyond what any command of the plugin takes by default.
const commandTimeout = 90 * time.Second

// Options describe a Cluster.
type Options struct {
	// Binary is the plugin.
	Binary string
	// Name is that of the dev cluster.
	Name string
	// Dir is where its state, its kubeconfig and whatever else it writes go.
	Dir string
	// SystemCAFile stands for the system bundle of its Envoy; empty means
	// that of the operating system.
	SystemCAFile string
}

// Cluster is a dev cluster, up or not.
type Cluster struct {
	Options
	// HTTPPort is that of the Gateway's listener, AdminPort that of Envoy's
	// admin interface.
	HTTPPort, AdminPort int
	// Client talks to its API server once Up has succeeded.
	Client client.WithWatch
	config *rest.Config
}

// New chooses ports; it starts nothing.
func New(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{Options: o}
	for _, port := range []*int{&c.HTTPPort, &c.AdminPort} {
		free, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		*port = free
	}
	return c, nil
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, errors.Join(fmt.Errorf("find a free port: %w", err), listener.Close())
	}
	number, err := strconv.Atoi(port)
	return number, errors.Join(err, listener.Close())
}

// UpArgs are the arguments with which Up starts the cluster.
func (c *Cluster) UpArgs() []string {
	args := []string{
		"dev-up", "--driver", "local", "--name", c.Name,
		"--http-port", strconv.Itoa(c.HTTPPort), "--admin-port", strconv.Itoa(c.AdminPort),
	}
	if c.SystemCAFile != "" {
		args = append(args, "--system-ca-file", c.SystemCAFile)
	}
	return args
}

// Up runs dev-up and connects to the API server.
func (c *Cluster) Up(ctx context.Context) (Result, error) {
	result := c.Run(ctx, c.UpArgs()...)
	if result.Code != 0 {
		return result, fmt.Errorf("dev-up: %s", result)
	}
	return result, c.connect()
}

// Down runs dev-down.
func (c *Cluster) Down(ctx context.Context) Result {
	return c.Run(ctx, "dev-down", "--driver", "local", "--name", c.Name)
}

func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, discoveryv1.AddToScheme, gatewayv1.Install, gatewayv1beta1.Install, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("build scheme: %w", err)
		}
	}
	c.config = config
	c.Client, err = client.NewWithWatch(config, client.Options{Scheme: scheme, Log: logr.New(ctrllog.NullLogSink{})})
	if err != nil {
		return fmt.Errorf("connect to API server: %w", err)
	}
	return nil
}

// Kubeconfig is the one file in which the cluster's context is.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig") }

// StateHome is the XDG_STATE_HOME of the cluster.
func (c *Cluster) StateHome() string { return filepath.Join(c.Dir, "state") }

// GatewayURL is where the Gateway's HTTP listener answers.
func (c *Cluster) GatewayURL() string { return fmt.Sprintf("http://127.0.0.1:%d", c.HTTPPort) }

// Result is what a command of the plugin did.
type Result struct {
	Args           []string
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("kubectl tlsgw %s: exit code %d after %s\n--- stdout\n%s--- stderr\n%s",
		strings.Join(r.Args, " "), r.Code, r.Took.Round(time.Millisecond), r.Stdout, r.Stderr)
}

// Run runs a command of the plugin. A command that cannot be run at all has
// exit code -1 and says why on Stderr.
func (c *Cluster) Run(ctx context.Context, args ...string) Result {
	return c.RunWith(ctx, "", args...)
}

// RunWith is Run with something on standard input.
func (c *Cluster) RunWith(ctx context.Context, stdin string, args ...string) Result {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, c.Binary, args...) // #nosec G204 -- the binary under test
	command.Env = c.Env()
	command.Dir = c.Dir
	// What the command leaves running must not keep its pipes open for ever.
	command.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	began := time.Now()
	err := command.Run()
	result := Result{Args: args, Stdout: stdout.String(), Stderr: stderr.String(), Code: -1, Took: time.Since(began)}
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		result.Code = 0
	case exited && exit.Exited():
		result.Code = exit.ExitCode()
	default:
		result.Stderr += err.Error()
	}
	return result
}

// Env is the whole environment of the plugin: nothing of the person's own
// state is in it, but for the places of programs.
func (c *Cluster) Env() []string {
	env := []string{
		"XDG_STATE_HOME=" + c.StateHome(),
		"XDG_CACHE_HOME=" + filepath.Join(c.Dir, "cache"),
		"KUBECONFIG=" + c.Kubeconfig(),
		"HOME=" + filepath.Join(c.Dir, "home"),
	}
	if c.SystemCAFile != "" {
		// The machine's bundle stands for the proxy's in what originate checks.
		env = append(env, "SSL_CERT_FILE="+c.SystemCAFile)
	}
	for _, name := range []string{"PATH", "KUBEBUILDER_ASSETS", "TLSGW_ENVOY", "TMPDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}
