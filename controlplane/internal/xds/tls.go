package xds

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// TLSSource gives the server's mutual TLS.
type TLSSource interface {
	// Config asks every client for a certificate, offers h2, and follows, by
	// GetConfigForClient, what changes later. It fails if there is nothing to
	// serve with.
	Config() (*tls.Config, error)
}

// TLSFiles are the PEM files of the server's mutual TLS. They are read again
// when they change.
type TLSFiles struct {
	// CA verifies the certificates of proxies.
	CA string
	// Certificate and Key are the server's own; the certificate has the DNS
	// SAN contract.XDSServerName.
	Certificate, Key string
}

// Config implements TLSSource. It fails if the files cannot be used now; later,
// files that cannot be used leave the last good ones in use.
func (f TLSFiles) Config() (*tls.Config, error) {
	reloading := &reloadingTLS{files: f}
	first, err := reloading.current()
	if err != nil {
		return nil, err
	}
	config := first.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return reloading.current() }
	return config, nil
}

// reloadingTLS keeps the configuration of the files as they were last read.
type reloadingTLS struct {
	files TLSFiles

	mu     sync.Mutex
	stamp  [3]fileStamp
	config *tls.Config
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func (r *reloadingTLS) current() (*tls.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stamp, err := r.files.stamps()
	if err == nil && r.config != nil && stamp == r.stamp {
		return r.config, nil
	}
	var config *tls.Config
	if err == nil {
		config, err = r.files.load()
	}
	switch {
	case err == nil:
		r.config, r.stamp = config, stamp
	case r.config == nil:
		return nil, err
	}
	return r.config, nil
}

func (f TLSFiles) stamps() (stamps [3]fileStamp, err error) {
	for i, path := range []string{f.CA, f.Certificate, f.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps, fmt.Errorf("find the xDS server's TLS files: %w", err)
		}
		stamps[i] = fileStamp{modified: info.ModTime(), size: info.Size()}
	}
	return stamps, nil
}

func (f TLSFiles) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, fmt.Errorf("load the xDS server's certificate: %w", err)
	}
	authority, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("load the CA of xDS clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("load the CA of xDS clients: no certificate in %s", f.CA)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		NextProtos:   []string{"h2"},
	}, nil
}
