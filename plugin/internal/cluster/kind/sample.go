package kind

import (
	"context"
	"fmt"
	"path"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/pki"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/sample"
	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// ensureSample makes the sample, or what is missing of it. Its Secret has all
// of its certificates: as long as that is there and broken in the same way,
// no others are made.
func (u *up) ensureSample(ctx context.Context, p *part) error {
	material, made, err := u.sampleMaterial(ctx)
	if err != nil {
		return err
	}
	conf, err := sampleServer(u.Break).NginxConfig()
	if err != nil {
		return err
	}
	objects, err := templates.ClusterSample(templates.ClusterSampleValues{
		Break:       string(u.Break),
		Certificate: material.Certificate, Key: material.Key, ClientCA: material.ClientCA, CA: material.Bundle,
		NginxConf: string(conf),
	})
	if err != nil {
		return err
	}
	for _, object := range objects {
		apply := u.applyMissing
		switch object.GetName() {
		case templates.SampleSecret, templates.SampleConfig:
			apply = u.apply
		case templates.SampleConfigMap:
			if made {
				apply = u.apply
			}
		}
		if object.GetObjectKind().GroupVersionKind().Kind == kindDeployment {
			running, err := u.deployed(ctx)
			if err != nil {
				return err
			}
			if running[templates.AnnotationChecksum] != object.GetAnnotations()[templates.AnnotationChecksum] {
				apply = u.apply
			}
		}
		if err := apply(ctx, p, object); err != nil {
			return err
		}
	}
	return nil
}

// sampleMaterial is what the Secret has, or new material.
func (u *up) sampleMaterial(ctx context.Context) (material sample.Material, made bool, err error) {
	secret := &corev1.Secret{}
	err = u.clients.Client.Get(ctx, client.ObjectKey{Namespace: templates.SampleNamespace, Name: templates.SampleSecret}, secret)
	if client.IgnoreNotFound(err) != nil {
		return material, false, fmt.Errorf("get secret %s: %w", templates.SampleSecret, err)
	}
	material = sample.Material{
		Certificate: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey],
		Bundle: secret.Data[contract.CAKey], ClientCA: secret.Data[templates.SampleClientCAKey],
	}
	whole := len(material.Certificate) > 0 && len(material.Key) > 0 && len(material.Bundle) > 0 && len(material.ClientCA) > 0
	if whole && cluster.Break(secret.Annotations[templates.AnnotationSample]) == u.Break {
		return material, false, nil
	}
	now := u.driver.Now
	material, err = sample.NewMaterial(pki.NewMaker(now, u.driver.Rand), u.Break, now())
	return material, true, err
}

// sampleServer is how nginx serves in its pod.
func sampleServer(b cluster.Break) sample.Server {
	return sample.Server{
		Listen: "0.0.0.0", Port: templates.SamplePort, Break: b, Dir: templates.SampleTempDir,
		CertificateFile: path.Join(templates.SampleTLSDir, corev1.TLSCertKey),
		KeyFile:         path.Join(templates.SampleTLSDir, corev1.TLSPrivateKeyKey),
		ClientCAFile:    path.Join(templates.SampleTLSDir, templates.SampleClientCAKey),
	}
}
