// Package probe looks at the outside world and reports what it saw, without
// judging it: TLS handshakes with a backend, HTTP requests through a gateway,
// and Envoy's admin interface (statistics and live configuration).
//
// In go connections or ways to dial them; out come plain values that package
// diagnose evaluates. Everything read from a peer is bounded in size and time.
package probe
