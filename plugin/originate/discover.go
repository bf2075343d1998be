package originate

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// discover finds what verifies the backend: the system bundle, else the one
// ConfigMap or Secret in the namespace.
func (r *run) discover(ctx context.Context) (*trust, error) {
	if len(r.presentedChain()) == 0 {
		return nil, r.nothingPresented()
	}
	pool, err := r.o.SystemPool()
	if err == nil {
		system := &trust{system: pool, why: "tried first"}
		if r.leads(system) {
			return system, nil
		}
	}
	candidates, looked, err := r.candidates(ctx)
	if err != nil {
		return nil, err
	}
	good := r.pick(candidates)
	switch len(good) {
	case 0:
		return nil, r.noneVerifies(candidates, looked)
	case 1:
		good[0].why = "found in " + r.spec.Namespace
		return good[0], nil
	}
	failure := fail.Usage("several objects in namespace %s verify %s: --ca-from must say which", r.spec.Namespace, r.spec.Target)
	for _, candidate := range good {
		failure = failure.WithDetail("%s (%s)", candidate.source, diagnose.Named(candidate.bundle.Certificates[0]))
	}
	return nil, failure.WithFix("%s", r.o.command.with("ca-from", good[0].source.flag())).WithOutcome(unchanged)
}

func (r *run) nothingPresented() error {
	problem := r.contactFinding()
	if problem == nil {
		problem = &finding{message: fmt.Sprintf("%s presents no certificate", r.spec.Target)}
	}
	failure := problem.failure(r.o.command)
	if r.contact.dialErr != nil {
		flags := "--ca-from or --system-ca"
		if !problem.warning {
			flags += ", and --force"
		}
		failure = failure.WithDetail("its certificate would tell whom to trust; to go on without: %s", flags)
	}
	return failure.WithOutcome(unchanged)
}

// maxReasons is how many bundles are told one by one why they do not do.
const maxReasons = 3

func (r *run) noneVerifies(candidates []*trust, looked []string) error {
	failure := withLines(fail.Failed("nothing verifies %s: not the system bundle, and no %s in namespace %s",
		r.spec.Target, contract.CAKey, r.spec.Namespace), describeChain(r.presentedChain()))
	if len(candidates) <= maxReasons {
		for _, candidate := range candidates {
			failure = failure.WithDetail("%s", r.chainFindings(candidate)[0].Message)
		}
	} else {
		failure = failure.WithDetail("looked at: %s", strings.Join(looked, ", "))
	}
	return failure.WithFix("%s    # compare the SHA-256 first", r.o.command.with("ca-from", string(FromBackend))).
		WithOutcome(unchanged)
}

// candidates are the CA bundles in the namespace, ConfigMaps first, and the
// names of all that were looked at.
func (r *run) candidates(ctx context.Context) (found []*trust, looked []string, err error) {
	var configMaps corev1.ConfigMapList
	if err := r.list(ctx, &configMaps); err != nil {
		return nil, nil, err
	}
	var secrets corev1.SecretList
	if err := r.list(ctx, &secrets); err != nil {
		return nil, nil, err
	}
	copied := map[string]bool{}
	consider := func(kind SourceKind, object client.Object, data []byte) {
		source := &Source{Kind: kind, Name: object.GetName(), Key: contract.CAKey}
		parsed, err := bundle.Parse(data)
		if err != nil {
			return
		}
		looked = append(looked, source.String())
		if from := object.GetAnnotations()[contract.AnnotationCASource]; from != "" {
			copied[source.String()] = true
		}
		found = append(found, &trust{source: source, bundle: parsed})
	}
	for i := range configMaps.Items {
		if data, ok := configMapData(&configMaps.Items[i])[contract.CAKey]; ok {
			consider(FromConfigMap, &configMaps.Items[i], data)
		}
	}
	for i := range secrets.Items {
		if data, ok := secrets.Items[i].Data[contract.CAKey]; ok {
			consider(FromSecret, &secrets.Items[i], data)
		}
	}
	return originalsFirst(found, copied), looked, nil
}

// list lists objects of the namespace; what may not be listed is left out.
func (r *run) list(ctx context.Context, into client.ObjectList) error {
	err := r.clients.Client.List(ctx, into, client.InNamespace(r.spec.Namespace))
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return r.clients.Explain(fmt.Errorf("look for CA bundles in namespace %s: %w", r.spec.Namespace, err))
	}
	return nil
}

// originalsFirst puts copies that originate made after what they may be
// copies of, so that a second run decides like the first.
func originalsFirst(all []*trust, copied map[string]bool) []*trust {
	var originals, copies []*trust
	for _, candidate := range all {
		if copied[candidate.source.String()] {
			copies = append(copies, candidate)
		} else {
			originals = append(originals, candidate)
		}
	}
	return append(originals, copies...)
}

// pick leaves the candidates that verify the backend, or, where none does,
// those to which its chain leads though a date is wrong. Of several with the
// same certificates the first stands for all.
func (r *run) pick(candidates []*trust) []*trust {
	if good := r.distinct(candidates, r.verifies); len(good) > 0 {
		return good
	}
	return r.distinct(candidates, r.leads)
}

func (r *run) distinct(candidates []*trust, holds func(*trust) bool) []*trust {
	var good []*trust
	for _, candidate := range candidates {
		if !holds(candidate) {
			continue
		}
		seen := false
		for _, other := range good {
			seen = seen || bytes.Equal(other.bundle.PEM(), candidate.bundle.PEM())
		}
		if !seen {
			good = append(good, candidate)
		}
	}
	return good
}
