package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/kind/pkg/exec"
)

const (
	// adminConfig is where kind's nodes have a kubeconfig that may do all.
	adminConfig = "/etc/kubernetes/admin.conf"
	// place is the folder of the suite in the node.
	place = "/conformance"
	// program is the suite there, report what it writes.
	program = place + "/suite"
	report  = place + "/report.yaml"
)

// sh runs a script in the node, and returns what it prints.
func (c *cluster) sh(ctx context.Context, stdin io.Reader, script string) (string, error) {
	return c.inNode(ctx, stdin, "sh", "-ec", script)
}

// kubectl runs that of the node.
func (c *cluster) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return c.inNode(ctx, strings.NewReader(stdin), "kubectl", append([]string{"--kubeconfig", adminConfig}, args...)...)
}

func (c *cluster) inNode(ctx context.Context, stdin io.Reader, command string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := c.node.CommandContext(ctx, command, args...).SetStdout(&stdout).SetStderr(&stderr)
	if stdin != nil {
		cmd = cmd.SetStdin(stdin)
	}
	if err := run(cmd); err != nil {
		return stdout.String(), fmt.Errorf("in %s, %s %s: %w\n%s", c.node, command, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// run leaves out of a failure the engine's arguments.
func run(cmd exec.Cmd) error {
	err := cmd.Run()
	if failed := exec.RunErrorForError(err); failed != nil {
		return failed.Inner
	}
	return err
}

// copySuite ends a suite that an earlier run has left, and brings this one.
func (c *cluster) copySuite(ctx context.Context) error {
	file, err := os.Open(c.suite)
	if err != nil {
		return fmt.Errorf("read the suite: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	if err := c.endSuite(ctx); err != nil {
		return err
	}
	const script = `rm -rf %[1]s && mkdir %[1]s && cat >%[2]s && chmod 755 %[2]s`
	_, err = c.sh(ctx, file, fmt.Sprintf(script, place, program))
	return err
}

// endSuite ends what runs of the suite in the node: ending the command that
// started it there does not.
func (c *cluster) endSuite(ctx context.Context) error {
	const script = `
		for exe in /proc/[0-9]*/exe; do
			[ "$(readlink "$exe")" != %s ] || { pid=${exe%%/exe}; kill -9 "${pid#/proc/}"; }
		done`
	_, err := c.sh(ctx, nil, fmt.Sprintf(script, program))
	return err
}

// keepInside lets no connection to a Service leave the node while kube-proxy
// does not know it yet: it might be answered elsewhere, and the suite would go
// on with it.
func (c *cluster) keepInside(ctx context.Context) error {
	const script = `
		range=$(sed -n 's/.*--service-cluster-ip-range=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
		rule="OUTPUT -d $range -j REJECT"
		iptables -w -C $rule 2>/dev/null || iptables -w -A $rule`
	_, err := c.sh(ctx, nil, script)
	return err
}
