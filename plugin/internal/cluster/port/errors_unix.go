//go:build unix

package port

import "syscall"

// What the system says where it does not give a port, and what that means.
const (
	errTaken     = syscall.EADDRINUSE
	errForbidden = syscall.EACCES
	forbidden    = "needs privileges that you do not have"
)
