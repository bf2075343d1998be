package envoytest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/bootstrap"
)

// Bootstrap makes the bootstrap for Start, and writes the files that it points
// to.
func Bootstrap(tb testing.TB, o bootstrap.Options) []byte {
	tb.Helper()
	o.Folder = tb.TempDir()
	files, err := bootstrap.Files(o)
	if err != nil {
		tb.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(o.Folder, name), content, 0o600); err != nil {
			tb.Fatalf("write the bootstrap: %v", err)
		}
	}
	return files[bootstrap.Main]
}
