package controlplane

import (
	"slices"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
)

// together is what the proxies of one Gateway have answered, at whichever
// replica they are.
type together struct {
	// uid and generation are those of the Gateway that it is about.
	uid        string
	generation int64
	connected  int
	// answered: at some time all proxies had answered the generation. One that
	// joins later must not make a Gateway that works look as if it did not.
	answered bool
	// sets are the Gateway's ListenerSets; setsAnswered is for them what answered
	// is for the generation.
	sets         string
	setsAnswered bool
	// standing are rejections that no answer has ended yet. A proxy that
	// connects to another replica rejects again what it has rejected, but not
	// at once.
	standing []replica.Rejection
	// alone is when the last proxy went; zero while there is one, and before
	// there was any.
	alone time.Time
}

// take brings t up to date with what each replica says. A proxy that goes may
// only be on its way to another replica: for as long as grace t remembers.
func (t *together) take(uid string, generation int64, answers []replica.Gateway, now time.Time, grace time.Duration) {
	if t.uid != uid {
		*t = together{uid: uid}
	}
	if t.generation != generation {
		t.generation, t.answered = generation, false
	}
	before := t.connected
	t.connected = 0
	all := true
	var fresh []replica.Rejection
	for _, a := range answers {
		if a.UID != uid || a.Connected == 0 {
			continue
		}
		t.connected += a.Connected
		all = all && a.Answered && a.Generation == generation
		fresh = append(fresh, a.Rejections...)
	}
	if t.connected == 0 {
		if before > 0 {
			t.alone = now
		}
		t.answered = t.answered && t.returning(now, grace) > 0
		return
	}
	t.alone = time.Time{}
	t.answered = t.answered || all
	if !all {
		fresh = append(fresh, t.standing...)
	}
	slices.SortFunc(fresh, replica.Rejection.Compare)
	t.standing = slices.CompactFunc(fresh, func(a, b replica.Rejection) bool { return a.Compare(b) == 0 })
}

// takeSets brings t up to date with who has answered the ListenerSets. It comes
// after take.
func (t *together) takeSets(sets string, answers []replica.Gateway) {
	if t.sets != sets {
		t.sets, t.setsAnswered = sets, false
	}
	all := t.connected > 0
	for _, a := range answers {
		if a.UID == t.uid && a.Connected > 0 {
			all = all && a.SetsAnswered && a.ListenerSets == sets
		}
	}
	t.setsAnswered = t.setsAnswered || all
}

// returning is how long the last proxy that went may still be on its way to
// another replica; zero when it is not.
func (t *together) returning(now time.Time, grace time.Duration) time.Duration {
	if t.alone.IsZero() {
		return 0
	}
	return max(0, t.alone.Add(grace).Sub(now))
}
