package kube

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/api/v1alpha1"
	"github.com/tlsgw/kubectl-tlsgw/scaffold"
)

const (
	gatewayGroup  = gatewayv1.GroupName
	v1alpha1Group = v1alpha1.GroupName
)

// equalContent compares two states of one object without what the API server
// or a controller writes.
func equalContent(a, b *unstructured.Unstructured) bool {
	left, errLeft := scaffold.Manifest(a)
	right, errRight := scaffold.Manifest(b)
	return errLeft == nil && errRight == nil && equality.Semantic.DeepEqual(left.Object, right.Object)
}
