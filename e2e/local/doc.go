//go:build e2e

// Package local holds the tests of the whole way: a dev cluster of the local
// driver, made by the real binary, with a real API server and a real Envoy.
// In go manifests, in testdata and in the folder of the guide, and commands as
// a person types them; out come the answers of the gateway, what the backends
// saw, and the verdicts.
//
// One cluster serves all tests. Each has a namespace and hostnames of its own,
// and leaves no route behind. Tests that measure under traffic run one after
// the other and before the others.
//
// TLSGW_BINARY names a binary to test; without it one is built.
package local
