//go:build !unix

package daemon

import (
	"errors"
	"os"
)

func lockFile(*os.File) (held bool, err error) {
	return false, errors.New("not supported on this operating system")
}
