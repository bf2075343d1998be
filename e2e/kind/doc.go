//go:build e2e

// Package kind holds the tests of a dev cluster of containers: made by dev-up,
// driven by plain kubectl that finds the plugin by itself, reached through the
// port that a person reaches it through. In go the guide's manifests and the
// commands that a person types; out come the answers of the gateway, the
// verdicts, and what a restart or a change of each part does to traffic.
//
// One cluster serves all tests, which run one after the other: most of them
// take something away that the others need.
//
// The environment can say
//
//   - TLSGW_BINARY: the plugin to test; without it one is built,
//   - KUBECTL: the kubectl to run, instead of the one on PATH,
//   - E2E_CLUSTER: the cluster's name, instead of tlsgw,
//   - E2E_HTTP_PORT: the port of the gateway on this machine, instead of 8080,
//   - E2E_ARTIFACTS: a folder for what a failure may be explained by,
//   - KEEP=1: leave the cluster there for a look, and for the next run.
package kind
