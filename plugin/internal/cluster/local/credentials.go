package local

import (
	"bytes"
	"fmt"
	"net"
	"os"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/port"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/sample"
)

const (
	// lifetimeYears of the certificates between the parts: they live as long
	// as their dev cluster does.
	lifetimeYears = 10

	adminUser  = "kubernetes-admin"
	adminGroup = "system:masters"

	// firstServiceIP is the address of svc/kubernetes in serviceCIDR.
	firstServiceIP = "10.96.0.1"
	serviceCIDR    = "10.96.0.0/16"
)

// pair is the path of a certificate and that of its key.
type pair struct{ certificate, key string }

func (s stateDir) pair(name string) pair {
	return pair{certificate: s.path("pki", name+".crt"), key: s.path("pki", name+".key")}
}

// The names of what is in the folder pki: NAME.crt and NAME.key. An
// authority's key is never written: nothing needs it again.
const (
	clusterCA        = "ca"
	adminCert        = "admin"
	apiserverCert    = "apiserver"
	controllerCert   = "controller"
	etcdCA           = "etcd-ca"
	etcdCert         = "etcd"
	etcdClientCert   = "apiserver-etcd-client"
	xdsCA            = "xds-ca"
	xdsServerCert    = "xds-server"
	xdsClientCert    = "envoy"
	tokenKey         = "service-account"
	credentialsReady = "ready"
)

// ensureCredentials makes the certificates between the parts, unless they are
// there.
func (d *Driver) ensureCredentials(s stateDir) error {
	ready := s.path("pki", credentialsReady)
	if _, err := os.Stat(ready); err == nil {
		return nil
	}
	maker := pki.NewMaker(d.Now, d.Rand)
	until := d.Now().AddDate(lifetimeYears, 0, 0)
	for _, a := range authorities() {
		ca, err := maker.CA(pki.Spec{CommonName: "tlsgw dev " + a.name, NotAfter: until})
		if err != nil {
			return err
		}
		if err := s.write(ca.CertPEM(), "pki", a.name+".crt"); err != nil {
			return err
		}
		for name, spec := range a.leaves {
			spec.NotAfter = until
			if err := writeLeaf(s, maker, ca, name, spec); err != nil {
				return err
			}
		}
	}
	signing, err := maker.SigningKey()
	if err != nil {
		return err
	}
	if err := writeKey(s, signing, "pki", tokenKey+".key"); err != nil {
		return err
	}
	public, err := signing.PublicPEM()
	if err != nil {
		return err
	}
	if err := s.write(public, "pki", tokenKey+".pub"); err != nil {
		return err
	}
	return s.write(nil, "pki", credentialsReady)
}

// authority is a CA and what it signs.
type authority struct {
	name   string
	leaves map[string]pki.Spec
}

// authorities are three that do not trust one another: a certificate of one is
// worth nothing with the others.
func authorities() []authority {
	loopbackIP := []net.IP{net.ParseIP(port.Loopback)}
	controller := "system:serviceaccount:" + contract.SystemNamespace + ":" + contract.ControllerServiceAccount
	return []authority{
		{clusterCA, map[string]pki.Spec{
			apiserverCert: {
				CommonName: "kube-apiserver",
				DNSNames:   []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
				IPs:        append([]net.IP{net.ParseIP(firstServiceIP)}, loopbackIP...),
			},
			adminCert: {CommonName: adminUser, Organization: []string{adminGroup}, Usage: pki.Client},
			// With the identity that it has in a pod, it has the rights
			// that it has there, and no more.
			controllerCert: {
				CommonName:   controller,
				Organization: []string{"system:serviceaccounts", "system:serviceaccounts:" + contract.SystemNamespace},
				Usage:        pki.Client,
			},
		}},
		{etcdCA, map[string]pki.Spec{
			etcdCert:       {CommonName: "etcd", IPs: loopbackIP, Usage: pki.ServerAndClient},
			etcdClientCert: {CommonName: "kube-apiserver", Usage: pki.Client},
		}},
		{xdsCA, map[string]pki.Spec{
			xdsServerCert: {CommonName: contract.XDSServerName, DNSNames: []string{contract.XDSServerName}},
			xdsClientCert: {
				CommonName: "envoy",
				URIs:       []string{contract.NodeURI(contract.DevGatewayNamespace, contract.DevGatewayName)},
				Usage:      pki.Client,
			},
		}},
	}
}

func writeLeaf(s stateDir, maker *pki.Maker, ca *pki.Pair, name string, spec pki.Spec) error {
	leaf, err := maker.Leaf(ca, spec)
	if err != nil {
		return err
	}
	if err := writeKey(s, leaf.Key(), "pki", name+".key"); err != nil {
		return err
	}
	return s.write(leaf.ChainPEM(), "pki", name+".crt")
}

func writeKey(s stateDir, key pki.Key, elem ...string) error {
	encoded, err := key.PEM()
	if err != nil {
		return err
	}
	return s.write(encoded, elem...)
}

// kubeconfigFor is a kubeconfig for one of the certificates.
func (s stateDir) kubeconfigFor(name, contextName string, apiserver int) ([]byte, error) {
	var content [3][]byte
	for i, file := range []string{clusterCA + ".crt", name + ".crt", name + ".key"} {
		var err error
		if content[i], err = os.ReadFile(s.path("pki", file)); err != nil {
			return nil, fmt.Errorf("make kubeconfig: %w", err)
		}
	}
	return kubeconfig.Encode(kubeconfig.New(contextName, "https://"+port.Address(apiserver), content[0], content[1], content[2]))
}

// ensureSample makes the sample's certificates, unless those that are there
// are broken in the same way. It returns what the cluster is to trust, and whether that
// is new.
func (d *Driver) ensureSample(s stateDir, b cluster.Break) (bundle []byte, made bool, err error) {
	before, err := os.ReadFile(s.path("sample", "break"))
	if err == nil && bytes.Equal(before, []byte(b)) {
		if bundle, err = os.ReadFile(s.path("sample", "bundle.crt")); err != nil {
			return nil, false, fmt.Errorf("read the sample's CA: %w", err)
		}
		return bundle, false, nil
	}
	material, err := sample.NewMaterial(pki.NewMaker(d.Now, d.Rand), b, d.Now())
	if err != nil {
		return nil, false, err
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{"tls.crt", material.Certificate},
		{"tls.key", material.Key},
		{"client-ca.crt", material.ClientCA},
		{"bundle.crt", material.Bundle},
		{"break", []byte(b)}, // last: it says that the others are complete
	} {
		if err := s.write(file.content, "sample", file.name); err != nil {
			return nil, false, err
		}
	}
	return material.Bundle, true, nil
}
