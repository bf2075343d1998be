package translate

import (
	"fmt"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// Condition types and reasons that several kinds share. Those of one kind
// alone are the constants of its API package.
const (
	conditionAccepted     = "Accepted"
	conditionResolvedRefs = "ResolvedRefs"

	reasonAccepted     = "Accepted"
	reasonResolvedRefs = "ResolvedRefs"

	// reasonInvalidBackend and reasonInvalidBackendPolicy are own reasons of
	// a route's ResolvedRefs: the referenced backend exists, but it, or a
	// policy that targets it, is not valid, so that its share gets 500.
	reasonInvalidBackend       = "InvalidBackend"
	reasonInvalidBackendPolicy = "InvalidBackendPolicy"
	// reasonHostnameConflict is a route's Accepted where a route of another kind
	// has the hostname; listeners have the same reason.
	reasonHostnameConflict = "HostnameConflict"
)

// problem is why something is not valid, in the words of a condition.
type problem struct {
	reason, message string
}

func problemf(reason, format string, args ...any) *problem {
	return &problem{reason: reason, message: bounded(fmt.Sprintf(format, args...))}
}

// maxMessage keeps the message of a condition readable; the API takes 32 KiB.
const maxMessage = 4096

func bounded(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage-3], "") + "..."
}

// condition is False with the problem, or True where there is none.
func (p *problem) condition(kind, trueReason, trueMessage string) ir.Condition {
	if p == nil {
		return ir.Condition{Type: kind, Status: ir.True, Reason: trueReason, Message: bounded(trueMessage)}
	}
	return ir.Condition{Type: kind, Status: ir.False, Reason: p.reason, Message: p.message}
}

// joinProblems is one problem out of several: the reason of the first and all
// messages.
func joinProblems(problems []*problem) *problem {
	if len(problems) == 0 {
		return nil
	}
	joined := *problems[0]
	for _, p := range problems[1:] {
		joined.message += "; " + p.message
	}
	joined.message = bounded(joined.message)
	return &joined
}
