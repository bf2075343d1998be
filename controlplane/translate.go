package controlplane

import (
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/status"
)

// Resources are the Envoy resources of one Gateway, by name. As JSON, private
// keys are redacted.
type Resources = envoy.Resources

// Translation is what objects mean to the controller.
type Translation struct {
	// Gateways are sorted by namespace and name.
	Gateways []Configuration
	// Objects are copies of those whose status the controller would write,
	// with that status, in the order in which they were given. No proxy has
	// answered: Programmed is False, unless Envoy would reject something.
	Objects []client.Object
}

// Configuration is what the proxies of a Gateway would run.
type Configuration struct {
	Namespace, Name string
	Resources       *Resources
	// LeftOut says what Envoy would reject and is not in Resources.
	LeftOut []error
}

// Translate tells what objects of typed kinds mean, without a cluster. now
// decides which certificates have expired. An object of a kind that the
// controller does not read is an error.
func Translate(objects []client.Object, o TranslationOptions, now time.Time) (*Translation, error) {
	o = o.withDefaults()
	s, err := snapshot.New(slices.Clone(objects))
	if err != nil {
		return nil, fmt.Errorf("translate: %w", err)
	}
	result, err := safeTranslate(s, o, now, nil)
	if err != nil {
		return nil, err
	}
	translation := &Translation{}
	live := map[ir.Name]status.Live{}
	for _, g := range result.Gateways {
		resources, err := envoy.Build(g, envoy.Options{ListenAddress: o.ListenAddress})
		c := Configuration{Namespace: g.Name.Namespace, Name: g.Name.Name, Resources: resources}
		problems := envoy.Problems(err)
		for _, problem := range problems {
			c.LeftOut = append(c.LeftOut, problem)
		}
		translation.Gateways = append(translation.Gateways, c)
		live[g.Name] = status.Live{Rejections: leftOut(problems)}
	}
	wanted := map[ir.Ref]status.Object{}
	for _, w := range status.Complete(result, live, "") {
		wanted[w.Ref] = w
	}
	for _, object := range objects {
		ref, _ := status.RefOf(object)
		if w, found := wanted[ref]; found {
			translation.Objects = append(translation.Objects, status.Fill(object, w, o.ControllerName, now))
		}
	}
	return translation, nil
}
