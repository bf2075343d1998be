package originate

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

// trust is what the backend's chain must end in, and how that was decided.
type trust struct {
	// source is nil for the system bundle, and for no verification.
	source *Source
	// bundle is nil for those, and where a forced source has none yet.
	bundle *bundle.Bundle
	system *x509.CertPool
	// repaired: the bundle is not what the source holds, letter by letter.
	repaired bool
	// why says how it was chosen: "as given", "found in default".
	why string
}

// evidence is the trust in the words of diagnose.
func (t *trust) evidence() diagnose.Trust {
	evidence := diagnose.Trust{System: t.system != nil, SystemPool: t.system}
	if t.source != nil {
		evidence.Refs = []string{t.source.String()}
	}
	if t.bundle != nil {
		evidence.Certificates = t.bundle.Certificates
	}
	return evidence
}

func (t *trust) String() string {
	if t.system != nil {
		return "the system bundle"
	}
	return t.source.String()
}

// chooseTrust decides whom to trust: as the flags say, else by what verifies
// the backend. What is wrong with what the flags name is added to findings.
func (r *run) chooseTrust(ctx context.Context) (*trust, error) {
	switch {
	case r.spec.Trust.Insecure:
		return nil, nil
	case r.spec.Trust.System:
		pool, err := r.o.SystemPool()
		if err != nil {
			return nil, fmt.Errorf("read this machine's CA bundle: %w", err)
		}
		return &trust{system: pool, why: "as given"}, nil
	case r.o.Source != nil && r.o.Source.Kind == FromBackend:
		return r.trustPresented(ctx)
	case r.o.Source != nil:
		return r.trustSource(ctx, r.o.Source)
	case r.spec.ClientCertificate != "":
		source := &Source{Kind: FromSecret, Name: r.spec.ClientCertificate, Key: contract.CAKey}
		return r.trustSource(ctx, source)
	default:
		return r.discover(ctx)
	}
}

// trustSource takes the bundle that a flag names.
func (r *run) trustSource(ctx context.Context, source *Source) (*trust, error) {
	loaded, problem, err := source.load(ctx, r.clients, r.spec.Namespace)
	if err != nil {
		return nil, err
	}
	chosen := &trust{source: source, bundle: loaded, why: "as given"}
	if problem == nil {
		return chosen, nil
	}
	switch {
	case loaded != nil:
		chosen.repaired = true
		r.describeRepaired(problem, chosen)
	case problem.code == diagnose.CARefNotFound, problem.code == diagnose.CAKeyMissing:
		// A reference can be made before what it refers to; a copy cannot.
		problem.final = !r.referable(source)
		r.offerOtherTrust(ctx, problem)
	case problem.fix == "":
		r.offerOtherTrust(ctx, problem)
	}
	r.add(problem)
	return chosen, nil
}

// referable says whether the policy can name the source itself, so that no
// copy of its bundle is needed.
func (r *run) referable(source *Source) bool {
	if source.Key != contract.CAKey {
		return false
	}
	if r.spec.Policy == scaffold.BackendConfigPolicy {
		return source.Kind == FromSecret
	}
	return source.Kind == FromConfigMap
}

// describeRepaired says what the repaired bundle would be good for, and
// offers it where it helps.
func (r *run) describeRepaired(problem *finding, chosen *trust) {
	var subjects []string
	for _, certificate := range chosen.bundle.Certificates {
		subjects = append(subjects, diagnose.Named(certificate))
	}
	text := "the repaired bundle is valid: " + strings.Join(subjects, ", ")
	last := latest(chosen.bundle)
	switch {
	case chosen.bundle.AllExpired(r.now):
		problem.details = append(problem.details, fmt.Sprintf("%s, but it expired on %s", text, diagnose.Day(last)))
		problem.offer, problem.why = []string{"ca-from", string(FromBackend)}, "shows the chain the backend presents, and asks"
		return
	case !r.verifies(chosen):
		problem.details = append(problem.details, text+", but it does not verify the backend")
		problem.offer, problem.why = []string{"ca-from", string(FromBackend)}, "shows the chain the backend presents, and asks"
		return
	}
	problem.details = append(problem.details, fmt.Sprintf("%s, until %s", text, diagnose.Day(last)))
	problem.offer = []string{"force", "true"}
	problem.why = "copies the repaired bundle"
}

// copyName is the object that a copied bundle goes to.
func (r *run) copyName() string {
	kind := FromConfigMap
	if r.spec.Policy == scaffold.BackendConfigPolicy {
		kind = FromSecret
	}
	return string(kind) + "/" + r.spec.BundleName()
}

// offerOtherTrust looks for what would verify the backend in place of what
// was named and is not there.
func (r *run) offerOtherTrust(ctx context.Context, problem *finding) {
	if len(problem.offer) > 0 {
		return
	}
	if r.contact.presented == nil {
		problem.fix = fmt.Sprintf("kubectl get configmaps,secrets -n %s    # then name one that holds the CA with --ca-from", r.spec.Namespace)
		return
	}
	problem.offer, problem.why = []string{"ca-from", string(FromBackend)}, "shows the chain the backend presents, and asks"
	candidates, _, err := r.candidates(ctx)
	if err != nil {
		return
	}
	if good := r.pick(candidates); len(good) == 1 {
		problem.offer, problem.why = []string{"ca-from", good[0].source.flag()}, "verifies the backend"
	}
}

// verifies says whether the presented chain is good under a trust, whatever
// name it is for.
func (r *run) verifies(t *trust) bool {
	return len(r.presentedChain()) > 0 && len(r.chainFindings(t)) == 0
}

// leads says whether the presented chain ends in a trust, whatever the dates
// and names say: it is then the right one, and something else is wrong.
func (r *run) leads(t *trust) bool {
	chain := r.presentedChain()
	if len(chain) == 0 {
		return false
	}
	for _, f := range r.chainFindings(t) {
		if f.Code == diagnose.UnknownAuthority || f.Code == diagnose.IncompleteChain {
			return false
		}
	}
	return true
}

// chainFindings are the findings on the presented chain without those on the
// backend's certificate alone, which no trust would change.
func (r *run) chainFindings(t *trust) []diagnose.Finding {
	var findings []diagnose.Finding
	for _, f := range diagnose.Chain(r.presentedChain(), t.evidence(), diagnose.Identity{}, r.now) {
		if f.Code != diagnose.WeakCertificate && f.Code != diagnose.KeyUsageInvalid {
			findings = append(findings, f)
		}
	}
	return findings
}

func (r *run) presentedChain() []*x509.Certificate {
	if r.contact.presented == nil {
		return nil
	}
	return r.contact.presented.Chain
}

// specTrust says the trust in objects: what the policy can refer to is
// referred to, the rest is copied.
func (r *run) specTrust(ctx context.Context, chosen *trust) (scaffold.Trust, error) {
	if chosen == nil {
		return scaffold.Trust{Insecure: true}, nil
	}
	if chosen.system != nil {
		return scaffold.Trust{System: true}, nil
	}
	if r.referable(chosen.source) && !chosen.repaired {
		if chosen.source.Kind == FromConfigMap {
			return scaffold.Trust{ConfigMap: chosen.source.Name}, nil
		}
		oneWay := r.spec.ClientCertificate == "" && r.hasKeyPair(ctx, chosen.source.Name)
		return scaffold.Trust{Secret: chosen.source.Name, OneWay: oneWay}, nil
	}
	if chosen.bundle == nil {
		return scaffold.Trust{}, fail.Failed("%s holds no CA bundle to copy", chosen.source)
	}
	return scaffold.Trust{
		Bundle: chosen.bundle.PEM(),
		Source: chosen.source.provenance(r.spec.Target.String()),
	}, nil
}

func latest(b *bundle.Bundle) time.Time {
	var last time.Time
	for _, certificate := range b.Certificates {
		if certificate.NotAfter.After(last) {
			last = certificate.NotAfter
		}
	}
	return last
}
