package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
)

const (
	certificateSuffix = ".crt"
	keySuffix         = ".key"
	// nameLayout names a CA by when it was made.
	nameLayout = "ca-20060102T150405Z"
)

// decode reads the CAs of a Secret. Expired ones are among them. The error
// says what is wrong and never holds any of the contents.
func decode(data map[string][]byte) (ring, error) {
	if len(data) == 0 {
		return nil, errors.New("it is empty")
	}
	var authorities []authority
	for _, key := range slices.Sorted(maps.Keys(data)) {
		name, isCertificate := strings.CutSuffix(key, certificateSuffix)
		other := name + keySuffix
		if !isCertificate {
			var isKey bool
			if name, isKey = strings.CutSuffix(key, keySuffix); !isKey {
				return nil, fmt.Errorf("key %q is neither NAME%s nor NAME%s", key, certificateSuffix, keySuffix)
			}
			other = name + certificateSuffix
		}
		if _, paired := data[other]; !paired {
			return nil, fmt.Errorf("key %q has no %q beside it", key, other)
		}
		if !isCertificate {
			continue
		}
		a, err := load(data[key], data[other])
		if err != nil {
			return nil, fmt.Errorf("keys %q and %q: %w", key, other, err)
		}
		authorities = append(authorities, a)
	}
	return newRing(authorities...), nil
}

func load(certPEM, keyPEM []byte) (authority, error) {
	pair, err := pki.Load(certPEM, keyPEM)
	if err != nil {
		return authority{}, err
	}
	certificate := pair.Certificate()
	switch {
	case !certificate.IsCA || certificate.KeyUsage&x509.KeyUsageCertSign == 0:
		return authority{}, errors.New("the certificate is not that of a CA")
	case certificate.CheckSignatureFrom(certificate) != nil:
		return authority{}, errors.New("the CA has not signed itself")
	}
	return newAuthority(pair), nil
}

func encode(r ring) (map[string][]byte, error) {
	data := make(map[string][]byte, 2*len(r))
	for _, a := range r {
		key, err := a.Key().PEM()
		if err != nil {
			return nil, err
		}
		name := a.made().UTC().Format(nameLayout)
		data[name+certificateSuffix], data[name+keySuffix] = a.CertPEM(), key
	}
	return data, nil
}

// secretOf is the Secret that holds r, before it is created.
func secretOf(namespace string, r ring) (*corev1.Secret, error) {
	data, err := encode(r)
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: contract.XDSAuthoritySecret,
			Labels: map[string]string{
				contract.LabelManagedBy: contract.FieldManager,
				contract.LabelName:      contract.ControllerDeployment,
			},
		},
		Type: corev1.SecretTypeOpaque,
		Data: data,
	}, nil
}
