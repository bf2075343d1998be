package verify

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// forbidden is what the person may not read. namespace is empty for all.
type forbidden struct {
	verb, namespace string
	err             error
}

func (f *forbidden) Error() string { return f.err.Error() }

func (f *forbidden) Unwrap() error { return f.err }

// hopeless says whether an error is not about one object: the API server does
// not answer, so that nothing more can be found out.
func (w *world) hopeless(err error) bool {
	return fail.Code(w.clients.Explain(err)) == fail.CodeUnreachable
}

// onlyHopeless drops an error that is about one object.
func (w *world) onlyHopeless(err error) error {
	if w.hopeless(err) {
		return err
	}
	return nil
}

// unread is an error of the API server in the words of a diagnosis.
func unread(err error) *diagnose.Unread {
	u := &diagnose.Unread{Reason: err.Error()}
	denied, ok := errors.AsType[*forbidden](err)
	status, told := errors.AsType[*apierrors.StatusError](err)
	if !ok || !told || status.ErrStatus.Details == nil {
		return u
	}
	u.Verb, u.Namespace = denied.verb, denied.namespace
	u.Resource = status.ErrStatus.Details.Kind
	if group := status.ErrStatus.Details.Group; group != "" {
		u.Resource += "." + group
	}
	return u
}
