package devcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Plugin puts the plugin to test into a folder of its own below dir, under the
// name by which kubectl finds it, and returns its path: the one that
// TLSGW_BINARY names, else one that is built.
func Plugin(ctx context.Context, dir string) (string, error) {
	folder := filepath.Join(dir, "bin")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	path := filepath.Join(folder, "kubectl-tlsgw")
	given := os.Getenv("TLSGW_BINARY")
	if given == "" {
		return path, Build(ctx, path, "./cmd/kubectl-tlsgw")
	}
	absolute, err := filepath.Abs(given)
	if err != nil {
		return "", fmt.Errorf("find TLSGW_BINARY: %w", err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("replace the plugin: %w", err)
	}
	if err := os.Symlink(absolute, path); err != nil {
		return "", fmt.Errorf("link the plugin: %w", err)
	}
	return path, nil
}

// Build builds a static program of this module, as the released ones are. It
// is for tests in a folder of e2e.
func Build(ctx context.Context, path, program string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, program)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", program, err, out)
	}
	return nil
}
