package terminal

import "golang.org/x/sys/windows"

// obeys has the console follow escape sequences, which it does not do by
// itself, and those of before Windows 10 not at all.
func obeys(fd uintptr) bool {
	var mode uint32
	console := windows.Handle(fd)
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_PROCESSED_OUTPUT|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
