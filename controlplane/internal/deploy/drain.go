package deploy

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// drainRandom is how many random bytes are in a token.
const drainRandom = 16

// drainToken is what a kubelet, which asks the pod's address as everybody can,
// shows in order to drain a proxy. It is random, and lives as long as the
// Deployment in whose template it is: no restart of the controller and nothing
// that becomes of its CA replaces a pod. Who may read the pods knows it.
func (t *term) drainToken(ctx context.Context, spec Spec) (string, error) {
	if token := t.drainTokenWanted(spec); token != "" {
		return token, nil
	}
	name := empty(appsv1.SchemeGroupVersion.WithKind(deploymentKind))
	name.SetNamespace(spec.Gateway.Namespace)
	name.SetName(contract.ProxyName(spec.Gateway.Name))
	live, err := t.find(ctx, name)
	if err != nil {
		return "", err
	}
	if live != nil && labelled(live) && controllerUID(live) == spec.uid() {
		if token := drainTokenOf(live); token != "" {
			return token, nil
		}
	}
	random := make([]byte, drainRandom)
	if _, err := io.ReadFull(t.options.Rand, random); err != nil {
		return "", fmt.Errorf("make a token to drain the proxies of Gateway %s: %w", spec.Gateway, err)
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random), nil
}

// drainTokenWanted is that of the Deployment which was wanted last: the cache
// may not have it yet, and what others have made of it is brought back.
func (t *term) drainTokenWanted(spec Spec) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.desired[spec.Gateway] {
		if d.GetKind() == deploymentKind && controllerUID(d) == spec.uid() {
			return drainTokenOf(d)
		}
	}
	return ""
}

// drainTokenOf is empty where a Deployment has none, and where it is one that
// was not random: others could compute those of former controllers.
func drainTokenOf(object *unstructured.Unstructured) string {
	deployment := &appsv1.Deployment{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment) != nil {
		return ""
	}
	for i := range deployment.Spec.Template.Spec.Containers {
		lifecycle := deployment.Spec.Template.Spec.Containers[i].Lifecycle
		if lifecycle == nil || lifecycle.PreStop == nil || lifecycle.PreStop.HTTPGet == nil {
			continue
		}
		token, found := strings.CutPrefix(lifecycle.PreStop.HTTPGet.Path, bootstrap.DrainPath(""))
		if found && regexp.MustCompile(`^[A-Z2-7]{26}$`).MatchString(token) {
			return token
		}
	}
	return ""
}
