package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
)

func (u *up) etcd() part {
	client, peer := "https://"+port.Address(u.Ports.Etcd), "https://"+port.Address(u.Ports.EtcdPeer)
	own, ca := u.dir.pair(etcdCert), u.dir.pair(etcdCA).certificate
	return part{
		name:  "etcd",
		title: "etcd",
		argv: []string{
			u.kube.Etcd,
			"--name=tlsgw",
			"--data-dir=" + u.dir.path("etcd"),
			"--listen-client-urls=" + client,
			"--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer,
			"--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=tlsgw=" + peer,
			"--cert-file=" + own.certificate, "--key-file=" + own.key,
			"--trusted-ca-file=" + ca, "--client-cert-auth",
			"--peer-cert-file=" + own.certificate, "--peer-key-file=" + own.key,
			"--peer-trusted-ca-file=" + ca, "--peer-client-cert-auth",
			"--log-level=warn",
			// A dev cluster starts faster than a disk syncs, and nobody
			// misses it after a power cut.
			"--unsafe-no-fsync",
			// There is no one to lose an election to.
			"--heartbeat-interval=20", "--election-timeout=100",
		},
		inputs: []string{own.certificate, ca},
		ports:  []port.Use{{Number: u.Ports.Etcd}, {Number: u.Ports.EtcdPeer}},
		check:  func(ctx context.Context) error { return u.checkEtcd(ctx, client+"/health") },
	}
}

func (u *up) checkEtcd(ctx context.Context, url string) error {
	own := u.dir.pair(etcdClientCert)
	pair, err := tls.LoadX509KeyPair(own.certificate, own.key)
	if err != nil {
		return fmt.Errorf("check etcd: %w", err)
	}
	ca, err := os.ReadFile(u.dir.pair(etcdCA).certificate)
	if err != nil {
		return fmt.Errorf("check etcd: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}
	body, err := get(ctx, transport, url)
	if err == nil && !strings.Contains(body, `"health":"true"`) {
		err = fmt.Errorf("etcd answers %s", body)
	}
	return err
}

// answerLimit is more than any answer that is looked at here.
const answerLimit = 1 << 20

// get is the body of a 200 answer.
func get(ctx context.Context, transport http.RoundTripper, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", url, err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", url, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s: %.200s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}
