package devup

import (
	"os"
	"path/filepath"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// checkBundle refuses a file that Envoy could not read as a CA bundle, and
// makes its path absolute: processes in other folders will read it.
func checkBundle(path *string) error {
	content, err := os.ReadFile(*path)
	if err != nil {
		return fail.Usage("--system-ca-file cannot be read: %w", err).WithFix("give a file with CA certificates as PEM")
	}
	if _, err := bundle.Parse(content); err != nil {
		return fail.Usage("--system-ca-file %s is no CA bundle: %w", *path, err).WithFix("give a file with CA certificates as PEM")
	}
	if *path, err = filepath.Abs(*path); err != nil {
		return fail.Usage("--system-ca-file %s: %w", *path, err)
	}
	return nil
}
