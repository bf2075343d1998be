package kind

import "testing"

// What engines list was recorded from Docker 20.10, Podman 4 and nerdctl 1.7.
func TestPublisher(t *testing.T) {
	t.Parallel()
	for name, listed := range map[string]string{
		"docker":  "other\t\nudp\t127.0.0.1:8080->80/udp\nmine\t127.0.0.1:33489->6443/tcp, 127.0.0.1:8080->30080/tcp\n",
		"docker6": "inner\t8080/tcp\nmine\t0.0.0.0:8080->80/tcp, :::8080->80/tcp\n",
		"bracket": "mine\t0.0.0.0:80->80/tcp, [::]:8080->80/tcp\n",
		"ranges":  "below\t0.0.0.0:8000-8079->8000-8079/tcp\nmine\t0.0.0.0:8080-8090->8080-8090/tcp\n",
		"nerdctl": "udp\t0.0.0.0:8080->80/udp\nmine\t127.0.0.1:8080->30080/tcp, 127.0.0.1:40001->6443/tcp\n",
		"podman":  "above\t127.0.0.1:18080->8080/tcp\nmine\t127.0.0.1:8080->30080/tcp, 127.0.0.1:46253->6443/tcp\n",
	} {
		if got := publisherIn(listed, 8080); got != "mine" {
			t.Errorf("%s: port 8080 is of %q", name, got)
		}
		if got := publisherIn(listed, 30080); got != "" {
			t.Errorf("%s: port 30080 is of %q", name, got)
		}
	}
}
