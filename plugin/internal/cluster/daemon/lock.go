package daemon

import (
	"context"
	"fmt"
	"time"
)

// Acquire takes the lock, which is a file that Release removes. While another
// command holds it, waiting is called once, and then Acquire waits for it or
// for the end of ctx.
func Acquire(ctx context.Context, path string, waiting func()) (*Lock, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		lock, err := try(path)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if lock != nil {
			return lock, nil
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s, which another command holds: %w", path, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
