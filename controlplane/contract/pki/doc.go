// Package pki makes certificate authorities and leaf certificates, good ones
// and broken ones: in goes a Spec (names, validity, usage, kind of key), out
// comes a Pair (certificate, chain, key) that prints as PEM.
//
// Dev clusters take their certificates from here, and the tests the broken
// set-ups that verify must name. It reads no files, and takes the time and
// its randomness from the Maker. Since Go 1.26 key generation takes its
// randomness from the system whatever reader it is given, so equal readers
// give equal serial numbers but not equal keys.
package pki
