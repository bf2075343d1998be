package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/devcluster"
	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/engine"
)

const (
	// class names the GatewayClass of the suite, as class.yaml has it.
	class = "conformance"
	// namespaces have a common beginning in all of the suite.
	namespaces = "gateway-conformance-"
	// goneWithin bounds the wait for what an earlier run has left.
	goneWithin = 3 * time.Minute
)

//go:embed class.yaml
var classManifest string

// cluster is the dev cluster, and the suite in it.
type cluster struct {
	options
	dev      *devcluster.Cluster
	guard    *devcluster.Guard
	provider *kindcluster.Provider
	node     nodes.Node
}

// start makes the dev cluster, or heals the one that was kept with the plugin
// as it is now.
func (o options) start(ctx context.Context) (*cluster, error) {
	found, err := engine.Find(ctx)
	if err != nil {
		return nil, err
	}
	env, err := found.Env()
	if err != nil {
		return nil, err
	}
	c := &cluster{options: o, provider: found.Provider()}
	// The folder tells a later run that the cluster of that name was its own.
	dir := filepath.Join(os.TempDir(), "tlsgw-conformance-"+o.name)
	if err := c.claim(dir); err != nil {
		return nil, err
	}
	c.dev, err = devcluster.New(ctx, devcluster.Options{
		Binary: o.binary, Driver: devcluster.Kind, Env: env, Name: o.name, Dir: dir, HTTPPort: o.port,
	})
	if err != nil {
		return nil, err
	}
	if err := c.up(ctx); err != nil {
		return nil, errors.Join(err, c.end(context.WithoutCancel(ctx), true))
	}
	return c, nil
}

// claim refuses a cluster that somebody else has made.
func (c *cluster) claim(dir string) error {
	there, err := c.provider.ListNodes(c.name)
	if err != nil {
		return fmt.Errorf("list the nodes of cluster %q: %w", c.name, err)
	}
	if _, err := os.Stat(dir); err != nil && len(there) > 0 {
		return fmt.Errorf("cluster %q is there and not of this suite: kubectl tlsgw dev-down --name %[1]s, or choose another name", c.name)
	}
	return os.MkdirAll(dir, 0o700)
}

func (c *cluster) up(ctx context.Context) (err error) {
	if !c.keep {
		if c.guard, err = c.dev.Guard(ctx); err != nil {
			return err
		}
		// What a run has left that could not end.
		if down := c.dev.Down(ctx); down.Code != 0 {
			return fmt.Errorf("dev-down: %s", down)
		}
	}
	// One that does not come up is there for the dump, and goes at the end.
	more := []string{"--retain", "--gateway-api", "experimental", "--no-sample"}
	if c.nodeImage != "" {
		more = append(more, "--node-image", c.nodeImage)
	}
	result, err := c.dev.Up(ctx, more...)
	found := c.findNode()
	if err != nil {
		return err
	}
	log.Printf("%s", result)
	return found
}

// findNode finds the one node, which may be there when dev-up has failed.
func (c *cluster) findNode() error {
	found, err := c.provider.ListNodes(c.name)
	if err != nil {
		return fmt.Errorf("list the nodes of cluster %q: %w", c.name, err)
	}
	if len(found) != 1 {
		return fmt.Errorf("cluster %q has nodes %v, want one", c.name, found)
	}
	c.node = found[0]
	return nil
}

// prepare gives the node images and the suite, and makes the suite's class.
func (c *cluster) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{c.loadImages, c.copySuite, c.keepInside, c.awaitGone, c.makeClass} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitGone waits until the namespaces of an earlier run are gone: the suite
// deletes them without waiting.
func (c *cluster) awaitGone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	left, err := c.kubectl(ctx, "", "get", "namespaces", "-o", "name")
	if err != nil {
		return err
	}
	var names []string
	for name := range strings.FieldsSeq(left) {
		if strings.HasPrefix(name, "namespace/"+namespaces) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err = c.kubectl(ctx, "", append([]string{"delete", "--ignore-not-found"}, names...)...)
	return err
}

// makeClass makes the class anew, so that its status is that of this
// controller, not of one before.
func (c *cluster) makeClass(ctx context.Context) error {
	for _, args := range [][]string{
		{"delete", "gatewayclass", class, "--ignore-not-found"},
		{"apply", "-f", "-"},
		{"wait", "gatewayclass", class, "--for=condition=Accepted", "--timeout=60s"},
	} {
		if _, err := c.kubectl(ctx, classManifest, args...); err != nil {
			return err
		}
	}
	return nil
}

// end takes the cluster down, unless it shall be kept.
func (c *cluster) end(ctx context.Context, failed bool) error {
	if failed && c.node != nil {
		c.dump(ctx)
	}
	if c.keep {
		log.Printf("kept: export KUBECONFIG=%s", c.dev.Kubeconfig())
		return nil
	}
	var failures []error
	if down := c.dev.Down(ctx); down.Code != 0 {
		failures = append(failures, fmt.Errorf("dev-down: %s", down))
	}
	if c.guard != nil {
		c.guard.Dismiss()
	}
	return errors.Join(append(failures, os.RemoveAll(c.dev.Dir))...)
}
