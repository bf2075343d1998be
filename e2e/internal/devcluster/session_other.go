//go:build !unix

package devcluster

import "syscall"

func ownSession() *syscall.SysProcAttr { return nil }
