//go:build tools

// Package kube pins the module graph from which kube-apiserver is built. The
// staging modules, which its own go.mod replaces by folders, are replaced by
// their releases.
package kube

import _ "k8s.io/kubernetes/cmd/kube-apiserver/app"
