package installation

import (
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// safeUpgrades is the ValidatingAdmissionPolicy of Gateway API's own
// installation, which refuses some changes of its definitions.
const safeUpgrades = "safe-upgrades.gateway.networking.k8s.io"

// need is a definition without which the controller does not start, in any of
// some versions.
type need struct {
	name     string
	versions []string
}

// needed of Gateway API.
func needed() []need {
	return []need{
		{"gatewayclasses.gateway.networking.k8s.io", []string{"v1"}},
		{"gateways.gateway.networking.k8s.io", []string{"v1"}},
		{"httproutes.gateway.networking.k8s.io", []string{"v1"}},
		{"referencegrants.gateway.networking.k8s.io", []string{"v1", "v1beta1"}},
		{"backendtlspolicies.gateway.networking.k8s.io", []string{"v1"}},
	}
}

// gatewayAPI is what a cluster has of Gateway API.
type gatewayAPI struct {
	// present and foreign are names of definitions; foreign are not ours.
	present, foreign []string
	// missing are what the controller needs, as "NAME (VERSION)".
	missing []string
	// version is the newest bundle version, nil where none is given.
	version *version.Version
	channel string
	// guarded is true where safeUpgrades is there.
	guarded bool
}

// gatewayAPIOf sums up the definitions that are there, by name.
func gatewayAPIOf(have map[string]*apiextensionsv1.CustomResourceDefinition, guarded bool) gatewayAPI {
	g := gatewayAPI{guarded: guarded}
	for name, definition := range have {
		channel, isGatewayAPI := definition.Annotations[consts.ChannelAnnotation]
		if !isGatewayAPI && !strings.HasSuffix(name, ".gateway.networking.k8s.io") {
			continue
		}
		g.present = append(g.present, name)
		if !ours(definition) {
			g.foreign = append(g.foreign, name)
		}
		if g.channel != ChannelExperimental {
			g.channel = channel
		}
		found, err := version.ParseSemantic(definition.Annotations[consts.BundleVersionAnnotation])
		if err == nil && (g.version == nil || g.version.LessThan(found)) {
			g.version = found
		}
	}
	slices.Sort(g.present)
	slices.Sort(g.foreign)
	for _, n := range needed() {
		if !servesAny(have[n.name], n.versions) {
			g.missing = append(g.missing, fmt.Sprintf("%s (%s)", n.name, n.versions[0]))
		}
	}
	return g
}

func servesAny(definition *apiextensionsv1.CustomResourceDefinition, versions []string) bool {
	return definition != nil && slices.ContainsFunc(definition.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Served && slices.Contains(versions, v.Name)
	})
}

// String is its version and channel, for messages.
func (g gatewayAPI) String() string {
	text := "Gateway API"
	if g.version != nil {
		text += " v" + g.version.String()
	}
	if g.channel != "" {
		text += " (" + g.channel + ")"
	}
	return text
}

// official is the command of Gateway API's own documentation.
func official(channel string) string {
	if channel != ChannelExperimental {
		channel = ChannelStandard
	}
	return fmt.Sprintf("kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api/releases/download/%s/%s-install.yaml",
		consts.BundleVersion, channel)
}

// decide says which channel is to be installed where one was asked for, or
// none: ChannelNone leaves what is there.
func (g gatewayAPI) decide(asked string) (channel, note string, in *obstacle) {
	if asked == ChannelNone || len(g.foreign) > 0 {
		return ChannelNone, g.leftNote(), g.leave(asked)
	}
	if len(g.present) == 0 {
		if asked == "" {
			asked = ChannelStandard
		}
		return asked, "", nil
	}
	return g.change(asked)
}

func (g gatewayAPI) leftNote() string {
	if len(g.foreign) == 0 {
		return ""
	}
	return fmt.Sprintf("%s was there and is not ours: left as it is", g)
}

// leave says what is wrong with using what is there.
func (g gatewayAPI) leave(asked string) *obstacle {
	switch {
	case len(g.missing) > 0 && len(g.present) == 0:
		return &obstacle{
			message: "the cluster has no Gateway API, and --gateway-api none installs none",
			fix:     "leave out --gateway-api: it brings " + consts.BundleVersion + "    # or: " + official(asked),
		}
	case len(g.missing) > 0:
		return &obstacle{
			message: fmt.Sprintf("%s is not ours to change, and lacks what is needed (v1.4 or later has it)", g),
			details: []string{"missing: " + strings.Join(g.missing, ", "), "without label " + contract.LabelManagedBy + "=" + contract.FieldManager + ": " + abbreviated(g.foreign)},
			fix:     official(g.channel),
		}
	case asked == ChannelExperimental && g.channel != ChannelExperimental:
		return &obstacle{
			message: fmt.Sprintf("%s is not ours to change to --gateway-api experimental", g),
			fix:     "leave out --gateway-api    # or: " + official(ChannelExperimental),
		}
	}
	return nil
}

// change decides on definitions that are all ours.
func (g gatewayAPI) change(asked string) (channel, note string, in *obstacle) {
	channel = asked
	if channel == "" {
		channel = g.channel
	}
	if channel == "" {
		channel = ChannelStandard
	}
	own := version.MustParseSemantic(consts.BundleVersion)
	switch {
	case channel == ChannelStandard && g.channel == ChannelExperimental:
		return channel, "", &obstacle{
			message: fmt.Sprintf("%s is installed: --gateway-api standard would take kinds and fields away from objects that use them", g),
			fix:     "leave out --gateway-api",
		}
	case channel == ChannelExperimental && g.channel == ChannelStandard && g.guarded:
		return channel, "", &obstacle{
			message: fmt.Sprintf("%s is installed, and the admission policy %s refuses to change it to experimental", g, safeUpgrades),
			fix:     "kubectl delete validatingadmissionpolicies,validatingadmissionpolicybindings " + safeUpgrades + "    # or leave out --gateway-api",
		}
	case g.version == nil || !own.LessThan(g.version):
		return channel, "", nil
	case channel != g.channel:
		return channel, "", &obstacle{
			message: fmt.Sprintf("%s is newer than %s of this program, and cannot be changed to --gateway-api %s by it", g, consts.BundleVersion, channel),
			fix:     "leave out --gateway-api, or take a newer kubectl-tlsgw",
		}
	case len(g.missing) > 0:
		return channel, "", &obstacle{
			message: fmt.Sprintf("%s is newer than %s of this program, and lacks what is needed: %s", g, consts.BundleVersion, strings.Join(g.missing, ", ")),
			fix:     "take a newer kubectl-tlsgw",
		}
	}
	return ChannelNone, fmt.Sprintf("%s is newer than %s of this program: left as it is", g, consts.BundleVersion), nil
}

// abbreviated names the first of many.
func abbreviated(names []string) string {
	const most = 3
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
