//go:build tools

// Package etcd pins the module graph from which etcd is built.
package etcd

import _ "go.etcd.io/etcd/server/v3/etcdmain"
