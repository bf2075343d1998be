package port

import "golang.org/x/sys/windows"

// What the system says where it does not give a port, and what that means. The
// POSIX names that package syscall has are of errors that Windows never gives.
const (
	errTaken     = windows.WSAEADDRINUSE
	errForbidden = windows.WSAEACCES
	forbidden    = "is kept by Windows (netsh interface ipv4 show excludedportrange protocol=tcp)"
)
