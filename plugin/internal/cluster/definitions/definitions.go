// Package definitions writes CustomResourceDefinitions into a dev cluster: fast
// where there are none, and without reading them where there are.
package definitions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

const (
	// servedTimeout bounds the wait for a new kind to be served.
	servedTimeout = 60 * time.Second
	pollInterval  = 25 * time.Millisecond
)

// Annotations on a definition: the hash of what was written and the generation
// that the API server gave it, so that the megabyte that they are together is
// neither read nor compared when nothing has changed. Whoever changes the
// definition makes another generation.
const (
	annotationHash       = "dev.tlsgw.dev/content-hash"
	annotationGeneration = "dev.tlsgw.dev/content-generation"
)

// Ensure writes the definitions that are missing, of another version of this
// program or changed by somebody, waits until all are served, and tells whether there were any. They
// are written as a whole: a server-side apply of their schemas takes the API
// server several times as long.
func Ensure(ctx context.Context, clients *kube.Clients, definitions []*apiextensionsv1.CustomResourceDefinition) (changed bool, err error) {
	requests, err := discovery.NewDiscoveryClientForConfig(clients.Config)
	if err != nil {
		return false, fmt.Errorf("connect to the dev cluster: %w", err)
	}
	group, writing := errgroup.WithContext(ctx)
	changes := make([]bool, len(definitions))
	for i, definition := range definitions {
		group.Go(func() (err error) {
			changes[i], err = ensure(writing, clients, definition)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	group, warming := errgroup.WithContext(ctx)
	for i, definition := range definitions {
		if !changes[i] {
			continue
		}
		changed = true
		if slices.Contains(watched(), definition.Spec.Names.Plural) {
			group.Go(func() error { return warm(warming, requests, definition) })
		}
	}
	return changed, group.Wait()
}

func ensure(ctx context.Context, clients *kube.Clients, definition *apiextensionsv1.CustomResourceDefinition) (changed bool, err error) {
	content, err := json.Marshal(definition)
	if err != nil {
		return false, fmt.Errorf("encode definition %s: %w", definition.Name, err)
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	metav1.SetMetaDataAnnotation(&definition.ObjectMeta, annotationHash, hash)

	err = retry.OnError(retry.DefaultRetry, func(err error) bool { return ctx.Err() == nil && passing(err) }, func() (err error) {
		changed, err = write(ctx, clients, definition, hash)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("write definition %s: %w", definition.Name, err)
	}
	if !changed {
		return false, nil
	}
	return true, clients.Wait(ctx, definition, "established", established)
}

// passing: the API server writes its status beside us, and on a busy machine it
// may take longer for all definitions at once than a request may.
func passing(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return apierrors.IsConflict(err) || ok && late.Timeout()
}

// write writes a definition unless it is there as it should be.
func write(ctx context.Context, clients *kube.Clients, definition *apiextensionsv1.CustomResourceDefinition, hash string) (changed bool, err error) {
	there := &metav1.PartialObjectMetadata{TypeMeta: definition.TypeMeta}
	err = clients.Client.Get(ctx, client.ObjectKeyFromObject(definition), there)
	switch {
	case apierrors.IsNotFound(err):
		annotateGeneration(definition, 1)
		return true, clients.Client.Create(ctx, definition, client.FieldOwner(contract.FieldManager))
	case err != nil:
		return false, err
	case there.Annotations[annotationHash] == hash && there.Annotations[annotationGeneration] == strconv.FormatInt(there.Generation, 10):
		return false, nil
	}
	return true, replace(ctx, clients, there, definition)
}

func annotateGeneration(definition *apiextensionsv1.CustomResourceDefinition, generation int64) {
	metav1.SetMetaDataAnnotation(&definition.ObjectMeta, annotationGeneration, strconv.FormatInt(generation, 10))
}

// replace writes a definition over the one that is there.
func replace(ctx context.Context, clients *kube.Clients, there *metav1.PartialObjectMetadata, definition *apiextensionsv1.CustomResourceDefinition) error {
	definition.ResourceVersion = there.ResourceVersion
	next := there.Generation + 1
	annotateGeneration(definition, next)
	if err := clients.Client.Update(ctx, definition, client.FieldOwner(contract.FieldManager)); err != nil || definition.Generation == next {
		return err
	}
	// What it says was the same: that makes no new generation.
	unsaid := definition.DeepCopy()
	annotateGeneration(definition, definition.Generation)
	return clients.Client.Patch(ctx, definition, client.MergeFrom(unsaid), client.FieldOwner(contract.FieldManager))
}

// watched are the kinds that the controller waits for when it starts.
func watched() []string {
	return []string{
		"gatewayclasses", "gateways", "listenersets", "httproutes", "grpcroutes", "tlsroutes",
		"referencegrants", "backendtlspolicies", "backends", "backendconfigpolicies", "gatewayparameters",
	}
}

// warm makes the API server set up its caches of a new kind, which it does at
// the first request: until they are there, it tells a client that watches to
// come back after a second.
func warm(ctx context.Context, requests discovery.DiscoveryInterface, definition *apiextensionsv1.CustomResourceDefinition) error {
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	// All versions of a kind are set up at once.
	path := "/apis/" + definition.Spec.Group + "/" + definition.Spec.Versions[0].Name + "/" + definition.Spec.Names.Plural
	for {
		_, err := requests.RESTClient().Get().AbsPath(path).MaxRetries(0).DoRaw(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("list %s, which were just defined: %w", definition.Name, err)
		case <-tick.C:
		}
	}
}

func established(object client.Object) (bool, string) {
	definition, ok := object.(*apiextensionsv1.CustomResourceDefinition)
	if !ok {
		return false, fmt.Sprintf("a %T", object)
	}
	for _, condition := range definition.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue, condition.Message
		}
	}
	return false, "no condition Established"
}
