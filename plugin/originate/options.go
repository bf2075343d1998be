package originate

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/shell"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// Options is what originate does once its flags are understood.
type Options struct {
	// Spec is complete but for what the cluster and the backend must tell:
	// trust where no flag says so, ports, the Gateway.
	Spec scaffold.Spec
	// Source says where trust comes from; nil is to be discovered, unless
	// Spec.Trust already says.
	Source *Source
	// AutoPolicy lets Run choose Spec.Policy.
	AutoPolicy bool
	// Port is the Service's port as given.
	Port string
	// Expose is the hostname of the route; Gateway as given, PathPrefix
	// likewise.
	Expose, Gateway, PathPrefix string

	Sync, Diff, Force, Yes bool
	// DryRun is none, client or server; Output is empty, yaml, json or name.
	DryRun, Output string
	Wait           bool
	Timeout        time.Duration

	Clients *kube.Clients
	Streams genericiooptions.IOStreams
	// Now is the clock.
	Now func() time.Time
	// SystemPool is the bundle that stands for the proxy's system bundle.
	SystemPool func() (*x509.CertPool, error)
	// Terminal says whether a person can be asked.
	Terminal bool

	command command
}

// options checks the flags as far as they can be without a cluster.
func (v *values) options(target string, streams genericiooptions.IOStreams) (*Options, error) {
	parsed, err := scaffold.ParseTarget(target)
	if err != nil {
		return nil, usage(err)
	}
	if err := v.checkChoices(parsed); err != nil {
		return nil, err
	}
	labels, err := parseLabels(v.labels)
	if err != nil {
		return nil, err
	}
	source, err := parseSource(v.caFrom)
	if err != nil {
		return nil, err
	}
	clientCertificate, err := parseClientCertificate(v.clientCert)
	if err != nil {
		return nil, err
	}
	options := &Options{
		Spec: scaffold.Spec{
			Target: parsed, Name: v.name, Labels: labels,
			Policy: scaffold.PolicyKind(v.policy),
			Trust:  scaffold.Trust{System: v.systemCA, Insecure: v.insecure},
			SNI:    v.sni, SANs: v.sans, ALPN: v.alpn, MinTLS: v.minTLS, MaxTLS: v.maxTLS,
			Ciphers: v.ciphers, Curves: v.curves, ClientCertificate: clientCertificate,
		},
		Source: source, AutoPolicy: v.policy == "auto",
		Port: v.port, Expose: v.expose, Gateway: v.gateway, PathPrefix: v.pathPrefix,
		Sync: v.sync, Diff: v.diff, Force: v.force, Yes: v.yes,
		DryRun: v.dryRun, Output: v.output, Wait: v.wait, Timeout: v.timeout,
		Streams: streams, Now: time.Now, SystemPool: systemPool, Terminal: terminal.Is(streams.In),
	}
	if options.AutoPolicy {
		options.Spec.Policy, _ = options.Spec.ChoosePolicy()
	}
	return options, options.checkEarly()
}

// checkEarly validates what the flags alone decide, with stand-ins for what
// the cluster will tell, so that a wrong flag is said before anything is
// asked of a cluster.
func (o *Options) checkEarly() error {
	draft := o.Spec
	draft.Namespace = "default"
	if draft.SNI == "" {
		draft.SNI = "stand-in.example"
	}
	if !draft.Trust.System && !draft.Trust.Insecure {
		switch {
		case draft.ClientCertificate != "" && (o.Source == nil || o.Source.isSecret(draft.ClientCertificate)):
			draft.Trust.Secret = draft.ClientCertificate
		default:
			draft.Trust.Bundle = []byte("stand-in")
		}
	}
	if o.Expose != "" {
		draft.Route = &scaffold.Route{
			Hostname: o.Expose, PathPrefix: o.PathPrefix, ServicePort: 1,
			GatewayNamespace: "stand-in", GatewayName: "stand-in",
		}
	}
	if err := draft.Validate(); err != nil {
		return usage(err)
	}
	return checkTranslation(draft, o.Now())
}

func (v *values) checkChoices(target scaffold.Target) error {
	policies := []string{"auto", string(scaffold.BackendTLSPolicy), string(scaffold.BackendConfigPolicy)}
	if i := slices.IndexFunc(policies, func(p string) bool { return strings.EqualFold(p, v.policy) }); i >= 0 {
		v.policy = policies[i]
	}
	for _, choice := range []struct {
		flag, value string
		allowed     []string
	}{
		{"--policy", v.policy, policies},
		{"--output", v.output, append([]string{""}, kube.Formats()...)},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			return fail.Usage("%s %q is unknown: write one of %s", choice.flag, choice.value,
				strings.TrimPrefix(strings.Join(choice.allowed, ", "), ", "))
		}
	}
	if err := kube.CheckDryRun(v.dryRun); err != nil {
		return err
	}
	return v.checkCombinations(target)
}

// checkCombinations refuses flags that contradict each other or the target.
func (v *values) checkCombinations(target scaffold.Target) error {
	var trusts []string
	for flag, given := range map[string]bool{
		"--ca-from": v.caFrom != "", "--system-ca": v.systemCA, "--insecure-skip-verify": v.insecure,
	} {
		if given {
			trusts = append(trusts, flag)
		}
	}
	slices.Sort(trusts)
	switch {
	case len(trusts) > 1:
		return fail.Usage("%s exclude each other: give one", strings.Join(trusts, " and "))
	case v.port != "" && target.Kind != scaffold.Service:
		return fail.Usage("--port is for svc/ targets; write the port of a host as host/NAME:PORT")
	case v.expose == "" && v.gateway != "":
		return fail.Usage("--gateway has no effect without --expose HOSTNAME")
	case v.expose == "" && v.pathPrefix != "":
		return fail.Usage("--path-prefix has no effect without --expose HOSTNAME")
	case v.timeout <= 0:
		return fail.Usage("--timeout %s is not a time to wait: write one as 30s", v.timeout)
	case v.diff && v.output != "":
		return fail.Usage("--diff prints a difference, and --output %s the objects: give one of them", v.output)
	case v.sync && len(trusts) > 0:
		return fail.Usage("--sync takes the CA from where its copy came, and %s says otherwise: give one of them", trusts[0])
	}
	return nil
}

func parseLabels(given []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, label := range given {
		key, value, found := strings.Cut(label, "=")
		if !found {
			return nil, fail.Usage("--label %q is not KEY=VALUE", label)
		}
		labels[key] = value
	}
	return labels, nil
}

func parseClientCertificate(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	kind, name, _ := strings.Cut(text, "/")
	if kind != "secret" || name == "" {
		return "", fail.Usage("--client-cert %q is not secret/NAME", text)
	}
	return name, nil
}

// usage gives an error about a flag the exit code of wrong usage.
func usage(err error) error {
	if field, ok := errors.AsType[*scaffold.FieldError](err); ok {
		return fail.Usage("%w", field)
	}
	return err
}

// command is the command line as given, for fixes that can be pasted.
type command struct {
	path, target string
	flags        []given
}

type given struct {
	name   string
	values []string
	// alone is the value that the flag has without one; empty if it needs one.
	alone string
}

// commandOf takes over the verb's own flags, and of kubectl's those that may be
// shown: a fix can end up in the log of a pipeline, and --token must not.
func commandOf(path, target string, flags *pflag.FlagSet) command {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&values{}).addFlags(own)
	c := command{path: path, target: target}
	flags.Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) == nil && !kube.Repeatable(f.Name) {
			return
		}
		g := given{name: f.Name, values: []string{f.Value.String()}, alone: f.NoOptDefVal}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			g.values = many.GetSlice()
		}
		c.flags = append(c.flags, g)
	})
	return c
}

// with is the command line with some flags set to other values; dropped flags
// are given an empty value, and a switch is set with "true".
func (c command) with(changes ...string) string {
	words := []string{c.path, c.target}
	changed := map[string]string{}
	for i := 0; i+1 < len(changes); i += 2 {
		changed[changes[i]] = changes[i+1]
	}
	for _, flag := range c.flags {
		if _, ok := changed[flag.name]; ok {
			continue
		}
		words = append(words, flag.words()...)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		name, value := changes[i], changes[i+1]
		switch value {
		case "":
		case "true":
			words = append(words, "--"+name)
		default:
			words = append(words, "--"+name, shell.Quote(value))
		}
	}
	return strings.Join(words, " ")
}

func (g given) words() []string {
	var words []string
	for _, value := range g.values {
		switch {
		case g.alone != "" && value == g.alone:
			words = append(words, "--"+g.name)
		case g.alone != "":
			words = append(words, "--"+g.name+"="+value)
		default:
			words = append(words, "--"+g.name, shell.Quote(value))
		}
	}
	return words
}
