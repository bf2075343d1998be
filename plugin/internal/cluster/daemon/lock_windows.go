package daemon

import (
	"errors"
	"time"

	"golang.org/x/sys/windows"
)

// Lock is held by one command at a time.
type Lock struct{ file windows.Handle }

// try returns nil when another process holds the lock.
func try(path string) (*Lock, error) {
	lock, err := open(path)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		// So is said, for a moment, of a file that is just being removed.
		<-time.After(pollInterval)
		lock, err = open(path)
	}
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil, nil
	}
	return lock, err
}

// open opens the file for this process alone. The system removes it when it is
// closed, and closes it when the process ends.
func open(path string) (*Lock, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const sharedWithNobody = 0
	file, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE|windows.DELETE, sharedWithNobody,
		nil, windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if err != nil {
		return nil, err
	}
	return &Lock{file: file}, nil
}

// Release gives the lock up, and with it goes its file.
func (l *Lock) Release() error { return windows.CloseHandle(l.file) }
