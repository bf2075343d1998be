package kind

import (
	"context"
	"os/exec"
)

const (
	// nodeLogLines are shown of each log of the node.
	nodeLogLines = "6"
	// nodeLogWidth is how many characters of a line.
	nodeLogWidth = 300
	// apiServerLog prints the newest log of the node's API server.
	apiServerLog = "tail -n " + nodeLogLines + " $(ls -t /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log | head -n 1)"
)

// nodeLog is the end of what the kubelet of the node and its API server have
// written, or of what its container has where nothing can be run in it.
func (u *up) nodeLog(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*requestTimeout)
	defer cancel()
	node := u.node.String()
	var lines []string
	for _, log := range []struct {
		of      string
		command []string
	}{
		{"kubelet", []string{"journalctl", "--unit=kubelet", "--no-pager", "--output=cat", "--lines=" + nodeLogLines}},
		{"kube-apiserver", []string{"sh", "-c", apiServerLog}},
	} {
		out, err := u.engine.run(ctx, append([]string{"exec", node}, log.command...)...)
		if err == nil {
			lines = append(lines, logLines(log.of, out)...)
		}
	}
	if len(lines) > 0 {
		return lines
	}
	command := exec.CommandContext(ctx, u.engine.Name, "logs", "--tail", nodeLogLines, node) // #nosec G204 -- the engine's own program
	command.WaitDelay = killDelay
	out, err := command.CombinedOutput() // containers write to both
	if err != nil {
		return nil
	}
	return logLines(node, string(out))
}

// logLines are the lines of a log with its name before each.
func logLines(of, text string) []string {
	lines := lastLines(text, shownLines)
	for i, line := range lines {
		if runes := []rune(line); len(runes) > nodeLogWidth {
			line = string(runes[:nodeLogWidth-1]) + "…"
		}
		lines[i] = of + ": " + line
	}
	return lines
}
