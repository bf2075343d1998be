package sample

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
)

const (
	headerTimeout   = 10 * time.Second
	shutdownTimeout = 2 * time.Second
)

// Serve answers as nginx does with NginxConfig, until ctx ends.
func (s Server) Serve(ctx context.Context) error {
	config, err := s.tlsConfig()
	if err != nil {
		return fmt.Errorf("serve sample: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address())
	if err != nil {
		return fmt.Errorf("serve sample: %w", err)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: headerTimeout,
		TLSConfig:         config,
		// HTTP/1.1 alone, as nginx has it.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		_ = server.Shutdown(ending) // what is still open ends with the process
	})
	defer stop()
	if s.Break == cluster.BreakPlaintext {
		err = server.Serve(listener)
	} else {
		err = server.ServeTLS(listener, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve sample: %w", err)
}

func (s Server) tlsConfig() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(s.CertificateFile, s.KeyFile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if s.Break == cluster.BreakTLSVersion {
		config.MinVersion, config.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 // #nosec G402 -- broken on purpose
	}
	if s.Break == cluster.BreakClientCert {
		pem, err := os.ReadFile(s.ClientCAFile)
		if err != nil {
			return nil, err
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
		// nginx completes the handshake and answers 400.
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, nil
}

func (s Server) answer(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	version, sni := "", ""
	if r.TLS != nil {
		version, sni = strings.Replace(tls.VersionName(r.TLS.Version), " ", "v", 1), r.TLS.ServerName
		if s.Break == cluster.BreakClientCert && len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "No required SSL certificate was sent", http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "kubectl-tlsgw")
	_, _ = fmt.Fprintf(w, "Hello from the sample backend\nhost: %s\ntls: %s\nsni: %s\n", host, version, sni) // #nosec G705 -- plain text; a client may be gone
}
