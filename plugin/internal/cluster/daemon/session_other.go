//go:build !unix

package daemon

import (
	"os"
	"syscall"
)

func ownSession() *syscall.SysProcAttr { return nil }

func terminate(pid int) error { return kill(pid) }

func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil //nolint:nilerr // it is gone
	}
	return p.Kill()
}
