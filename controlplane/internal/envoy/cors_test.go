package envoy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// corsRoutes are those of TestCORS, each with policies of their own.
func corsRoutes(c *ir.Cluster) []*ir.Route {
	anyOrigin := []ir.ValueMatch{{Type: ir.Regex, Value: ".*"}}
	all := []string{"*"}
	var routes []*ir.Route
	for path, cors := range map[string]*ir.CORS{
		"/names": {
			AllowOrigins: []ir.ValueMatch{{Value: "https://www.foo.com"}, {Type: ir.Regex, Value: `https://[^/:]*\.bar\.com(:443)?`}},
			AllowMethods: []string{"GET", "OPTIONS"}, AllowHeaders: []string{"x-1", "x-2"}, ExposeHeaders: []string{"x-3", "x-4"},
			AllowCredentials: true, MaxAge: 3600,
		},
		"/all":         {AllowOrigins: anyOrigin, AllowMethods: all, AllowHeaders: all, ExposeHeaders: all, MaxAge: 5},
		"/credentials": {AllowOrigins: anyOrigin, AllowMethods: all, AllowHeaders: all, AllowCredentials: true, MaxAge: 5},
		"/nobody":      {MaxAge: 5},
	} {
		route := sending(path, c)
		route.CORS = cors
		routes = append(routes, route)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		route := sending("/method", c)
		route.Match.Method = method
		route.CORS = &ir.CORS{AllowOrigins: []ir.ValueMatch{{Value: "https://" + strings.ToLower(method)}}, AllowMethods: []string{method}}
		routes = append(routes, route)
	}
	return append(routes, sending("/without", c))
}

// corsCase is a request and the headers of its answer, without the
// "access-control-" that they begin with; the others of these must be absent.
type corsCase struct {
	path, method, origin string
	// asked is the method that a preflight request asks for; it is none where
	// it is empty. Requested are the headers.
	asked, requested string
	want             map[string]string
	// forwarded tells whether the backend gets the request.
	forwarded bool
}

func corsCases() map[string]corsCase {
	const foo, bar, evil = "https://www.foo.com", "https://a.b.bar.com", "https://bar.com.evil.example"
	names := func(origin string) map[string]string {
		return map[string]string{
			"allow-origin": origin, "allow-methods": "GET, OPTIONS", "allow-headers": "x-1, x-2", "expose-headers": "x-3, x-4",
			"max-age": "3600", "allow-credentials": "true",
		}
	}
	actual := func(origin string) map[string]string {
		return map[string]string{"allow-origin": origin, "expose-headers": "x-3, x-4", "allow-credentials": "true"}
	}
	denied := map[string]string{
		"allow-methods": "GET, OPTIONS", "allow-headers": "x-1, x-2", "max-age": "3600", "allow-credentials": "true",
	}
	return map[string]corsCase{
		"preflight, exact":    {path: "/names", method: "OPTIONS", origin: foo, asked: "GET", want: names(foo)},
		"preflight, wildcard": {path: "/names", method: "OPTIONS", origin: bar, asked: "GET", want: names(bar)},
		"preflight, own port": {path: "/names", method: "OPTIONS", origin: bar + ":443", asked: "GET", want: names(bar + ":443")},
		// Without the origin the rest says nothing to a browser.
		"preflight, other":        {path: "/names", method: "OPTIONS", origin: evil, asked: "GET", want: denied},
		"preflight, other port":   {path: "/names", method: "OPTIONS", origin: bar + ":8443", asked: "GET", want: denied},
		"preflight, other scheme": {path: "/names", method: "OPTIONS", origin: "http://a.bar.com", asked: "GET", want: denied},
		"actual, exact":           {path: "/names", method: "GET", origin: foo, want: actual(foo), forwarded: true},
		"actual, wildcard":        {path: "/names", method: "PUT", origin: bar, want: actual(bar), forwarded: true},
		"actual, other":           {path: "/names", method: "GET", origin: evil, want: map[string]string{}, forwarded: true},
		"actual, same origin":     {path: "/names", method: "GET", want: map[string]string{}, forwarded: true},
		"OPTIONS, no preflight":   {path: "/names", method: "OPTIONS", origin: foo, want: actual(foo), forwarded: true},
		"preflight, all": {path: "/all", method: "OPTIONS", origin: "https://x:1", asked: "PUT", requested: "x-9", want: map[string]string{
			"allow-origin": "https://x:1", "allow-methods": "PUT", "allow-headers": "x-9", "expose-headers": "*", "max-age": "5",
		}},
		"preflight, all with credentials": {path: "/credentials", method: "OPTIONS", origin: foo, asked: "PUT", requested: "x-9, x-8", want: map[string]string{
			"allow-origin": foo, "allow-methods": "PUT", "allow-headers": "x-9, x-8", "max-age": "5", "allow-credentials": "true",
		}},
		"actual, all with credentials": {path: "/credentials", method: "GET", origin: foo, want: map[string]string{
			"allow-origin": foo, "allow-credentials": "true",
		}, forwarded: true},
		"preflight, nobody": {path: "/nobody", method: "OPTIONS", origin: foo, asked: "GET", want: map[string]string{"max-age": "5"}},
		"preflight, a method": {path: "/method", method: "OPTIONS", origin: "https://put", asked: "PUT", want: map[string]string{
			"allow-origin": "https://put", "allow-methods": "PUT",
		}},
		"preflight, another method": {path: "/method", method: "OPTIONS", origin: "https://put", asked: "DELETE", want: map[string]string{
			"allow-methods": "DELETE",
		}},
		"preflight, without": {path: "/without", method: "OPTIONS", origin: foo, asked: "GET", want: map[string]string{}, forwarded: true},
		"actual, without":    {path: "/without", method: "GET", origin: foo, want: map[string]string{}, forwarded: true},
	}
}

// TestCORS asks a real Envoy as browsers do.
func TestCORS(t *testing.T) {
	t.Parallel()
	backend := record(t, "backend", func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.URL.Path != "/without" {
			for _, name := range []string{"Allow-Origin", "Allow-Credentials", "Allow-Methods", "Allow-Headers", "Expose-Headers", "Max-Age"} {
				w.Header().Set("Access-Control-"+name, "of the backend")
			}
		}
	})
	s := serve(t, []*ir.Cluster{backend.cluster}, nil, corsRoutes(backend.cluster)...)
	for name, test := range corsCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			for header, value := range map[string]string{
				"Origin": test.origin, "Access-Control-Request-Method": test.asked, "Access-Control-Request-Headers": test.requested,
			} {
				if value != "" {
					headers = append(headers, header, value)
				}
			}
			got := s.ask(t, test.method, test.path, "", headers...)
			if forwarded := got.header.Get("X-Backend") != ""; got.status != http.StatusOK || forwarded != test.forwarded {
				t.Errorf("status %d, forwarded: %t", got.status, forwarded)
			}
			for header := range got.header {
				if short, isCORS := strings.CutPrefix(strings.ToLower(header), "access-control-"); isCORS {
					if want, wanted := test.want[short]; !wanted || got.header.Get(header) != want {
						t.Errorf("%s: %q, want %q", header, got.header.Get(header), want)
					}
				}
			}
			for short := range test.want {
				if len(got.header.Values("Access-Control-"+short)) != 1 {
					t.Errorf("access-control-%s is missing", short)
				}
			}
		})
	}
}
