package port_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

func TestTakenPortNamesItsHolder(t *testing.T) {
	t.Parallel()
	l, err := port.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	number := l.Addr().(*net.TCPAddr).Port
	err = port.Use{Number: number, Flag: "--http-port"}.CheckFree(t.Context())
	failure, ok := errors.AsType[*fail.Error](err)
	if !ok {
		t.Fatalf("CheckFree() = %v", err)
	}
	if want := fmt.Sprintf("(pid %d)", os.Getpid()); !strings.Contains(failure.Error(), want) {
		t.Errorf("%q lacks %q", failure, want)
	}
	if !strings.Contains(failure.Fix, "--http-port") {
		t.Errorf("the fix is %q", failure.Fix)
	}
}
