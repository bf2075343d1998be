package probe

import "golang.org/x/sys/windows"

// What this machine's own sockets say. The POSIX names that package syscall has
// are of errors that Windows never gives.
const (
	errRefused  = windows.WSAECONNREFUSED
	errTimedOut = windows.WSAETIMEDOUT
	errReset    = windows.WSAECONNRESET
	errAborted  = windows.WSAECONNABORTED
)
