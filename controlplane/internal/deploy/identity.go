package deploy

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

const (
	secretKind = "Secret"
	keyKey     = corev1.TLSPrivateKeyKey
)

// identity is the xDS client certificate of a Gateway's proxies, and what
// verifies the controller.
type identity struct {
	bundle, certificate []byte
	key                 ir.PrivateBytes
}

// secret is what the pods mount.
func (s Spec) secret(i identity) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: secretKind},
		ObjectMeta: s.meta(s.secretName(), nil, nil),
		Type:       contract.SecretTypeIdentity,
		Data: map[string][]byte{
			contract.CAKey: i.bundle, corev1.TLSCertKey: i.certificate, keyKey: i.key,
		},
	}
}

func (s Spec) secretName() string {
	return contract.ProxyName(s.Gateway.Name) + contract.ProxyIdentitySuffix
}

// applyIdentity makes the Secret have a certificate that is good for a while.
func (t *term) applyIdentity(ctx context.Context, spec Spec) error {
	live, err := t.findIdentity(ctx, spec)
	if err != nil {
		return err
	}
	return t.renewIdentity(ctx, spec, live)
}

// keepIdentity does so only where there is a Secret: what runs goes on.
func (t *term) keepIdentity(ctx context.Context, spec Spec) error {
	live, err := t.findIdentity(ctx, spec)
	if err != nil || live == nil {
		return err
	}
	// Labels and annotations stay as they are, too.
	spec.Labels, spec.Annotations = live.GetLabels(), live.GetAnnotations()
	delete(spec.Annotations, annotationApplied)
	return t.renewIdentity(ctx, spec, live)
}

func (t *term) findIdentity(ctx context.Context, spec Spec) (*unstructured.Unstructured, error) {
	name := empty(corev1.SchemeGroupVersion.WithKind(secretKind))
	name.SetNamespace(spec.Gateway.Namespace)
	name.SetName(spec.secretName())
	live, err := t.find(ctx, name)
	if err != nil || live == nil {
		return nil, err
	}
	return live, t.owned(ctx, spec, live)
}

func (t *term) renewIdentity(ctx context.Context, spec Spec, live *unstructured.Unstructured) error {
	i := identity{bundle: t.options.Issuer.Bundle()}
	if len(i.bundle) == 0 {
		return errors.New("the controller has no CA for its connection to proxies yet")
	}
	why := errors.New("there was none")
	if live != nil {
		i.certificate, i.key = data(live, corev1.TLSCertKey), data(live, keyKey)
		why = t.options.Issuer.Keep(spec.Gateway.Namespace, spec.Gateway.Name, i.certificate, i.key)
	}
	if why != nil {
		certificate, key, notAfter, err := t.options.Issuer.Issue(spec.Gateway.Namespace, spec.Gateway.Name)
		if err != nil {
			return fmt.Errorf("issue a certificate for the proxies of Gateway %s: %w", spec.Gateway, err)
		}
		t.options.Log.Info("issued a certificate", "gateway", spec.Gateway.String(), "notAfter", notAfter, "reason", why.Error())
		i.certificate, i.key = certificate, key
	}
	secret := spec.secret(i)
	desired, err := applied(secret)
	if err != nil {
		return err
	}
	if live != nil && bytes.Equal(data(live, contract.CAKey), i.bundle) && why == nil && covers(live.Object, desired.Object) {
		return nil
	}
	_, err = t.apply(ctx, spec, desired)
	return err
}

// data is a key of a Secret; nil where there is nothing.
func data(secret *unstructured.Unstructured, key string) []byte {
	text, _, _ := unstructured.NestedString(secret.Object, "data", key)
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return decoded
}
