package deploy

import "time"

// Issuer makes the xDS client certificates of proxies.
type Issuer interface {
	// Issue makes a certificate for the proxies of a Gateway, with the URI SAN
	// contract.NodeURI.
	Issue(namespace, gateway string) (certPEM, keyPEM []byte, notAfter time.Time, err error)
	// Keep is nil where a certificate and its key can stay, and otherwise says
	// why not.
	Keep(namespace, gateway string, certPEM, keyPEM []byte) error
	// Bundle are the CA certificates that verify the controller. It is empty
	// while there are none.
	Bundle() []byte
	// Changed gives a value after Bundle or Keep may say something else.
	Changed() <-chan struct{}
}
