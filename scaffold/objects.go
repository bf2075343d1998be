package scaffold

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

// Objects are what the Spec says, each before what refers to it: the copied
// CA, the Backend of a host, the policy, the HTTPRoute. The error is a
// *FieldError.
func (s *Spec) Objects() ([]client.Object, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var objects []client.Object
	if len(s.Trust.Bundle) > 0 {
		objects = append(objects, s.BundleCopy())
	}
	if s.Target.Kind == Host {
		objects = append(objects, s.backend())
	}
	if s.Policy == BackendTLSPolicy {
		objects = append(objects, s.backendTLSPolicy())
	} else {
		objects = append(objects, s.backendConfigPolicy())
	}
	if s.Route != nil {
		objects = append(objects, s.httpRoute())
	}
	return objects, nil
}

// meta is the metadata of every object.
func (s *Spec) meta(name string) metav1.ObjectMeta {
	labels := map[string]string{contract.LabelApp: labelValue(s.Target.ObjectName())}
	maps.Copy(labels, s.Labels)
	labels[contract.LabelManagedBy] = contract.FieldManager
	labels[contract.LabelOriginate] = s.OriginateLabel()
	return metav1.ObjectMeta{Namespace: s.Namespace, Name: name, Labels: labels}
}

// OriginateLabel is the value of contract.LabelOriginate on every object.
func (s *Spec) OriginateLabel() string {
	if s.Originate != "" {
		return s.Originate
	}
	return s.Target.Label()
}
