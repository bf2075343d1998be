package sample_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/binaries"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/sample"
)

// prepare writes the material of a sample and gives it a free port.
func prepare(t *testing.T, b cluster.Break) (sample.Server, sample.Material) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "with space")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	material, err := sample.NewMaterial(pki.NewMaker(time.Now, rand.Reader), b, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := sample.Server{
		Port: port, Break: b, Dir: dir,
		CertificateFile: filepath.Join(dir, "tls.crt"),
		KeyFile:         filepath.Join(dir, "tls.key"),
		ClientCAFile:    filepath.Join(dir, "client-ca.crt"),
	}
	for path, content := range map[string][]byte{
		s.CertificateFile: material.Certificate, s.KeyFile: material.Key, s.ClientCAFile: material.ClientCA,
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s, material
}

func builtin(t *testing.T, s sample.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func nginx(t *testing.T, s sample.Server) {
	t.Helper()
	path, err := binaries.Finder{Getenv: os.Getenv}.Nginx()
	if err != nil {
		t.Fatalf("%v: install nginx (make tools)", err)
	}
	config, err := s.NginxConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.Dir, "nginx.conf")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := sample.NginxArgv(path, file, s.Dir)
	if err := sample.CheckNginx(t.Context(), argv); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...) // #nosec G204
	cmd.Stderr = t.Output()
	// It may have a process of its own that serves, and ends that.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // ended by the test's context
}

// nginxOfPod is nginx as it serves in a pod.
func nginxOfPod(t *testing.T, s sample.Server) {
	t.Helper()
	s.Listen = "127.0.0.1"
	nginx(t, s)
}

func awaitUp(t *testing.T, s sample.Server) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := s.Check(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// ask sends one request as Envoy would, and returns status and body, or the
// error of the handshake.
func ask(t *testing.T, s sample.Server, m sample.Material) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(m.Bundle)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/x", s.Port), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "example.com:8080"
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}

func TestBothServersAnswerAlike(t *testing.T) {
	t.Parallel()
	servers := map[string]func(*testing.T, sample.Server){"nginx": nginx, "nginx of a pod": nginxOfPod, "builtin": builtin}
	want := map[cluster.Break]string{
		cluster.BreakNothing:    "200 Hello from the sample backend\nhost: example.com\ntls: TLSv1.3\nsni: example.com\n",
		cluster.BreakSNI:        "valid for other.example, not example.com",
		cluster.BreakCA:         "unknown authority",
		cluster.BreakExpired:    "has expired",
		cluster.BreakPlaintext:  "server gave HTTP response to HTTPS client",
		cluster.BreakTLSVersion: "protocol version not supported",
		cluster.BreakClientCert: "400 ",
	}
	for _, b := range append(cluster.Breaks(), cluster.BreakNothing) {
		for name, serve := range servers {
			t.Run(string(b)+"/"+name, func(t *testing.T) {
				t.Parallel()
				s, m := prepare(t, b)
				if err := s.Check(t.Context()); err == nil {
					t.Error("Check passes before the sample serves")
				}
				serve(t, s)
				awaitUp(t, s)
				if got := ask(t, s, m); !strings.Contains(got, want[b]) {
					t.Errorf("answer %q lacks %q", got, want[b])
				}
			})
		}
	}
}

func TestCheckKnowsItsOwn(t *testing.T) {
	t.Parallel()
	s, _ := prepare(t, cluster.BreakNothing)
	builtin(t, s)
	awaitUp(t, s)
	stranger, _ := prepare(t, cluster.BreakNothing)
	stranger.Port = s.Port
	if err := stranger.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not the sample's") {
		t.Errorf("Check() = %v for another server on the port", err)
	}
}

func TestNginxThatCannotServe(t *testing.T) {
	t.Parallel()
	s, _ := prepare(t, cluster.BreakNothing)
	if err := os.Remove(s.KeyFile); err != nil {
		t.Fatal(err)
	}
	path, err := binaries.Finder{Getenv: os.Getenv}.Nginx()
	if err != nil {
		t.Fatal(err)
	}
	config, err := s.NginxConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.Dir, "nginx.conf")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := sample.NginxArgv(path, file, s.Dir)
	before := slices.Clone(argv)
	if err := sample.CheckNginx(t.Context(), argv); err == nil || !strings.Contains(err.Error(), "tls.key") {
		t.Errorf("CheckNginx() = %v", err)
	}
	if diff := cmp.Diff(before, argv); diff != "" {
		t.Errorf("CheckNginx changes its argument:\n%s", diff)
	}
}
