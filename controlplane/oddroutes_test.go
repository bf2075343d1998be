package controlplane_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
)

// oddRules are rules of which Envoy might refuse something, and with it all
// routes of the port: texts with characters that mean something to it or
// nothing to anybody, and numbers at their bounds.
func oddRules() []string {
	texts := []string{`%`, `%%`, `%REQ(HOST)%`, `%NO_SUCH(%`, `a\nb`, `a\rb`, `a\0b`, `\t`, ` `, `é`, `\x7f`, `{a}`, `[`, `*`, `\\`, `\\1`, `\"`, `(?i)a`, `a{1,1001}`, `\\C`, `\\pL`}
	var rules []string
	for _, text := range texts {
		for _, rule := range []string{
			`{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-odd, value: "%s"}]}}]}`,
			`{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-odd, value: "%s"}]}}]}`,
			`{matches: [{headers: [{name: x-odd, value: "%s"}]}]}`,
			`{matches: [{headers: [{name: x-odd, type: RegularExpression, value: "%s"}]}]}`,
			`{matches: [{queryParams: [{name: odd, value: "%s"}]}]}`,
			`{matches: [{queryParams: [{name: odd, type: RegularExpression, value: "%s"}]}]}`,
			`{matches: [{path: {type: RegularExpression, value: "/%s"}}]}`,
			`{matches: [{path: {type: PathPrefix, value: "/%s"}}]}`,
			`{matches: [{path: {type: Exact, value: "/%s"}}]}`,
			`{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: "/%s"}}}]}`,
			`{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: "/%s"}}}]}`,
			`{filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: "/%s"}}}]}`,
			`{filters: [{type: CORS, cors: {allowOrigins: ["https://a.example"], allowHeaders: ["x"], exposeHeaders: ["%s"]}}]}`,
		} {
			rules = append(rules, strings.Replace(rule, "%s", text, 1))
		}
	}
	for _, timeout := range []string{"0s", "1ms", "99999h", "99999h99999m99999s99999ms"} {
		rules = append(rules, fmt.Sprintf("{timeouts: {request: %s}}", timeout), fmt.Sprintf("{timeouts: {request: %[1]s, backendRequest: %[1]s}}", timeout))
	}
	for _, name := range []string{":path", "host", "x_y", "content-length", "x-envoy-retry-on", "te", "a!#$%&'*+.^`|~"} {
		rules = append(rules,
			fmt.Sprintf("{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: %[1]q, value: a}], remove: [%[1]q]}}]}", name),
			fmt.Sprintf("{filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [%q]}}]}", name),
			fmt.Sprintf("{matches: [{headers: [{name: %q, value: a}]}]}", name))
	}
	return append(rules,
		"{matches: [{method: CONNECT}]}", "{matches: [{method: TRACE}]}",
		"{filters: [{type: RequestRedirect, requestRedirect: {port: 65535, statusCode: 302, hostname: a.example, scheme: https}}]}",
		"{filters: [{type: URLRewrite, urlRewrite: {hostname: a.example}}]}",
		`{filters: [{type: CORS, cors: {allowOrigins: ["*", "https://*.example", "http://a.example:80"], allowMethods: ["*"], maxAge: 2147483647}}]}`,
		"{name: "+strings.Repeat("n", 253)+"}", "{backendRefs: []}")
}

// oddRoutes brings odd rules, each in a route of its own. Envoy must refuse
// nothing of them: what it would, the route's status says.
func (w *crowd) oddRoutes(t *testing.T) {
	const refusals = `(update_rejected|listener_create_failure)$`
	before := w.envoy.Stats(t, refusals)
	taken := map[string]string{}
	var refused atomic.Int64
	var group errgroup.Group
	group.SetLimit(16)
	for i, rule := range oddRules() {
		name := fmt.Sprintf("odd%d", i)
		if !strings.Contains(rule, "RequestRedirect") && !strings.Contains(rule, "backendRefs") {
			rule = strings.TrimSuffix(rule, "}") + ", backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: p0}]}"
		}
		object := parse(t, crowdRouteManifest, name, name+".bad.example", "["+rule+"]")[0]
		taken[name] = rule
		group.Go(func() error {
			if err := w.Create(t.Context(), object); err == nil {
				return nil
			} else if !apierrors.IsInvalid(err) {
				return err
			}
			refused.Add(1)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	said := 0
	list := &gatewayv1.HTTPRouteList{}
	envoytest.Eventually(t, 2*patient, func() error {
		said = 0
		if err := w.List(t.Context(), list, client.InNamespace("crowd")); err != nil {
			return err
		}
		for i := range list.Items {
			o := &list.Items[i]
			if taken[o.Name] == "" {
				continue
			}
			accepted := meta.FindStatusCondition(ofParent(o), "Accepted")
			if accepted == nil {
				return fmt.Errorf("%s has no status: %s", o.Name, taken[o.Name])
			}
			if isTrue(o.Generation, ofParent(o), "Accepted") != nil {
				said++
			}
			if strings.HasPrefix(accepted.Message, "Envoy ") {
				t.Errorf("%s: %s", taken[o.Name], accepted.Message)
			}
		}
		return nil
	})
	// A last route proves that Envoy has had all before.
	w.apply(t, crowdRouteManifest, "last", "last.bad.example", "[{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: p0}]}]")
	w.answersBad(t, "last", http.StatusOK)
	for name, count := range w.envoy.Stats(t, refusals) {
		if count != before[name] {
			t.Errorf("Envoy's %s went from %d to %d", name, before[name], count)
		}
	}
	t.Logf("of %d odd rules the API server refused %d, and the controller %d", len(taken), refused.Load(), said)
	w.unharmed(t)
}
