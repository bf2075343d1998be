package controller

import (
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/controlplane"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// options checks the flags. Every error names the flag.
func (v *values) options(streams genericiooptions.IOStreams) (*Options, error) {
	log, err := logger(streams.ErrOut, v.logLevel)
	if err != nil {
		return nil, err
	}
	checks := []error{address("--xds-address", v.xdsAddress), v.checkHealth(), v.checkListen()}
	if v.inCluster {
		checks = append(checks, v.checkReplica())
	} else {
		checks = append(checks, v.checkAlone(), v.checkTLS(), v.checkSystemCA(), v.checkGatewayAddress())
	}
	for _, check := range checks {
		if check != nil {
			return nil, check
		}
	}
	o := &Options{
		XDSAddress: v.xdsAddress, HealthAddress: v.healthAddress,
		Controller: controlplane.Options{
			Translation: controlplane.TranslationOptions{ListenAddress: v.listenAddress},
			Log:         log,
		},
	}
	c := &o.Controller
	if v.inCluster {
		c.Cluster = &controlplane.ClusterOptions{
			Namespace: cmp.Or(v.namespace, contract.SystemNamespace), EnvoyImage: v.envoyImage,
			Identity: v.getenv(envPodName), PodUID: v.getenv(envPodUID),
		}
		return o, nil
	}
	c.XDSTLS = controlplane.TLSFiles{CA: v.xdsCA, Certificate: v.xdsCert, Key: v.xdsKey}
	c.Translation.SystemCAFile, c.Translation.AllowLoopbackBackends = v.systemCAFile, v.allowLoopback
	c.GatewayAddress = v.gatewayAddress
	return o, nil
}

// checkReplica is for flags with --in-cluster.
func (v *values) checkReplica() error {
	const ownCA = "keeps a CA of its own in Secret " + contract.XDSAuthoritySecret
	for _, refused := range []struct{ flag, why string }{
		{"xds-cert", ownCA}, {"xds-key", ownCA}, {"xds-ca", ownCA},
		{"gateway-address", "takes the addresses from each Gateway's Service"},
		{"system-ca-file", "mounts the bundle where its proxies look for it"},
		{"allow-loopback-backends", "must not open the admin ports of proxies to whoever may write a Backend"},
	} {
		if v.given(refused.flag) {
			return fail.Usage("--%s cannot be given with --in-cluster: such a controller %s", refused.flag, refused.why)
		}
	}
	if problems := validation.IsDNS1123Label(cmp.Or(v.namespace, contract.SystemNamespace)); len(problems) > 0 {
		return fail.Usage("--namespace is %q, which is no name of a namespace: %s", v.namespace, strings.Join(problems, "; "))
	}
	if v.envoyImage == "" || strings.ContainsAny(v.envoyImage, " \t\n") {
		return fail.Usage("--envoy-image is %q, which is no reference of an image", v.envoyImage)
	}
	name := v.getenv(envPodName)
	if name == "" {
		return fail.Usage("--in-cluster needs the name of the Pod in the environment variable %s, which is not set", envPodName).
			WithFix("kubectl tlsgw install    # makes a Deployment that sets it")
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return fail.Usage("%s is %q, which is no name of a Pod: %s", envPodName, name, strings.Join(problems, "; "))
	}
	return nil
}

// checkAlone is for flags without --in-cluster.
func (v *values) checkAlone() error {
	if v.given("envoy-image") {
		return fail.Usage("--envoy-image needs --in-cluster: without it, the controller deploys no proxies")
	}
	return nil
}

func logger(w io.Writer, level string) (logr.Logger, error) {
	least, known := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[level]
	if !known {
		return logr.Logger{}, fail.Usage("--log-level is %q, and can be debug, info, warn or error", level)
	}
	return logr.FromSlogHandler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: least})), nil
}

func (v *values) checkHealth() error {
	if v.healthAddress == "" {
		return nil
	}
	return address("--health-address", v.healthAddress)
}

func address(flag, value string) error {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return fail.Usage("%s is %q, which is no HOST:PORT", flag, value).WithFix("%s 0.0.0.0:%d", flag, contract.XDSPort)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fail.Usage("%s is %q, and its port must be a number from 0 to 65535", flag, value)
	}
	if _, err := netip.ParseAddr(host); host != "" && host != "localhost" && err != nil {
		return fail.Usage("%s is %q, and its host must be an IP address of this machine", flag, value)
	}
	return nil
}

func (v *values) checkTLS() error {
	for _, f := range []struct{ flag, value, what string }{
		{"--xds-cert", v.xdsCert, "the controller's certificate for " + contract.XDSServerName},
		{"--xds-key", v.xdsKey, "the key of the controller's certificate"},
		{"--xds-ca", v.xdsCA, "the CA that has issued the proxies' certificates"},
	} {
		if f.value == "" {
			return fail.Usage("%s is needed: a file with %s", f.flag, f.what)
		}
	}
	pair, err := tls.LoadX509KeyPair(v.xdsCert, v.xdsKey)
	if missing, ok := errors.AsType[*fs.PathError](err); ok {
		flag := "--xds-cert"
		if missing.Path == v.xdsKey {
			flag = "--xds-key"
		}
		return fail.Usage("%s %s cannot be read: %w", flag, missing.Path, missing.Err)
	}
	if err != nil {
		return fail.Usage("--xds-cert %s and --xds-key %s do not make a pair: %w", v.xdsCert, v.xdsKey, err)
	}
	if err := pair.Leaf.VerifyHostname(contract.XDSServerName); err != nil {
		return fail.Usage("--xds-cert %s is not for %s, the name that proxies verify: %w", v.xdsCert, contract.XDSServerName, err)
	}
	pem, err := os.ReadFile(v.xdsCA)
	if unreadable, ok := errors.AsType[*fs.PathError](err); ok {
		return fail.Usage("--xds-ca %s cannot be read: %w", v.xdsCA, unreadable.Err)
	}
	if _, err := bundle.Parse(pem); err != nil {
		return fail.Usage("--xds-ca %s has no CA: %w", v.xdsCA, err)
	}
	return nil
}

func (v *values) checkListen() error {
	if _, err := netip.ParseAddr(v.listenAddress); err != nil {
		return fail.Usage("--listen-address is %q, and must be an IP address without a port", v.listenAddress)
	}
	return nil
}

func (v *values) checkSystemCA() error {
	if v.systemCAFile != "" && !path.IsAbs(v.systemCAFile) {
		return fail.Usage("--system-ca-file is %q, and must be an absolute path: the proxies open it", v.systemCAFile)
	}
	return nil
}

func (v *values) checkGatewayAddress() error {
	if _, err := netip.ParseAddr(v.gatewayAddress); err == nil || v.gatewayAddress == "" {
		return nil
	}
	if problems := validation.IsDNS1123Subdomain(v.gatewayAddress); len(problems) > 0 {
		return fail.Usage("--gateway-address is %q, which is neither an IP address nor a host name: %s", v.gatewayAddress, strings.Join(problems, "; "))
	}
	return nil
}
