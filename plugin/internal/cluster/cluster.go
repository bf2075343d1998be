// Package cluster is the contract of dev clusters: what a person asks for
// goes in as Options, a Driver makes or removes the cluster and shows its
// steps, and a Summary comes out.
package cluster

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Names of the drivers.
const (
	// DriverAuto takes the best driver that works on this machine.
	DriverAuto = "auto"
	// DriverKind runs the cluster in containers.
	DriverKind = "kind"
	// DriverLocal runs it as processes of this machine.
	DriverLocal = "local"
)

// Channels of Gateway API.
const (
	ChannelStandard     = "standard"
	ChannelExperimental = "experimental"
)

// Options of a dev cluster. Where a field has its zero value, a cluster that
// is there already keeps what it has, and a new one gets the default.
type Options struct {
	Name string
	// HTTPPort is where the Gateway answers on this machine, AdminPort where
	// its Envoy's admin interface does.
	HTTPPort, AdminPort int
	// GatewayAPI is a channel of Gateway API.
	GatewayAPI string
	// NoSample leaves out the TLS backend svc/nginx.
	NoSample bool
	// Break sets the sample up wrongly.
	Break Break
	// Kubeconfig is the file to write the context to; empty means where
	// kubectl would.
	Kubeconfig string
	// KubeAssets is a folder with etcd and kube-apiserver, Envoy a program;
	// empty means to search for them. Driver local only.
	KubeAssets, Envoy string
	// NodeImage is the image of the cluster's node, Image that of the
	// controller, and LinuxBinary the program to make that of; empty are the
	// default node image, and an image of this very program. Driver kind only.
	NodeImage, Image, LinuxBinary string
	// Why says why this driver was chosen, where the person did not.
	Why string
	// SystemCAFile is the bundle that wellKnownCACertificates: System
	// stands for; empty means that of the operating system.
	SystemCAFile string
	// OwnProgram is the way back from an Image or LinuxBinary that a cluster
	// has to this very program, OwnBundle the one from its SystemCAFile.
	OwnProgram, OwnBundle bool
	// NoWait returns before the Gateway answers.
	NoWait bool
	// Retain keeps a cluster that could not be completed.
	Retain bool
}

// Summary is what a person can use once the cluster is up.
type Summary struct {
	// Context is the kubeconfig context, Current whether it is the current
	// one.
	Context string
	Current bool
	// Changed is false when everything was up already.
	Changed bool
	// Created is true when there was no such cluster before.
	Created bool
	// Sample is true when there is a svc/nginx to try things on.
	Sample bool
}

// Driver makes and removes dev clusters of one kind.
type Driver interface {
	// Name is the driver's name, as the flag has it, and what it runs on.
	Name() string
	// Up makes the cluster, or heals what is there.
	Up(ctx context.Context, options Options, steps *Steps) (Summary, error)
	// Down removes the cluster. It returns false when there was none.
	Down(ctx context.Context, name string, steps *Steps) (bool, error)
	// Exists tells whether Down would find something to remove.
	Exists(ctx context.Context, name string) (bool, error)
}

// maxName leaves room for file names and kubeconfig contexts around it.
const maxName = 40

// Validate refuses options that no driver can fulfil.
func (o Options) Validate() error {
	if err := ValidateName(o.Name); err != nil {
		return err
	}
	for _, p := range []struct {
		flag          string
		port, example int
	}{{"--http-port", o.HTTPPort, contract.DevHTTPPort}, {"--admin-port", o.AdminPort, contract.AdminPort}} {
		if p.port < 0 || p.port > 65535 {
			return fail.Usage("%s %d is not a port", p.flag, p.port).WithFix("choose one between 1024 and 65535: kubectl tlsgw dev-up %s %d", p.flag, p.example)
		}
	}
	if o.HTTPPort != 0 && o.HTTPPort == o.AdminPort {
		return fail.Usage("--http-port and --admin-port are both %d", o.HTTPPort).
			WithFix("kubectl tlsgw dev-up --http-port %d --admin-port %d", contract.DevHTTPPort, contract.AdminPort)
	}
	if o.GatewayAPI != "" && o.GatewayAPI != ChannelStandard && o.GatewayAPI != ChannelExperimental {
		return fail.Usage("--gateway-api %q is unknown: write one of %s, %s", o.GatewayAPI, ChannelStandard, ChannelExperimental).
			WithFix("kubectl tlsgw dev-up --gateway-api %s", ChannelStandard)
	}
	if o.NoSample && o.Break != "" && o.Break != BreakNothing {
		return fail.Usage("--break %s needs the sample that --no-sample leaves out: give one of them", o.Break).
			WithFix("kubectl tlsgw dev-up --break %s", o.Break)
	}
	if o.Image != "" && o.LinuxBinary != "" {
		return fail.Usage("--image and --linux-binary both say what the controller is: give one of them").
			WithFix("kubectl tlsgw dev-up --linux-binary %s", o.LinuxBinary)
	}
	return o.Break.validate()
}

// ValidateFor refuses flags that mean nothing to a driver.
func (o Options) ValidateFor(driver string) error {
	for _, flag := range []struct {
		name, driver, why string
		given             bool
	}{
		{"--kube-assets", DriverLocal, "the node image has its own", o.KubeAssets != ""},
		{"--envoy", DriverLocal, "Envoy runs from an image", o.Envoy != ""},
		{"--admin-port", DriverLocal, "Envoy's admin interface is reached by kubectl port-forward", o.AdminPort != 0},
		{"--node-image", DriverKind, "there is no node", o.NodeImage != ""},
		{"--image", DriverKind, "the controller is this very binary", o.Image != ""},
		{"--linux-binary", DriverKind, "the controller is this very binary", o.LinuxBinary != ""},
	} {
		if flag.given && flag.driver != driver {
			return fail.Usage("%s is for --driver %s: with driver %s, %s", flag.name, flag.driver, driver, flag.why).
				WithFix("leave out %s, or add --driver %s", flag.name, flag.driver).WithOutcome("nothing was changed")
		}
	}
	return nil
}

// ValidateName refuses names that cannot be part of file names and contexts.
func ValidateName(name string) error {
	if len(name) <= maxName && regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`).MatchString(name) {
		return nil
	}
	return fail.Usage("--name %q is not a cluster name: write up to %d lower case letters, digits and dashes", name, maxName).
		WithFix("leave out --name, or write one as: --name second")
}

// Command is the dev-up with these options, as a person would type it.
func (o Options) Command(driver string) string {
	words := []string{"kubectl tlsgw dev-up --driver", driver, "--name", o.Name}
	text := func(flag, value string) {
		if strings.ContainsAny(value, " \t\n\"'$&;()<>|*?`\\") {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		if value != "" {
			words = append(words, flag, value)
		}
	}
	number := func(flag string, value int) {
		if value != 0 {
			words = append(words, flag, strconv.Itoa(value))
		}
	}
	number("--http-port", o.HTTPPort)
	number("--admin-port", o.AdminPort)
	text("--gateway-api", o.GatewayAPI)
	text("--break", string(o.Break))
	text("--kubeconfig", o.Kubeconfig)
	text("--kube-assets", o.KubeAssets)
	text("--envoy", o.Envoy)
	text("--node-image", o.NodeImage)
	text("--image", o.Image)
	text("--linux-binary", o.LinuxBinary)
	text("--system-ca-file", o.SystemCAFile)
	for _, flag := range []struct {
		given bool
		text  string
	}{{o.NoSample, "--no-sample"}, {o.NoWait, "--wait=false"}, {o.Retain, "--retain"}} {
		if flag.given {
			words = append(words, flag.text)
		}
	}
	return strings.Join(words, " ")
}

// ContextName is the kubeconfig context of a cluster: tlsgw-local for the
// default name, tlsgw-local-NAME for others. A kind cluster has that of kind,
// kind-NAME.
func ContextName(driver, name string) string {
	if driver == DriverKind {
		return DriverKind + "-" + name
	}
	context := contract.DevClusterName + "-" + driver
	if name != contract.DevClusterName {
		context += "-" + name
	}
	return context
}

// Break is one way to set the sample backend up wrongly, to see what verify
// says.
type Break string

// The ways to break the sample, and the verdict that each leads to.
const (
	// BreakNothing heals it again.
	BreakNothing Break = "none"
	// BreakSNI: the certificate is for another name (HostnameMismatch).
	BreakSNI Break = "sni"
	// BreakCA: configmap/nginx-ca holds another CA (UnknownAuthority).
	BreakCA Break = "ca"
	// BreakExpired: the certificate has expired (CertificateExpired).
	BreakExpired Break = "expired"
	// BreakPlaintext: no TLS on that port (NotTLS).
	BreakPlaintext Break = "plaintext"
	// BreakTLSVersion: TLS 1.1 only (ProtocolVersionMismatch).
	BreakTLSVersion Break = "tls-version"
	// BreakClientCert: a client certificate is wanted
	// (ClientCertificateRequired).
	BreakClientCert Break = "client-cert"
)

// Breaks are all ways to break the sample.
func Breaks() []Break {
	return []Break{BreakSNI, BreakCA, BreakExpired, BreakPlaintext, BreakTLSVersion, BreakClientCert}
}

func (b Break) validate() error {
	if b == "" || b == BreakNothing {
		return nil
	}
	names := make([]string, 0, len(Breaks()))
	for _, known := range Breaks() {
		if b == known {
			return nil
		}
		names = append(names, string(known))
	}
	return fail.Usage("--break %q is unknown: write one of %s, or none", string(b), strings.Join(names, ", ")).
		WithFix("kubectl tlsgw dev-up --break %s", names[0])
}

// Title says what the broken sample is, for the step that makes it.
func (b Break) Title() string {
	if b == "" || b == BreakNothing {
		return ""
	}
	return fmt.Sprintf(" (broken on purpose: %s)", string(b))
}
