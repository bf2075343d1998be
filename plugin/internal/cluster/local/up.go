package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/gateway-api/pkg/consts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/binaries"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// up is one run of dev-up.
type up struct {
	settings
	driver  *Driver
	options cluster.Options
	steps   *cluster.Steps
	dir     stateDir
	// found is true when there is such a cluster already.
	found bool
	// changed becomes true with the first thing that had to be done.
	changed bool
	// note is said at the end.
	note string

	kube         binaries.Kube
	envoyPath    string
	envoyVersion string
	systemCA     string
	// bundle is what the cluster is to trust for the sample; resampled is
	// true when it is another one than before.
	bundle    []byte
	resampled bool
	clients   *kube.Clients
	discovery discovery.DiscoveryInterface
	// definitions are the CRDs to install.
	definitions func() ([]*apiextensionsv1.CustomResourceDefinition, error)
}

// Up implements cluster.Driver.
func (d *Driver) Up(ctx context.Context, options cluster.Options, steps *cluster.Steps) (cluster.Summary, error) {
	if err := d.CheckOS(); err != nil {
		return cluster.Summary{}, err
	}
	dir, release, err := d.open(ctx, options.Name, steps)
	if err != nil {
		return cluster.Summary{}, err
	}
	defer release()
	u := &up{driver: d, options: options, steps: steps, dir: dir}
	if err := u.prepare(ctx); err != nil {
		return cluster.Summary{}, outcome(err, "nothing was changed")
	}
	if err := u.run(ctx); err != nil {
		return cluster.Summary{}, u.giveUp(ctx, err)
	}
	if u.note != "" && u.changed {
		steps.Say("%s", u.note)
	}
	return u.summary()
}

// open takes the lock of the cluster and gives its folder, which need not
// exist.
func (d *Driver) open(ctx context.Context, name string, steps *cluster.Steps) (stateDir, func(), error) {
	dir, err := state.DirOf(d.Getenv, d.Name(), name)
	if err != nil {
		return stateDir{}, nil, err
	}
	release, err := state.Lock(ctx, d.Getenv, name, steps)
	return stateDir{dir}, release, err
}

// prepare decides everything that can be decided before anything is written
// or started.
func (u *up) prepare(ctx context.Context) (err error) {
	stored, found, err := state.LoadSettings[settings](u.dir.Dir)
	if err != nil {
		return fail.Failed("%w", err).WithFix("kubectl tlsgw dev-down --name %s    # then dev-up again", u.options.Name)
	}
	u.found, u.settings = found, stored
	if found {
		u.steps.Header("Healing dev cluster %q (driver local)", u.options.Name)
		if err = u.merge(u.options); err == nil {
			err = u.Kubeconfig.CheckKept(u.contextName(), u.dir.path(kubeconfigFile))
		}
	} else {
		why := ""
		if u.options.Why != "" {
			why = ": " + u.options.Why
		}
		u.steps.Header("Creating dev cluster %q (driver local%s)", u.options.Name, why)
		u.settings = newSettings(u.options)
		err = u.chooseOwn(ctx)
	}
	if err != nil {
		return err
	}
	if err := u.CheckBundle(u.options); err != nil {
		return err
	}
	if u.systemCA = u.SystemCAFile; u.systemCA == "" {
		u.systemCA = systemBundle(u.driver.Getenv)
	}
	return u.findPrograms(ctx)
}

// chooseOwn makes the choices that a cluster keeps for its life.
func (u *up) chooseOwn(ctx context.Context) (err error) {
	for _, use := range []port.Use{{Number: u.HTTPPort, Flag: "--http-port"}, {Number: u.AdminPort, Flag: "--admin-port"}} {
		if err := use.CheckFree(ctx); err != nil {
			return err
		}
	}
	if u.Ports, err = choosePorts(ctx, u.driver.Rand); err != nil {
		return err
	}
	if u.Kubeconfig.Files, err = kubeconfig.Files(u.driver.Getenv, u.options.Kubeconfig); err != nil {
		return err
	}
	return u.Kubeconfig.CheckWritable()
}

// findPrograms keeps to those that a cluster was made with, so that it is
// checked and healed whatever the environment says now. Where they are gone, it
// looks for others.
func (u *up) findPrograms(ctx context.Context) (err error) {
	finder := u.driver.finder()
	if u.options.Envoy == "" && binaries.Are(u.Programs.Envoy) {
		u.options.Envoy = u.Programs.Envoy
	}
	if u.envoyPath, err = finder.Envoy(u.options.Envoy); err != nil {
		return err
	}
	if u.envoyVersion, err = binaries.EnvoyVersion(ctx, u.envoyPath); err != nil {
		return err
	}
	if u.options.KubeAssets == "" && binaries.Are(u.Programs.Etcd, u.Programs.APIServer) {
		u.kube = binaries.Kube{Etcd: u.Programs.Etcd, APIServer: u.Programs.APIServer}
	} else if u.kube, err = finder.Kube(u.options.KubeAssets); errors.Is(err, binaries.ErrNoKube) {
		title := fmt.Sprintf("download of etcd and kube-apiserver 1.%d", binaries.KubeMinor)
		err = u.steps.Run(ctx, title, func(ctx context.Context) (done cluster.Done, err error) {
			u.kube, err = finder.Download(ctx, u.driver.Download)
			return done, err
		})
	}
	u.Programs = programs{Etcd: u.kube.Etcd, APIServer: u.kube.APIServer, Envoy: u.envoyPath}
	return err
}

// run makes what is missing, in the order in which one needs the other; what
// can start early does.
func (u *up) run(ctx context.Context) error {
	if err := u.materialise(); err != nil {
		return err
	}
	// While the API server starts, there is time to read a megabyte of YAML.
	u.definitions = sync.OnceValues(func() ([]*apiextensionsv1.CustomResourceDefinition, error) {
		return templates.CRDs(templates.Channel(u.GatewayAPI))
	})
	go func() { _, _ = u.definitions() }() // the step that needs them sees the error
	parts, err := u.startEarly(ctx)
	if err != nil {
		return err
	}
	steps := []struct {
		title string
		run   func(context.Context, *started) (cluster.Done, error)
	}{
		{"etcd and kube-apiserver", u.stepAPIServer},
		{fmt.Sprintf("Gateway API %s (%s), kgateway v1alpha1", consts.BundleVersion, u.GatewayAPI), u.stepObjects},
		{"controller (this binary)", u.stepController},
		{fmt.Sprintf("Envoy %s, gateway %s/%s on localhost:%d", u.envoyVersion,
			contract.DevGatewayNamespace, contract.DevGatewayName, u.HTTPPort), u.stepGateway},
		{u.sampleTitle(), u.stepSample},
	}
	if !u.Sample {
		steps = steps[:len(steps)-1]
	}
	for _, step := range steps {
		err := u.steps.Run(ctx, step.title, func(ctx context.Context) (cluster.Done, error) {
			before := u.changed
			// A step of a cluster that was well is not worth a line.
			u.changed = !u.found
			done, err := step.run(ctx, parts)
			done.Nothing = !u.changed
			u.changed = u.changed || before
			if done.Title != "" {
				done.Title = step.title + done.Title
			}
			return done, err
		})
		if err != nil {
			return err
		}
	}
	return u.finish(ctx)
}

// materialise writes all files that the parts read.
func (u *up) materialise() (err error) {
	if err := u.dir.make(); err != nil {
		return err
	}
	if err := state.SaveSettings(u.dir.Dir, u.settings); err != nil {
		return err
	}
	if err := u.driver.ensureCredentials(u.dir); err != nil {
		return err
	}
	if u.Sample {
		if u.bundle, u.resampled, err = u.driver.ensureSample(u.dir, u.Break); err != nil {
			return err
		}
	}
	for _, file := range []struct{ user, path string }{
		{adminCert, kubeconfigFile}, {controllerCert, "pki/" + controllerKubeconfig},
	} {
		content, err := u.dir.kubeconfigFor(file.user, u.contextName(), u.Ports.APIServer)
		if err != nil {
			return err
		}
		if err := u.dir.write(content, file.path); err != nil {
			return err
		}
	}
	return u.connect()
}

// kubeconfigFile is the cluster's own copy of what dev-up adds to the user's
// kubeconfig.
const kubeconfigFile = "kubeconfig"

func (u *up) contextName() string { return cluster.ContextName(cluster.DriverLocal, u.options.Name) }

func (u *up) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", u.dir.path(kubeconfigFile))
	if err != nil {
		return fmt.Errorf("connect to the dev cluster: %w", err)
	}
	if u.clients, err = kube.NewForConfig(config, ""); err != nil {
		return err
	}
	if u.discovery, err = discovery.NewDiscoveryClientForConfig(u.clients.Config); err != nil {
		return fmt.Errorf("connect to the dev cluster: %w", err)
	}
	return nil
}

// started are the parts that the steps wait for.
type started struct{ etcd, apiserver, envoy, backend *running }

// startEarly starts what needs nothing else to start.
func (u *up) startEarly(ctx context.Context) (*started, error) {
	s := &started{}
	var err error
	if s.etcd, err = u.ensure(ctx, u.etcd()); err != nil {
		return nil, err
	}
	if u.Sample {
		backend, err := u.backend(ctx)
		if err != nil {
			return nil, err
		}
		if s.backend, err = u.ensure(ctx, backend); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// finish makes the cluster known to kubectl.
func (u *up) finish(ctx context.Context) error {
	ours, err := clientcmd.LoadFromFile(u.dir.path(kubeconfigFile))
	if err != nil {
		return fmt.Errorf("read kubeconfig of the dev cluster: %w", err)
	}
	there, _, err := u.Kubeconfig.Installed(u.contextName(), ours)
	if err != nil {
		return err
	}
	if there && u.Complete {
		return nil
	}
	u.changed = true
	u.Complete = true
	if !there {
		// What undoes it is saved first, so that nothing stays behind
		// whenever this command ends.
		if err := u.Kubeconfig.Plan(u.contextName()); err != nil {
			return err
		}
	}
	if err := state.SaveSettings(u.dir.Dir, u.settings); err != nil || there {
		return err
	}
	return u.Kubeconfig.Install(ctx, u.contextName(), ours)
}

func (u *up) summary() (cluster.Summary, error) {
	ours, err := clientcmd.LoadFromFile(u.dir.path(kubeconfigFile))
	if err != nil {
		return cluster.Summary{}, fmt.Errorf("read kubeconfig of the dev cluster: %w", err)
	}
	_, current, err := u.Kubeconfig.Installed(u.contextName(), ours)
	return cluster.Summary{
		Context: u.contextName(), Current: current, Changed: u.changed, Created: !u.found, Sample: u.Sample,
	}, err
}

const cleanUpTimeout = 30 * time.Second

// giveUp cleans up after a cluster that could not be made. One that was there
// before is left as it is.
func (u *up) giveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = fail.Failed("interrupted")
	}
	switch {
	case u.found:
		return outcome(err, fmt.Sprintf("what still runs was left alone (logs: %s; kubectl tlsgw dev-down removes it all)", u.dir.path("log")))
	case u.options.Retain:
		return outcome(err, fmt.Sprintf("everything was kept for a look (logs: %s; kubectl tlsgw dev-down removes it all)", u.dir.path("log")))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	if _, cleanErr := u.dir.remove(ctx, u.contextName(), u.Kubeconfig); cleanErr != nil {
		return outcome(errors.Join(err, cleanErr), "not everything could be removed: try kubectl tlsgw dev-down")
	}
	return outcome(err, "nothing is left of it (--retain keeps it for a look)")
}

// outcome adds to an error what became of the cluster.
func outcome(err error, what string) error {
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[*fail.Error](err); ok {
		return failure.WithOutcome(what)
	}
	return fail.Failed("%w", err).WithOutcome(what)
}

// sampleTitle says what the sample is, or how it is broken.
func (u *up) sampleTitle() string {
	title := fmt.Sprintf("sample svc/%s, TLS on %d", templates.SampleName, templates.SamplePort)
	if broken := u.Break.Title(); broken != "" {
		return title + broken
	}
	return fmt.Sprintf("%s, CA in configmap/%s", title, templates.SampleConfigMap)
}
