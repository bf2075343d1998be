//go:build e2e

package local

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// mistake is a command line that cannot work.
type mistake struct {
	args []string
	code int
	// says is a part of the message: the thing that is wrong.
	says string
}

func mistakes(key, notPEM, missing string) []mistake {
	origin := func(more ...string) []string {
		return append([]string{"originate", "svc/app", "-n", "bad", "--sni", "app.bad.example"}, more...)
	}
	return slices.Concat([]mistake{
		{[]string{"orginate"}, 2, "orginate"},
		{[]string{"originate"}, 2, "target"},
		{[]string{"originate", "app"}, 2, "svc/app"},
		{[]string{"originate", "pod/app"}, 2, "pod"},
		{[]string{"originate", "svc/App_1"}, 2, "App_1"},
		{[]string{"originate", "svc/app", "svc/b"}, 2, "svc/b"},
		{[]string{"originate", "host/example.com:0"}, 2, "port"},
		{[]string{"originate", "host/https://example.com"}, 2, "https"},
		{[]string{"originate", "svc/missing", "-n", "bad", "--sni", "a.example"}, 1, "svc/missing"},
		{[]string{"originate", "backend/missing", "-n", "bad", "--sni", "a.example"}, 1, "backend/missing"},
		{[]string{"originate", "svc/app", "-n", "no-such-namespace", "--sni", "a.example"}, 1, "no-such-namespace"},
	}, []mistake{
		{origin("--sni", "not a name"), 2, "--sni"},
		{origin("--san", "not a name"), 2, "--san"},
		{origin("--frobnicate"), 2, "--frobnicate"},
		{origin("--port", "8444"), 1, "8444"},
		{origin("--min-tls", "1.4"), 2, "1.4"},
		{origin("--min-tls", "1.3", "--max-tls", "1.2"), 2, "--min-tls"},
		{origin("--policy", "Ingress"), 2, "Ingress"},
		{origin("--dry-run", "maybe"), 2, `"maybe"`},
		{origin("-o", "xml"), 2, "xml"},
		{origin("--timeout", "soon"), 2, "soon"},
		{origin("--system-ca", "--insecure-skip-verify"), 2, "--system-ca"},
		{origin("--gateway", "kgateway-system/http"), 2, "--expose"},
		{origin("--expose", "not_a_host"), 2, "--expose"},
		{origin("--expose", "a.bad.example", "--gateway", "kgateway-system/none"), 1, "kgateway-system/none"},
		{origin("--expose", "a.bad.example", "--path-prefix", "x"), 2, "--path-prefix"},
		{origin("-l", "novalue"), 2, "novalue"},
		{origin("--ca-from", "configmap/missing"), 1, "configmap/missing"},
		{origin("--ca-from", "secret/missing:ca.crt"), 1, "secret/missing"},
		{origin("--ca-from", "pod/ca"), 2, "pod/ca"},
		{origin("--ca-from", missing), 2, missing},
		{origin("--ca-from", notPEM), 1, notPEM},
		{origin("--ca-from", key), 1, "private key"},
	}, []mistake{
		{[]string{"verify", "app"}, 2, "app"},
		{[]string{"verify", "pod/app"}, 2, "pod"},
		{[]string{"verify", "-o", "xml"}, 2, "xml"},
		{[]string{"verify", "--requests", "0"}, 2, "--requests"},
		{[]string{"verify", "--requests", "many"}, 2, "many"},
		{[]string{"verify", "--expect-status", "ok"}, 2, "ok"},
		{[]string{"verify", "svc/app", "-A"}, 2, "all-namespaces"},
		{[]string{"verify", "--context", "nowhere"}, 2, "nowhere"},
		{[]string{"verify", "--kubeconfig", missing}, 2, missing},
		{[]string{"verify", "--server", "https://127.0.0.1:1"}, 3, "127.0.0.1:1"},
	}, []mistake{
		{[]string{"remove"}, 2, "target"},
		{[]string{"remove", "app"}, 2, "app"},
		{[]string{"remove", "svc/app", "--context", "nowhere"}, 2, "nowhere"},
		{[]string{"dev-up", "--driver", "minikube"}, 2, "minikube"},
		{[]string{"dev-up", "--driver", "local", "--name", "No/Name"}, 2, "No/Name"},
		{[]string{"dev-up", "--driver", "local", "--name", "bad", "--http-port", "70000"}, 2, "70000"},
		{[]string{"dev-up", "--driver", "local", "--name", "bad", "--break", "everything"}, 2, "everything"},
		{[]string{"dev-up", "--driver", "local", "--name", "bad", "--system-ca-file", missing}, 2, missing},
		{[]string{"dev-up", "superfluous"}, 2, "superfluous"},
		{[]string{"dev-down", "--name", "No/Name"}, 2, "No/Name"},
	})
}

// Whatever is wrong is named in one sentence, and nothing is written.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := shared(t)
	namespace := s.namespace(t, "bad")
	a := s.app(t, namespace, "app")
	a.apply(t, "service")
	a.apply(t, "ca")
	keyPEM, err := s.private.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	key := s.file(t, "key.pem", slices.Concat(s.private.CertPEM(), keyPEM))
	notPEM := s.file(t, "notes.txt", []byte("these are not the certificates you are looking for\n"))
	before := s.objects(t, namespace)
	parts := s.parts(t)

	t.Cleanup(func() {
		if diff := cmp.Diff(before, s.objects(t, namespace)); diff != "" {
			t.Errorf("objects changed (-before +after):\n%s", diff)
		}
		if after := s.parts(t); after != parts {
			t.Errorf("processes changed from %s to %s", parts, after)
		}
	})
	for _, m := range mistakes(key, notPEM, "/no/such/file.pem") {
		t.Run(strings.ReplaceAll(strings.Join(m.args, " "), "/", "|"), func(t *testing.T) {
			t.Parallel()
			ran := s.Run(t.Context(), m.args...)
			if ran.Code != m.code {
				t.Errorf("exit code %d, want %d: %s", ran.Code, m.code, ran)
			}
			message(t, ran, m.says)
			if bytes.Contains([]byte(ran.Stdout+ran.Stderr), keyPEM[30:60]) {
				t.Error("the private key is printed")
			}
		})
	}
}

// message wants one sentence on stderr that names what is wrong.
func message(t *testing.T, ran devcluster.Result, says string) {
	t.Helper()
	first, _, _ := strings.Cut(ran.Stderr[max(0, strings.Index(ran.Stderr, "error: ")):], "\n")
	if !strings.HasPrefix(first, "error: ") || !strings.Contains(first, says) {
		t.Errorf("no sentence names %q: %s", says, ran)
	}
	if strings.Count(ran.Stderr, "error: ") > 1 {
		t.Errorf("several sentences: %s", ran)
	}
	for _, trace := range []string{"goroutine ", "*errors.", "*fmt.", "panic", "%!"} {
		if strings.Contains(ran.Stderr, trace) {
			t.Errorf("%q is nothing for a person: %s", trace, ran)
		}
	}
}
