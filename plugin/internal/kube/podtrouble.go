package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// troubleTimeout bounds reading the trouble: the wait before it has
	// usually used up its own time.
	troubleTimeout = 10 * time.Second
	// troubleLogLines and troubleEvents are how many of the newest are shown,
	// readyLogLines of a pod that is ready.
	troubleLogLines = 10
	readyLogLines   = 5
	troubleEvents   = 3
	// troubleWidth is how many characters one line may have.
	troubleWidth = 400
)

// PodTrouble says why the pods with these labels are not ready, in lines for
// fail.Error.Details: their states with reasons, last termination messages,
// latest warnings and last log lines, or why no pod could be made. It has no
// error: what cannot be read is left out. A ctx that has ended is no obstacle.
func (c *Clients) PodTrouble(ctx context.Context, namespace string, labels map[string]string) []string {
	return c.podLines(ctx, namespace, labels, troubledPods)
}

// PodState is PodTrouble with the pods that are ready: for what they should
// have done and did not.
func (c *Clients) PodState(ctx context.Context, namespace string, labels map[string]string) []string {
	return c.podLines(ctx, namespace, labels, func(pods []corev1.Pod) []podGroup {
		return append(troubledPods(pods), readyPods(pods)...)
	})
}

// podLines tells of the groups that choose makes of the pods.
func (c *Clients) podLines(ctx context.Context, namespace string, labels map[string]string, choose func([]corev1.Pod) []podGroup) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), troubleTimeout)
	defer cancel()
	var pods corev1.PodList
	if err := c.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(labels)); err != nil {
		return nil
	}
	var events corev1.EventList
	// Without them the states remain.
	_ = c.Client.List(ctx, &events, client.InNamespace(namespace))
	if len(pods.Items) == 0 {
		return c.noPods(ctx, namespace, labels, events.Items)
	}
	var lines []string
	for _, group := range choose(pods.Items) {
		lines = append(lines, group.lines()...)
		pod := group.pods[0]
		for _, event := range group.news(warnings(events.Items, pod.UID)) {
			lines = append(lines, "  event "+event)
		}
		for _, line := range c.lastLog(ctx, pod) {
			lines = append(lines, "  log   "+shortened(line))
		}
	}
	return lines
}

// noPods says what keeps ReplicaSets from making pods: a quota, or an
// admission that refuses them.
func (c *Clients) noPods(ctx context.Context, namespace string, labels map[string]string, events []corev1.Event) []string {
	sets := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSetList"}}
	_ = c.Client.List(ctx, sets, client.InNamespace(namespace), client.MatchingLabels(labels))
	lines := []string{"there is no pod"}
	for i := range sets.Items {
		for _, event := range warnings(events, sets.Items[i].UID) {
			lines = append(lines, "  event "+event)
		}
	}
	return lines
}

// podGroup are pods in the same trouble, which is told once.
type podGroup struct {
	pods  []*corev1.Pod
	facts []string
}

func (g podGroup) lines() []string {
	name := "pod " + g.pods[0].Name
	if more := len(g.pods) - 1; more > 0 {
		name += fmt.Sprintf(" (and %d more like it)", more)
	}
	lines := make([]string, 0, len(g.facts))
	for _, fact := range g.facts {
		lines = append(lines, name+": "+shortened(fact))
	}
	return lines
}

// news are the warnings that say more than the facts.
func (g podGroup) news(warnings []string) []string {
	facts := strings.Join(g.facts, "\n")
	return slices.DeleteFunc(warnings, func(warning string) bool {
		_, message, _ := strings.Cut(warning, ": ")
		// The kubelet repeats the state, and then names it.
		state, isState := strings.CutPrefix(message, "Error: ")
		if _, cause, found := strings.Cut(message, ": "); found && strings.Contains(facts, cause) {
			return true
		}
		return isState && !strings.Contains(state, " ") || strings.Contains(facts, message)
	})
}

// readyPods are those that are ready, each for itself: what one of them says is
// not what the others say.
func readyPods(pods []corev1.Pod) []podGroup {
	var groups []podGroup
	for i := range pods {
		if pod := &pods[i]; podReady(pod) {
			groups = append(groups, podGroup{pods: []*corev1.Pod{pod}, facts: []string{"is ready"}})
		}
	}
	return groups
}

// troubledPods groups the pods that are not ready by what is wrong with them.
func troubledPods(pods []corev1.Pod) []podGroup {
	var groups []podGroup
	for i := range pods {
		pod := &pods[i]
		if pod.DeletionTimestamp != nil || podReady(pod) {
			continue
		}
		facts := podFacts(pod)
		at := slices.IndexFunc(groups, func(g podGroup) bool { return slices.Equal(g.facts, facts) })
		if at < 0 {
			groups = append(groups, podGroup{facts: facts})
			at = len(groups) - 1
		}
		groups[at].pods = append(groups[at].pods, pod)
	}
	return groups
}

// podFacts says why one pod is not ready.
func podFacts(pod *corev1.Pod) []string {
	if pod.Status.Reason != "" { // as Evicted
		return []string{reasoned(pod.Status.Reason, pod.Status.Message)}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return []string{"not scheduled: " + condition.Message}
		}
	}
	var facts []string
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if fact := containerFact(status); fact != "" {
			facts = append(facts, "container "+status.Name+" "+fact)
		}
	}
	if len(facts) == 0 {
		return []string{"is " + cmp.Or(string(pod.Status.Phase), "new") + " and not ready"}
	}
	return facts
}

// containerFact is empty where nothing is wrong.
func containerFact(status corev1.ContainerStatus) string {
	ended := status.State.Terminated
	if ended == nil {
		ended = status.LastTerminationState.Terminated
	}
	switch {
	case status.State.Waiting != nil && ended != nil:
		return fmt.Sprintf("waits (%s); it %s", status.State.Waiting.Reason, termination(ended, status.RestartCount))
	case status.State.Waiting != nil:
		return "waits: " + reasoned(status.State.Waiting.Reason, status.State.Waiting.Message)
	case ended != nil && (ended.ExitCode != 0 || status.State.Running != nil):
		return termination(ended, status.RestartCount)
	case status.State.Running != nil && !status.Ready:
		return "runs and is not ready"
	}
	return ""
}

func termination(ended *corev1.ContainerStateTerminated, restarts int32) string {
	text := fmt.Sprintf("ended with exit code %d", ended.ExitCode)
	if ended.Reason != "" && ended.Reason != "Error" {
		text += " (" + ended.Reason + ")"
	}
	if restarts > 0 {
		text += fmt.Sprintf(" and was restarted %d times", restarts)
	}
	if message := strings.TrimSpace(ended.Message); message != "" {
		text += ": " + message
	}
	return text
}

func reasoned(reason, message string) string {
	return strings.TrimSuffix(reason+": "+strings.TrimSpace(message), ": ")
}

// warnings are the newest of an object, oldest first.
func warnings(events []corev1.Event, uid types.UID) []string {
	var own []corev1.Event
	for _, event := range events {
		if event.InvolvedObject.UID == uid && event.Type == corev1.EventTypeWarning {
			own = append(own, event)
		}
	}
	slices.SortStableFunc(own, func(a, b corev1.Event) int { return lastTime(a).Compare(lastTime(b)) })
	var lines []string
	for _, event := range own {
		line := shortened(reasoned(event.Reason, event.Message))
		lines = append(slices.DeleteFunc(lines, func(l string) bool { return l == line }), line)
	}
	return lines[max(0, len(lines)-troubleEvents):]
}

// lastTime is when an event was last seen; which field says so depends on
// who wrote it.
func lastTime(event corev1.Event) time.Time {
	if event.Series != nil {
		return event.Series.LastObservedTime.Time
	}
	if !event.LastTimestamp.IsZero() {
		return event.LastTimestamp.Time
	}
	return event.EventTime.Time
}

// lastLog is the end of what a pod's first container that is not ready wrote,
// before its restart where it has been restarted and not written since; of a pod
// that is ready, what its first container wrote.
func (c *Clients) lastLog(ctx context.Context, pod *corev1.Pod) []string {
	if podReady(pod) {
		lines := c.podLog(ctx, pod, pod.Spec.Containers[0].Name, false)
		return lines[max(0, len(lines)-readyLogLines):]
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		started := status.State.Running != nil || status.State.Terminated != nil
		before := status.LastTerminationState.Terminated != nil
		if status.Ready || !started && !before {
			continue
		}
		for _, previous := range []bool{!started, true} {
			if lines := c.podLog(ctx, pod, status.Name, previous); len(lines) > 0 || !before {
				return lines
			}
		}
	}
	return nil
}

func (c *Clients) podLog(ctx context.Context, pod *corev1.Pod, container string, previous bool) []string {
	core, err := c.coreREST()
	if err != nil {
		return nil
	}
	text, err := core.Get().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("log").
		Param("container", container).
		Param("tailLines", strconv.Itoa(troubleLogLines)).
		Param("previous", strconv.FormatBool(previous)).
		DoRaw(ctx)
	if err != nil {
		return nil
	}
	if trimmed := strings.TrimSpace(string(text)); trimmed != "" {
		return strings.Split(trimmed, "\n")
	}
	return nil
}

// shortened makes one line of a message.
func shortened(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if utf8.RuneCountInString(message) <= troubleWidth {
		return message
	}
	return string([]rune(message)[:troubleWidth-1]) + "…"
}
