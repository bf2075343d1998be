// Command conformance runs the conformance suite of Gateway API, as it is,
// against a dev cluster of containers that it makes and takes away again:
//
//	go run ./e2e/conformance -binary bin/kubectl-tlsgw -suite suite.test -echo echo-basic
//
// In go the plugin, the suite and the backend that it asks for, all of them
// static programs; out come the results of the suite's tests as test2json
// writes them, on stdout, and a report for Gateway API's list of
// implementations. The suite itself runs in the node of the cluster: from
// there the addresses of Services are reached without a route, and without
// root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are what the flags say.
type options struct {
	// binary is the plugin, suite the compiled suite, echo its backend.
	binary, suite, echo string
	// module is the folder of the Go module that has the suite.
	module string
	// nodeImage is that of the node; empty means what dev-up takes.
	nodeImage string
	// name is that of the dev cluster, port where its own Gateway answers.
	name string
	port int
	// features are a choice of featureList; run picks tests by name.
	features, run string
	// version is that of the plugin, for the report.
	version string
	// out is the folder for the report and the whole log.
	out string
	// keep leaves the cluster there, cleanup takes away what a test has made.
	keep, cleanup bool
	// timeout is for the suite alone.
	timeout time.Duration
	// more are arguments for the suite, as it defines them.
	more []string
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/kubectl-tlsgw", "the plugin")
	flag.StringVar(&o.suite, "suite", "", "the compiled suite")
	flag.StringVar(&o.echo, "echo", "", "the suite's backend, as a program")
	flag.StringVar(&o.module, "module", "e2e/conformance/suite", "the Go module of the suite")
	flag.StringVar(&o.name, "name", "tlsgw-conformance", "the dev cluster to make")
	flag.StringVar(&o.nodeImage, "node-image", "", "the image of the node (default: as dev-up)")
	flag.IntVar(&o.port, "http-port", 18090, "the port of this machine for the dev cluster's own Gateway")
	flag.StringVar(&o.features, "features", "", "published: what the GatewayClass says; all: every feature of the profiles; core: those of core and of backend TLS; or a list, with commas")
	flag.StringVar(&o.run, "run", "", "run only tests with names that this regular expression matches")
	flag.StringVar(&o.version, "version", "", "the version of the plugin, for the report")
	flag.StringVar(&o.out, "out", "bin/conformance", "the folder for the report and the whole log")
	flag.BoolVar(&o.keep, "keep", false, "leave the cluster there for a look, and for the next run")
	flag.BoolVar(&o.cleanup, "cleanup", true, "delete what a test has made when the test ends")
	flag.DurationVar(&o.timeout, "timeout", 40*time.Minute, "how long the suite may take")
	flag.Parse()
	o.more = flag.Args()
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.conform(ctx, os.Stdout) //nolint:forbidigo // the events are the result of this program
	stop()
	if err != nil {
		log.Fatal("error: ", err)
	}
}

// conform makes the cluster, runs the suite and looks at its report.
func (o options) conform(ctx context.Context, events io.Writer) (err error) {
	for _, path := range []*string{&o.binary, &o.suite, &o.echo, &o.module, &o.out} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = absolute
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil { // #nosec G301 -- reports are for all
		return fmt.Errorf("make a folder: %w", err)
	}
	c, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// Whatever became of the suite, and of the context.
		err = errors.Join(err, c.end(context.WithoutCancel(ctx), err != nil))
	}()
	began := time.Now()
	if err := c.prepare(ctx); err != nil {
		return err
	}
	log.Printf("the cluster is ready for the suite after %s", time.Since(began).Round(time.Second))
	began = time.Now()
	counted, err := c.runSuite(ctx, events)
	log.Printf("the suite took %s: %s", time.Since(began).Round(time.Second), counted)
	return errors.Join(err, c.conclude(ctx, counted))
}
