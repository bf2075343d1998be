package crd

import (
	"fmt"
	"strings"
)

func parametersAdmissions() map[string]admission {
	in := func(format string, arguments ...any) string {
		return "kube: {" + fmt.Sprintf(format, arguments...) + "}"
	}
	resources := func(text string) string { return in("envoyContainer: {resources: %s}", text) }
	pod := func(text string) string { return in("podTemplate: {%s}", text) }
	tests := map[string]admission{
		"empty":     {spec: "{}"},
		"kube":      {spec: "kube: {}"},
		"image":     {spec: in("envoyContainer: {image: {registry: 'registry.example.com:5000/mirror', repository: envoy, tag: v1, digest: 'sha256:%s', pullPolicy: Never}}", strings.Repeat("0a", 32))},
		"service":   {spec: in("service: {type: NodePort, ports: [{port: 80, nodePort: 30080}, {port: 443}], externalTrafficPolicy: Local, extraLabels: {a: b}, extraAnnotations: {a: b}}")},
		"class":     {spec: in("service: {loadBalancerClass: example.com/lb}")},
		"system CA": {spec: in("systemCA: {name: bundle, key: a.pem}")},
		"resources": {spec: resources("{limits: {cpu: 2, memory: 8Gi}, requests: {cpu: 250m, memory: 1e9, ephemeral-storage: 2147483647}}"), rewritten: true},
		"pod": {spec: pod(`extraLabels: {a: b}, extraAnnotations: {a: b}, nodeSelector: {a: b}, terminationGracePeriodSeconds: 60,
tolerations: [{}, {key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}, {key: a, operator: Equal, value: b}],
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, minDomains: 2, matchLabelKeys: [a],
  labelSelector: {matchLabels: {a: b}}, nodeAffinityPolicy: Honor, nodeTaintsPolicy: Ignore}]`)},
		"affinity of any kind": {spec: pod(`affinity: {nodeAffinity: {weight: 99999999999999999}, unknown: [1, a]}`)},

		"a type of Service":      {spec: in("service: {type: ExternalName}"), want: []string{"spec.kube.service.type", `"NodePort"`}},
		"a port twice":           {spec: in("service: {ports: [{port: 80}, {port: 80}]}"), want: []string{"spec.kube.service.ports[1]", "Duplicate"}},
		"a registry with spaces": {spec: in("envoyContainer: {image: {registry: 'a b'}}"), want: []string{"image.registry", "should match"}},
		"a digest":               {spec: in("envoyContainer: {image: {digest: 'md5:00'}}"), want: []string{"image.digest", "should match"}},
		"a big plain number":     {spec: resources("{limits: {memory: 8589934592}}"), want: []string{"resources.limits", "with a unit, as 8Gi"}},
		"a negative limit":       {spec: resources("{requests: {memory: -1}}"), want: []string{"resources.requests", "with a unit"}},
		"a fraction":             {spec: resources("{requests: {cpu: 0.5}}"), want: []string{"resources.requests"}},
		"no name of a bundle":    {spec: in("systemCA: {key: a}"), want: []string{"spec.kube.systemCA.name", "Required"}},
		"affinity is a list":     {spec: pod("affinity: []"), want: []string{"spec.kube.podTemplate.affinity"}},
		"skew is required":       {spec: pod("topologySpreadConstraints: [{topologyKey: a, whenUnsatisfiable: DoNotSchedule}]"), want: []string{"maxSkew", "Required"}},
		"an unknown field":       {spec: in("istio: {}"), want: []string{"unknown field", "spec.kube.istio"}},
	}
	bounds("kube.deployment.replicas", 0, 10000, tests)
	bounds("kube.podTemplate.terminationGracePeriodSeconds", 0, 86400, tests)
	return tests
}
