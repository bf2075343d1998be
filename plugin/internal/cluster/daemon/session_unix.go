//go:build unix

package daemon

import (
	"errors"
	"syscall"
)

// ownSession detaches a process from the terminal, so that neither Ctrl-C nor
// closing the terminal reaches it.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func terminate(pid int) error { return unlessGone(syscall.Kill(pid, syscall.SIGTERM)) }

// kill ends the process and what it may have started: it leads a group.
func kill(pid int) error { return unlessGone(syscall.Kill(-pid, syscall.SIGKILL)) }

func unlessGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
