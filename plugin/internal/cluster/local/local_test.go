package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Where there is no Envoy, a sentence says so before anything is touched.
func TestUpOnWindowsIsRefused(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "state")
	getenv := func(name string) string { return map[string]string{"XDG_STATE_HOME": root}[name] }
	driver := Driver{Getenv: getenv, OS: "windows", Now: time.Now}
	_, err := driver.Up(t.Context(), cluster.Options{Name: "tlsgw"}, cluster.NewSteps(t.Output(), getenv, time.Now))
	if err == nil || !strings.Contains(err.Error(), "does not run on Windows") || !strings.Contains(fail.As(err).Fix, "--driver kind") {
		t.Errorf("Up() = %v", err)
	}
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Errorf("the state folder was made: %v", err)
	}
}
