//go:build !windows

package probe

import "syscall"

// What this machine's own sockets say.
const (
	errRefused  = syscall.ECONNREFUSED
	errTimedOut = syscall.ETIMEDOUT
	errReset    = syscall.ECONNRESET
	errAborted  = syscall.EPIPE
)
