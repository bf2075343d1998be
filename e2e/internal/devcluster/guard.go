package devcluster

import (
	"context"
	"fmt"
	"io"
	"os/exec"
)

// Guard takes a cluster down when the process that made it ends without
// having done so: killed, or out of time.
type Guard struct {
	alive   io.Closer
	command *exec.Cmd
}

// Guard starts to watch over the cluster.
func (c *Cluster) Guard(ctx context.Context) (*Guard, error) {
	// The shell reads until this process is gone, whatever ended it.
	const script = `read -r _; exec "$@"`
	command := exec.CommandContext(context.WithoutCancel(ctx), "sh", // #nosec G204 -- the binary under test
		append([]string{"-c", script, "guard", c.Binary}, c.downArgs()...)...)
	command.Env = c.Env()
	command.SysProcAttr = ownSession()
	alive, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard cluster %s: %w", c.Name, err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("guard cluster %s: %w", c.Name, err)
	}
	return &Guard{alive: alive, command: command}, nil
}

// Dismiss ends the watch once the cluster is down.
func (g *Guard) Dismiss() {
	_ = g.command.Process.Kill()
	_ = g.alive.Close()
	_ = g.command.Wait()
}

// Abandon lets the guard act as it does when this process is gone, and waits
// for it.
func (g *Guard) Abandon() {
	_ = g.alive.Close()
	_ = g.command.Wait()
}
