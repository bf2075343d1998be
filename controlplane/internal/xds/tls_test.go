package xds_test

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/envoytest"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/xds"
)

// TestTLSFiles changes the files below a server.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	ca := envoytest.NewCA(t, "xds")
	own := ca.Issue(t, []string{contract.XDSServerName}, nil)
	files := xds.TLSFiles{
		CA:          envoytest.WriteFile(t, "ca.crt", ca.PEM),
		Certificate: envoytest.WriteFile(t, "tls.crt", own.Certificate),
		Key:         envoytest.WriteFile(t, "tls.key", own.Key),
	}
	config, err := files.Config()
	if err != nil {
		t.Fatal(err)
	}
	shown := func() []byte {
		t.Helper()
		now, err := config.GetConfigForClient(nil)
		if err != nil {
			t.Fatal(err)
		}
		if now.ClientAuth != tls.RequireAndVerifyClientCert || now.MinVersion != tls.VersionTLS13 || now.ClientCAs == nil {
			t.Errorf("clients need not show a certificate: %+v", now)
		}
		return now.Certificates[0].Certificate[0]
	}
	first := shown()
	write := func(path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The sizes differ, whatever the file system says of times.
	next := ca.Issue(t, []string{contract.XDSServerName, "another.name.example"}, nil)
	write(files.Certificate, next.Certificate)
	if !bytes.Equal(shown(), first) {
		t.Error("a certificate without its key is in use")
	}
	write(files.Key, next.Key)
	second := shown()
	if bytes.Equal(second, first) {
		t.Error("the new certificate is not in use")
	}
	write(files.CA, []byte("nothing"))
	if !bytes.Equal(shown(), second) {
		t.Error("what was good is not in use")
	}
	if _, err := files.Config(); err == nil {
		t.Error("a CA file without a certificate is no error in the beginning")
	}
	files.Key = filepath.Join(t.TempDir(), "missing.key")
	if _, err := files.Config(); err == nil {
		t.Error("a missing file is no error in the beginning")
	}
}
