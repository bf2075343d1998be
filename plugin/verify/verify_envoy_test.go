package verify

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"html"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/probe"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/report"
)

// TestVerdicts runs verify against a real API server and a real Envoy with
// real backends, good and broken.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	scenarios := allScenarios(t, a)
	envoy := startEnvoy(t, scenarios)
	clients := startAPIServer(t)
	programmed := isTrue("Programmed", "Programmed")
	for _, gateway := range []*gatewayv1.Gateway{
		gatewayOf("http", envoy.admin, envoy.port, programmed),
		gatewayOf("no-admin", addressOf(closedPort(t)), envoy.port, programmed),
		gatewayOf("no-listener", envoy.admin, closedPort(t), programmed),
		gatewayOf("of-sets", envoy.admin, closedPort(t), isFalse("Programmed", "Invalid", "none of its own listeners is good")),
		shared(gatewayOf("shared", envoy.admin, envoy.port, isFalse("Programmed", "Invalid", "what others want of it is not valid"))),
		gatewayOf("pending", envoy.admin, envoy.port, isFalse("Programmed", "Pending", "waiting for Envoy")),
	} {
		create(t, clients, gateway)
	}
	create(t, clients, setOf("set", envoy.port, programmed))
	create(t, clients, setOf("refused", envoy.port, isFalse("Programmed", "NotAllowed", "no ListenerSets")))
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			o := newObjects(s)
			if s.change != nil {
				s.change(o)
			}
			o.write(t, clients)
			if s.after != nil {
				s.after(t, clients, o)
			}
			if s.port != 0 && strings.HasPrefix(s.name, "warm-") {
				warm(t, envoy, s)
			}
			results, stderr := runOne(t, clients, s)
			check(t, s, results[len(results)-1], stderr)
			if s.also != nil {
				s.also(t, results, stderr)
			}
		})
	}
	t.Run("not readable", func(t *testing.T) {
		t.Parallel()
		testNotReadable(t, clients)
	})
	t.Run("status comes", func(t *testing.T) {
		t.Parallel()
		testStatusComes(t, clients)
	})
	t.Run("nothing to verify", func(t *testing.T) {
		t.Parallel()
		elsewhere, err := kube.NewForConfig(clients.Config, "kube-public")
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := run(t, elsewhere, func(*Options) {})
		if fail.Code(err) != fail.CodeFailed || r.Error == "" || !strings.Contains(r.Error, "kube-public") {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

func addressOf(port int32) string { return "127.0.0.1:" + strconv.Itoa(int(port)) }

// warmWidth is how many connections a warmed cluster keeps open with HTTP/1.
const warmWidth = 30

// warm opens connections that Envoy keeps.
func warm(t *testing.T, envoy runningEnvoy, s *scenario) {
	t.Helper()
	requests := make([]probe.Request, warmWidth)
	for i := range requests {
		requests[i] = probe.Request{Method: http.MethodGet, Host: s.host(), Path: "/"}
	}
	for _, response := range probe.Send(t.Context(), dialTo(addressOf(envoy.port)), requests) {
		if response.Status != http.StatusOK {
			t.Fatalf("warming up: %+v", response)
		}
	}
}

func dialTo(address string) probe.Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

func runOne(t *testing.T, clients *kube.Clients, s *scenario) ([]report.Result, string) {
	t.Helper()
	r, stderr, err := run(t, clients, func(o *Options) {
		o.Targets = []TargetRef{s.target()}
		if s.options != nil {
			s.options(o)
		}
	})
	if code := fail.Code(err); code != s.exit {
		t.Errorf("exit code %d, want %d (%v)", code, s.exit, err)
	}
	if len(r.Results) == 0 {
		t.Fatalf("no result: %+v, %v", r, err)
	}
	return r.Results, stderr
}

// run runs the verb with -o json.
func run(t *testing.T, clients *kube.Clients, change func(*Options)) (report.Report, string, error) {
	t.Helper()
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	expect, err := ParseStatuses("")
	if err != nil {
		t.Fatal(err)
	}
	o := &Options{
		Streams: streams, Clients: clients, Now: time.Now, Requests: 3, Expect: expect,
		Output: outputJSON, Verbose: true, Timeout: 30 * time.Second,
	}
	change(o)
	runErr := o.Run(t.Context())
	var r report.Report
	decoder := json.NewDecoder(bytes.NewReader(out.Bytes()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("stdout is not a report: %v\n%s", err, out)
	}
	return r, errOut.String(), runErr
}

func check(t *testing.T, s *scenario, r report.Result, stderr string) {
	t.Helper()
	indented, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != s.want {
		t.Fatalf("verdict %s, want %s\n%s\n%s", r.Verdict, s.want, indented, stderr)
	}
	t.Logf("%s: %s | expected %s | presented %s | envoy %s | %s", r.Verdict, r.Message, r.Expected, r.Presented, r.Envoy, r.Hint)
	if s.want == diagnose.Verified {
		if r.Handshakes.After <= r.Handshakes.Before || r.TLS.Version == "" || r.TLS.SNI == "" != s.noSNI {
			t.Errorf("verified without proof\n%s", indented)
		}
		return
	}
	if r.Message == "" || r.Hint == "" || r.Stage != s.want.Stage() {
		t.Errorf("a verdict without message, hint or stage\n%s", indented)
	}
}

func allScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	root := string(a.root.CertPEM())
	all := append(certificateScenarios(t, a), handshakeScenarios(t, a)...)
	all = append(all, configScenarios(t, a)...)
	all = append(all, liveScenarios(t, a)...)
	all = append(all, policyScenarios(t, a)...)
	all = append(all, foreignScenarios(t, a)...)
	for _, s := range all {
		if s.trusted == "" {
			s.trusted = root
		}
		if s.exit == 0 && s.want != diagnose.Verified {
			s.exit = fail.CodeFailed
		}
	}
	return all
}

func nameOf(scenario string) string { return scenario + ".example.com" }

// good is a backend in order for a scenario of that name.
func good(t *testing.T, a *authority, name string) int32 {
	t.Helper()
	return serveTLS(t, &tls.Config{Certificates: []tls.Certificate{a.leaf(a.root, nameOf(name), nil)}, MinVersion: tls.VersionTLS12}, ok())
}

func certificateScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	with := func(c tls.Certificate) int32 {
		return serveTLS(t, &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}, ok())
	}
	short := a.leaf(a.intermediate, nameOf("short-chain"), nil)
	short.Certificate = short.Certificate[:1]
	return []*scenario{
		{name: "good", port: good(t, a, "good"), want: diagnose.Verified},
		{name: "through-set", port: good(t, a, "through-set"), want: diagnose.Verified, change: throughSet("set")},
		{name: "whole-chain", port: with(a.leaf(a.intermediate, nameOf("whole-chain"), nil)), want: diagnose.Verified},
		{name: "wildcard", want: diagnose.Verified, port: with(a.leaf(a.root, "x", func(s *pki.Spec) { s.DNSNames = []string{"*.example.com"} }))},
		{name: "wrong-name", port: with(a.leaf(a.root, "other.example.com", nil)), want: diagnose.HostnameMismatch},
		{name: "cn-only", want: diagnose.HostnameMismatch,
			port: with(a.leaf(a.root, nameOf("cn-only"), func(s *pki.Spec) { s.DNSNames = nil }))},
		{name: "unknown-ca", port: with(a.leaf(a.stranger, nameOf("unknown-ca"), nil)), want: diagnose.UnknownAuthority},
		{name: "short-chain", port: with(short), want: diagnose.IncompleteChain},
		{name: "expired", want: diagnose.CertificateExpired,
			port: with(a.leaf(a.root, nameOf("expired"), func(s *pki.Spec) { s.NotBefore, s.NotAfter = year(-2), year(-1) }))},
		{name: "early", want: diagnose.CertificateNotYetValid,
			port: with(a.leaf(a.root, nameOf("early"), func(s *pki.Spec) { s.NotBefore, s.NotAfter = year(1), year(2) }))},
		{name: "client-usage", want: diagnose.KeyUsageInvalid,
			port: with(a.leaf(a.root, nameOf("client-usage"), func(s *pki.Spec) { s.Usage = pki.Client }))},
	}
}

func handshakeScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	server := func(name string, change func(*tls.Config)) int32 {
		config := &tls.Config{Certificates: []tls.Certificate{a.leaf(a.root, nameOf(name), nil)}, MinVersion: tls.VersionTLS10}
		change(config)
		return serveTLS(t, config, ok())
	}
	// Without any certificate for the name, a Go server sends unrecognized_name.
	rejectSNI := func(c *tls.Config) {
		c.Certificates = nil
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	}
	return []*scenario{
		{name: "plain-http", port: serve(t, listen(t), ok()), want: diagnose.NotTLS},
		{name: "banner", port: serveConns(t, banner), want: diagnose.NotTLS},
		{name: "tls11", port: server("tls11", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }), want: diagnose.ProtocolVersionMismatch},
		{name: "tls12-only", port: server("tls12-only", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), want: diagnose.ProtocolVersionMismatch,
			change: func(o *objects) {
				o.policy.Spec.Options = map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue{contract.OptionMinTLSVersion: "1.3"}
			},
			live: func(c object) { common(c)["tls_params"].(object)["tls_minimum_protocol_version"] = "TLSv1_3" }},
		{name: "old-cipher", want: diagnose.CipherMismatch, port: server("old-cipher", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		})},
		{name: "client-cert-13", port: server("client-cert-13", requireClient(a.root.Certificate())), want: diagnose.ClientCertificateRequired},
		{name: "client-cert-12", want: diagnose.ClientCertificateRequired, port: server("client-cert-12", func(c *tls.Config) {
			requireClient(a.root.Certificate())(c)
			c.MaxVersion = tls.VersionTLS12
		})},
		{name: "client-cert-400", want: diagnose.ClientCertificateRequired, port: serveTLS(t, &tls.Config{
			Certificates: []tls.Certificate{a.leaf(a.root, nameOf("client-cert-400"), nil)},
			MinVersion:   tls.VersionTLS12, ClientAuth: tls.RequestClientCert,
		}, answer(http.StatusBadRequest, "<center>No required SSL certificate was sent</center>"))},
		{name: "unknown-sni", port: server("unknown-sni", rejectSNI), want: diagnose.SNIRejected},
		{name: "silent", port: serveConns(t, hang), want: diagnose.HandshakeTimeout},
		{name: "reset", port: serveConns(t, reset), want: diagnose.ConnectionReset},
		{name: "refused", port: closedPort(t), want: diagnose.ConnectionRefused},
	}
}

func configScenarios(t *testing.T, a *authority) []*scenario {
	t.Helper()
	root := string(a.root.CertPEM())
	escaped := strings.ReplaceAll(html.EscapeString(root), "/", "&#47;")
	config := func(name string, want diagnose.Code, change func(*objects)) *scenario {
		return &scenario{name: name, noCluster: true, want: want, change: change}
	}
	return []*scenario{
		config("ca-expired", diagnose.CAExpired, func(o *objects) { o.trust.Data["ca.crt"] = string(a.expired.CertPEM()) }),
		config("ca-early", diagnose.CANotYetValid, func(o *objects) { o.trust.Data["ca.crt"] = string(a.early.CertPEM()) }),
		config("ca-escaped", diagnose.CAMalformed, func(o *objects) { o.trust.Data["ca.crt"] = escaped }),
		config("ca-empty", diagnose.CAMalformed, func(o *objects) { o.trust.Data["ca.crt"] = "" }),
		config("ca-no-key", diagnose.CAKeyMissing, func(o *objects) { o.trust.Data = map[string]string{"tls.crt": root} }),
		config("ca-missing", diagnose.CARefNotFound, func(o *objects) { o.trust = nil }),
		config("no-policy", diagnose.PolicyNotFound, func(o *objects) { o.policy = nil }),
		config("no-route", diagnose.RouteMissing, func(o *objects) { o.route = nil }),
		{name: "calls-only", noCluster: true, want: diagnose.RouteMissing, change: callsOnly,
			also: func(t *testing.T, results []report.Result, _ string) {
				t.Helper()
				if message := results[len(results)-1].Message; !strings.HasPrefix(message, "only GRPCRoute kube-public/calls-only leads to ") {
					t.Errorf("the message is %q", message)
				}
			}},
		{name: "calls-elsewhere", noCluster: true, want: diagnose.RouteMissing, change: callsOnly,
			options: func(o *Options) { o.GatewayNamespace, o.GatewayName = "default", "pending" },
			also: func(t *testing.T, results []report.Result, _ string) {
				t.Helper()
				if message := results[len(results)-1].Message; !strings.HasPrefix(message, "no route leads to ") {
					t.Errorf("the message is %q", message)
				}
			}},
		config("not-accepted", diagnose.PolicyNotAccepted, func(o *objects) {
			o.policy.Status = policyStatus("http", isFalse("Accepted", "Invalid", "option x is unknown"))
		}),
		config("no-status", diagnose.PolicyNotAccepted, func(o *objects) {
			o.policy.Status = gatewayv1.PolicyStatus{Ancestors: []gatewayv1.PolicyAncestorStatus{}}
		}),
		config("rejected", diagnose.ConfigRejected, func(o *objects) {
			o.policy.Status = policyStatus("http", isFalse("Accepted", "Invalid", "Envoy rejected: cluster is bad"))
		}),
		config("loser", diagnose.PolicyConflicted, addWinner),
		config("wrong-port", diagnose.TargetNotFound, func(o *objects) {
			section := gatewayv1.SectionName("htps")
			o.policy.Spec.TargetRefs[0].SectionName = &section
		}),
		config("route-refused", diagnose.RouteNotAccepted, func(o *objects) {
			o.route.Status.Parents[0].Conditions = []metav1.Condition{isFalse("Accepted", "NotAllowedByListeners", "not from this namespace")}
		}),
		config("not-programmed", diagnose.GatewayNotProgrammed, through("pending")),
		config("no-gateway", diagnose.GatewayNotProgrammed, through("nowhere")),
		{name: "no-set", noCluster: true, want: diagnose.GatewayNotProgrammed, change: throughSet("nowhere"),
			also: func(t *testing.T, results []report.Result, _ string) {
				t.Helper()
				if message := results[len(results)-1].Message; !strings.HasPrefix(message, "listenerset default/nowhere does not exist") || results[0].Gateway != nil {
					t.Errorf("the message is %q", message)
				}
			}},
		config("set-refused", diagnose.GatewayNotProgrammed, throughSet("refused")),
		config("set-lost-listener", diagnose.RouteNotAccepted, func(o *objects) {
			throughSet("set")(o)
			section := gatewayv1.SectionName("taken")
			o.route.Spec.ParentRefs[0].SectionName, o.route.Status.Parents[0].ParentRef.SectionName = &section, &section
		}),
	}
}

// addWinner adds a second policy, whose name comes first: both are created
// within one second, so that the name decides.
func addWinner(o *objects) {
	winner := o.policy.DeepCopy()
	winner.Name = "a-" + winner.Name
	o.more = append(o.more, winner)
	o.policy.Status = policyStatus("http", isFalse("Accepted", "Conflicted", "overridden by default/"+winner.Name))
}

// callsOnly has a GRPCRoute of another namespace in the place of the HTTPRoute.
func callsOnly(o *objects) {
	ref := gatewayv1.GRPCBackendRef{BackendRef: o.route.Spec.Rules[0].BackendRefs[0].BackendRef}
	ref.Namespace = pointer(gatewayv1.Namespace("default"))
	route := &gatewayv1.GRPCRoute{
		ObjectMeta: named(o.service.Name),
		Status:     gatewayv1.GRPCRouteStatus{RouteStatus: gatewayv1.RouteStatus{Parents: []gatewayv1.RouteParentStatus{}}},
		Spec:       gatewayv1.GRPCRouteSpec{Rules: []gatewayv1.GRPCRouteRule{{BackendRefs: []gatewayv1.GRPCBackendRef{ref}}}},
	}
	route.Namespace = "kube-public"
	route.Spec.ParentRefs = []gatewayv1.ParentReference{{Name: "http", Namespace: ref.Namespace}}
	o.more = append(o.more, route)
	o.route = nil
}
