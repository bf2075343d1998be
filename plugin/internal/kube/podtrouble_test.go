package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func waits(reason, message string, restarts int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "c", RestartCount: restarts, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
	}}
}

func ended(code int32, reason, message string) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}
}

func podWith(statuses ...corev1.ContainerStatus) *corev1.Pod {
	return &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: statuses}}
}

// TestPodFacts: every way in which a pod is commonly not ready.
func TestPodFacts(t *testing.T) {
	t.Parallel()
	crashing := waits("CrashLoopBackOff", "back-off 5m0s restarting failed container", 3)
	crashing.LastTerminationState.Terminated = ended(1, "Error", "error: no CA\n")
	killed := corev1.ContainerStatus{Name: "c", RestartCount: 1, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	killed.LastTerminationState.Terminated = ended(137, "OOMKilled", "")
	running := corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	ready := running
	ready.Ready = true
	unscheduled := podWith()
	unscheduled.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available: 1 Insufficient memory."}}
	evicted := podWith(crashing)
	evicted.Status.Reason, evicted.Status.Message = "Evicted", "The node was low on resource: memory."
	initialising := podWith(waits("PodInitializing", "", 0))
	initialising.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "i", State: corev1.ContainerState{Terminated: ended(2, "Error", "")}}}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"no such image":  {podWith(waits("ImagePullBackOff", `Back-off pulling image "x"`, 0)), []string{`container c waits: ImagePullBackOff: Back-off pulling image "x"`}},
		"no message":     {podWith(waits("ContainerCreating", "", 0)), []string{"container c waits: ContainerCreating"}},
		"crashes":        {podWith(crashing), []string{"container c waits (CrashLoopBackOff); it ended with exit code 1 and was restarted 3 times: error: no CA"}},
		"out of memory":  {podWith(killed), []string{"container c ended with exit code 137 (OOMKilled) and was restarted 1 times"}},
		"not ready":      {podWith(ready, running), []string{"container c runs and is not ready"}},
		"not scheduled":  {unscheduled, []string{"not scheduled: 0/1 nodes are available: 1 Insufficient memory."}},
		"evicted":        {evicted, []string{"Evicted: The node was low on resource: memory."}},
		"init container": {initialising, []string{"container i ended with exit code 2", "container c waits: PodInitializing"}},
		"nothing known":  {&corev1.Pod{}, []string{"is new and not ready"}},
		"just there":     {podWith(), []string{"is Pending and not ready"}},
	} {
		if got := podFacts(c.pod); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestTroubledPods: pods in the same trouble are told once, and those that are
// well or go away not at all.
func TestTroubledPods(t *testing.T) {
	t.Parallel()
	named := func(name string, pod *corev1.Pod) corev1.Pod {
		pod.Name = name
		return *pod
	}
	well := named("well", podWith())
	well.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	going := named("going", podWith())
	going.DeletionTimestamp = &metav1.Time{}
	groups := troubledPods([]corev1.Pod{
		well, going, named("a", podWith(waits("ErrImagePull", "m", 0))), named("b", podWith()), named("c", podWith(waits("ErrImagePull", "m", 0))),
	})
	for _, group := range readyPods([]corev1.Pod{well, going, named("a", podWith()), well}) {
		if got := group.lines(); !slices.Equal(got, []string{"pod well: is ready"}) {
			t.Errorf("ready pods: got %q", got)
		}
	}
	var lines []string
	for _, group := range groups {
		lines = append(lines, group.lines()...)
	}
	want := []string{"pod a (and 1 more like it): container c waits: ErrImagePull: m", "pod b: is Pending and not ready"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// TestNews: a warning that only repeats the state is left out.
func TestNews(t *testing.T) {
	t.Parallel()
	group := podGroup{facts: []string{`container c waits: ErrImagePull: failed to pull image "x": no such host`}}
	got := group.news([]string{
		`Failed: Failed to pull image "x": failed to pull image "x": no such host`, "Failed: Error: ErrImagePull", "Failed: Error: ImagePullBackOff",
		`FailedMount: MountVolume.SetUp failed for volume "v": secret "s" not found`, "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503",
	})
	if len(got) != 2 || !strings.HasPrefix(got[0], "FailedMount") || !strings.HasPrefix(got[1], "Unhealthy") {
		t.Errorf("got %q", got)
	}
}

// TestWarnings: the newest, each once, of that object only.
func TestWarnings(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	event := func(uid, reason string, seconds int64) corev1.Event {
		return corev1.Event{Type: corev1.EventTypeWarning, Reason: reason, InvolvedObject: corev1.ObjectReference{UID: types.UID(uid)}, LastTimestamp: metav1.NewTime(at(seconds))}
	}
	normal := event("a", "Scheduled", 9)
	normal.Type = corev1.EventTypeNormal
	series := event("a", "Series", 0)
	series.LastTimestamp, series.Series = metav1.Time{}, &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(at(6))}
	single := event("a", "Single", 0)
	single.LastTimestamp, single.EventTime = metav1.Time{}, metav1.NewMicroTime(at(5))
	long := event("a", "Long", 7)
	long.Message = strings.Repeat("word\n", 200)
	got := warnings([]corev1.Event{event("a", "Again", 8), long, series, event("b", "Others", 9), single, normal, event("a", "Again", 1)}, "a")
	if len(got) != troubleEvents || got[0] != "Series" || !strings.HasPrefix(got[1], "Long: word word") || got[2] != "Again" {
		t.Errorf("got %q", got)
	}
	if len([]rune(got[1])) != troubleWidth || strings.Contains(got[1], "\n") {
		t.Errorf("a line of %d characters", len(got[1]))
	}
}

func TestRolloutState(t *testing.T) {
	t.Parallel()
	for want, status := range map[string]appsv1.DeploymentStatus{
		"its newest state was not looked at yet": {ObservedGeneration: 1, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2},
		"1 of 2 pods made":                       {ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 1, AvailableReplicas: 2},
		"1 of 2 pods available":                  {ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 2, AvailableReplicas: 1},
		"1 old pods still there":                 {ObservedGeneration: 2, Replicas: 3, UpdatedReplicas: 2, AvailableReplicas: 2},
		"2 pods available":                       {ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2},
	} {
		replicas := int32(2)
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: &replicas}, Status: status}
		seen, done := rolloutState(deployment)
		if seen != want || done != (want == "2 pods available") {
			t.Errorf("got %q, %v, want %q", seen, done, want)
		}
	}
	if seen, done := rolloutState(&appsv1.Deployment{}); done {
		t.Errorf("a Deployment without replicas is done: %s", seen)
	}
}
