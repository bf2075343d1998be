package sample

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
)

// Check makes sure that the sample, and nobody else, serves on its port. It
// is nil also for a sample that is broken as it was asked to be.
func (s Server) Check(ctx context.Context) error {
	if s.Break == cluster.BreakPlaintext {
		return s.checkPlaintext(ctx)
	}
	own, err := os.ReadFile(s.CertificateFile)
	if err != nil {
		return fmt.Errorf("check sample: %w", err)
	}
	dialer := &tls.Dialer{Config: &tls.Config{
		ServerName: Hostname,
		// Compared below with the very certificate it must be.
		InsecureSkipVerify: true,             // #nosec G402
		MinVersion:         tls.VersionTLS11, // #nosec G402
	}}
	conn, err := dialer.DialContext(ctx, "tcp", s.address())
	if err != nil {
		return fmt.Errorf("shake hands with the sample: %w", err)
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	secure, ok := conn.(*tls.Conn)
	if !ok || len(secure.ConnectionState().PeerCertificates) == 0 {
		return errors.New("the sample presents no certificate")
	}
	if !bytes.HasPrefix(own, encode(secure.ConnectionState().PeerCertificates[0].Raw)) {
		return fmt.Errorf("%s presents a certificate that is not the sample's", s.address())
	}
	return nil
}

func (s Server) checkPlaintext(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address()+"/", nil)
	if err != nil {
		return fmt.Errorf("check sample: %w", err)
	}
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ask the sample: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // not read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the sample answers %s to plaintext", response.Status)
	}
	return nil
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
