package kube

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestHopeless(t *testing.T) {
	t.Parallel()
	going := podWith(waits("InvalidImageName", "", 0))
	going.DeletionTimestamp = &metav1.Time{}
	for message, c := range map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"no such tag":   {podWith(waits("ErrImagePull", "failed to resolve reference: ghcr.io/x:y: not found", 0)), true},
		"no permission": {podWith(waits("ImagePullBackOff", "pull access denied", 0)), true},
		"no name":       {podWith(waits("InvalidImageName", "couldn't parse", 0)), true},
		"not loaded":    {podWith(waits("ErrImageNeverPull", "", 0)), true},
		"no network":    {podWith(waits("ErrImagePull", "dial tcp: i/o timeout", 0)), false},
		"crashes":       {podWith(waits("CrashLoopBackOff", "not found", 0)), false},
		"runs":          {podWith(corev1.ContainerStatus{}), false},
		"goes away":     {going, false},
	} {
		if err := newOutlook().hopeless(c.pod, time.Time{}); (err != nil) != c.want {
			t.Errorf("%s: %v", message, err)
		}
	}
}

// TestUnreachableRegistry: it counts from a pull that fails while somebody
// looks, and only while none gets further.
func TestUnreachableRegistry(t *testing.T) {
	t.Parallel()
	const lookup = `failed to pull and unpack image "x": dial tcp: lookup registry.example on 10.0.0.1:53: no such host`
	pull := func(message string) corev1.ContainerStatus { return waits("ErrImagePull", message, 0) }
	backOff := waits("ImagePullBackOff", `Back-off pulling image "x"`, 0)
	backOffWhy := waits("ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: `+lookup, 0)
	running := corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	type look struct {
		at     time.Duration
		status corev1.ContainerStatus
	}
	const early, late = unreachableGrace - time.Second, unreachableGrace
	for name, c := range map[string]struct {
		looks []look
		want  bool // at the last look, and never before
	}{
		"a moment":              {[]look{{0, pull(lookup)}, {time.Second, backOff}, {early, pull(lookup)}}, false},
		"longer":                {[]look{{0, pull(lookup)}, {time.Second, backOff}, {late, backOff}}, true},
		"a newer kubelet":       {[]look{{0, pull(lookup)}, {time.Second, backOffWhy}, {late, backOffWhy}}, true},
		"timeouts":              {[]look{{0, pull("dial tcp 10.0.0.1:443: i/o timeout")}, {late, pull("dial tcp 10.0.0.1:443: i/o timeout")}}, true},
		"refused":               {[]look{{0, pull("connect: connection refused")}, {late, backOff}}, true},
		"no network":            {[]look{{0, pull("connect: network is unreachable")}, {late, backOff}}, true},
		"no route":              {[]look{{0, pull("connect: no route to host")}, {late, backOff}}, true},
		"no DNS":                {[]look{{0, pull("lookup x on 10.0.0.1:53: server misbehaving")}, {late, backOff}}, true},
		"no TLS":                {[]look{{0, pull("net/http: TLS handshake timeout")}, {late, backOff}}, true},
		"another runtime":       {[]look{{0, waits("RegistryUnavailable", "image pull failed", 0)}, {late, backOff}}, true},
		"failed before":         {[]look{{0, backOffWhy}, {late, backOffWhy}}, false},
		"failed before and now": {[]look{{0, backOffWhy}, {late, pull(lookup)}, {late + early, backOffWhy}, {late + late, backOffWhy}}, true},
		"another trouble":       {[]look{{0, pull("unexpected EOF")}, {late, backOff}}, false},
		"then another trouble":  {[]look{{0, pull(lookup)}, {early, pull("unexpected EOF")}, {late, backOff}}, false},
		"there after all":       {[]look{{0, pull(lookup)}, {early, running}, {late, backOff}}, false},
	} {
		o, start := newOutlook(), time.Unix(0, 0)
		for i, l := range c.looks {
			l.status.Image = "registry.example/x:1"
			err := o.hopeless(podWith(l.status), start.Add(l.at))
			if want := c.want && i == len(c.looks)-1; (err != nil) != want {
				t.Errorf("%s: after %s: %v", name, l.at, err)
			}
			if _, ok := errors.AsType[*UnreachableError](err); err != nil && (!ok || !strings.Contains(err.Error(), "registry.example/x:1")) {
				t.Errorf("%s: after %s: %v does not name the image", name, l.at, err)
			}
		}
	}
}

// TestContainersApart: one container's failure is not another's.
func TestContainersApart(t *testing.T) {
	t.Parallel()
	o, start := newOutlook(), time.Unix(0, 0)
	other := waits("ImagePullBackOff", "Back-off", 0)
	other.Name = "other"
	second := podWith(waits("ImagePullBackOff", "Back-off", 0))
	second.UID = "second"
	if err := o.hopeless(podWith(waits("ErrImagePull", "no such host", 0), other), start); err != nil {
		t.Fatal(err)
	}
	for _, pod := range []*corev1.Pod{podWith(other), second} {
		if err := o.hopeless(pod, start.Add(unreachableGrace)); err != nil {
			t.Errorf("%s: %v", pod.UID, err)
		}
	}
}
