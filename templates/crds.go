package templates

import (
	"embed"
	"fmt"
	"path"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed crds/tlsgw/*.yaml crds/gateway-api/*/*.yaml
var crds embed.FS

// Channel is a release channel of Gateway API.
type Channel string

// The channels of Gateway API. Experimental has all of Standard, and fields
// and kinds that may still change.
const (
	Standard     Channel = "standard"
	Experimental Channel = "experimental"
)

// GatewayAPICRDs are the definitions of Gateway API, of the version in go.mod
// (consts.BundleVersion of that module), sorted by name.
func GatewayAPICRDs(channel Channel) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	if channel != Standard && channel != Experimental {
		return nil, fmt.Errorf("channel %q is not %s or %s", channel, Standard, Experimental)
	}
	return readCRDs("crds/gateway-api/" + string(channel))
}

// KgatewayCRDs are the definitions of gateway.kgateway.dev that are ours,
// sorted by name. They carry contract.LabelManagedBy, which those that kgateway
// installs do not: ours must not be installed over those.
func KgatewayCRDs() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	return readCRDs("crds/tlsgw")
}

// CRDs are all definitions that the controller needs: those of Gateway API,
// then ours.
func CRDs(channel Channel) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	gatewayAPI, err := GatewayAPICRDs(channel)
	if err != nil {
		return nil, err
	}
	kgateway, err := KgatewayCRDs()
	if err != nil {
		return nil, err
	}
	return append(gatewayAPI, kgateway...), nil
}

func readCRDs(folder string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := crds.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	definitions := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(files))
	for _, file := range files {
		content, err := crds.ReadFile(path.Join(folder, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read definition: %w", err)
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, definition); err != nil {
			return nil, fmt.Errorf("decode definition %s: %w", file.Name(), err)
		}
		definitions = append(definitions, definition)
	}
	return definitions, nil
}
