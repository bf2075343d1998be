package controlplane

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/replica"
)

// at are the proxies of one replica, for generation 2 of the object "uid".
func at(connected int, answered bool, rejected ...string) replica.Gateway {
	g := replica.Gateway{UID: "uid", Generation: 2, Connected: connected, Answered: answered}
	for _, message := range rejected {
		g.Rejections = append(g.Rejections, replica.Rejection{Message: message})
	}
	return g
}

func TestTogether(t *testing.T) {
	t.Parallel()
	const grace = 5 * time.Second
	type moment struct {
		after   time.Duration
		answers []replica.Gateway

		connected int
		answered  bool
		standing  []string
		returning bool
	}
	old := at(1, true)
	old.Generation = 1
	another := at(1, true)
	another.UID = "another"
	for _, test := range []struct {
		name    string
		moments []moment
	}{
		{"all replicas must have answered", []moment{
			{answers: []replica.Gateway{at(1, true), at(1, false)}, connected: 2},
			{answers: []replica.Gateway{at(1, true), at(1, true)}, connected: 2, answered: true},
		}},
		{"replicas without proxies do not count", []moment{
			{answers: []replica.Gateway{at(0, false), at(3, true)}, connected: 3, answered: true},
		}},
		{"an answer for an older generation does not count", []moment{
			{answers: []replica.Gateway{at(1, true), old}, connected: 2},
		}},
		{"proxies of a deleted object do not count", []moment{
			{answers: []replica.Gateway{another}},
		}},
		{"one that joins later does not matter", []moment{
			{answers: []replica.Gateway{at(1, true)}, connected: 1, answered: true},
			{answers: []replica.Gateway{at(1, true), at(1, false)}, connected: 2, answered: true},
		}},
		{"one on its way to another replica is remembered", []moment{
			{answers: []replica.Gateway{at(1, true, "bad"), at(0, false)}, connected: 1, answered: true, standing: []string{"bad"}},
			{answers: []replica.Gateway{at(0, false), at(0, false)}, answered: true, standing: []string{"bad"}, returning: true},
			{after: time.Second, answers: []replica.Gateway{at(0, false), at(1, false)}, connected: 1, answered: true, standing: []string{"bad"}},
			{after: time.Second, answers: []replica.Gateway{at(0, false), at(1, true, "bad")}, connected: 1, answered: true, standing: []string{"bad"}},
			{after: time.Second, answers: []replica.Gateway{at(0, false), at(1, true)}, connected: 1, answered: true},
		}},
		{"one that stays away is gone", []moment{
			{answers: []replica.Gateway{at(1, true)}, connected: 1, answered: true},
			{answers: nil, answered: true, returning: true},
			{after: grace, answers: nil},
		}},
		{"the same rejection at two replicas is one", []moment{
			{answers: []replica.Gateway{at(1, true, "bad"), at(1, true, "bad", "worse")}, connected: 2, answered: true, standing: []string{"bad", "worse"}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			known, now := &together{}, time.Unix(0, 0)
			for i, m := range test.moments {
				now = now.Add(m.after)
				known.take("uid", 2, m.answers, now, grace)
				var standing []string
				for _, r := range known.standing {
					standing = append(standing, r.Message)
				}
				got := moment{m.after, m.answers, known.connected, known.answered, standing, known.returning(now, grace) > 0}
				if diff := cmp.Diff(m, got, cmp.AllowUnexported(moment{})); diff != "" {
					t.Errorf("moment %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestListenerSetsAreAnswered(t *testing.T) {
	t.Parallel()
	with := func(sets string, answered bool) replica.Gateway {
		g := at(1, true)
		g.ListenerSets, g.SetsAnswered = sets, answered
		return g
	}
	another := with("a", false)
	another.UID = "another"
	known := &together{}
	for i, moment := range []struct {
		sets     string
		answers  []replica.Gateway
		answered bool
	}{
		{"a", []replica.Gateway{with("a", true), with("a", false)}, false},
		{"a", []replica.Gateway{with("a", true), with("", true)}, false},
		{"a", []replica.Gateway{with("a", true), another, at(0, false)}, true},
		{"a", []replica.Gateway{with("a", true), with("a", false)}, true}, // One that joins later.
		{"b", []replica.Gateway{with("a", true)}, false},
		{"b", nil, false},
	} {
		known.take("uid", 2, moment.answers, time.Unix(0, 0), time.Second)
		known.takeSets(moment.sets, moment.answers)
		if known.setsAnswered != moment.answered {
			t.Errorf("moment %d: answered is %t", i, known.setsAnswered)
		}
	}
}

func TestAnotherGenerationIsAnsweredAnew(t *testing.T) {
	t.Parallel()
	known := &together{}
	known.take("uid", 2, []replica.Gateway{at(1, true)}, time.Unix(0, 0), 0)
	known.take("uid", 3, []replica.Gateway{at(1, true)}, time.Unix(0, 0), 0)
	if known.answered {
		t.Error("the answer to generation 2 counts for generation 3")
	}
}
