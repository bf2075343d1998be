//go:build e2e

package local

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
)

// A CA is replaced through its ConfigMap, as it is done: first both are
// trusted, then the backend changes its certificate, then the old one goes.
// No request fails.
func TestCARotation(t *testing.T) {
	s := shared(t)
	namespace := s.namespace(t, "rotation")
	oldCA := pair(t)(s.certs.CA(pki.Spec{CommonName: "Old CA"}))
	newCA := pair(t)(s.certs.CA(pki.Spec{CommonName: "New CA"}))
	signed := func(ca *pki.Pair) *pki.Pair {
		t.Helper()
		host := hostOf(namespace, "app")
		return pair(t)(s.certs.Leaf(ca, pki.Spec{CommonName: host, DNSNames: []string{host}}))
	}
	a := s.appWith(t, namespace, "app", serve(signed(oldCA)))
	a.values["CA"] = text(oldCA.CertPEM())
	a.start(t)
	began := time.Now()
	stream := s.stream(t, a.host)
	flowing(t, stream, began, steady)
	handshakes := a.Counts().Handshakes

	a.apply(t, "ca", "CA", text(slices.Concat(oldCA.CertPEM(), newCA.CertPEM())))
	s.awaitTrust(t, oldCA, newCA)
	flowing(t, stream, time.Now(), steady)
	a.SetTLS(serve(signed(newCA)))
	poll.Until(t, soon, "handshakes with the new certificate", func() (bool, string) {
		n := a.Counts().Handshakes
		return n > handshakes, fmt.Sprintf("%d as before", n)
	})
	flowing(t, stream, time.Now(), steady)
	a.apply(t, "ca", "CA", text(newCA.CertPEM()))
	s.awaitTrust(t, newCA)
	// Connections that were verified before do not count.
	a.SetTLS(serve(signed(newCA)))
	flowing(t, stream, time.Now(), steady)

	samples := stream.Stop()
	t.Logf("%s; %d handshakes", samples.Summary(began), a.Counts().Handshakes)
	if failed := samples.Failed(); len(failed) > 0 {
		t.Errorf("requests failed: %s", failed.Summary(began))
	}
	if counts := a.Counts(); counts.Plaintext > 0 || counts.Refused > 0 {
		t.Errorf("the backend counts %+v: plaintext or refused handshakes", counts)
	}

	// The old CA is gone in earnest.
	a.SetTLS(serve(signed(oldCA)))
	s.await(t, a.host, http.StatusServiceUnavailable)
}

// awaitTrust waits until Envoy holds a trust bundle of exactly these CAs.
func (s *suite) awaitTrust(t *testing.T, cas ...*pki.Pair) {
	t.Helper()
	var want []byte
	for _, ca := range cas {
		want = append(want, ca.CertPEM()...)
	}
	poll.Until(t, soon, fmt.Sprintf("Envoy trusts %v", cas), func() (bool, string) {
		dump, err := s.Admin(t.Context(), "/config_dump", url.Values{"resource": {"dynamic_active_secrets"}})
		if err != nil {
			return false, err.Error()
		}
		var decoded any
		if err := json.Unmarshal(dump, &decoded); err != nil {
			return false, err.Error()
		}
		bundles := bytesAt(decoded, "inline_bytes")
		return slices.ContainsFunc(bundles, func(b []byte) bool { return bytes.Equal(b, want) }),
			fmt.Sprintf("%d other bundles", len(bundles))
	})
}

// bytesAt are all values of a key, wherever it is in decoded JSON.
func bytesAt(value any, key string) [][]byte {
	var found [][]byte
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if encoded, ok := inner.(string); ok && name == key {
				if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil {
					found = append(found, plain)
				}
			}
			found = append(found, bytesAt(inner, key)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, bytesAt(inner, key)...)
		}
	}
	return found
}
