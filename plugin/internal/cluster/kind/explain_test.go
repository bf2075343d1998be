package kind

import (
	"errors"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// What engines say was recorded from Docker 20.10 and 28, Podman 4, and nerdctl
// 1.7 and 2.1.
func TestEngineIsExplained(t *testing.T) {
	t.Parallel()
	const (
		dockerDown   = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"
		dockerDenied = `permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version": dial unix /var/run/docker.sock: connect: permission denied`
		podmanDown   = "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\n" +
			`Error: unable to connect to Podman socket: Get "http://d/v4.3.1/libpod/_ping": dial unix /run/podman/podman.sock: connect: no such file or directory`
	)
	tests := map[string]struct {
		name, goos, said string
		want, fix        string
	}{
		"docker": {
			name: docker, said: dockerDown,
			want: "docker is installed, and its daemon does not answer: Cannot connect to the Docker daemon at unix:///var/run/docker.sock",
			fix:  "start it (sudo systemctl start docker), or do without: kubectl tlsgw dev-up --driver local",
		},
		"docker as of 29": {
			name: docker,
			said: "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
			want: "its daemon does not answer: failed to connect",
			fix:  "sudo systemctl start docker",
		},
		"docker, rootless": {
			name: docker, said: strings.ReplaceAll(dockerDown, "/var/run/", "/run/user/1000/"),
			want: "its daemon does not answer", fix: "start it (systemctl --user start docker)",
		},
		"docker, far away": {
			name: docker, said: "Cannot connect to the Docker daemon at tcp://10.0.0.1:2375. Is the docker daemon running?\n",
			want: "its daemon does not answer", fix: "docker context ls",
		},
		"docker, Desktop": {
			name: docker, said: strings.ReplaceAll(dockerDown, "/var/run/", "/home/me/.docker/desktop/"),
			want: "its daemon does not answer", fix: "start Docker Desktop",
		},
		"docker on a Mac": {
			name: docker, goos: "darwin", said: dockerDown,
			want: "its daemon does not answer", fix: "start Docker Desktop, or what else runs Docker here, or do without",
		},
		"docker, no permission": {
			name: docker, said: dockerDenied,
			want: "docker runs, and you may not use it: permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
			fix:  "sudo usermod -aG docker $USER    # then log in again; or do without",
		},
		"docker on a Mac, no permission": {
			name: docker, goos: "darwin", said: dockerDenied,
			want: "docker runs, and you may not use it", fix: "log in as the user who runs it",
		},
		"podman": {
			name: podman, said: podmanDown,
			want: "podman is installed, and its service does not answer: unable to connect to Podman socket: dial unix /run/podman/podman.sock: connect: no such file or directory", fix: "see which one is asked",
		},
		"podman on a Mac": {
			name: podman, goos: "darwin", said: podmanDown,
			want: "its virtual machine does not answer", fix: "start it (podman machine start)",
		},
		"podman, no permission": {
			name: podman, said: "Error: mkdir /run/user/1000: permission denied\n",
			want: "podman does not work: mkdir /run/user/1000: permission denied", fix: "podman info",
		},
		"nerdctl": {
			name: nerdctl,
			said: `time="2026-11-29T22:00:00Z" level=warning msg="no such file"` + "\n" +
				`time="2026-11-29T22:00:00Z" level=fatal msg="cannot access containerd socket \"/run/containerd/containerd.sock\" (hint: try running with ` + "`--address /x`" + `): no such file or directory"` + "\n",
			want: `nerdctl is installed, and its daemon does not answer: cannot access containerd socket "/run/containerd/containerd.sock": no such file or directory`,
			fix:  "start it (sudo systemctl start containerd)",
		},
		"nerdctl, rootless": {
			name: nerdctl,
			said: "time=\"2026-11-29T22:00:00Z\" level=fatal msg=\"rootless containerd not running? (hint: use `containerd-rootless-setuptool.sh install` to start rootless containerd): stat /run/user/1000/containerd-rootless: no such file or directory\"\n",
			want: "nerdctl is installed, and its daemon does not answer: rootless containerd not running?",
			fix:  "start it (containerd-rootless-setuptool.sh install)",
		},
		"something else": {name: nerdctl, said: "out of memory\n", want: "nerdctl does not work: out of memory", fix: "nerdctl info"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.goos == "" {
				tt.goos = linux
			}
			engine := &Engine{Name: tt.name}
			err := engine.explain(t.Context(), &commandError{command: tt.name + " info", output: tt.said, err: errors.New("exit status 1")}, tt.goos)
			failure, ok := errors.AsType[*fail.Error](err)
			if !ok || !strings.Contains(failure.Error(), tt.want) || strings.Contains(failure.Error(), "\n") {
				t.Errorf("%v, want %q in one line", err, tt.want)
			}
			if ok && !strings.Contains(failure.Fix, tt.fix) {
				t.Errorf("the fix is %q, want %q", failure.Fix, tt.fix)
			}
		})
	}
}
