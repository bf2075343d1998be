// Package identity is the certificate authority (CA) of the mutual TLS between
// the controller and its proxies. In comes one Secret; out come the server's
// TLS configuration, client certificates for the proxies of each Gateway, and
// the bundle by which they verify the controller.
//
// # The Secret
//
// contract.XDSAuthoritySecret, in the controller's namespace, is of type
// Opaque and holds one to a few CAs, each as two keys:
//
//	ca-20261123T120000Z.crt   the certificate of a CA, self-signed, as PEM
//	ca-20261123T120000Z.key   its private key, PKCS #8, as PEM
//
// Nothing else may be in it. The names are for people: all that counts is read
// from the certificates. What cannot be read is reported, never overwritten,
// and what was last good stays in use. Deleting the Secret is always allowed:
// the leader makes another.
//
// # Rotation
//
// Every replica watches the Secret. The leader (Lead) alone writes it. Which CA
// does what follows from the Secret and the clock, so that all replicas agree
// without talking to each other:
//
//	day 0    A is made. As the only CA it signs at once.
//	day 243  A third of A's life is left: B is made, and trusted everywhere.
//	day 244  B has been trusted for a day: it signs the proxies' certificates.
//	day 335  The controller itself shows a certificate of B. It waits as long as
//	         it can: a proxy that hears of B only now has not been cut off.
//	day 365  A has expired and is dropped.
//
// # When the Secret is deleted or replaced
//
// A CA that vanishes from the Secret before its time is trusted a little longer
// from memory. Otherwise every proxy that connects in the minutes until its
// kubelet has brought it the new certificates would be turned away. Counted
// from the moment when a replica sees the new Secret, it goes on
//
//	 5 minutes  to show a certificate of the old CA: proxies trust no other yet;
//	15 minutes  to have the old CA in the bundle for proxies;
//	30 minutes  to accept the proxies' old certificates.
//
// New certificates are signed by the new CA at once. A controller that starts
// meanwhile knows nothing of the old CA, and a restart of all replicas ends
// trust in it immediately: that is what to do when its key has leaked.
package identity
