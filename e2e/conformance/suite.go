package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// usable is an address that a Gateway can have, as the address of its
	// Service: one of those that the API server gives to nobody by itself.
	usable = "10.96.0.200"
	// unusable is one that none can have: of a network for documents.
	unusable = "192.0.2.1"
	// endWithin is how long the suite gets to clean up beyond its time.
	endWithin = time.Minute
)

// arguments are those of the suite.
func (c *cluster) arguments() []string {
	args := []string{
		"-test.v=test2json", "-test.timeout=" + c.timeout.String(),
		"--gateway-class=" + class,
		"--conformance-profiles=" + profiles,
		"--report-output=" + report,
		"--organization=tlsgw", "--project=kubectl-tlsgw", "--version=" + c.version,
		"--url=https://github.com/tlsgw/kubectl-tlsgw",
		"--contact=https://github.com/tlsgw/kubectl-tlsgw/issues/new",
		"--usable-address=" + usable, "--unusable-address=" + unusable,
		fmt.Sprintf("--cleanup-test-resources=%t", c.cleanup),
	}
	if c.run != "" {
		args = append(args, "-test.run=^TestConformance$/("+c.run+")")
	}
	if list := featureList(c.features); list != "" {
		args = append(args, "--supported-features="+list)
	}
	return append(args, c.more...)
}

// runSuite runs the suite in the node. Its results go to events, all that it
// says into a file.
func (c *cluster) runSuite(ctx context.Context, events io.Writer) (*counts, error) {
	whole, err := os.Create(filepath.Join(c.out, "suite.log"))
	if err != nil {
		return nil, fmt.Errorf("keep the log: %w", err)
	}
	defer whole.Close() //nolint:errcheck // a log
	ctx, cancel := context.WithTimeout(ctx, c.timeout+endWithin)
	defer cancel()
	converter := exec.CommandContext(ctx, "go", "tool", "test2json", "-t", "-p", "conformance")
	into, err := converter.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	results, err := converter.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	if err := converter.Start(); err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		err := run(c.node.CommandContext(ctx, program, c.arguments()...).
			SetEnv("KUBECONFIG=" + adminConfig).SetStdout(into).SetStderr(into))
		ended <- errors.Join(err, into.Close())
	}()
	counted, err := filter(results, events, whole)
	if err != nil {
		cancel() // nobody reads what comes
	}
	if waited := converter.Wait(); err == nil {
		err = waited
	}
	failed := <-ended
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err(), c.endSuite(context.WithoutCancel(ctx)))
	}
	if err == nil && failed != nil && counted.failed == 0 {
		err = fmt.Errorf("the suite ended early: %w; see %s", failed, whole.Name())
	}
	return counted, err
}
