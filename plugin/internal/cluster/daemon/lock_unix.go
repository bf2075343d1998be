//go:build unix

package daemon

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock is held by one command at a time.
type Lock struct{ file *os.File }

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

// lockFile tells whether another process holds f; otherwise it is locked until
// it is closed.
func lockFile(f *os.File) (held bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) // #nosec G115 -- descriptors fit
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// Release removes the lock file and gives the lock up.
func (l *Lock) Release() error {
	if err := os.Remove(l.file.Name()); err != nil {
		return fmt.Errorf("release lock: %w", closing(l.file, err))
	}
	return l.file.Close()
}
