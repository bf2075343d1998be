package verify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
)

// trust gathers the CA certificates that a policy refers to.
func (w *world) trust(ctx context.Context, p *policy) (diagnose.Trust, error) {
	t := diagnose.Trust{System: p.trust.system, None: p.trust.none}
	if p.trust.file != "" {
		t.File, t.Unknown = p.trust.file, true
	}
	if t.System {
		pool, err := x509.SystemCertPool()
		t.SystemPool, t.Unknown = pool, err != nil
	}
	var joined []*bundle.Bundle
	for _, ref := range p.trust.refs {
		parsed, err := w.caBundle(ctx, &t, p.namespace, ref)
		if err != nil {
			return t, err
		}
		joined = append(joined, parsed)
	}
	t.Certificates = bundle.Join(joined...).Certificates
	return t, nil
}

// caBundle reads one reference. What is wrong with it becomes a problem of t.
func (w *world) caBundle(ctx context.Context, t *diagnose.Trust, namespace string, ref caRef) (*bundle.Bundle, error) {
	name := strings.ToLower(ref.kind) + "/" + ref.name
	t.Refs = append(t.Refs, name)
	problem := func(code diagnose.Code, format string, args ...any) {
		t.Problems = append(t.Problems, diagnose.TrustProblem{Code: code, Ref: name, Detail: fmt.Sprintf(format, args...)})
	}
	object, err := w.holder(ctx, namespace, ref)
	switch {
	case apierrors.IsForbidden(err):
		t.Unknown = true // judged by what Envoy says
		return nil, nil
	case err != nil:
		return nil, err
	case object.meta == nil:
		problem(diagnose.CARefNotFound, "does not exist in namespace %s", namespace)
		return nil, nil
	case !object.hasKey:
		problem(diagnose.CAKeyMissing, "has no key %s%s", contract.CAKey, keysOf(object.keys))
		return nil, nil
	}
	parsed, err := bundle.Parse(object.ca)
	if err != nil {
		problem(diagnose.CAMalformed, "%s", malformed(err, w))
		return nil, nil
	}
	switch {
	case parsed.AllExpired(w.now):
		c := parsed.Certificates[0]
		problem(diagnose.CAExpired, "key %s: %s expired on %s", contract.CAKey, c.Subject, c.NotAfter.UTC().Format("2006-01-02"))
		return nil, nil
	case len(parsed.NotYetValid(w.now)) == len(parsed.Certificates):
		c := parsed.Certificates[0]
		problem(diagnose.CANotYetValid, "key %s: %s is valid only from %s on", contract.CAKey, c.Subject, c.NotBefore.UTC().Format("2006-01-02"))
		return nil, nil
	}
	drift, err := w.drift(ctx, object.meta, name, parsed)
	t.Drift = cmp.Or(t.Drift, drift)
	return parsed, err
}

func keysOf(keys []string) string {
	if len(keys) == 0 {
		return "; it is empty"
	}
	return "; it has " + strings.Join(keys, ", ")
}

// malformed says what is wrong with a PEM, and what it would be repaired.
func malformed(err error, w *world) string {
	text := fmt.Sprintf("key %s %s", contract.CAKey, err)
	var bad *bundle.MalformedError
	if !errors.As(err, &bad) {
		return text
	}
	text = fmt.Sprintf("key %s is not PEM: %s", contract.CAKey, err)
	if bad.HTMLEscaped && !strings.Contains(text, "HTML-escaped") {
		text += " (HTML-escaped, as copied from a web page)"
	}
	if bad.Repaired != nil && bad.Repaired.AllExpired(w.now) {
		text += fmt.Sprintf("; repaired, it expired on %s", bad.Repaired.Certificates[0].NotAfter.UTC().Format("2006-01-02"))
	}
	return text
}

// holder is what holds a CA bundle; meta is nil if it does not exist.
type holder struct {
	meta   metav1.Object
	ca     []byte
	hasKey bool
	keys   []string
}

func (w *world) holder(ctx context.Context, namespace string, ref caRef) (holder, error) {
	return w.holderKey(ctx, namespace, ref, contract.CAKey)
}

func (w *world) holderKey(ctx context.Context, namespace string, ref caRef, key string) (holder, error) {
	h := holder{}
	if ref.kind == "Secret" {
		secret := &corev1.Secret{}
		found, err := w.get(ctx, namespace, ref.name, secret)
		if err != nil || !found {
			return h, err
		}
		h.meta = secret
		h.ca, h.hasKey = secret.Data[key]
		h.keys = slices.Sorted(maps.Keys(secret.Data))
		return h, nil
	}
	configMap := &corev1.ConfigMap{}
	found, err := w.get(ctx, namespace, ref.name, configMap)
	if err != nil || !found {
		return h, err
	}
	h.meta = configMap
	text, inData := configMap.Data[key]
	h.ca, h.hasKey = configMap.BinaryData[key]
	if inData {
		h.ca, h.hasKey = []byte(text), true
	}
	h.keys = append(slices.Sorted(maps.Keys(configMap.Data)), slices.Sorted(maps.Keys(configMap.BinaryData))...)
	return h, nil
}

// drift compares a copied bundle with where it came from.
func (w *world) drift(ctx context.Context, copied metav1.Object, name string, have *bundle.Bundle) (string, error) {
	source := copied.GetAnnotations()[contract.AnnotationCASource]
	object, key, _ := strings.Cut(source, ":")
	kind, sourceName, found := strings.Cut(object, "/")
	if !found || key == "" {
		return "", nil
	}
	ref := caRef{kind: "ConfigMap", name: sourceName}
	if strings.EqualFold(kind, "Secret") {
		ref.kind = "Secret"
	}
	h, err := w.holderKey(ctx, copied.GetNamespace(), ref, key)
	if err != nil && !apierrors.IsForbidden(err) {
		return "", err
	}
	if h.meta == nil {
		return "", nil // the source is gone or may not be read: nothing to compare
	}
	if original, parseErr := bundle.Parse(h.ca); parseErr == nil && bytes.Equal(original.PEM(), have.PEM()) {
		return "", nil
	}
	return fmt.Sprintf("%s was copied from %s, which has changed since", name, source), nil
}
