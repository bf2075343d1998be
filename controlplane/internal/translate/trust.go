package translate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// source is a ConfigMap or Secret that holds a CA bundle.
type source struct {
	kind string
	name ir.Name
}

func (s source) String() string { return s.kind + " " + s.name.String() }

// trustName identifies a bundle by where it comes from, never by what is in
// it, so that a rotation changes one secret and no cluster.
func trustName(namespace string, sources []source) string {
	parts := make([]string, len(sources))
	for i, s := range sources {
		parts[i] = strings.ToLower(s.kind) + "/"
		if s.name.Namespace != namespace {
			parts[i] += s.name.Namespace + "/"
		}
		parts[i] += s.name.Name
	}
	return "trust/" + namespace + "/" + strings.Join(parts, "+")
}

// parsedBundle is a bundle or why there is none.
type parsedBundle struct {
	bundle *bundle.Bundle
	err    error
}

// bundleOf reads the CA bundle of a ConfigMap or Secret, once.
func (t *translation) bundleOf(s source) (*bundle.Bundle, error) {
	if known, ok := t.bundles[s]; ok {
		return known.bundle, known.err
	}
	var parsed parsedBundle
	parsed.bundle, parsed.err = t.readBundle(s)
	t.bundles[s] = parsed
	return parsed.bundle, parsed.err
}

func (t *translation) readBundle(s source) (*bundle.Bundle, error) {
	pem, err := t.caData(s)
	if err != nil {
		return nil, err
	}
	parsed := remembered(t.options.Memo, "bundle", func() parsedBundle {
		read, err := bundle.Parse(pem)
		return parsedBundle{read, err}
	}, pem)
	if parsed.err != nil {
		return nil, fmt.Errorf("%s key %s: %w", s, contract.CAKey, parsed.err)
	}
	return parsed.bundle, nil
}

func (t *translation) caData(s source) ([]byte, error) {
	errMissing := fmt.Errorf("%s does not exist", s)
	errNoKey := fmt.Errorf("%s has no key %s", s, contract.CAKey)
	if s.kind == kindSecret {
		secret, ok := t.objects.secrets[s.name]
		if !ok {
			return nil, errMissing
		}
		data, ok := secret.Data[contract.CAKey]
		if !ok {
			return nil, errNoKey
		}
		return data, nil
	}
	configMap, ok := t.objects.configMaps[s.name]
	if !ok {
		return nil, errMissing
	}
	if text, ok := configMap.Data[contract.CAKey]; ok {
		return []byte(text), nil
	}
	if data, ok := configMap.BinaryData[contract.CAKey]; ok {
		return data, nil
	}
	return nil, errNoKey
}

// errExpired says that no certificate of a bundle is valid any more.
var errExpired = errors.New("all CA certificates have expired")

// trustBundle joins sources into one secret. It returns the secret where at
// least one certificate is left to trust, and what is wrong with each source.
func (t *translation) trustBundle(namespace string, sources []source) (*ir.Secret, []error) {
	var errs []error
	var good []*bundle.Bundle
	var texts [][]byte
	for _, s := range sources {
		parsed, err := t.bundleOf(s)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		good = append(good, parsed)
		text, _ := t.caData(s) // It has been read: there is no error.
		texts = append(texts, text)
	}
	if len(good) == 0 {
		return nil, errs
	}
	joined := bundle.Join(good...)
	if joined.AllExpired(t.options.Now) {
		return nil, append(errs, t.expiredError(sources, joined))
	}
	name := trustName(namespace, sources)
	if known, ok := t.secrets[name]; ok {
		return known, errs
	}
	secret := &ir.Secret{Name: name, Kind: ir.SecretTrustBundle, Certificates: t.encoded(joined, texts)}
	t.secrets[name] = secret
	return secret, errs
}

// encodedBundle is what ValidFirst and PEM make of a bundle between two times.
type encodedBundle struct {
	pem         []byte
	from, until time.Time
}

// encoded is a bundle as Envoy gets it, which texts were joined to.
func (t *translation) encoded(joined *bundle.Bundle, texts [][]byte) []byte {
	now := t.options.Now
	known := remembered(t.options.Memo, "encoded", func() *encodedBundle { return &encodedBundle{} }, texts...)
	if known.pem != nil && !now.Before(known.from) && now.Before(known.until) {
		return known.pem
	}
	*known = encodedBundle{pem: joined.ValidFirst(now).PEM(), from: now, until: now.AddDate(1, 0, 0)}
	for _, c := range joined.Certificates {
		// A certificate is valid at its bounds, to the second.
		for _, bound := range []time.Time{c.NotBefore, c.NotAfter.Add(time.Nanosecond)} {
			if bound.After(now) && bound.Before(known.until) {
				known.until = bound
			}
		}
	}
	return known.pem
}

func (t *translation) expiredError(sources []source, b *bundle.Bundle) error {
	last := b.Certificates[0].NotAfter
	for _, certificate := range b.Certificates {
		if certificate.NotAfter.After(last) {
			last = certificate.NotAfter
		}
	}
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.String()
	}
	return fmt.Errorf("%s: %w, the last on %s", strings.Join(names, ", "), errExpired, last.UTC().Format("2006-01-02"))
}

// caSource maps a caCertificateRef to a source of a kind that is supported.
func caSource(namespace string, ref gatewayv1.LocalObjectReference) (source, bool) {
	kind := string(ref.Kind)
	if ref.Group != groupCore || kind != kindConfigMap && kind != kindSecret {
		return source{}, false
	}
	return source{kind: kind, name: ir.Name{Namespace: namespace, Name: string(ref.Name)}}, true
}
