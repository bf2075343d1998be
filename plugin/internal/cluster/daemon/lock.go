package daemon

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Lock is held by one command at a time.
type Lock struct{ file *os.File }

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

// try returns nil when another process holds the lock, or has just removed
// the file.
func try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode) // #nosec G304 -- a path of our own state
	if err != nil {
		return nil, err
	}
	held, err := lockFile(f)
	if err != nil || held {
		return nil, closing(f, err)
	}
	mine, err := f.Stat()
	if err != nil {
		return nil, closing(f, err)
	}
	// Whoever held it before may have removed it since it was opened here.
	now, err := os.Stat(path)
	if err != nil || !os.SameFile(mine, now) {
		return nil, closing(f, nil)
	}
	return &Lock{file: f}, nil
}

func closing(f *os.File, err error) error {
	if closeErr := f.Close(); err == nil {
		return closeErr
	}
	return err
}

// Release removes the lock file and gives the lock up.
func (l *Lock) Release() error {
	if err := os.Remove(l.file.Name()); err != nil {
		return fmt.Errorf("release lock: %w", closing(l.file, err))
	}
	return l.file.Close()
}
