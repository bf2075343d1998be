package controlplane

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/metrics"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/source"
)

func TestAPanicOfTheTranslationIsAnError(t *testing.T) {
	t.Parallel()
	broken := &snapshot.Snapshot{Gateways: []*gatewayv1.Gateway{nil}}
	_, err := safeTranslate(broken, TranslationOptions{}, time.Now(), nil)
	if err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("got %v", err)
	}
}

func TestRunNeedsItsOptions(t *testing.T) {
	t.Parallel()
	err := Run(t.Context(), Options{})
	for _, want := range []string{"API server", "listener", "certificate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of the %s", err, want)
		}
	}
}

func TestMissingKindsSayHowToInstallThem(t *testing.T) {
	t.Parallel()
	err := withInstallSteps(&source.MissingError{CRDs: []string{
		"gateways.gateway.networking.k8s.io (v1)", "backends.gateway.kgateway.dev (v1alpha1)",
	}})
	for _, want := range []string{"gateways.gateway.networking.k8s.io (v1)", "kubectl apply", "standard-install.yaml", "kubectl tlsgw install"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ready atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	fine := func() error { return nil }
	probes := health{alive: fine, ready: readinessOf(&ready), metrics: metrics.New("v1", func() metrics.State { return metrics.State{} }).Handler()}
	go func() { ended <- probes.serve(ctx, l) }()
	url := "http://" + l.Addr().String()
	probe(t, url+"/healthz", http.StatusOK, "")
	probe(t, url+"/readyz", http.StatusServiceUnavailable, "not synced")
	ready.Store(true)
	probe(t, url+"/readyz", http.StatusOK, "")
	probe(t, url+"/metrics", http.StatusOK, "tlsgw_ready 0")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func readinessOf(ready *atomic.Bool) func() error {
	return func() error {
		if !ready.Load() {
			return errors.New("the caches have not synced yet")
		}
		return nil
	}
}

func probe(t *testing.T, url string, code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	envoytest.Eventually(t, 5*time.Second, func() error {
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		got, err := io.ReadAll(response.Body)
		if err == nil && (response.StatusCode != code || !strings.Contains(string(got), body)) {
			t.Fatalf("%s: %d %q, want %d %q", url, response.StatusCode, got, code, body)
		}
		return err
	})
}
