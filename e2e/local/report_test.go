//go:build e2e

package local

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// report is what verify -o json prints, with the names that are promised.
type report struct {
	APIVersion, Kind string
	Results          []result
	Summary          struct{ Verified, Failed int }
	Error            string
}

type result struct {
	Target struct {
		Kind, Namespace, Name string
		Port                  int
	}
	Policy     *object
	Gateway    *object
	Cluster    string
	Verdict    string
	Stage      string
	Message    string
	Hint       string
	Expected   string
	Presented  string
	Warnings   []string
	Requests   []struct{ Status int }
	Handshakes struct{ Before, After uint64 }
	TLS        struct{ Version, Cipher, SNI, PeerSubject, NotAfter string }
}

type object struct{ Kind, Namespace, Name string }

// says is all that a person reads of it.
func (r result) says() string {
	return strings.Join([]string{r.Message, r.Expected, r.Presented, r.Hint}, "\n")
}

// verify runs verify -o json in a namespace.
func (s *suite) verify(t *testing.T, namespace string, args ...string) (report, devcluster.Result) {
	t.Helper()
	ran := s.Run(t.Context(), slices.Concat([]string{"verify", "-n", namespace, "-o", "json"}, args)...)
	var parsed report
	if err := json.Unmarshal([]byte(ran.Stdout), &parsed); err != nil {
		t.Fatalf("verify -o json did not print JSON: %v\n%s", err, ran)
	}
	if parsed.APIVersion != "tlsgw.dev/v1" || parsed.Kind != "VerifyReport" {
		t.Errorf("the report is a %s of %s", parsed.Kind, parsed.APIVersion)
	}
	return parsed, ran
}

// wantVerdict verifies one target, of which there is one policy, and returns
// its result.
func (s *suite) wantVerdict(t *testing.T, namespace, target, verdict string, more ...string) result {
	t.Helper()
	got, ran := s.verify(t, namespace, append([]string{target}, more...)...)
	if len(got.Results) != 1 {
		t.Fatalf("verify %s has %d results, want 1\n%s", target, len(got.Results), ran)
	}
	one := got.Results[0]
	want := 1
	if verdict == "Verified" {
		want = 0
	}
	if one.Verdict != verdict || ran.Code != want {
		t.Errorf("verify %s: %s with exit code %d, want %s with %d\n%s", target, one.Verdict, ran.Code, verdict, want, ran)
	}
	if got.Summary.Failed != want || got.Summary.Verified != 1-want {
		t.Errorf("the summary counts %+v of one %s", got.Summary, verdict)
	}
	switch verdict {
	case "Verified":
		if one.Handshakes.After <= one.Handshakes.Before {
			t.Errorf("verified without a new handshake: %+v", one.Handshakes)
		}
	default:
		if one.Message == "" || one.Hint == "" {
			t.Errorf("%s has message %q and hint %q, want both", verdict, one.Message, one.Hint)
		}
	}
	return one
}
