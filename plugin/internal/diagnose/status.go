package diagnose

import (
	"fmt"
	"slices"
)

// statuses are what the policy's status says about this Gateway, by the
// controller that runs it. Where none does, as some controllers name another
// ancestor, all count.
func (e *Evidence) statuses() []PolicyStatus {
	g := e.Gateway
	if g == nil {
		return e.Policy.Statuses
	}
	at := func(s PolicyStatus) bool {
		return s.Kind == "Gateway" && s.Namespace == g.Namespace && s.Name == g.Name
	}
	by := func(s PolicyStatus) bool { return g.Controller == "" || s.Controller == g.Controller }
	for _, about := range []func(PolicyStatus) bool{
		func(s PolicyStatus) bool { return at(s) && by(s) }, at,
		func(s PolicyStatus) bool { return g.Controller != "" && by(s) },
	} {
		if slices.ContainsFunc(e.Policy.Statuses, about) {
			return slices.DeleteFunc(slices.Clone(e.Policy.Statuses), func(s PolicyStatus) bool { return !about(s) })
		}
	}
	return e.Policy.Statuses
}

// outdated: the condition speaks of the policy as it was before. Not every
// controller says of which generation it speaks.
func (e *Evidence) outdated(c *Condition) bool {
	return c.Generation != 0 && c.Generation < e.Policy.Generation
}

// unjudged says that no controller has judged the policy as it is now: what
// could be proven is how it was before.
func (e *Evidence) unjudged() *Finding {
	var last int64
	for _, s := range e.statuses() {
		switch c := s.Accepted; {
		case c == nil:
		case !e.outdated(c):
			return nil
		default:
			last = max(last, c.Generation)
		}
	}
	if last == 0 {
		return nil // no status at all: notAccepted says so
	}
	return &Finding{
		Code:      PolicyNotAccepted,
		Message:   fmt.Sprintf("no controller has seen the last change of %s: is the controller running?", e.Policy),
		Expected:  fmt.Sprintf("a status of generation %d", e.Policy.Generation),
		Presented: fmt.Sprintf("a status of generation %d", last),
	}
}

// Unjudged says whether the policy's status is not, or not yet, of the policy
// as it is: a controller that runs writes it in a moment.
func Unjudged(e *Evidence) bool {
	if e.Policy == nil || e.Unread != nil {
		return false
	}
	judged := func(s PolicyStatus) bool { return s.Accepted != nil }
	return e.unjudged() != nil || !slices.ContainsFunc(e.statuses(), judged)
}
