package envoytest

import (
	"syscall"
	"testing"
	"time"
)

// endTimeout is how long Envoy may take to end when it is told to.
const endTimeout = 10 * time.Second

// End tells Envoy to end as a container runtime does, and waits for it.
func (e *Envoy) End(tb testing.TB) {
	tb.Helper()
	if err := e.process.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Errorf("end Envoy: %v", err)
	}
	select {
	case <-e.exited:
	case <-time.After(endTimeout):
		tb.Errorf("Envoy has not ended within %s", endTimeout)
	}
}
