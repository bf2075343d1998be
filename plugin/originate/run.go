package originate

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

const unchanged = "nothing was changed"

// run is one run of the verb: what is known so far.
type run struct {
	o       *Options
	clients *kube.Clients
	now     time.Time
	spec    scaffold.Spec

	backend *backend
	contact contact
	trust   *trust
	// replaced are policies that originate made for the target before: they go
	// once the new one is there.
	replaced []client.Object
	findings []finding
	// decided says what was decided for the person.
	decided [][2]string
}

// Run does what the Options say. Its errors are printed by the caller; a
// difference found by --diff is fail.ErrSilent.
func (o *Options) Run(ctx context.Context) error {
	r := &run{o: o, clients: o.Clients, now: o.Now(), spec: o.Spec}
	r.spec.Namespace = o.Clients.Namespace
	if o.Sync {
		return r.sync(ctx)
	}
	objects, err := r.plan(ctx)
	if err != nil {
		return notChanged(err)
	}
	if err := r.judge(); err != nil {
		return notChanged(err)
	}
	var checked []kube.Applied
	if o.DryRun != kube.DryRunClient {
		if checked, err = r.clients.Apply(ctx, objects, kube.ApplyOptions{DryRun: true, Force: o.Force}); err != nil {
			return notChanged(err)
		}
	}
	switch {
	case o.Diff:
		return r.diff(ctx, objects)
	case o.DryRun != kube.DryRunNone:
		return r.printDryRun(objects, checked)
	}
	return r.apply(ctx, objects)
}

// plan finds out everything and builds the objects; nothing is written.
func (r *run) plan(ctx context.Context) ([]client.Object, error) {
	var err error
	if r.backend, err = r.resolve(ctx); err != nil {
		return nil, err
	}
	r.settleNames()
	if r.contact, err = r.shakeHands(ctx, r.spec.SNI); err != nil {
		return nil, err
	}
	if err := r.needServerName(); err != nil {
		return nil, err
	}
	if r.trust, err = r.chooseTrust(ctx); err != nil {
		return nil, err
	}
	if r.spec.Trust, err = r.specTrust(ctx, r.trust); err != nil {
		if len(r.findings) > 0 {
			return nil, r.judge()
		}
		return nil, err
	}
	if err := r.chooseCopyName(ctx); err != nil {
		return nil, err
	}
	r.decideTrust()
	r.decidePolicy()
	if err := r.chooseRoute(ctx); err != nil {
		return nil, err
	}
	objects, err := r.spec.Objects()
	if err != nil {
		return nil, usage(err)
	}
	if err := r.checkServed(objects); err != nil {
		return nil, err
	}
	r.checkContact()
	r.checkBundle()
	r.checkChain()
	return objects, r.checkExisting(ctx, objects)
}

// settleNames fills in what the target decides.
func (r *run) settleNames() {
	b := r.backend
	if r.spec.SNI == "" && !r.spec.Trust.Insecure {
		r.spec.SNI = b.serverName
	}
	r.spec.Originate = b.originate
	if r.spec.Target.Kind != scaffold.Service {
		return
	}
	if r.o.Port != "" && r.spec.Policy == scaffold.BackendTLSPolicy {
		r.spec.PortName = b.portName
	}
	if b.several && r.spec.Name == "" {
		r.spec.Name = r.spec.Target.Name + "-" + b.portName
	}
}

// needServerName asks for --sni, naming what the certificate is for.
func (r *run) needServerName() error {
	if r.spec.SNI != "" || r.spec.Trust.Insecure {
		return nil
	}
	failure := fail.Usage("--sni is needed: it is the name that the certificate of %s must be for", r.spec.Target)
	chain := r.presentedChain()
	if len(chain) == 0 || len(chain[0].DNSNames) == 0 {
		return failure.WithFix("%s", r.o.command.with("sni", "HOSTNAME"))
	}
	return failure.WithDetail("its certificate is for %s", joined(chain[0].DNSNames)).
		WithFix("%s", r.o.command.with("sni", concrete(chain[0].DNSNames[0])))
}

// decide notes what was decided for the person.
func (r *run) decide(what, format string, args ...any) {
	r.decided = append(r.decided, [2]string{what, fmt.Sprintf(format, args...)})
}

func (r *run) add(f *finding) {
	if f != nil {
		r.findings = append(r.findings, *f)
	}
}

// say prints progress.
func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.o.Streams.ErrOut, format+"\n", args...)
}

// judge prints what was decided and found. The last error found is returned,
// the others are printed; with --force only what cannot be overcome stops.
func (r *run) judge() error {
	for _, line := range r.decided {
		r.say("%-9s %s", line[0], line[1])
	}
	var errs []*finding
	for i := range r.findings {
		f := &r.findings[i]
		switch {
		case f.warning:
			f.print(r.o.Streams.ErrOut, "warning", r.o.command)
		case r.o.Force && !f.final:
			f.forced(r.o.Streams.ErrOut)
		default:
			errs = append(errs, f)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	last := errs[len(errs)-1]
	for _, f := range errs[:len(errs)-1] {
		f.print(r.o.Streams.ErrOut, "error", r.o.command)
	}
	return last.failure(r.o.command)
}

// notChanged says so at the end of an error that does not say otherwise.
func notChanged(err error) error {
	failure := fail.As(err)
	if failure.Outcome == "" {
		failure.Outcome = unchanged
	}
	return failure
}
