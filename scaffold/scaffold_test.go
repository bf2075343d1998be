package scaffold

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

func service() Target { return Target{Kind: Service, Name: "nginx"} }

func httpbin() Target { return Target{Kind: Host, Name: "httpbin.org", Port: 443} }

func exposed() *Route {
	return &Route{Hostname: "example.com", GatewayNamespace: "kgateway-system", GatewayName: "http", ServicePort: 8443}
}

const bundlePEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

// specs is the matrix of flags, each with the golden file of its name.
func specs() map[string]Spec {
	base := func(change func(*Spec)) Spec {
		spec := Spec{Target: service(), Namespace: "default", Policy: BackendTLSPolicy,
			Trust: Trust{ConfigMap: "ca"}, SNI: "example.com"}
		change(&spec)
		return spec
	}
	config := func(change func(*Spec)) Spec {
		return base(func(s *Spec) {
			s.Policy, s.Trust = BackendConfigPolicy, Trust{Secret: "ca"}
			change(s)
		})
	}
	return map[string]Spec{
		"service":          base(func(*Spec) {}),
		"service-exposed":  base(func(s *Spec) { s.Route = exposed() }),
		"service-port":     base(func(s *Spec) { s.PortName = "https" }),
		"service-system":   base(func(s *Spec) { s.Trust = Trust{System: true} }),
		"service-copied":   base(func(s *Spec) { s.Trust = Trust{Bundle: []byte(bundlePEM), Source: "secret/tls:ca.crt"} }),
		"service-named":    base(func(s *Spec) { s.Name, s.Route = "web", exposed() }),
		"service-labelled": base(func(s *Spec) { s.Labels = map[string]string{"app": "shop", "team": "blue"} }),
		"service-san":      base(func(s *Spec) { s.SANs = []string{"a.example.com", "spiffe://example.com/nginx"} }),
		"service-same-ns":  base(func(s *Spec) { s.Route = exposed(); s.Route.GatewayNamespace = "default" }),
		"service-listener-set": base(func(s *Spec) {
			s.Route = exposed()
			s.Route.ListenerSetNamespace, s.Route.ListenerSetName = "default", "shop"
		}),
		"service-path":         base(func(s *Spec) { s.Route = exposed(); s.Route.PathPrefix = "/shop" }),
		"service-options":      base(func(s *Spec) { s.ALPN, s.MinTLS, s.MaxTLS = []string{"h2", "http/1.1"}, "1.2", "1.3" }),
		"service-ciphers":      base(func(s *Spec) { s.Ciphers = []string{"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"} }),
		"config":               config(func(*Spec) {}),
		"config-exposed":       config(func(s *Spec) { s.Route = exposed() }),
		"config-one-way":       config(func(s *Spec) { s.Trust.OneWay = true }),
		"config-client-cert":   config(func(s *Spec) { s.ClientCertificate = "ca" }),
		"config-system":        config(func(s *Spec) { s.Trust = Trust{System: true} }),
		"config-copied":        config(func(s *Spec) { s.Trust = Trust{Bundle: []byte(bundlePEM), Source: "configmap/ca:ca.crt"} }),
		"config-insecure":      config(func(s *Spec) { s.Trust, s.SNI = Trust{Insecure: true}, "" }),
		"config-san":           config(func(s *Spec) { s.SANs = []string{"a.example.com"} }),
		"config-curves":        config(func(s *Spec) { s.Curves, s.MinTLS, s.MaxTLS = []string{"X25519"}, "1.2", "1.2" }),
		"config-alpn-ciphers":  config(func(s *Spec) { s.ALPN, s.Ciphers = []string{"h2"}, []string{"ECDHE-RSA-AES128-GCM-SHA256"} }),
		"host":                 base(func(s *Spec) { s.Target, s.SNI, s.Trust = httpbin(), "httpbin.org", Trust{System: true} }),
		"host-config":          config(func(s *Spec) { s.Target, s.SNI, s.Trust = httpbin(), "httpbin.org", Trust{System: true} }),
		"host-exposed":         base(hostExposed),
		"host-port":            base(func(s *Spec) { hostExposed(s); s.Target.Port = 8443 }),
		"host-address-exposed": base(func(s *Spec) { hostExposed(s); s.Target.Name = "192.0.2.7" }),
		"backend":              base(func(s *Spec) { s.Target = Target{Kind: Backend, Name: "x"} }),
		"backend-exposed":      base(func(s *Spec) { s.Target, s.Route = Target{Kind: Backend, Name: "x"}, exposed() }),
		"backend-made-for-host": base(func(s *Spec) {
			s.Target, s.Originate = Target{Kind: Backend, Name: "httpbin-org"}, "host.httpbin.org"
		}),
	}
}

func hostExposed(s *Spec) {
	s.Target, s.SNI, s.Trust = httpbin(), "httpbin.org", Trust{System: true}
	s.Route = exposed()
	s.Route.Hostname, s.Route.PathPrefix = "httpbin-external.example", "/anything"
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for name, spec := range specs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := spec.Objects()
			if err != nil {
				t.Fatal(err)
			}
			got, err := YAML(objects)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: run go test ./scaffold -update", err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("objects differ from %s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// TestNoStaleGoldens finds golden files that no spec writes any more.
func TestNoStaleGoldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := specs()
	for _, file := range files {
		if _, ok := known[strings.TrimSuffix(filepath.Base(file), ".yaml")]; ok {
			continue
		}
		if *update {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s belongs to no spec", file)
	}
}

// TestProperties: the same Spec gives the same bytes, is not changed by it,
// every object can be found by its labels, and nothing that only the API
// server sets is printed.
func TestProperties(t *testing.T) {
	t.Parallel()
	before := specs()
	for name, spec := range specs() {
		objects, err := spec.Objects()
		if err != nil {
			t.Fatal(err)
		}
		first, err := YAML(objects)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			again, err := spec.Objects()
			if err != nil {
				t.Fatal(err)
			}
			second, err := YAML(again)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, second) {
				t.Fatalf("%s: the same spec gives different bytes", name)
			}
		}
		if diff := cmp.Diff(before[name], spec); diff != "" {
			t.Errorf("%s: Objects changed its input:\n%s", name, diff)
		}
		for _, noise := range []string{"status", "creationTimestamp", "null"} {
			if strings.Contains(string(first), noise) {
				t.Errorf("%s: output contains %q:\n%s", name, noise, first)
			}
		}
		for _, object := range objects {
			checkMetadata(t, name, &spec, object)
		}
	}
}

// checkMetadata: remove must find the object.
func checkMetadata(t *testing.T, name string, spec *Spec, object client.Object) {
	t.Helper()
	labels := object.GetLabels()
	if labels["tlsgw.dev/originate"] != spec.OriginateLabel() ||
		labels["app.kubernetes.io/managed-by"] != "kubectl-tlsgw" || labels["app"] == "" {
		t.Errorf("%s: %s has labels %v", name, object.GetName(), labels)
	}
	if object.GetNamespace() != "default" {
		t.Errorf("%s: %s is in namespace %q", name, object.GetName(), object.GetNamespace())
	}
}

// TestManifestRoundTrip: what was read back from YAML is the same manifest.
func TestManifestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, spec := range specs() {
		objects, err := spec.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			manifest, err := Manifest(object)
			if err != nil {
				t.Fatal(err)
			}
			text, err := yaml.Marshal(manifest.Object)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Manifest(manifest)
			if err != nil {
				t.Fatal(err)
			}
			text2, err := yaml.Marshal(again.Object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), string(text2)); diff != "" {
				t.Errorf("%s: %s changes when it is read again:\n%s", name, object.GetName(), diff)
			}
		}
	}
}

func TestValidateNamesTheFlag(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*Spec)
		field  string
		text   string
	}{
		"no trust":             {func(s *Spec) { s.Trust = Trust{} }, "--ca-from", "whom to trust"},
		"two trusts":           {func(s *Spec) { s.Trust.System = true }, "--ca-from", "only one"},
		"no sni":               {func(s *Spec) { s.SNI = "" }, "--sni", "is needed"},
		"sni with a space":     {func(s *Spec) { s.SNI = "foo bar" }, "--sni", `"foo bar"`},
		"sni is an address":    {func(s *Spec) { s.SNI = "192.0.2.1" }, "--sni", "IP address"},
		"sni is a wildcard":    {func(s *Spec) { s.SNI = "*.example.com" }, "--sni", "not a DNS name"},
		"san":                  {func(s *Spec) { s.SANs = []string{"a_b"} }, "--san", "neither"},
		"san uri":              {func(s *Spec) { s.SANs = []string{"spiffe://"} }, "--san", "absolute URI"},
		"six sans":             {func(s *Spec) { s.SANs = []string{"a", "b", "c", "d", "e", "f"} }, "--san", "at most 5"},
		"min tls":              {func(s *Spec) { s.MinTLS = "TLS1.2" }, "--min-tls", "1.0, 1.1, 1.2, 1.3"},
		"max tls":              {func(s *Spec) { s.MaxTLS = "1.4" }, "--max-tls", "not a version"},
		"min above max":        {func(s *Spec) { s.MinTLS, s.MaxTLS = "1.3", "1.2" }, "--min-tls", "above"},
		"cipher with 1.3":      {func(s *Spec) { s.MinTLS, s.Ciphers = "1.3", []string{"X"} }, "--cipher", "no effect"},
		"two in one alpn":      {func(s *Spec) { s.ALPN = []string{"h2,http/1.1"} }, "--alpn", "repeat"},
		"empty curve":          {func(s *Spec) { s.Curves = []string{""} }, "--curve", "not one name"},
		"curve in tls policy":  {func(s *Spec) { s.Curves = []string{"X25519"} }, "--curve", "BackendConfigPolicy"},
		"insecure":             {func(s *Spec) { s.Trust = Trust{Insecure: true} }, "--insecure-skip-verify", "BackendConfigPolicy"},
		"client cert":          {func(s *Spec) { s.ClientCertificate = "x" }, "--client-cert", "BackendConfigPolicy"},
		"policy":               {func(s *Spec) { s.Policy = "TLSPolicy" }, "--policy", "auto"},
		"uri san in config":    {func(s *Spec) { asConfig(s); s.SANs = []string{"spiffe://a/b"} }, "--san", "BackendConfigPolicy"},
		"client cert, no ca":   {func(s *Spec) { asConfig(s); s.ClientCertificate = "pair" }, "--client-cert", "ca.crt"},
		"insecure with san":    {func(s *Spec) { asConfig(s); s.Trust = Trust{Insecure: true}; s.SANs = []string{"a"} }, "--san", "no effect"},
		"name":                 {func(s *Spec) { s.Name = "Web" }, "--name", `"Web"`},
		"namespace":            {func(s *Spec) { s.Namespace = "a b" }, "--namespace", `"a b"`},
		"label key":            {func(s *Spec) { s.Labels = map[string]string{"a b": "c"} }, "--label", `"a b"`},
		"label value":          {func(s *Spec) { s.Labels = map[string]string{"a": "b c"} }, "--label", "a=b c"},
		"own label":            {func(s *Spec) { s.Labels = map[string]string{"tlsgw.dev/originate": "x"} }, "--label", "itself"},
		"expose":               {func(s *Spec) { s.Route = exposed(); s.Route.Hostname = "http://x" }, "--expose", "hostname"},
		"expose an address":    {func(s *Spec) { s.Route = exposed(); s.Route.Hostname = "10.0.0.1" }, "--expose", "hostname"},
		"no gateway":           {func(s *Spec) { s.Route = exposed(); s.Route.GatewayName = "" }, "--gateway", "NAMESPACE/NAME"},
		"path":                 {func(s *Spec) { s.Route = exposed(); s.Route.PathPrefix = "x" }, "--path-prefix", "begin"},
		"route without a port": {func(s *Spec) { s.Route = exposed(); s.Route.ServicePort = 0 }, "--port", "port"},
		"host port":            {func(s *Spec) { s.Target = Target{Kind: Host, Name: "a", Port: 70000} }, "TARGET", "65535"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := specs()["service"]
			test.change(&spec)
			_, err := spec.Objects()
			field, ok := errors.AsType[*FieldError](err)
			if !ok {
				t.Fatalf("got %v, want a FieldError", err)
			}
			if field.Field != test.field || !strings.Contains(field.Problem, test.text) {
				t.Errorf("got %q, want field %s and a problem with %q", err, test.field, test.text)
			}
		})
	}
}

func asConfig(s *Spec) { s.Policy, s.Trust = BackendConfigPolicy, Trust{Secret: "ca"} }

func TestChoosePolicy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec Spec
		want PolicyKind
		why  string
	}{
		"plain":       {Spec{}, BackendTLSPolicy, "no flag"},
		"uri san":     {Spec{SANs: []string{"spiffe://a/b"}}, BackendTLSPolicy, "no flag"},
		"curve":       {Spec{Curves: []string{"X25519"}}, BackendConfigPolicy, "--curve"},
		"client cert": {Spec{ClientCertificate: "x"}, BackendConfigPolicy, "--client-cert"},
		"insecure":    {Spec{Trust: Trust{Insecure: true}}, BackendConfigPolicy, "--insecure-skip-verify"},
	}
	for name, test := range tests {
		got, why := test.spec.ChoosePolicy()
		if got != test.want || !strings.Contains(why, test.why) {
			t.Errorf("%s: got %s (%s), want %s (%s)", name, got, why, test.want, test.why)
		}
	}
}
