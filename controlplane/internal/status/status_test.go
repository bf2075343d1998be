package status

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/snapshot"
)

// server stands for the API server and the cache of one HTTPRoute.
type server struct {
	client.StatusClient
	client.SubResourceWriter

	mu     sync.Mutex
	route  *gatewayv1.HTTPRoute
	writes int
	// answers are given before the server writes anything.
	answers []error
}

func (s *server) Status() client.SubResourceWriter { return s }

func (s *server) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if len(s.answers) > 0 {
		answer := s.answers[0]
		s.answers = s.answers[1:]
		return answer
	}
	body, err := patch.Data(o)
	if err != nil {
		return err
	}
	route := &gatewayv1.HTTPRoute{}
	if err := json.Unmarshal(body, route); err != nil {
		return err
	}
	s.route = route
	return nil
}

func (s *server) get(ir.Ref) (client.Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.route, s.route != nil
}

func (s *server) wait(t *testing.T, good func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s.mu.Lock()
		done := good()
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("after %d writes the route is %+v", s.writes, s.route)
		case <-tick.C:
		}
	}
}

// start runs a Writer for one route with an entry that nobody wants.
func start(t *testing.T, answers ...error) (*Writer, *server) {
	t.Helper()
	route := &gatewayv1.HTTPRoute{}
	route.Namespace, route.Name = "a", "r"
	route.Status.Parents = []gatewayv1.RouteParentStatus{{ParentRef: gatewayv1.ParentReference{Name: "old"}, ControllerName: own}}
	s := &server{route: route, answers: answers}
	w := New(Options{Client: s, Get: s.get, ControllerName: string(own), Workers: 2, Clock: clock.RealClock{}, Log: testr.New(t)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return w, s
}

func TestLeftOversAreTakenBack(t *testing.T) {
	t.Parallel()
	w, s := start(t)
	w.Observe(s.route)
	w.Set(nil, &snapshot.Snapshot{HTTPRoutes: []*gatewayv1.HTTPRoute{s.route}})
	s.wait(t, func() bool { return len(s.route.Status.Parents) == 0 })
	if s.writes != 1 {
		t.Errorf("%d writes", s.writes)
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "httproutes"}, "r", fmt.Errorf("somebody else wrote"))
	w, s := start(t, fmt.Errorf("the server is away"), conflict)
	ref := ir.Ref{Group: gatewayv1.GroupName, Kind: httpRouteKind, Name: ir.Name{Namespace: "a", Name: "r"}}
	w.Set([]Object{{ObjectStatus: ir.ObjectStatus{Ref: ref, Parents: []ir.ParentStatus{
		{Parent: ir.ParentRef{Name: "new"}, Conditions: []ir.Condition{accepted(ir.True, "")}},
	}}}}, &snapshot.Snapshot{})
	s.wait(t, func() bool { return s.route.Status.Parents[0].ParentRef.Name == "new" })
	if s.writes != 3 {
		t.Errorf("%d writes, want 3", s.writes)
	}
}

// TestAnObjectIsCreatedAnew: what was found out about the one before it must
// not be said of the new one, whose spec may be another.
func TestAnObjectIsCreatedAnew(t *testing.T) {
	t.Parallel()
	w, s := start(t)
	s.route.UID = "1"
	ref, _ := RefOf(s.route)
	wanted := []Object{{ObjectStatus: ir.ObjectStatus{Ref: ref, Generation: 1, Parents: []ir.ParentStatus{
		{Parent: ir.ParentRef{Name: "new"}, Conditions: []ir.Condition{accepted(ir.True, "")}},
	}}}}
	w.Set(wanted, &snapshot.Snapshot{HTTPRoutes: []*gatewayv1.HTTPRoute{s.route}})
	s.wait(t, func() bool { return s.writes == 1 })

	created := &gatewayv1.HTTPRoute{}
	created.Namespace, created.Name, created.UID = "a", "r", "2"
	s.mu.Lock()
	s.route = created
	s.mu.Unlock()
	w.Observe(created)
	w.write(t.Context(), ref)
	s.mu.Lock()
	if s.writes != 1 {
		t.Error("the status of the object before it was written")
	}
	s.mu.Unlock()
	w.Set(wanted, &snapshot.Snapshot{HTTPRoutes: []*gatewayv1.HTTPRoute{created}})
	s.wait(t, func() bool { return s.writes == 2 && len(s.route.Status.Parents) == 1 })
}

func TestNothingIsWrittenBeforeTheFirstTranslation(t *testing.T) {
	t.Parallel()
	w, s := start(t)
	w.Observe(s.route)
	if w.queue.Len() != 0 || s.writes != 0 {
		t.Errorf("%d are queued, %d written", w.queue.Len(), s.writes)
	}
}

// TestAFightSlowsDown: somebody else takes the status away whenever it is
// written.
func TestAFightSlowsDown(t *testing.T) {
	t.Parallel()
	w := New(Options{ControllerName: string(own), Clock: clock.RealClock{}, Log: testr.New(t)})
	w.Set(nil, &snapshot.Snapshot{})
	ref := ir.Ref{Group: gatewayv1.GroupName, Kind: httpRouteKind, Name: ir.Name{Namespace: "a", Name: "r"}}
	route := &gatewayv1.HTTPRoute{}
	route.Namespace, route.Name = "a", "r"
	route.Status.Parents = []gatewayv1.RouteParentStatus{{ParentRef: gatewayv1.ParentReference{Name: "old"}, ControllerName: own}}
	for range 20 {
		w.Observe(route)
	}
	if pause := w.heals.When(ref); pause != healMost {
		t.Errorf("the pause after 20 rounds is %v, want %v", pause, healMost)
	}
	w.Set([]Object{{ObjectStatus: ir.ObjectStatus{Ref: ref}}}, &snapshot.Snapshot{})
	if pause := w.heals.When(ref); pause != retryFirst {
		t.Errorf("the pause after something new is to be said is %v, want %v", pause, retryFirst)
	}
}
