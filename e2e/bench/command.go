package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// commandRuns is how often a command that does nothing is run.
const commandRuns = 20

// commands measures what every command costs before it does anything. The
// first run, which may read the binary from the disk, does not count.
func (b *bench) commands(ctx context.Context) error {
	for _, arg := range []string{"version", "--help"} {
		var all []time.Duration
		for run := range commandRuns + 1 {
			began := time.Now()
			if out, err := exec.CommandContext(ctx, b.binary, arg).CombinedOutput(); err != nil { // #nosec G204 -- the binary that is measured
				return fmt.Errorf("%s: %w\n%s", arg, err, out)
			}
			if run > 0 {
				all = append(all, time.Since(began))
			}
		}
		b.result(fmt.Sprintf("`kubectl-tlsgw %s` (%d runs)", arg, commandRuns), "%s", p50p90(all))
	}
	return nil
}
