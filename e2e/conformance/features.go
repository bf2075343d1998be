package main

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// profiles are what the suite is asked to report on.
const profiles = "GATEWAY-HTTP,GATEWAY-GRPC,GATEWAY-TLS"

// Choices of features.
const (
	published = "published"
	everyone  = "all"
	core      = "core"
)

// featureList is the list for the suite that a choice stands for; empty lets
// the suite read the GatewayClass.
func featureList(choice string) string {
	var names sets.Set[features.FeatureName]
	switch choice {
	case "", published:
		return ""
	case everyone:
		names = features.SetsToNamesSet(
			features.GatewayCoreFeatures, features.GatewayExtendedFeatures, features.ReferenceGrantCoreFeatures,
			features.HTTPRouteCoreFeatures, features.HTTPRouteExtendedFeatures,
			features.GRPCRouteCoreFeatures, features.GRPCRouteExtendedFeatures,
			features.TLSRouteCoreFeatures, features.TLSRouteExtendedFeatures,
			features.BackendTLSPolicyCoreFeatures, features.BackendTLSPolicyExtendedFeatures,
		)
	case core:
		names = features.SetsToNamesSet(
			features.GatewayCoreFeatures, features.ReferenceGrantCoreFeatures, features.HTTPRouteCoreFeatures,
			features.GRPCRouteCoreFeatures, features.TLSRouteCoreFeatures,
			features.BackendTLSPolicyCoreFeatures, features.BackendTLSPolicyExtendedFeatures,
		).Insert(
			features.SupportGatewayBackendClientCertificate,
			// Without these the suite wants such listeners to be refused.
			features.SupportTLSRouteModeTerminate, features.SupportTLSRouteModeMixed,
		)
	default:
		return choice
	}
	var all []string
	for _, name := range sets.List(names) {
		all = append(all, string(name))
	}
	return strings.Join(all, ",")
}
