package installation

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
)

// essential are the fields of each kind of gateway.kgateway.dev without which
// the controller would be of no use; by definition.
func essential() map[string][]string {
	const group = "." + v1alpha1.GroupName
	return map[string][]string{
		"backends" + group: {"spec.static.hosts.host", "spec.static.hosts.port"},
		"backendconfigpolicies" + group: {
			"spec.targetRefs.group", "spec.targetRefs.kind", "spec.targetRefs.name",
			"spec.tls.secretRef.name", "spec.tls.sni", "spec.tls.wellKnownCACertificates",
		},
		"gatewayparameters" + group: {"spec.kube.deployment", "spec.kube.service"},
	}
}

// lacking says what another's definition of one of our kinds lacks that the
// controller needs; empty where it will do.
func lacking(definition *apiextensionsv1.CustomResourceDefinition) []string {
	for i := range definition.Spec.Versions {
		v := &definition.Spec.Versions[i]
		if v.Name != v1alpha1.Version || !v.Served {
			continue
		}
		if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
			return []string{"a schema"}
		}
		var missing []string
		for _, path := range essential()[definition.Name] {
			if !hasField(v.Schema.OpenAPIV3Schema, strings.Split(path, ".")) {
				missing = append(missing, path)
			}
		}
		return missing
	}
	return []string{fmt.Sprintf("version %s", v1alpha1.Version)}
}

// hasField looks a field up; a list stands for its items.
func hasField(schema *apiextensionsv1.JSONSchemaProps, path []string) bool {
	for _, name := range path {
		if schema.Items != nil && schema.Items.Schema != nil {
			schema = schema.Items.Schema
		}
		if schema.XPreserveUnknownFields != nil && *schema.XPreserveUnknownFields {
			return true
		}
		next, found := schema.Properties[name]
		if !found {
			return false
		}
		schema = &next
	}
	return true
}
