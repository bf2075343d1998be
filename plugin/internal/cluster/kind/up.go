package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/image"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// up is one run of dev-up.
type up struct {
	*place
	settings

	driver  *Driver
	options cluster.Options
	steps   *cluster.Steps
	// found is true when there is such a cluster already.
	found bool
	// changed becomes true with the first thing that had to be done.
	changed bool
	// made is true once something is there that a failure has to remove.
	made bool

	clients *kube.Clients
	// access is the cluster's own kubeconfig.
	access *clientcmdapi.Config
	// image is the controller's, when it is made here; imageRef in any case.
	image    *image.Image
	imageRef string
	// imageID is what the engine calls the image that was given; that of the
	// one that the node has where the engine has none.
	imageID  string
	systemCA []byte
}

// Up implements cluster.Driver.
func (d *Driver) Up(ctx context.Context, options cluster.Options, steps *cluster.Steps) (cluster.Summary, error) {
	release, err := state.Lock(ctx, d.Getenv, options.Name, steps)
	if err != nil {
		return cluster.Summary{}, err
	}
	defer release()
	u := &up{driver: d, options: options, steps: steps}
	if err := u.prepare(ctx); err != nil {
		if interrupted(ctx, err) {
			err = errInterrupted()
		}
		return cluster.Summary{}, withOutcome(err, "nothing was changed")
	}
	if err := u.run(ctx); err != nil {
		return cluster.Summary{}, u.giveUp(ctx, err)
	}
	return u.summary()
}

// prepare decides everything that can be decided before anything is written
// or started.
func (u *up) prepare(ctx context.Context) (err error) {
	if u.place, err = u.driver.look(ctx, u.options.Name, detailLogger{u.steps}); err != nil {
		return err
	}
	switch {
	case u.node != nil && !u.ours():
		return u.refuse()
	case u.brokenErr != nil:
		return fail.Failed("%w", u.brokenErr).WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again", u.name)
	case u.marked:
		if err := u.prepareFound(); err != nil {
			return err
		}
	default:
		if err := u.prepareNew(ctx); err != nil {
			return err
		}
	}
	u.Engine = u.engine.Name
	if err := u.CheckBundle(u.options); err != nil {
		return err
	}
	if u.SystemCAFile != "" {
		if u.systemCA, err = readBundle(u.SystemCAFile); err != nil {
			return err
		}
	}
	if u.Image != "" {
		if _, err := name.ParseReference(u.Image); err != nil {
			return fail.Usage("--image %s is no image: %w", u.Image, err).WithFix("write it as REGISTRY/REPOSITORY:TAG, or leave out --image")
		}
		return nil
	}
	return u.checkProgram()
}

// checkProgram says of a program that was given to an earlier dev-up that it was.
func (u *up) checkProgram() error {
	err := u.driver.Program.Check(u.LinuxBinary, u.engine.arch)
	if err != nil && u.LinuxBinary != u.options.LinuxBinary {
		err = fail.Failed("dev cluster %q has this from an earlier dev-up: %w", u.name, err).
			WithFix("kubectl tlsgw dev-up --name %s --linux-binary=    # for this very binary, or give the new place", u.name)
	}
	return err
}

// prepareFound is for a cluster that is there.
func (u *up) prepareFound() (err error) {
	u.found = true
	u.settings = u.place.settings
	if !u.known && u.options.Kubeconfig != "" { // where it was before, nobody knows
		if u.Kubeconfig.Files, err = kubeconfig.Files(u.driver.Getenv, u.options.Kubeconfig); err != nil {
			return err
		}
	}
	if err := u.merge(u.options); err != nil {
		return err
	}
	u.steps.Header("Healing dev cluster %q (driver kind: %s)", u.name, u.engine)
	return u.Kubeconfig.CheckKept(u.context(), u.dir.Path(kubeconfigFile))
}

// prepareNew is for a cluster that is to be made, perhaps not for the first
// time.
func (u *up) prepareNew(ctx context.Context) (err error) {
	u.settings = newSettings(u.options)
	if u.known {
		u.settings = u.place.settings.again(u.options)
	}
	reason := u.engine.String()
	if u.options.Why != "" {
		reason += ", " + u.options.Why
	}
	u.steps.Header("Creating dev cluster %q (driver kind: %s)", u.name, reason)
	if u.node == nil { // else it has the port itself
		if err := u.checkPort(ctx); err != nil {
			return err
		}
	}
	if len(u.Kubeconfig.Files) == 0 || u.options.Kubeconfig != "" {
		if u.Kubeconfig.Files, err = kubeconfig.Files(u.driver.Getenv, u.options.Kubeconfig); err != nil {
			return err
		}
	}
	return u.Kubeconfig.CheckWritable()
}

// checkPort leaves ports that need privileges to the engine, which may have
// them.
func (u *up) checkPort(ctx context.Context) error {
	listener, err := port.Listen(ctx, u.HTTPPort)
	switch {
	case err == nil:
		err := listener.Close()
		if u.engine.publisher(ctx, u.HTTPPort) != "" { // nerdctl forwards it, and nobody listens
			return u.portTaken(ctx)
		}
		return err
	case errors.Is(err, syscall.EACCES):
		return nil
	}
	return u.portTaken(ctx)
}

// portTaken says who has the port: a container of this engine, or a process.
func (u *up) portTaken(ctx context.Context) error {
	use := port.Use{Number: u.HTTPPort, Flag: "--http-port"}
	err := use.CheckFree(ctx)
	container := u.engine.publisher(ctx, u.HTTPPort)
	switch {
	case container != "":
		return fail.Failed("port %d is taken by the container %s", u.HTTPPort, container).WithFix("%s", use.Fix(ctx))
	case err == nil: // it was, a moment ago
		return fail.Failed("port %d was taken when the cluster was to have it", u.HTTPPort).WithFix("%s", use.Fix(ctx))
	}
	return err
}

// run makes what is missing. While one thing is waited for, others are done.
func (u *up) run(ctx context.Context) error {
	ctx, w := newWork(ctx)
	defer w.end()
	program := w.begin(ctx, u.makeImage)
	if u.found {
		if err := u.step(ctx, "cluster", u.wake); err != nil {
			return err
		}
	} else if err := u.make(ctx); err != nil {
		return err
	}
	if err := u.connect(); err != nil {
		return err
	}
	if err := u.fill(ctx, w, program); err != nil {
		return err
	}
	return u.finish(ctx)
}

// make makes the cluster. From the first container on, the settings say whose
// it is.
func (u *up) make(ctx context.Context) (err error) {
	if u.node != nil { // of a run that was interrupted
		if err := u.provider.Delete(u.name, u.dir.Path(kubeconfigFile)); err != nil {
			return fmt.Errorf("delete the containers of an interrupted dev-up: %w", shortened(err))
		}
	}
	if err := u.step(ctx, "node image "+u.NodeImage, u.ensureNodeImage); err != nil {
		return err
	}
	// A pull may take minutes: somebody else may have made one meanwhile.
	if u.node, err = u.findNode(); err != nil {
		return err
	}
	if u.node != nil {
		return u.refuse()
	}
	u.Network = u.Network || !u.engine.hasNetwork(ctx)
	u.made = true
	if err := state.SaveSettings(u.dir, u.settings); err != nil {
		return err
	}
	return u.step(ctx, "cluster", func(ctx context.Context) (cluster.Done, error) {
		if err := u.create(ctx); err != nil {
			return cluster.Done{}, err
		}
		return cluster.Done{}, u.remember()
	})
}

// remember writes the settings where a later run looks for them.
func (u *up) remember() error {
	var err error
	if u.node, err = u.findNode(); err != nil {
		return err
	}
	if u.node == nil {
		return fail.Failed("the container of cluster %q is gone", u.name)
	}
	u.Marked = true
	if err := u.writeMark(u.settings); err != nil {
		return err
	}
	return state.SaveSettings(u.dir, u.settings)
}

// step runs one step. A step of a cluster that was well is not worth a line.
func (u *up) step(ctx context.Context, title string, run func(context.Context) (cluster.Done, error)) error {
	return u.steps.Run(ctx, title, func(ctx context.Context) (cluster.Done, error) {
		before := u.changed
		u.changed = !u.found
		done, err := run(ctx)
		done.Nothing = !u.changed
		u.changed = u.changed || before
		return done, err
	})
}

// fill puts everything into the cluster, and waits until it works.
func (u *up) fill(ctx context.Context, w *work, program *part) error {
	load := w.begin(ctx, u.loadImage, program)
	before := program
	if u.found { // a controller that runs is replaced by one that will
		before = load
	}
	install := w.begin(ctx, u.install, before)
	route := w.begin(ctx, u.ensureGateway, install)
	steps := []struct {
		title string
		part  *part
		wait  func(context.Context) error
	}{
		{fmt.Sprintf("Gateway API %s (%s), kgateway v1alpha1", consts.BundleVersion, u.GatewayAPI), install, nil},
		{strings.TrimSpace("controller image " + u.Image), load, nil},
		{"controller", install, u.waitController},
		{fmt.Sprintf("gateway %s/%s on localhost:%d", contract.DevGatewayNamespace, contract.DevGatewayName, u.HTTPPort), route, u.waitGateway},
	}
	if u.Sample {
		serve := w.begin(ctx, u.ensureSample)
		steps = append(steps, struct {
			title string
			part  *part
			wait  func(context.Context) error
		}{u.sampleTitle(), serve, u.waitSample})
	}
	if u.found {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, s := range steps {
		err := u.step(ctx, s.title, func(ctx context.Context) (cluster.Done, error) {
			if err := s.part.wait(ctx); err != nil {
				return cluster.Done{}, err
			}
			u.changed = u.changed || s.part.changed
			done := cluster.Done{Title: s.part.title}
			if s.wait == nil {
				return done, nil
			}
			done.Title = ""
			return done, u.withPreload(s.wait(ctx))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sampleTitle says what the sample is, or how it is broken.
func (u *up) sampleTitle() string {
	title := fmt.Sprintf("sample svc/%s, TLS on %d", templates.SampleName, templates.SamplePort)
	if broken := u.Break.Title(); broken != "" {
		return title + broken
	}
	return fmt.Sprintf("%s, CA in configmap/%s", title, templates.SampleConfigMap)
}
