package originate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// SourceKind says what --ca-from names.
type SourceKind string

// The kinds of sources.
const (
	FromConfigMap SourceKind = "configmap"
	FromSecret    SourceKind = "secret"
	FromFile      SourceKind = "file"
	FromBackend   SourceKind = "backend"
)

// Source is where a CA bundle comes from.
type Source struct {
	Kind SourceKind
	// Name of the object, or path of the file.
	Name string
	// Key of the object.
	Key string
}

// parseSource reads the value of --ca-from; nil for none.
func parseSource(text string) (*Source, error) {
	if text == "" {
		return nil, nil
	}
	if text == string(FromBackend) {
		return &Source{Kind: FromBackend}, nil
	}
	word, rest, found := strings.Cut(text, "/")
	kind := map[string]SourceKind{
		"configmap": FromConfigMap, "configmaps": FromConfigMap, "cm": FromConfigMap,
		"secret": FromSecret, "secrets": FromSecret,
	}[strings.ToLower(word)]
	if !found || kind == "" {
		return &Source{Kind: FromFile, Name: text}, nil
	}
	name, key, hasKey := strings.Cut(rest, ":")
	if !hasKey {
		key = contract.CAKey
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, fail.Usage("--ca-from %q does not name a %s: %s", text, kind, problems[0])
	}
	if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
		return nil, fail.Usage("--ca-from %q does not name a key: %s", text, problems[0])
	}
	return &Source{Kind: kind, Name: name, Key: key}, nil
}

// String is how a person names the source, without its key.
func (s *Source) String() string {
	switch s.Kind {
	case FromFile:
		return "file " + s.Name
	case FromBackend:
		return "what the backend presents"
	default:
		return string(s.Kind) + "/" + s.Name
	}
}

// flag is the value of --ca-from that names the source.
func (s *Source) flag() string {
	switch {
	case s.Kind == FromFile:
		return s.Name
	case s.Kind == FromBackend:
		return string(FromBackend)
	case s.Key == contract.CAKey:
		return s.String()
	default:
		return s.String() + ":" + s.Key
	}
}

// provenance is the value of contract.AnnotationCASource on a copy.
func (s *Source) provenance(target string) string {
	switch s.Kind {
	case FromFile:
		return "file/" + filepath.Base(s.Name)
	case FromBackend:
		return "backend/" + target
	default:
		return s.String() + ":" + s.Key
	}
}

func (s *Source) isSecret(name string) bool { return s.Kind == FromSecret && s.Name == name }

// load reads the bundle. What is wrong with it is a finding; other errors are
// of the request. The bundle comes with a finding where it can be repaired.
func (s *Source) load(ctx context.Context, clients *kube.Clients, namespace string) (*bundle.Bundle, *finding, error) {
	data, found, err := s.read(ctx, clients, namespace)
	if found != nil || err != nil {
		return nil, found, err
	}
	parsed, err := bundle.Parse(data)
	if err == nil {
		return parsed, nil, nil
	}
	where := s.String()
	if s.Kind != FromFile {
		where += " key " + s.Key
	}
	if errors.Is(err, bundle.ErrPrivateKey) {
		return nil, &finding{code: diagnose.CAMalformed, message: fmt.Sprintf("%s %v", where, err), final: true,
			fix: "put only certificates there; a key that was readable as a CA bundle should be replaced"}, nil
	}
	malformed, ok := errors.AsType[*bundle.MalformedError](err)
	if !ok {
		return nil, &finding{code: diagnose.CAMalformed, message: fmt.Sprintf("%s %v", where, err), final: true}, nil
	}
	problem := &finding{code: diagnose.CAMalformed, message: fmt.Sprintf("%s is not PEM: %v", where, malformed)}
	problem.final = malformed.Repaired == nil
	return malformed.Repaired, problem, nil
}

func (s *Source) read(ctx context.Context, clients *kube.Clients, namespace string) ([]byte, *finding, error) {
	if s.Kind == FromFile {
		data, err := os.ReadFile(s.Name)
		if err == nil {
			return data, nil, nil
		}
		reason := err
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			reason = pathErr.Err
		}
		return nil, nil, fail.Usage("--ca-from %s cannot be read as a file: %w", s.Name, reason).
			WithFix("give a readable PEM file, configmap/NAME, secret/NAME[:KEY] or backend")
	}
	var data map[string][]byte
	var err error
	key := client.ObjectKey{Namespace: namespace, Name: s.Name}
	if s.Kind == FromSecret {
		secret := &corev1.Secret{}
		err = clients.Client.Get(ctx, key, secret)
		data = secret.Data
	} else {
		configMap := &corev1.ConfigMap{}
		err = clients.Client.Get(ctx, key, configMap)
		data = configMapData(configMap)
	}
	if apierrors.IsNotFound(err) {
		return nil, &finding{code: diagnose.CARefNotFound, message: fmt.Sprintf("%s does not exist in namespace %s", s, namespace)}, nil
	}
	if err != nil {
		return nil, nil, clients.Explain(fmt.Errorf("get %s: %w", s, err))
	}
	content, ok := data[s.Key]
	if !ok {
		return nil, s.keyMissing(data), nil
	}
	return content, nil, nil
}

// keyMissing offers the keys that are there.
func (s *Source) keyMissing(data map[string][]byte) *finding {
	problem := &finding{code: diagnose.CAKeyMissing, message: fmt.Sprintf("%s has no key %s", s, s.Key)}
	keys := sortedKeys(data)
	if len(keys) == 0 {
		problem.message = fmt.Sprintf("%s has no key %s: it is empty", s, s.Key)
		return problem
	}
	problem.details = append(problem.details, "it has: "+strings.Join(keys, ", "))
	for _, key := range keys {
		if _, err := bundle.Parse(data[key]); err == nil {
			problem.offer = []string{"ca-from", s.String() + ":" + key}
			break
		}
	}
	return problem
}

func configMapData(configMap *corev1.ConfigMap) map[string][]byte {
	data := make(map[string][]byte, len(configMap.Data)+len(configMap.BinaryData))
	for key, text := range configMap.Data {
		data[key] = []byte(text)
	}
	for key, content := range configMap.BinaryData {
		data[key] = content
	}
	return data
}
