//go:build e2e

package kind

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/poll"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/traffic"
)

// ours are the namespaces in which we run pods.
func ours() []string {
	return []string{contract.SystemNamespace, contract.DevGatewayNamespace, "default"}
}

// TestPodSecurity: no pod of ours breaks the strictest profile. The API server
// warns of each pod that does, before it enforces the profile.
func TestPodSecurity(t *testing.T) {
	s := shared(t)
	for _, namespace := range ours() {
		ran := s.try(t.Context(), "label", "namespace", namespace, "--dry-run=server", "--overwrite",
			"pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/enforce-version=latest")
		if ran.Code != 0 || strings.Contains(ran.Stderr, "Warning") {
			t.Errorf("namespace %s as restricted: %s", namespace, ran)
		}
	}
	profile := s.kubectl(t, "get", "namespace", contract.SystemNamespace, "-o", `jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}`)
	if profile != "restricted" {
		t.Errorf("namespace %s enforces %q, want restricted", contract.SystemNamespace, profile)
	}
}

// TestNoKeysInLogs: no log of a pod of ours holds a private key or a
// credential.
func TestNoKeysInLogs(t *testing.T) {
	s := shared(t)
	for _, namespace := range ours() {
		for _, pod := range s.pods(t, namespace, "") {
			logs := s.kubectl(t, "logs", pod, "-n", namespace, "--all-containers")
			for _, sign := range []string{"PRIVATE KEY", "tls.key\":", "Bearer ey"} {
				if strings.Contains(logs, sign) {
					t.Errorf("the log of %s/%s has %q", namespace, pod, sign)
				}
			}
			for _, sign := range []string{"panic: ", "DATA RACE", "fatal error: ", "Caught Segmentation fault"} {
				if strings.Contains(logs, sign) {
					t.Errorf("the log of %s/%s tells of a crash: %q", namespace, pod, sign)
				}
			}
		}
	}
}

// TestControllerMemory reports what the controllers take; make bench measures
// it.
func TestControllerMemory(t *testing.T) {
	s := shared(t)
	for _, pod := range s.pods(t, contract.SystemNamespace, controllers) {
		metrics := s.forwardTo(t, contract.SystemNamespace, "pod/"+pod, fmt.Sprintf(":%d", contract.ControllerHTTPPort))
		got, err := traffic.Get(t.Context(), metrics.url+"/metrics", "")
		if err != nil || got.Status != http.StatusOK {
			t.Fatalf("/metrics of %s: %s, %v", pod, got, err)
		}
		const resident = "process_resident_memory_bytes "
		found := slices.IndexFunc(strings.Split(got.Body, "\n"), func(line string) bool { return strings.HasPrefix(line, resident) })
		if found < 0 {
			t.Fatalf("/metrics of %s has no %s", pod, resident)
		}
		t.Logf("%s: %s bytes resident", pod, strings.TrimPrefix(strings.Split(got.Body, "\n")[found], resident))
	}
}

// identity is the serial number of the certificate by which the dev Gateway's
// proxies are known to the controller.
func (s *suite) identity(t *testing.T) string {
	t.Helper()
	ran := s.try(t.Context(), "get", "secret", contract.DevGatewayName+"-xds", "-n", contract.DevGatewayNamespace, "-o", `jsonpath={.data.tls\.crt}`)
	if ran.Code != 0 {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(ran.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("the Secret's tls.crt is no PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(certificate.URIs) != 1 || certificate.URIs[0].String() != contract.NodeURI(contract.DevGatewayNamespace, contract.DevGatewayName) {
		t.Errorf("the certificate is for %v, want the Gateway alone", certificate.URIs)
	}
	return certificate.SerialNumber.String()
}

// TestIdentityReissued: the Secret of a Gateway is made anew when it is gone,
// and its proxies go on, connected.
func TestIdentityReissued(t *testing.T) {
	s := shared(t)
	s.originated(t)
	pods := s.pods(t, contract.DevGatewayNamespace, proxies)
	before := s.identity(t)
	s.kubectl(t, "delete", "secret", contract.DevGatewayName+"-xds", "-n", contract.DevGatewayNamespace)
	poll.Until(t, soon, "another certificate", func() (bool, string) {
		now := s.identity(t)
		return now != "" && now != before, now
	})
	s.wantConnected(t)
	s.changesLand(t)
	if now := s.pods(t, contract.DevGatewayNamespace, proxies); !slices.Equal(now, pods) {
		t.Errorf("the proxies were %v and are %v: they need no restart", pods, now)
	}
}

// TestAuthorityReplaced: without the CA's Secret another CA is made, every
// certificate is issued anew, and changes reach the proxies.
func TestAuthorityReplaced(t *testing.T) {
	s := shared(t)
	s.originated(t)
	requests := s.stream(t)
	before := s.identity(t)
	s.kubectl(t, "delete", "secret", contract.XDSAuthoritySecret, "-n", contract.SystemNamespace)
	poll.Until(t, slow, "a certificate of another CA", func() (bool, string) {
		now := s.identity(t)
		return now != "" && now != before, now
	})
	s.wantConnected(t)
	s.changesLand(t)
	requests.wantNoneFailed(t)
}

// wantConnected waits until the proxy of the dev Gateway is connected to a
// controller.
func (s *suite) wantConnected(t *testing.T) {
	t.Helper()
	const state = "control_plane.connected_state"
	s.oneProxy(t)
	admin := s.forwardTo(t, contract.DevGatewayNamespace, "deploy/"+contract.DevGatewayName, ":19000")
	poll.Until(t, slow, "the proxy is connected", func() (bool, string) {
		found, err := admin.stats(t.Context(), "^control_plane.connected_state$")
		return err == nil && found[state] == 1, fmt.Sprint(found, err)
	})
}
