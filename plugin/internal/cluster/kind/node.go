package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

func (u *up) ensureNodeImage(ctx context.Context) (cluster.Done, error) {
	if u.engine.hasImage(ctx, u.NodeImage) {
		return cluster.Done{}, nil
	}
	u.steps.Detail("pulling")
	return cluster.Done{}, u.engine.pull(ctx, u.NodeImage, "--node-image")
}

const (
	// wakeTimeout is how long the API server of a node may take to answer.
	wakeTimeout  = 60 * time.Second
	pollInterval = 100 * time.Millisecond
)

// wake starts the container of a cluster that was stopped, and waits until its
// API server answers.
func (u *up) wake(ctx context.Context) (cluster.Done, error) {
	done, err := u.awaken(ctx)
	if err == nil || interrupted(ctx, err) {
		return done, err
	}
	failure := fail.As(err)
	failure.Details = append(failure.Details, u.nodeLog(ctx)...)
	return done, failure
}

func (u *up) awaken(ctx context.Context) (cluster.Done, error) {
	running, err := u.engine.running(ctx, u.node.String())
	if err != nil {
		return cluster.Done{}, err
	}
	done := cluster.Done{}
	if !running {
		u.changed = true
		done.Title = "cluster (its container was stopped)"
		if err := u.engine.start(ctx, u.node.String()); err != nil {
			return done, err
		}
	}
	if err := u.connect(); err != nil {
		return done, err
	}
	ctx, cancel := context.WithTimeout(ctx, wakeTimeout)
	defer cancel()
	err = poll(ctx, func(ctx context.Context) error { return u.ready(ctx) })
	if err == nil {
		err = u.awaitAwake(ctx)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fail.Failed("cluster %q does not come back: %w", u.name, err).
			WithFix("%s logs %s    # or begin anew: kubectl tlsgw dev-down, then kubectl tlsgw dev-up", u.engine.Name, u.node)
	}
	return done, err
}

// awaitAwake waits until no pod is said to run since before its node does: what
// the API server says of a node that was just started is from before it was
// stopped.
func (u *up) awaitAwake(ctx context.Context) error {
	since, err := u.engine.started(ctx, u.node.String())
	if err != nil {
		return err
	}
	return poll(ctx, func(ctx context.Context) error {
		var pods corev1.PodList
		if err := u.clients.Client.List(ctx, &pods); err != nil {
			return fmt.Errorf("list pods: %w", err)
		}
		for i := range pods.Items {
			for _, container := range pods.Items[i].Status.ContainerStatuses {
				if running := container.State.Running; running != nil && running.StartedAt.Before(&since) {
					return fmt.Errorf("nothing is known of pod %s/%s since the node was started", pods.Items[i].Namespace, pods.Items[i].Name)
				}
			}
		}
		return nil
	})
}

// poll tries until it succeeds or ctx ends, and gives the last error.
func poll(ctx context.Context, try func(context.Context) error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// connect makes clients from the kubeconfig that kind gives.
func (u *up) connect() error {
	if u.clients != nil {
		return nil
	}
	written, err := u.provider.KubeConfig(u.name, false)
	if err != nil {
		return fmt.Errorf("read the kubeconfig of cluster %q: %w", u.name, shortened(err))
	}
	if u.access, err = clientcmd.Load([]byte(written)); err != nil {
		return fmt.Errorf("read the kubeconfig of cluster %q: %w", u.name, err)
	}
	config, err := clientcmd.NewDefaultClientConfig(*u.access, nil).ClientConfig()
	if err != nil {
		return fmt.Errorf("connect to cluster %q: %w", u.name, err)
	}
	u.clients, err = kube.NewForConfig(config, "")
	return err
}

const megabyte = 1 << 20

// makeImage decides what the controller runs, and makes its image unless it is
// given.
func (u *up) makeImage(ctx context.Context, _ *part) error {
	if u.Image != "" {
		u.imageRef = u.Image
		u.imageID = cmp.Or(u.engine.imageID(ctx, u.Image), u.ImageID)
		return nil
	}
	binary, err := u.driver.Program.Binary(ctx, u.LinuxBinary, u.engine.arch)
	if err != nil {
		return err
	}
	if u.image, err = image.Build(binary); err != nil {
		return err
	}
	u.imageRef = u.image.Ref
	return nil
}

// loadImage gives the node the controller's image, unless it has it.
func (u *up) loadImage(ctx context.Context, p *part) error {
	p.title = "controller image " + u.imageRef
	if u.image != nil {
		p.title = fmt.Sprintf("controller image from %s (%d MB)", u.programName(), u.image.Size/megabyte)
	}
	there, err := u.nodeHas(ctx, u.imageRef)
	if err != nil || there && u.imageID == u.ImageID {
		return err
	}
	p.changed = true
	switch {
	case u.image != nil:
		return u.load(ctx, func(_ context.Context, w io.Writer) error { return u.image.WriteArchive(w) })
	case u.engine.hasImage(ctx, u.imageRef):
		return u.load(ctx, func(ctx context.Context, w io.Writer) error { return u.engine.save(ctx, u.imageRef, w) })
	}
	return u.pullIntoNode(ctx)
}

func (u *up) programName() string {
	if u.LinuxBinary != "" {
		return filepath.Base(u.LinuxBinary)
	}
	return "this binary"
}

// nodeHas tells whether the node has an image of that name. The names of
// images that are made here change with their contents.
func (u *up) nodeHas(ctx context.Context, ref string) (bool, error) {
	out, err := u.nodeImages(ctx, "list", "--quiet", "name=="+inFull(ref))
	if err != nil {
		return false, fmt.Errorf("look for image %s in %s: %w", ref, u.node, shortened(err))
	}
	return strings.TrimSpace(out) == inFull(ref), nil
}

// load streams an archive into the node.
func (u *up) load(ctx context.Context, write func(context.Context, io.Writer) error) error {
	reader, writer := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(ctx, writer)
		_ = writer.CloseWithError(err) // it never fails
		written <- err
	}()
	stop := context.AfterFunc(ctx, func() { _ = reader.CloseWithError(context.Cause(ctx)) })
	err := nodeutils.LoadImageArchive(u.node, reader)
	stop()
	_ = reader.Close() // the writer ends when nobody reads any more
	writeErr := <-written
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return nil
	case isFull(err):
		return u.nodeFull(shortened(err))
	case writeErr != nil && !errors.Is(writeErr, io.ErrClosedPipe):
		return writeErr
	}
	return fmt.Errorf("load image %s into %s: %w", u.imageRef, u.node, shortened(err))
}

// pullIntoNode has the node pull the image that was given.
func (u *up) pullIntoNode(ctx context.Context) error {
	u.steps.Detail("pulling")
	_, err := u.nodeImages(ctx, "pull", "--hosts-dir=/etc/containerd/certs.d", inFull(u.imageRef))
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case isFull(err):
		return u.nodeFull(shortened(err))
	}
	return fail.Failed("the node cannot pull --image %s: %w", u.imageRef, shortened(err)).
		WithFix("check the name, bring it here (%s pull %s), or go back to this very binary with --image=", u.engine.Name, u.imageRef)
}

// removeOldImages takes away the images of controllers that ran before: none of
// them is ever run again, and the node has no other way to lose them.
func (u *up) removeOldImages(ctx context.Context) {
	listed, err := u.nodeImages(ctx, "list")
	if err != nil {
		return // they only take room
	}
	if old := oldImages(listed, inFull(u.imageRef)); len(old) > 0 {
		_, _ = u.nodeImages(ctx, append([]string{"remove"}, old...)...) // likewise
	}
}

// oldImages are all names, in what `ctr images list` prints, of images that
// were made here, but those of the current one. An import and the kubelet give
// an image further names: what counts is the digest.
func oldImages(listed, current string) []string {
	digests := map[string]string{}
	for line := range strings.Lines(listed) {
		if fields := strings.Fields(line); len(fields) > 2 { // REF TYPE DIGEST ...
			digests[fields[0]] = fields[2]
		}
	}
	doomed := map[string]bool{}
	for ref, digest := range digests {
		if strings.HasPrefix(ref, image.Repository+":") && digest != digests[current] {
			doomed[digest] = true
		}
	}
	var old []string
	for ref, digest := range digests {
		if doomed[digest] {
			old = append(old, ref)
		}
	}
	slices.Sort(old)
	return old
}

// inFull is the name of an image as containerd has it.
func inFull(ref string) string {
	parsed, err := name.ParseReference(ref)
	if err != nil { // it was checked when it was given
		return ref
	}
	return strings.Replace(parsed.Name(), name.DefaultRegistry, "docker.io", 1)
}

func (u *up) nodeFull(err error) error {
	return fail.Failed("the disk of the node %s %w", u.node, errFull).WithDetail("%v", err).WithFix("%s", u.engine.makeRoom())
}

// nodeImages runs a command on the images that the kubelet of the node sees,
// and returns what it prints.
func (u *up) nodeImages(ctx context.Context, args ...string) (string, error) {
	out, err := kindexec.Output(u.node.CommandContext(ctx, "ctr", append([]string{"--namespace=k8s.io", "images"}, args...)...))
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return string(out), err
}
