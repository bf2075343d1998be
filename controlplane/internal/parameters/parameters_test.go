package parameters_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/parameters"
)

// parse reads what is below spec.kube.
func parse(t *testing.T, text string) *v1alpha1.GatewayParameters {
	t.Helper()
	p := &v1alpha1.GatewayParameters{Spec: v1alpha1.GatewayParametersSpec{Kube: &v1alpha1.KubernetesProxy{}}}
	if err := yaml.UnmarshalStrict([]byte(text), p.Spec.Kube); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMerge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ low, high, want string }{
		"nothing":          {"{}", "{}", "{}"},
		"only one":         {"{deployment: {replicas: 1}}", "{service: {type: NodePort}}", "{deployment: {replicas: 1}, service: {type: NodePort}}"},
		"a field":          {"{deployment: {replicas: 1}}", "{deployment: {replicas: 2}}", "{deployment: {replicas: 2}}"},
		"a zero":           {"{deployment: {replicas: 1}}", "{deployment: {replicas: 0}}", "{deployment: {replicas: 0}}"},
		"an image":         {"{envoyContainer: {image: {registry: a, repository: b, tag: c}}}", "{envoyContainer: {image: {tag: d, pullPolicy: Always}}}", "{envoyContainer: {image: {registry: a, repository: b, tag: d, pullPolicy: Always}}}"},
		"resources":        {"{envoyContainer: {resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1}}}}", "{envoyContainer: {resources: {limits: {cpu: 2}}}}", "{envoyContainer: {resources: {limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 1}}}}"},
		"lists are whole":  {"{service: {ports: [{port: 80, nodePort: 30080}, {port: 443}], type: NodePort}}", "{service: {ports: [{port: 81}]}}", "{service: {ports: [{port: 81}], type: NodePort}}"},
		"an empty list":    {"{podTemplate: {tolerations: [{key: a}]}}", "{podTemplate: {tolerations: []}}", "{podTemplate: {tolerations: []}}"},
		"maps by key":      {"{podTemplate: {extraLabels: {a: b, c: d}, nodeSelector: {a: b}}}", "{podTemplate: {extraLabels: {c: e}, extraAnnotations: {f: g}}}", "{podTemplate: {extraLabels: {a: b, c: e}, extraAnnotations: {f: g}, nodeSelector: {a: b}}}"},
		"affinity":         {"{podTemplate: {affinity: {nodeAffinity: {}}, terminationGracePeriodSeconds: 5}}", "{podTemplate: {affinity: {podAffinity: {}}}}", "{podTemplate: {affinity: {podAffinity: {}}, terminationGracePeriodSeconds: 5}}"},
		"a bundle and key": {"{systemCA: {name: a, key: k}}", "{systemCA: {name: b}}", "{systemCA: {name: b}}"},
		"all of a Service": {"{service: {externalTrafficPolicy: Local, loadBalancerClass: a.b/c, extraLabels: {a: b}, extraAnnotations: {a: b}}}", "{service: {type: LoadBalancer, extraAnnotations: {a: c}}}", "{service: {type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerClass: a.b/c, extraLabels: {a: b}, extraAnnotations: {a: c}}}"},
	} {
		low, high := parse(t, test.low), parse(t, test.high)
		if diff := cmp.Diff(parse(t, test.want).Spec.Kube, parameters.Merge(low, high)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(parse(t, test.low), low); diff != "" {
			t.Errorf("%s changed its argument:\n%s", name, diff)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{}": "",
		"{envoyContainer: {resources: {limits: {cpu: 1, memory: 8Gi}, requests: {cpu: 250m}}}}":                                                             "",
		"{podTemplate: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: a}}]}}}}": "",

		"{envoyContainer: {resources: {limits: {cpu: lots}}}}":                                                                 `spec.kube.envoyContainer.resources.limits[cpu]: "lots" is not a quantity`,
		"{envoyContainer: {resources: {limits: {cpu: 1e1.5}}}}":                                                                "resources.limits[cpu]",
		"{envoyContainer: {resources: {requests: {memory: -1Gi}}}}":                                                            "less than nothing",
		"{envoyContainer: {resources: {requests: {cpu: 2}, limits: {cpu: 1500m}}}}":                                            "resources.requests[cpu]: 2 is more than the limit, 1500m",
		"{podTemplate: {affinity: {nodeAffinity: {weight: 1}}}}":                                                               `spec.kube.podTemplate.affinity: this is not the affinity of a pod: json: unknown field "weight"`,
		"{podTemplate: {affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 99999999999}]}}}}": "spec.kube.podTemplate.affinity",
		"{podTemplate: {extraLabels: {a: 'b c'}}}":                                                                             "spec.kube.podTemplate.extraLabels",
		"{podTemplate: {extraAnnotations: {'a b': c}}}":                                                                        "spec.kube.podTemplate.extraAnnotations",
		"{podTemplate: {nodeSelector: {'': c}}}":                                                                               "spec.kube.podTemplate.nodeSelector",
		"{service: {extraLabels: {a: 'b c'}}}":                                                                                 "spec.kube.service.extraLabels",
	} {
		err := parameters.Check(parse(t, text).Spec.Kube)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
