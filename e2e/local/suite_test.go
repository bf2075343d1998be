//go:build e2e

package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

// suite is what all tests share.
type suite struct {
	*devcluster.Cluster
	dir   string
	guard *devcluster.Guard
	certs *pki.Maker
	// public is in the bundle that Envoy takes as that of its system, private
	// is known only to who is given it.
	public, private *pki.Pair
}

// cluster makes the dev cluster when the first test asks for it.
var cluster = sync.OnceValues(func() (*suite, error) { return newSuite(context.Background()) })

// asked is true once a test has asked for the dev cluster.
var asked bool

// TestMain ends what the tests have started, whatever became of them.
func TestMain(m *testing.M) {
	code := m.Run()
	if !asked {
		return
	}
	s, err := cluster()
	if err == nil {
		err = s.end(context.Background(), code != 0)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// shared is the suite, for a test that uses the dev cluster.
func shared(t *testing.T) *suite {
	t.Helper()
	asked = true
	s, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newSuite builds the binary and makes the dev cluster.
func newSuite(ctx context.Context) (*suite, error) {
	dir, err := os.MkdirTemp("", "tlsgw-e2e-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &suite{dir: dir, certs: pki.NewMaker(time.Now, rand.Reader)}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.end(ctx, true))
	}
	return s, nil
}

func (s *suite) start(ctx context.Context) (err error) {
	if s.public, err = s.certs.CA(pki.Spec{CommonName: "Public Test CA"}); err != nil {
		return err
	}
	if s.private, err = s.certs.CA(pki.Spec{CommonName: "Private Test CA"}); err != nil {
		return err
	}
	systemCA := filepath.Join(s.dir, "system-ca.pem")
	if err := os.WriteFile(systemCA, s.public.CertPEM(), 0o600); err != nil {
		return fmt.Errorf("write the system bundle: %w", err)
	}
	binary, err := devcluster.Plugin(ctx, s.dir)
	if err != nil {
		return err
	}
	s.Cluster, err = devcluster.New(ctx, devcluster.Options{
		Binary: binary, Name: "e2e-" + strconv.Itoa(os.Getpid()), Dir: s.dir, SystemCAFile: systemCA,
	})
	if err != nil {
		return err
	}
	if s.guard, err = s.Guard(ctx); err != nil {
		return err
	}
	_, err = s.Up(ctx)
	return err
}

// end takes the dev cluster down, and before that shows what a failure may be
// explained by.
func (s *suite) end(ctx context.Context, failed bool) error {
	var failures []error
	if s.Cluster != nil {
		crashes, err := s.Crashes()
		if len(crashes) > 0 {
			err = fmt.Errorf("logs tell of crashes: %q", crashes)
		}
		failures = append(failures, err)
		if failed {
			s.dump(ctx)
		}
		if down := s.Down(ctx); down.Code != 0 {
			failures = append(failures, fmt.Errorf("dev-down: %s", down))
		}
	}
	if s.guard != nil {
		s.guard.Dismiss()
	}
	return errors.Join(append(failures, os.RemoveAll(s.dir))...)
}

// dump logs the ends of all logs, and what Envoy counts and runs; nothing of
// it holds a key, for secrets are not in clusters.
func (s *suite) dump(ctx context.Context) {
	logs, err := s.Logs()
	if err != nil {
		log.Print(err)
	}
	for name, text := range logs {
		log.Printf("end of %s:\n%s", name, text)
	}
	stats, err := s.Stats(ctx, `^(cluster\.(kube|backend)_.*\.(ssl\.|upstream_(cx|rq)_(total|connect_fail|[45]xx))|cluster_manager\.|listener_manager\.|control_plane\.|http\..*\.rds\.)`)
	if err != nil {
		log.Print(err)
		return
	}
	for name, value := range stats {
		if value == 0 {
			delete(stats, name)
		}
	}
	log.Printf("statistics of Envoy: %v", stats)
	clusters, err := s.Admin(ctx, "/config_dump", url.Values{
		"resource": {"dynamic_active_clusters"}, "mask": {"cluster.name,cluster.type,cluster.transport_socket"},
	})
	var compact bytes.Buffer
	if err == nil {
		err = json.Compact(&compact, clusters)
	}
	if err != nil {
		log.Print(err)
		return
	}
	const most = 20000
	log.Printf("clusters of Envoy: %.*s", most, compact.String())
}

// pair takes the certificate out of what a pki.Maker returns.
func pair(t *testing.T) func(*pki.Pair, error) *pki.Pair {
	t.Helper()
	return func(p *pki.Pair, err error) *pki.Pair {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}
