package deploy_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

var update = flag.Bool("update", false, "write the golden files of testdata, and delete those without a case")

const drainToken = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

func proxy() deploy.Proxy {
	return deploy.Proxy{Image: contract.EnvoyImage, XDSHost: contract.XDSHost, XDSPort: contract.XDSPort}
}

// spec is that of a Gateway with one port, and with parameters in YAML.
func spec(t *testing.T, kube string) deploy.Spec {
	t.Helper()
	s := deploy.Spec{
		Deployment: &ir.Deployment{
			Gateway: ir.Name{Namespace: "infra", Name: "http"}, UID: "11111111-1111-1111-1111-111111111111", Class: "tlsgw",
			Ports: []ir.Port{{Name: "http-8080", Number: 8080}},
		},
		Merged: &v1alpha1.KubernetesProxy{},
	}
	if err := yaml.UnmarshalStrict([]byte(kube), s.Merged); err != nil {
		t.Fatal(err)
	}
	return s
}

const everyParameter = `
deployment: {replicas: 3}
envoyContainer:
  image: {registry: registry.example.com:5000/mirror, repository: proxy, tag: v1, pullPolicy: Always}
  resources: {limits: {cpu: 1500m, memory: 1Gi}, requests: {cpu: 100m, ephemeral-storage: 1Gi}}
service:
  type: LoadBalancer
  ports: [{port: 8080, nodePort: 30080}, {port: 9999, nodePort: 30999}]
  externalTrafficPolicy: Local
  loadBalancerClass: example.com/lb
  extraLabels: {a: of-the-service}
  extraAnnotations: {a: of-the-service}
podTemplate:
  extraLabels: {a: of-the-pods, app.kubernetes.io/name: not-ours}
  extraAnnotations: {a: of-the-pods}
  nodeSelector: {a: b}
  tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]
  affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}
  - {maxSkew: 2, topologyKey: host, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {a: b}}}
  terminationGracePeriodSeconds: 90
`

func specs(t *testing.T) map[string]deploy.Spec {
	t.Helper()
	all := map[string]deploy.Spec{"plain": spec(t, "{}"), "parameters": spec(t, everyParameter)}
	withCA := spec(t, "{}")
	withCA.SystemCA = &ir.SystemCA{ConfigMap: "bundle", Key: "root.pem", Digest: "sha256:00"}
	all["system-ca"] = withCA
	labelled := spec(t, "{service: {extraLabels: {team: overruled}}}")
	labelled.Labels = map[string]string{"team": "a", contract.LabelName: "not-ours"}
	labelled.Annotations = map[string]string{"note": "kept"}
	all["labels"] = labelled
	long := spec(t, "{}")
	long.Gateway.Name, long.Class = strings.Repeat("gateway.", 25)+"end", strings.Repeat("class.", 20)+"end"
	all["long-names"] = long
	many := spec(t, "{service: {type: ClusterIP, ports: [{port: 80, nodePort: 30080}], externalTrafficPolicy: Local, loadBalancerClass: a.b/c}}")
	many.Ports = nil
	for port := uint16(80); port < 90; port++ {
		many.Ports = append(many.Ports, ir.Port{Name: fmt.Sprintf("http-%d", port), Number: port})
	}
	all["many-ports"] = many
	asked := spec(t, "{service: {type: ClusterIP}}")
	asked.Requested = []string{"10.96.0.200", "fd00::200"}
	all["addresses"] = asked
	balanced := spec(t, "{}")
	balanced.Requested = []string{"192.0.2.1"}
	all["address-of-load-balancer"] = balanced
	none := spec(t, "{podTemplate: {terminationGracePeriodSeconds: 0}}")
	none.Ports = nil
	all["no-ports"] = none
	return all
}

func objects(t *testing.T, s deploy.Spec) []client.Object {
	t.Helper()
	made, err := deploy.Objects(s, proxy(), drainToken)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	wanted := map[string]bool{}
	for name, s := range specs(t) {
		var got bytes.Buffer
		for _, object := range objects(t, s) {
			text, err := yaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "---\n%s", text)
		}
		golden := filepath.Join("testdata", name+".yaml")
		wanted[golden] = true
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatalf("run `go test -update` to make it: %v", err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
	all, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, golden := range all {
		if !wanted[golden] {
			t.Errorf("%s belongs to no case", golden)
		}
	}
}

// TestTemplateIsStill holds that what happens every day replaces no pods.
func TestTemplateIsStill(t *testing.T) {
	t.Parallel()
	template := func(s deploy.Spec) corev1.PodTemplateSpec {
		made := objects(t, s)
		return made[len(made)-1].(*appsv1.Deployment).Spec.Template
	}
	before := template(spec(t, "{}"))
	for name, change := range map[string]func(*deploy.Spec){
		"a listener":  func(s *deploy.Spec) { s.Ports = append(s.Ports, ir.Port{Name: "https-443", Number: 443}) },
		"no listener": func(s *deploy.Spec) { s.Ports = nil },
		"an address":  func(s *deploy.Spec) { s.Addresses = []string{"192.0.2.1"} },
		"replicas":    func(s *deploy.Spec) { s.Merged = spec(t, "{deployment: {replicas: 7}}").Merged },
		"the Service": func(s *deploy.Spec) { s.Merged = spec(t, "{service: {type: NodePort}}").Merged },
	} {
		s := spec(t, "{}")
		change(&s)
		if diff := cmp.Diff(before, template(s)); diff != "" {
			t.Errorf("%s replaces the pods (-before +after):\n%s", name, diff)
		}
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0a", 32)
	for _, test := range []struct{ known, parameters, want string }{
		{contract.EnvoyImage, "{}", contract.EnvoyImage},
		{contract.EnvoyImage, "{registry: mirror.example:5000/a}", "mirror.example:5000/a/envoy:distroless-v1.40.0"},
		{contract.EnvoyImage, "{tag: v2}", "docker.io/envoyproxy/envoy:v2"},
		{contract.EnvoyImage, "{repository: other/proxy}", "docker.io/envoyproxy/other/proxy:distroless-v1.40.0"},
		{contract.EnvoyImage, "{digest: '" + digest + "'}", "docker.io/envoyproxy/envoy@" + digest},
		{contract.EnvoyImage, "{tag: v2, digest: '" + digest + "'}", "docker.io/envoyproxy/envoy:v2@" + digest},
		{"envoy@" + digest, "{pullPolicy: Never}", "envoy@" + digest},
		{"localhost:5000/envoy@" + digest, "{tag: v2}", "localhost:5000/envoy:v2"},
		{"localhost:5000/envoy", "{registry: a}", "a/envoy"},
	} {
		made, err := deploy.Objects(spec(t, "{envoyContainer: {image: "+test.parameters+"}}"), deploy.Proxy{Image: test.known, XDSHost: "a"}, drainToken)
		if err != nil {
			t.Fatal(err)
		}
		got := made[len(made)-1].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image
		if got != test.want {
			t.Errorf("%s with %s is %s, want %s", test.known, test.parameters, got, test.want)
		}
	}
}
