// Command bench measures the speed and memory of the real binary with a real API
// server and Envoy, on loopback, and writes a table in Markdown:
//
//	go run ./e2e/bench -binary bin/kubectl-tlsgw -out e2e/bench/RESULTS.md
//
// It is no test: it fails only where something does not work at all.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
)

func main() {
	binary := flag.String("binary", "bin/kubectl-tlsgw", "the plugin")
	out := flag.String("out", "e2e/bench/RESULTS.md", "the file to write")
	nodeImage := flag.String("node-image", "", "the kind node image to measure dev-up with (default: dev-up on kind is left out)")
	flag.Parse()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *binary, *out, *nodeImage)
	stop()
	if err != nil {
		log.Fatal("error: ", err)
	}
}

func run(ctx context.Context, binary, out, nodeImage string) (err error) {
	absolute, err := filepath.Abs(binary)
	if err != nil {
		return fmt.Errorf("find the binary: %w", err)
	}
	dir, err := os.MkdirTemp("", "tlsgw-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{binary: absolute, dir: dir, nodeImage: nodeImage, certs: pki.NewMaker(time.Now, rand.Reader)}
	if b.ca, err = b.certs.CA(pki.Spec{CommonName: "Bench CA"}); err != nil {
		return err
	}
	measures := []func(context.Context) error{b.commands, b.start, b.withCluster}
	if nodeImage != "" {
		measures = append(measures, b.kind)
	}
	for _, measure := range measures {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	if err := os.WriteFile(out, b.markdown(), 0o644); err != nil { // #nosec G306 G703 -- a document for all, where the person wants it
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// bench collects results.
type bench struct {
	binary, dir string
	// nodeImage is empty when nothing is measured on kind.
	nodeImage string
	certs     *pki.Maker
	ca        *pki.Pair
	facts     []row
	results   []row
}

// row is one line of a table.
type row struct{ name, value string }

func (b *bench) fact(name, format string, args ...any) {
	b.facts = append(b.facts, row{name, fmt.Sprintf(format, args...)})
}

func (b *bench) result(name, format string, args ...any) {
	r := row{name, fmt.Sprintf(format, args...)}
	log.Printf("%s: %s", r.name, r.value)
	b.results = append(b.results, r)
}

// up makes a dev cluster; the returned function ends it.
func (b *bench) up(ctx context.Context, name string) (*devcluster.Cluster, func() error, error) {
	c, err := devcluster.New(ctx, devcluster.Options{Binary: b.binary, Name: name, Dir: filepath.Join(b.dir, name)})
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make a folder: %w", err)
	}
	guard, err := c.Guard(ctx)
	if err != nil {
		return nil, nil, err
	}
	down := func() error {
		defer guard.Dismiss()
		if ran := c.Down(context.WithoutCancel(ctx)); ran.Code != 0 {
			return fmt.Errorf("dev-down: %s", ran)
		}
		return nil
	}
	if _, err := c.Up(ctx); err != nil {
		return nil, nil, errors.Join(err, down())
	}
	return c, down, nil
}
