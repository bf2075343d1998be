package local

import (
	"context"
	"fmt"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/gateway"
)

// healed is what a step adds to its title when it had to start a part again.
func healed(parts ...*running) string {
	title := ""
	for _, p := range parts {
		if p.healed != "" {
			title += fmt.Sprintf(" (%s %s)", p.title, p.healed)
		}
	}
	return title
}

// well waits for the parts and tells whether one had to be started.
func (u *up) well(ctx context.Context, parts ...*running) error {
	for _, p := range parts {
		if err := u.await(ctx, p); err != nil {
			return err
		}
		u.changed = u.changed || p.exited != nil
	}
	return nil
}

// stepAPIServer starts the API server once etcd answers: its many connections
// try again only after a second.
func (u *up) stepAPIServer(ctx context.Context, s *started) (cluster.Done, error) {
	if err := u.well(ctx, s.etcd); err != nil {
		return cluster.Done{}, err
	}
	var err error
	if s.apiserver, err = u.ensure(ctx, u.apiserver()); err != nil {
		return cluster.Done{}, err
	}
	if err := u.well(ctx, s.apiserver); err != nil {
		return cluster.Done{}, err
	}
	version, err := apiVersion(u.discovery)
	return cluster.Done{Title: " " + version + healed(s.etcd, s.apiserver)}, err
}

// stepObjects ends when the API server is ready for others than us.
func (u *up) stepObjects(ctx context.Context, s *started) (cluster.Done, error) {
	if err := u.applyBase(ctx); err != nil {
		return cluster.Done{}, err
	}
	ready := *s.apiserver
	ready.check = u.checkAPIServer
	return cluster.Done{}, u.await(ctx, &ready)
}

// stepController starts Envoy too, as soon as there is a socket to connect to:
// the connection then waits until the controller serves, and no time is lost
// between two tries.
func (u *up) stepController(ctx context.Context, s *started) (cluster.Done, error) {
	r, err := u.ensure(ctx, u.controller())
	if err != nil {
		return cluster.Done{}, err
	}
	listening := *r
	listening.check = u.checkXDS
	if err := u.await(ctx, &listening); err != nil {
		return cluster.Done{}, err
	}
	listening.check = r.check
	envoy, err := u.envoy()
	if err != nil {
		return cluster.Done{}, err
	}
	if s.envoy, err = u.ensure(ctx, envoy); err != nil {
		return cluster.Done{}, err
	}
	err = u.well(ctx, &listening)
	return cluster.Done{Title: healed(&listening)}, err
}

func (u *up) stepGateway(ctx context.Context, s *started) (cluster.Done, error) {
	if err := u.ensureGateway(ctx); err != nil {
		return cluster.Done{}, err
	}
	if u.options.NoWait {
		u.changed = u.changed || s.envoy.exited != nil
		return cluster.Done{Title: healed(s.envoy)}, nil
	}
	if err := u.well(ctx, s.envoy); err != nil {
		return cluster.Done{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := u.clients.Wait(ctx, gateway.Dev(), "programmed", gateway.Programmed); err != nil {
		return cluster.Done{}, u.explain(u.controller(), err)
	}
	answering := &running{part: s.envoy.part, exited: s.envoy.exited, ended: s.envoy.ended}
	answering.check = func(ctx context.Context) error { return gateway.Answers(ctx, u.HTTPPort) }
	return cluster.Done{Title: healed(s.envoy)}, u.explain(s.envoy.part, answering.poll(ctx, patience))
}

func (u *up) stepSample(ctx context.Context, s *started) (cluster.Done, error) {
	if err := u.ensureSampleObjects(ctx); err != nil {
		return cluster.Done{}, err
	}
	err := u.well(ctx, s.backend)
	return cluster.Done{Title: healed(s.backend)}, err
}
