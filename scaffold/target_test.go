package scaffold

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want   Target
		object string
		label  string
		text   string
	}{
		"svc/nginx":           {Target{Service, "nginx", 0}, "nginx", "svc.nginx", "svc/nginx"},
		"service/nginx":       {Target{Service, "nginx", 0}, "nginx", "svc.nginx", "svc/nginx"},
		"backend/a.b":         {Target{Backend, "a.b", 0}, "a.b", "backend.a.b", "backend/a.b"},
		"host/httpbin.org":    {Target{Host, "httpbin.org", 443}, "httpbin-org", "host.httpbin.org", "host/httpbin.org"},
		"host/HTTPBIN.org.":   {Target{Host, "httpbin.org", 443}, "httpbin-org", "host.httpbin.org", "host/httpbin.org"},
		"host/a.example:8443": {Target{Host, "a.example", 8443}, "a-example-8443", "host.a.example_8443", "host/a.example:8443"},
		"host/192.0.2.7":      {Target{Host, "192.0.2.7", 443}, "192-0-2-7", "host.192-0-2-7", "host/192.0.2.7"},
		"host/192.0.2.7:9443": {Target{Host, "192.0.2.7", 9443}, "192-0-2-7-9443", "host.192-0-2-7_9443", "host/192.0.2.7:9443"},
		"host/[2001:db8::1]":  {Target{Host, "2001:db8::1", 443}, "2001-0db8-0000-0000-0000-0000-0000-0001", "host.2001-0db8-0000-0000-0000-0000-0000-0001", "host/2001:db8::1"},
		"host/[2001:db8::1]:8443": {Target{Host, "2001:db8::1", 8443}, "2001-0db8-0000-0000-0000-0000-0000-0001-8443", "host.2001-0db8-0000-0000-0000-0000-0000-0001_8443",
			"host/[2001:db8::1]:8443"},
	}
	for text, test := range tests {
		got, err := ParseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got != test.want || got.ObjectName() != test.object || got.Label() != test.label || got.String() != test.text {
			t.Errorf("%s: got %#v, object %s, label %s, text %s", text, got, got.ObjectName(), got.Label(), got)
		}
		if again, err := ParseTarget(got.String()); err != nil || again != got {
			t.Errorf("%s: its text %s is read as %v, %v", text, got, again, err)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nginx":             "write svc/nginx",
		"pod/nginx":         `unknown kind "pod"`,
		"svc/":              "not the name of a svc",
		"svc/nginx:8443":    "write svc/nginx --port 8443",
		"svc/Nginx":         "not the name of a svc",
		"backend/a_b":       "not the name of a backend",
		"host/":             "not a host",
		"host/a b":          "not a host",
		"host/a.example:0":  "from 1 to 65535",
		"host/a:99999":      "from 1 to 65535",
		"host/https://a":    "without scheme",
		"host/fe80::1%eth0": "zone",
	}
	for text, want := range tests {
		_, err := ParseTarget(text)
		field, ok := errors.AsType[*FieldError](err)
		if !ok || field.Field != "TARGET" || !strings.Contains(field.Problem, want) {
			t.Errorf("%s: got %v, want a problem with %q", text, err, want)
		}
	}
}

// TestPortsOfAHost: what is made for one port of a host is neither taken for
// that of another one nor overwritten by it, however long the host's name is.
func TestPortsOfAHost(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a.example", "192.0.2.7", "2001:db8::1", strings.Repeat("long.", 20) + "example"} {
		labels, objects := map[string]bool{}, map[string]bool{}
		for _, port := range []int32{DefaultHostPort, 8443, 18443} {
			target := Target{Kind: Host, Name: name, Port: port}
			labels[target.Label()], objects[target.ObjectName()] = true, true
		}
		if len(labels) != 3 || len(objects) != 3 {
			t.Errorf("%s: labels %v, objects %v of three ports", name, labels, objects)
		}
	}
	for label, want := range map[string]string{
		"svc.nginx": "svc/nginx", "host.a.example": "host/a.example", "host.a.example_8443": "host/a.example:8443", "backend.a.b": "backend/a.b",
	} {
		if got := DescribeLabel(label); got != want {
			t.Errorf("label %s is described as %s, want %s", label, got, want)
		}
	}
}

// FuzzParseTarget: whatever is accepted makes a valid label and valid names.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"svc/nginx", "host/a.example:8443", "host/[::1]:1", "backend/a.b", "host/::", "host/1.2.3.4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := ParseTarget(text)
		if err != nil {
			return
		}
		if problems := validation.IsValidLabelValue(target.Label()); len(problems) > 0 {
			t.Errorf("%q: label %q: %v", text, target.Label(), problems)
		}
		spec := Spec{Target: target, Namespace: "default", Policy: BackendTLSPolicy, Trust: Trust{System: true}, SNI: "a"}
		if err := spec.Validate(); err != nil && len(text) < 200 {
			t.Errorf("%q: %v", text, err)
		}
	})
}
