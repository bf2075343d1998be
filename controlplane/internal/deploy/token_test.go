package deploy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/deploy"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// drainTokens holds that nobody can compute the token that drains a Gateway's
// proxies, and that it stays. That a restart keeps it, restart has shown.
func (w *world) drainTokens(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	other := w.specs[ir.Name{Namespace: "of-second", Name: "second"}]
	path := w.drainPath(t, s)
	if !regexp.MustCompile(`^/drain/[A-Z2-7]{26}$`).MatchString(path) || w.drainPath(t, other) == path {
		t.Errorf("the paths are %s and %s", path, w.drainPath(t, other))
	}
	configMap, err := get[*corev1.ConfigMap](t, w, s)
	if err != nil || !strings.Contains(configMap.Data["bootstrap.json"], path) {
		t.Errorf("the bootstrap has another path: %v", err)
	}

	// Whoever changes it does not choose it.
	w.setDrainPath(t, s, "/drain/"+strings.Repeat("A", 26))
	w.waitDrainPath(t, s, func(now string) bool { return now == path })

	// A former controller made it of what everybody can read.
	w.stop()
	sum := sha256.Sum256([]byte("drain " + s.UID))
	former := "/drain/" + hex.EncodeToString(sum[:16])
	w.setDrainPath(t, s, former)
	w.start(t)
	w.waitDrainPath(t, s, func(now string) bool { return now != former && now != path })
	w.deployed(t, s)
}

func (w *world) drainPath(t *testing.T, s deploy.Spec) string {
	t.Helper()
	deployment, err := get[*appsv1.Deployment](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	return deployment.Spec.Template.Spec.Containers[0].Lifecycle.PreStop.HTTPGet.Path
}

func (w *world) setDrainPath(t *testing.T, s deploy.Spec, path string) {
	t.Helper()
	deployment, err := get[*appsv1.Deployment](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	deployment.Spec.Template.Spec.Containers[0].Lifecycle.PreStop.HTTPGet.Path = path
	if err := w.Update(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
}

// waitDrainPath waits until pods and bootstrap have a path that is good.
func (w *world) waitDrainPath(t *testing.T, s deploy.Spec, good func(string) bool) {
	t.Helper()
	eventually(t, w, s, func(c *corev1.ConfigMap) error {
		path := w.drainPath(t, s)
		if !good(path) || !strings.Contains(c.Data["bootstrap.json"], path) {
			return fmt.Errorf("the path is %s", path)
		}
		return nil
	})
}
