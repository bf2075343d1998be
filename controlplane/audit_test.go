package controlplane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// auditPolicy logs who has done what, and no contents.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [%q]
- level: None
`

// right is a verb on a resource of a group.
type right struct{ group, resource, verb string }

func (r right) String() string { return fmt.Sprintf("%s %s.%s", r.verb, r.resource, r.group) }

// granted are the rights of all roles of the installation.
func (in *installation) granted(t *testing.T) map[right]bool {
	t.Helper()
	all := map[right]bool{}
	for _, object := range in.objects {
		var role rbacv1.ClusterRole // A Role has the same rules.
		if kind := object.GetObjectKind().GroupVersionKind().Kind; kind != "ClusterRole" && kind != "Role" {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.(*unstructured.Unstructured).Object, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					all[right{rule.APIGroups[0], resource, verb}] = true
				}
			}
		}
	}
	return all
}

// event is what is read of an audit event.
type event struct {
	Verb       string
	RequestURI string
	ObjectRef  struct {
		APIGroup, Resource, Subresource, Namespace, Name string
	}
	ResponseStatus struct {
		Code    int
		Message string
	}
}

// logged are the rights that were used, and the requests that were refused.
func (in *installation) logged(t *testing.T) (used map[right]bool, refused map[string]int) {
	t.Helper()
	content, err := os.ReadFile(in.audit)
	if err != nil {
		t.Fatal(err)
	}
	used, refused = map[right]bool{}, map[string]int{}
	for line := range bytes.Lines(content) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("read the audit log: %v", err)
		}
		if e.ResponseStatus.Code == http.StatusForbidden || e.ResponseStatus.Code == http.StatusUnauthorized {
			refused[fmt.Sprintf("%s %s: %s", e.Verb, e.RequestURI, e.ResponseStatus.Message)]++
		}
		r := right{e.ObjectRef.APIGroup, e.ObjectRef.Resource, e.Verb}
		if e.ObjectRef.Subresource != "" {
			r.resource += "/" + e.ObjectRef.Subresource
		}
		used[r] = true
		if e.Verb == "patch" && e.ResponseStatus.Code == http.StatusCreated {
			// An apply that creates needs the right to create, too.
			r.verb = "create"
			used[r] = true
		}
	}
	return used, refused
}
