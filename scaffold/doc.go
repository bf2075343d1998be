// Package scaffold turns a validated Spec, which says how one backend is to
// be reached over TLS, into the Kubernetes objects that say so: a ConfigMap
// with a copied CA, a Backend, a BackendTLSPolicy or BackendConfigPolicy, and
// an HTTPRoute.
//
// It is pure: it contacts no cluster, reads no file and no clock, and the same
// Spec always gives the same objects in the same order, each before what
// refers to it.
package scaffold
