package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/nodeutils"

	"github.com/tlsgw/kubectl-tlsgw/e2e/internal/image"
)

// suiteModule has the manifests of the suite.
const suiteModule = "sigs.k8s.io/gateway-api/conformance"

// loadImages gives the node all images that the manifests of the suite name,
// so that no registry is asked, and what runs is of the suite's very version.
func (c *cluster) loadImages(ctx context.Context) error {
	names, err := c.imageNames(ctx)
	if err != nil {
		return err
	}
	var echo []string
	for _, name := range names {
		repository, _, _ := strings.Cut(path.Base(name), ":")
		switch repository {
		case "echo-basic":
			echo = append(echo, name)
		case "coredns":
			err = c.tagDNS(ctx, name)
		default:
			err = fmt.Errorf("a manifest of the suite wants image %s, and nothing here makes it", name)
		}
		if err != nil {
			return err
		}
	}
	content, err := os.ReadFile(c.echo)
	if err != nil {
		return fmt.Errorf("read the suite's backend: %w", err)
	}
	archive, err := image.Archive(content, echo...)
	if err != nil {
		return err
	}
	if err := nodeutils.LoadImageArchive(c.node, bytes.NewReader(archive)); err != nil {
		return fmt.Errorf("load %v into %s: %w", echo, c.node, err)
	}
	log.Printf("loaded into the node: %s", strings.Join(names, ", "))
	return nil
}

// tagDNS gives the image of the cluster's own DNS one more name.
func (c *cluster) tagDNS(ctx context.Context, name string) error {
	const script = `
		own=$(ctr -n k8s.io images list -q | grep '/coredns:' | head -n 1)
		[ -n "$own" ] || { echo 'the node has no image of CoreDNS' >&2; exit 1; }
		[ "$own" = %[1]q ] || ctr -n k8s.io images tag --force "$own" %[1]q`
	_, err := c.sh(ctx, nil, fmt.Sprintf(script, name))
	return err
}

// imageNames are those of the suite's manifests, sorted.
func (c *cluster) imageNames(ctx context.Context) ([]string, error) {
	command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", suiteModule)
	command.Dir = c.module
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("find the suite: %w\n%s", err, stderr.String())
	}
	root := strings.TrimSpace(string(out))
	module := os.DirFS(root)
	named := regexp.MustCompile(`(?m)^\s*(?:- )?image:\s*"?([^\s"]+)`)
	var names []string
	var failures []error
	for _, folder := range []string{"base", "tests"} {
		failures = append(failures, fs.WalkDir(module, folder, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || path.Ext(file) != ".yaml" || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(module, file)
			for _, match := range named.FindAllSubmatch(text, -1) {
				names = append(names, string(match[1]))
			}
			return err
		}))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if err := errors.Join(failures...); err != nil {
		return nil, fmt.Errorf("read the suite's manifests: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the manifests of the suite in %s name no image", root)
	}
	return names, nil
}
