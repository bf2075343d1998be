package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	away, wrong := fail.Unreachable("does not answer"), fail.Usage("no kubeconfig")
	for name, test := range map[string]struct {
		// answers are those of the API server; the last one stays.
		answers []error
		most    time.Duration
		want    error
		asked   int
	}{
		"at once":       {[]error{nil}, time.Minute, nil, 1},
		"after a while": {[]error{away, away, nil}, time.Minute, nil, 3},
		"never":         {[]error{away}, 0, away, 1},
		"another error": {[]error{away, wrong}, time.Minute, wrong, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			clients, err := connect(t.Context(), logr.Discard(), test.most, func() (*kube.Clients, error) {
				answer := test.answers[min(asked, len(test.answers)-1)]
				asked++
				if answer != nil {
					return nil, answer
				}
				return &kube.Clients{}, nil
			})
			if !errors.Is(err, test.want) || (clients == nil) != (test.want != nil) || asked != test.asked {
				t.Errorf("got %v, %v after asking %d times; want %v after %d", clients, err, asked, test.want, test.asked)
			}
		})
	}
}

func TestConnectIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	away := fail.Unreachable("does not answer")
	_, err := connect(ctx, logr.Discard(), time.Minute, func() (*kube.Clients, error) {
		cancel()
		return nil, away
	})
	if !errors.Is(err, away) {
		t.Errorf("got %v, want %v", err, away)
	}
}
