//go:build !windows

package terminal

// obeys: all terminals follow escape sequences, but those that TERM calls dumb.
func obeys(uintptr) bool { return true }
