package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// startRounds is how often a dev cluster is made.
const startRounds = 3

// start measures from nothing to the first Verified. The first round, which
// warms the binaries up, does not count.
func (b *bench) start(ctx context.Context) error {
	var ups, totals []time.Duration
	for round := range startRounds + 1 {
		up, total, err := b.startOnce(ctx, fmt.Sprintf("bench-start-%d", round))
		if err != nil {
			return err
		}
		if round > 0 {
			ups, totals = append(ups, up), append(totals, total)
		}
	}
	b.result(fmt.Sprintf("`dev-up`, warm binaries (median of %d)", startRounds), "%s", seconds(quantile(ups, 0.5)))
	b.result(fmt.Sprintf("`dev-up`, `originate`, `verify` to the first Verified (median of %d)", startRounds), "%s", seconds(quantile(totals, 0.5)))
	return nil
}

func (b *bench) startOnce(ctx context.Context, name string) (up, total time.Duration, err error) {
	began := time.Now()
	c, down, err := b.up(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, down()) }()
	up = time.Since(began)
	for _, args := range [][]string{
		{"originate", "svc/nginx", "--sni", "example.com", "--expose", "example.com"},
		{"verify", "svc/nginx"},
	} {
		if _, err := ok(ctx, c, args...); err != nil {
			return 0, 0, err
		}
	}
	return up, time.Since(began), nil
}

// ok runs a command that has to succeed.
func ok(ctx context.Context, c *devcluster.Cluster, args ...string) (devcluster.Result, error) {
	ran := c.Run(ctx, args...)
	if ran.Code != 0 {
		return ran, fmt.Errorf("command failed: %s", ran)
	}
	return ran, nil
}
