package deploy_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// renewal lets two thirds of a certificate's life pass.
func (w *world) renewal(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	before, err := get[*corev1.Secret](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Step(50 * 24 * time.Hour)
	marker := w.gateway(t, "marker", "{}")
	w.want(marker)
	w.deployed(t, marker)
	early, err := get[*corev1.Secret](t, w, s)
	if err != nil {
		t.Fatal(err)
	}
	if early.ResourceVersion != before.ResourceVersion {
		t.Error("the certificate was renewed too early")
	}

	// What is frozen keeps its objects, but for the certificate.
	d := *s.Deployment
	d.Frozen, d.Ports = true, nil
	frozen := s
	frozen.Deployment = &d
	w.want(frozen)
	// Parameters cannot lead to anything now.
	frozen.Merged = spec(t, "{deployment: {replicas: 9}}").Merged
	w.want(frozen)
	versions := w.versions(t, s)
	w.clock.Step(11 * 24 * time.Hour)
	eventually(t, w, s, func(after *corev1.Secret) error {
		if string(after.Data["tls.crt"]) == string(before.Data["tls.crt"]) {
			return errors.New("it is still the same certificate")
		}
		if left := expiry(t, after.Data["tls.crt"]).Sub(w.clock.Now()); left < 89*24*time.Hour {
			return fmt.Errorf("it is good for %s only", left)
		}
		return nil
	})
	after := w.versions(t, s)
	delete(versions, "Secret")
	delete(after, "Secret")
	if diff := cmp.Diff(versions, after); diff != "" {
		t.Errorf("what is frozen was written (-before +after):\n%s", diff)
	}
	w.want(s)
}

func expiry(t *testing.T, certificate []byte) time.Time {
	t.Helper()
	block, _ := pem.Decode(certificate)
	if block == nil {
		t.Fatal("no certificate")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.NotAfter
}

// leave also has what was left over from an earlier term deleted.
func (w *world) leave(t *testing.T) {
	s := w.specs[ir.Name{Namespace: "of-http", Name: "http"}]
	w.unwant(s.Gateway)
	w.gone(t, s)
	second := w.specs[ir.Name{Namespace: "of-second", Name: "second"}]
	w.stop()
	delete(w.specs, second.Gateway)
	w.start(t)
	w.gone(t, second)
	third := w.specs[ir.Name{Namespace: "of-third", Name: "third"}]
	w.exist(t, third)
}
