// Package devcluster drives the real binary as a person does. In goes the
// path of the binary; out come a dev cluster in folders and on ports of its
// own, the results of commands run against it, and clients for its API server,
// its gateway and the admin interface of its Envoy.
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
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// commandTimeout is beyond what any command takes by default; a cluster of
// containers takes longer to make.
const (
	commandTimeout = 90 * time.Second
	kindUpTimeout  = 5 * time.Minute
)

// Drivers of a cluster.
const (
	Local = "local"
	Kind  = "kind"
)

// Options describe a Cluster.
type Options struct {
	// Binary is the plugin.
	Binary string
	// Kubectl finds the plugin by itself, on PATH, and runs it; empty runs the
	// plugin alone.
	Kubectl string
	// Driver is Local unless set.
	Driver string
	// Env is added to the plugin's environment: what finds the container
	// engine of the driver Kind.
	Env []string
	// Name is that of the dev cluster.
	Name string
	// HTTPPort is where its gateway answers; 0 is a free one.
	HTTPPort int
	// Dir is where its state, its kubeconfig and whatever else it writes go.
	Dir string
	// SystemCAFile stands for the system bundle of its Envoy; empty means
	// that of the operating system.
	SystemCAFile string
}

// Cluster is a dev cluster, up or not.
type Cluster struct {
	Options
	// AdminPort is that of Envoy's admin interface, of the driver Local.
	AdminPort int
	// Client talks to its API server once Up has succeeded.
	Client client.WithWatch
	config *rest.Config
}

// New chooses ports; it starts nothing.
func New(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{Options: o}
	if c.Driver == "" {
		c.Driver = Local
	}
	for _, port := range []*int{&c.HTTPPort, &c.AdminPort} {
		if *port != 0 {
			continue
		}
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
	args := []string{"dev-up", "--driver", c.Driver, "--name", c.Name, "--http-port", strconv.Itoa(c.HTTPPort)}
	if c.Driver == Local {
		args = append(args, "--admin-port", strconv.Itoa(c.AdminPort))
	}
	if c.SystemCAFile != "" {
		args = append(args, "--system-ca-file", c.SystemCAFile)
	}
	return args
}

// Up runs dev-up, with more arguments, and connects to the API server.
func (c *Cluster) Up(ctx context.Context, more ...string) (Result, error) {
	result := c.Run(ctx, append(c.UpArgs(), more...)...)
	if result.Code != 0 {
		return result, fmt.Errorf("dev-up: %s", result)
	}
	return result, c.connect()
}

// Down runs dev-down.
func (c *Cluster) Down(ctx context.Context) Result {
	return c.Run(ctx, c.downArgs()...)
}

func (c *Cluster) downArgs() []string {
	return []string{"dev-down", "--driver", c.Driver, "--name", c.Name}
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
		clientgoscheme.AddToScheme, gatewayv1.Install, gatewayv1beta1.Install, v1alpha1.AddToScheme,
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

// Result is what a command did.
type Result struct {
	// Args begin with the program's name.
	Args           []string
	Stdout, Stderr string
	Code           int
	Took           time.Duration
}

func (r Result) String() string {
	return fmt.Sprintf("%s: exit code %d after %s\n--- stdout\n%s--- stderr\n%s",
		strings.Join(r.Args, " "), r.Code, r.Took.Round(time.Millisecond), r.Stdout, r.Stderr)
}

// Run runs a command of the plugin. A command that cannot be run at all has
// exit code -1 and says why on Stderr.
func (c *Cluster) Run(ctx context.Context, args ...string) Result {
	return c.RunWith(ctx, "", args...)
}

// Command runs kubectl, or whatever it is given, with the environment of the
// plugin.
func (c *Cluster) Command(ctx context.Context, stdin, program string, args ...string) Result {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return c.exec(ctx, stdin, program, args...)
}

// RunWith is Run with something on standard input.
func (c *Cluster) RunWith(ctx context.Context, stdin string, args ...string) Result {
	timeout := commandTimeout
	if c.Driver == Kind && len(args) > 0 && strings.HasPrefix(args[0], "dev-") {
		timeout = kindUpTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if c.Kubectl != "" {
		return c.exec(ctx, stdin, c.Kubectl, append([]string{"tlsgw"}, args...)...)
	}
	return c.exec(ctx, stdin, c.Binary, args...)
}

// exec runs a program with the environment of the plugin.
func (c *Cluster) exec(ctx context.Context, stdin, program string, args ...string) Result {
	command := exec.CommandContext(ctx, program, args...) // #nosec G204 -- the program under test
	command.Env = c.Env()
	command.Dir = c.Dir
	// What the command leaves running must not keep its pipes open for ever.
	command.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	began := time.Now()
	err := command.Run()
	result := Result{Args: append([]string{filepath.Base(program)}, args...), Stdout: stdout.String(), Stderr: stderr.String(), Code: -1, Took: time.Since(began)}
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
	if c.SystemCAFile != "" && c.Driver == Local {
		// The machine's bundle stands for the proxy's in what originate checks.
		env = append(env, "SSL_CERT_FILE="+c.SystemCAFile)
	}
	path := os.Getenv("PATH")
	if c.Kubectl != "" {
		path = filepath.Dir(c.Binary) + string(os.PathListSeparator) + path
	}
	env = append(env, "PATH="+path)
	for _, name := range []string{"KUBEBUILDER_ASSETS", "TLSGW_ENVOY", "TMPDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return append(env, c.Options.Env...)
}
