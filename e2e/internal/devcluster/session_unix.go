//go:build unix

package devcluster

import "syscall"

// ownSession keeps a Ctrl-C that is meant for the tests from their guard.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
