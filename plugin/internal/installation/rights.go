package installation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// right is a kind of request that may be allowed or not.
type right struct{ verb, group, resource, namespace string }

func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.group != "" {
		text += "." + r.group
	}
	if r.namespace != "" {
		text += " in " + r.namespace
	}
	return text
}

// lackingRights asks the API server whether the person may do all verbs to
// all objects; nil if so. Where it does not answer that question, the requests
// themselves will tell.
func lackingRights(ctx context.Context, clients *kube.Clients, objects []client.Object, verbs ...string) (*obstacle, error) {
	if allowed(ctx, clients, right{"*", "*", "*", ""}) {
		return nil, ctx.Err()
	}
	var rights []right
	for _, object := range objects {
		gvk := object.GetObjectKind().GroupVersionKind()
		resource, _ := meta.UnsafeGuessKindToResource(gvk)
		for _, verb := range verbs {
			r := right{verb, gvk.Group, resource.Resource, object.GetNamespace()}
			if !slices.Contains(rights, r) {
				rights = append(rights, r)
			}
		}
	}
	denied := make([]bool, len(rights))
	err := parallel(ctx, len(rights), func(ctx context.Context, i int) error {
		denied[i] = !allowed(ctx, clients, rights[i])
		return ctx.Err()
	})
	if err != nil {
		return nil, clients.Explain(err)
	}
	var lacking []string
	for i, r := range rights {
		if denied[i] {
			lacking = append(lacking, r.String())
		}
	}
	if len(lacking) == 0 {
		return nil, nil
	}
	return &obstacle{
		message: fmt.Sprintf("you may not do %d of %d kinds of requests that this needs, which a cluster administrator may", len(lacking), len(rights)),
		details: wrapped("not allowed: ", lacking),
		fix:     "kubectl auth whoami    # then ask for the rights, or choose another --context",
	}, nil
}

// allowed is true where the API server does not say.
func allowed(ctx context.Context, clients *kube.Clients, r right) bool {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: r.verb, Group: r.group, Resource: r.resource, Namespace: r.namespace,
		},
	}}
	if err := clients.Client.Create(ctx, review, client.FieldOwner(contract.FieldManager)); err != nil {
		return r.verb != "*"
	}
	return review.Status.Allowed
}

// wrapped joins words with commas into lines that fit.
func wrapped(first string, words []string) []string {
	const width = 92
	lines := []string{first}
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		last := &lines[len(lines)-1]
		if len(*last)+len(word) > width && strings.TrimSpace(*last) != "" {
			lines = append(lines, strings.Repeat(" ", len(first)))
			last = &lines[len(lines)-1]
		} else if *last != first && strings.TrimSpace(*last) != "" {
			*last += " "
		}
		*last += word
	}
	return lines
}
