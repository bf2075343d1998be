//go:build e2e

package kind

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/verdict"
)

const (
	// soon is how long a change of configuration may take, slow how long pods
	// may take to come or to go. No test measures these.
	soon = 20 * time.Second
	slow = 2 * time.Minute
	// guideHost is the Host header of the guide's curl command, sampleHost the
	// name in the sample's certificate.
	guideHost  = "example.com:8080"
	sampleHost = "example.com"
)

// url is what the guide's curl commands ask, with this cluster's port.
func (s *suite) url(path string) string {
	return fmt.Sprintf("http://localhost:%d%s", s.HTTPPort, path)
}

// await asks the gateway, as the guide does, until the status is as wanted.
func (s *suite) await(t *testing.T, within time.Duration, host, path string, status int) traffic.Answer {
	t.Helper()
	return awaitURL(t, within, s.url(path), host, status)
}

func awaitURL(t *testing.T, within time.Duration, url, host string, status int) traffic.Answer {
	t.Helper()
	var last traffic.Answer
	poll.Until(t, within, fmt.Sprintf("%d for %s (host %s)", status, url, host), func() (bool, string) {
		got, err := traffic.Get(t.Context(), url, host)
		if err != nil {
			return false, err.Error()
		}
		last = got
		return got.Status == status, got.String()
	})
	return last
}

// streams are requests to the sample under way, on kept and on new
// connections.
type streams struct {
	began time.Time
	all   map[string]*traffic.Stream
}

const (
	// streamRate is what each stream sends, in requests per second.
	streamRate = 40
	// minRequests is how many requests at least show that none fails.
	minRequests = 200
)

// stream sends steady traffic to the sample until the test ends.
func (s *suite) stream(t *testing.T) streams {
	t.Helper()
	began := streams{began: time.Now(), all: map[string]*traffic.Stream{}}
	for name, fresh := range map[string]bool{"kept connections": false, "new connections": true} {
		stream := traffic.Start(t.Context(), traffic.Request{
			URL: s.url("/"), Host: sampleHost, Rate: streamRate, NewConnections: fresh,
		})
		t.Cleanup(func() { stream.Stop() })
		began.all[name] = stream
	}
	return began
}

// flowing waits until each stream has had n answers to requests that began
// after a moment.
func (all streams) flowing(t *testing.T, since time.Time, n int) {
	t.Helper()
	for name, stream := range all.all {
		poll.Until(t, slow, fmt.Sprintf("%d answers on %s", n, name), func() (bool, string) {
			answered := stream.Samples().After(since)
			return len(answered) >= n, answered.Summary(since)
		})
	}
}

// wantNoneFailed ends the streams: all requests were answered with 200, and
// there were enough of them.
func (all streams) wantNoneFailed(t *testing.T) {
	t.Helper()
	all.flowing(t, all.began, minRequests/len(all.all))
	for name, stream := range all.all {
		samples := stream.Stop()
		t.Logf("%s: %s", name, samples.Summary(all.began))
		if failed := samples.Failed(); len(failed) > 0 {
			t.Errorf("%s: %d of %d requests failed: %s", name, len(failed), len(samples), failed.Summary(all.began))
		}
	}
}

// ok runs a verb of the plugin that has to succeed.
func (s *suite) ok(t *testing.T, args ...string) devcluster.Result {
	t.Helper()
	return s.exits(t, 0, args...)
}

// exits runs a verb of the plugin that has to end with a code.
func (s *suite) exits(t *testing.T, code int, args ...string) devcluster.Result {
	t.Helper()
	ran := s.Run(t.Context(), args...)
	if ran.Code != code {
		t.Fatalf("want exit code %d: %s", code, ran)
	}
	return ran
}

// says wants texts on stdout or stderr.
func says(t *testing.T, ran devcluster.Result, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(ran.Stdout+ran.Stderr, word) {
			t.Errorf("%q is not said: %s", word, ran)
		}
	}
}

// wantVerdict verifies one target, of which there is one policy, and returns
// its result.
func (s *suite) wantVerdict(t *testing.T, target, want string, more ...string) verdict.Result {
	t.Helper()
	ran := s.Run(t.Context(), append([]string{"verify", target, "-o", "json"}, more...)...)
	got, err := verdict.Parse(ran.Stdout)
	if err != nil {
		t.Fatalf("%v\n%s", err, ran)
	}
	if len(got.Results) != 1 {
		t.Fatalf("verify %s has %d results, want 1\n%s", target, len(got.Results), ran)
	}
	one, code := got.Results[0], verdict.ExitCode(want)
	for _, problem := range one.Problems(want) {
		t.Errorf("verify %s: %s\n%s", target, problem, ran)
	}
	if ran.Code != code || got.Summary.Failed != code || got.Summary.Verified != 1-code {
		t.Errorf("verify %s: exit code %d and the summary %+v do not fit one %s", target, ran.Code, got.Summary, want)
	}
	return one
}

// originated makes the sample reachable by the plugin's own proposal, and
// takes that back with the test.
func (s *suite) originated(t *testing.T, more ...string) {
	t.Helper()
	s.cleanup(t, func(ctx context.Context) {
		if removed := s.Run(ctx, "remove", "svc/nginx"); removed.Code != 0 {
			t.Error(removed)
		}
	})
	s.ok(t, append([]string{"originate", "svc/nginx", "--sni", sampleHost, "--expose", sampleHost}, more...)...)
	s.await(t, soon, sampleHost, "/", http.StatusOK)
}

// rolledOut waits until a Deployment runs what it should, in full.
func (s *suite) rolledOut(t *testing.T, namespace, name string) {
	t.Helper()
	poll.Until(t, slow, fmt.Sprintf("deployment %s/%s is rolled out", namespace, name), func() (bool, string) {
		ran := s.try(t.Context(), "rollout", "status", "deployment/"+name, "-n", namespace, "--timeout=60s")
		return ran.Code == 0, ran.Stdout + ran.Stderr
	})
}

// gatewayRolledOut is rolledOut of the dev Gateway's proxies.
func (s *suite) gatewayRolledOut(t *testing.T) {
	t.Helper()
	s.rolledOut(t, contract.DevGatewayNamespace, contract.DevGatewayName)
}

// awaitCondition waits until an object, by the words after kubectl get, has a
// condition, and returns its message. The path leads to the list.
func (s *suite) awaitCondition(t *testing.T, path, kind, status, reason string, words ...string) string {
	t.Helper()
	var message string
	format := fmt.Sprintf(`jsonpath={range %s[*]}{.type} {.status} {.reason} {.message}{"\n"}{end}`, path)
	poll.Until(t, soon, fmt.Sprintf("%v has %s=%s, %s", words, kind, status, reason), func() (bool, string) {
		ran := s.try(t.Context(), append(append([]string{"get"}, words...), "-o", format)...)
		for line := range strings.Lines(ran.Stdout) {
			if rest, ok := strings.CutPrefix(line, strings.Join([]string{kind, status, reason, ""}, " ")); ok {
				message = strings.TrimSpace(rest)
				return true, ""
			}
		}
		return false, ran.Stdout + ran.Stderr
	})
	return message
}

const (
	// ancestors leads to the conditions of policies, own to those of other
	// objects.
	ancestors = ".status.ancestors[*].conditions"
	own       = ".status.conditions"
)
