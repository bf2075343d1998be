package diagnose

import (
	"fmt"
	"strings"
)

// Reasons that controllers write, of Gateway API and of kgateway.
const (
	reasonConflicted     = "Conflicted"
	reasonOverridden     = "Overridden"
	reasonTargetNotFound = "TargetNotFound"
	// envoyRejected begins what the controller says of a NACK.
	envoyRejected = "Envoy rejected"
)

// config judges the objects and their status, without Envoy.
func (e *Evidence) config() []Finding {
	if e.Policy == nil {
		return []Finding{{
			Code:     PolicyNotFound,
			Message:  fmt.Sprintf("no policy originates TLS to %s", e.Target),
			Expected: "a BackendTLSPolicy or BackendConfigPolicy with tls that targets " + e.Target.ref(),
		}}
	}
	var findings []Finding
	for _, check := range []func() *Finding{
		e.targetMissing, e.trustProblem, e.conflicted, e.routeMissing, e.unjudged, e.rejected,
		e.notAccepted, e.routeNotAccepted, e.gatewayMissing, e.gatewayNotProgrammed,
	} {
		if f := check(); f != nil {
			findings = append(findings, *f)
		}
	}
	return findings
}

func (e *Evidence) targetMissing() *Finding {
	if e.Target.Missing == "" {
		return nil
	}
	f := &Finding{Code: TargetNotFound, Message: e.Target.Missing, Expected: "a target that exists"}
	if e.Target.Nearest != "" {
		f.Message += fmt.Sprintf("; nearest is %q", e.Target.Nearest)
	}
	return f
}

// trustProblem: one good reference is enough to verify with, so the first
// problem is a cause only when nothing usable is left.
func (e *Evidence) trustProblem() *Finding {
	if len(e.Trust.Problems) == 0 || len(e.Trust.Certificates) > 0 || e.Trust.System {
		return nil
	}
	p := e.Trust.Problems[0]
	f := &Finding{Code: p.Code, Message: p.Ref + " " + p.Detail}
	switch p.Code {
	case CARefNotFound:
		f.Expected = fmt.Sprintf("%s with key ca.crt in namespace %s", p.Ref, e.Target.Namespace)
	case CAKeyMissing:
		f.Expected = "key ca.crt with the CA certificates in PEM"
	case CAMalformed:
		f.Expected = "CA certificates in PEM"
	default:
		f.Expected = "a CA certificate that is valid now"
	}
	return f
}

func (e *Evidence) conflicted() *Finding {
	for _, s := range e.statuses() {
		if e.Policy.Winner == "" && e.Policy.Targets > 1 {
			break
		}
		for _, c := range []*Condition{s.Accepted, s.Attached} {
			if c != nil && !c.True && !e.outdated(c) && (c.Reason == reasonConflicted || c.Reason == reasonOverridden) {
				return e.conflict(c.Message)
			}
		}
	}
	if e.Policy.Winner != "" {
		return e.conflict("")
	}
	return nil
}

func (e *Evidence) conflict(says string) *Finding {
	f := &Finding{
		Code:     PolicyConflicted,
		Message:  fmt.Sprintf("%s is overridden: another policy targets %s", e.Policy, e.Target),
		Expected: "one policy with tls for each target",
	}
	if e.Policy.Winner != "" {
		f.Message = fmt.Sprintf("%s is overridden by %s", e.Policy, e.Policy.Winner)
	}
	if says != "" {
		f.Presented = oneLine(says)
	}
	return f
}

func (e *Evidence) routeMissing() *Finding {
	if e.Route != nil || e.Target.Missing != "" {
		return nil
	}
	through := ""
	if e.Through != "" {
		through = " through gateway " + e.Through
	}
	message := fmt.Sprintf("no route leads to %s%s", e.Target, through)
	if e.OtherRoute != "" {
		message = fmt.Sprintf("only %s leads to %s%s, and verify sends its requests through an HTTPRoute", e.OtherRoute, e.Target, through)
	}
	return &Finding{
		Code:     RouteMissing,
		Message:  message,
		Expected: "an HTTPRoute with backendRef " + e.Target.ref(),
	}
}

// rejected: what Envoy refused of the policy, at this Gateway. What it refused
// of others is no matter here.
func (e *Evidence) rejected() *Finding {
	for _, s := range e.statuses() {
		if c := s.Accepted; c != nil && !c.True && strings.HasPrefix(c.Message, envoyRejected) {
			return &Finding{
				Code:      ConfigRejected,
				Message:   fmt.Sprintf("Envoy did not take the configuration of %s", e.Policy),
				Expected:  "an ACK",
				Presented: oneLine(c.Message),
			}
		}
	}
	return nil
}

// notAccepted: one controller that accepted the policy is enough; whether it
// is the one that runs this Gateway, the live configuration tells.
func (e *Evidence) notAccepted() *Finding {
	f := &Finding{
		Code:     PolicyNotAccepted,
		Message:  fmt.Sprintf("no controller has written a status for %s", e.Policy),
		Expected: "condition Accepted=True",
	}
	for _, s := range e.statuses() {
		switch c := s.Accepted; {
		case c == nil:
		case c.True:
			return nil
		case c.Reason == reasonTargetNotFound:
			return &Finding{Code: TargetNotFound, Message: oneLine(c.Message), Expected: "a target that exists"}
		default:
			f.Message = fmt.Sprintf("%s is not accepted by %s", e.Policy, s.Controller)
			f.Presented = fmt.Sprintf("Accepted=False, reason %s: %s", c.Reason, oneLine(c.Message))
		}
	}
	return f
}

func (e *Evidence) routeNotAccepted() *Finding {
	if e.Route == nil {
		return nil
	}
	for _, c := range []*Condition{e.Route.Accepted, e.Route.ResolvedRefs} {
		if c != nil && !c.True {
			return &Finding{
				Code:      RouteNotAccepted,
				Message:   fmt.Sprintf("%s is not in effect", e.Route),
				Expected:  "conditions Accepted=True and ResolvedRefs=True",
				Presented: fmt.Sprintf("reason %s: %s", c.Reason, oneLine(c.Message)),
			}
		}
	}
	if e.Route.Accepted == nil && (e.Gateway == nil || !e.Gateway.Missing) {
		return &Finding{
			Code:     RouteNotAccepted,
			Message:  fmt.Sprintf("no controller has written a status for %s", e.Route),
			Expected: "condition Accepted=True",
		}
	}
	return nil
}

func (e *Evidence) gatewayMissing() *Finding {
	g := e.Gateway
	if g == nil || !g.Missing && (g.Set == nil || !g.Set.Missing) {
		return nil
	}
	f := &Finding{Code: GatewayNotProgrammed, Message: fmt.Sprintf("%s does not exist, though %s names it", g.Place(), e.Route),
		Expected: "condition Programmed=True"}
	if g.Set != nil && !g.Set.Missing {
		f.Message = fmt.Sprintf("%s does not exist, though %s names it", g, g.Set)
	}
	return f
}

// gatewayNotProgrammed asks the listener, where its status tells: a Gateway is
// not programmed as a whole when Envoy refuses anything of anybody.
func (e *Evidence) gatewayNotProgrammed() *Finding {
	if e.Gateway == nil || e.gatewayMissing() != nil {
		return nil
	}
	where := e.Gateway.Place()
	if e.Gateway.Listener != "" {
		where = fmt.Sprintf("listener %s of %s", e.Gateway.Listener, where)
	}
	c := e.Gateway.Programmed
	switch {
	case c == nil:
		return &Finding{Code: GatewayNotProgrammed, Message: "no controller has written a status for " + where, Expected: "condition Programmed=True"}
	case c.True:
		return nil
	case !strings.HasPrefix(c.Message, envoyRejected):
		return &Finding{
			Code: GatewayNotProgrammed, Message: where + " is not programmed", Expected: "condition Programmed=True",
			Presented: fmt.Sprintf("Programmed=False, reason %s: %s", c.Reason, oneLine(c.Message)),
		}
	case e.Gateway.Listener == "" && e.Gateway.Set == nil:
		return nil // of what, only Envoy itself can tell
	}
	return &Finding{
		Code: ConfigRejected, Message: "Envoy did not take the configuration of " + where,
		Expected: "an ACK", Presented: oneLine(c.Message),
	}
}

// wholeGateway: the requests get in, and something else there is not in order.
func (e *Evidence) wholeGateway() string {
	g := e.Gateway
	if g == nil || g.Whole == nil || g.Whole.True || e.gatewayNotProgrammed() != nil {
		return ""
	}
	return fmt.Sprintf("%s is not programmed as a whole, reason %s: %s", g.Place(), g.Whole.Reason, oneLine(g.Whole.Message))
}

// String is "default/nginx:8443".
func (t Target) String() string {
	text := t.Namespace + "/" + t.Name
	if t.Port != 0 {
		text += fmt.Sprintf(":%d", t.Port)
	}
	return text
}

// ref is how the command line writes the target.
func (t Target) ref() string {
	if t.Kind == "Backend" {
		return "backend/" + t.Name
	}
	return "svc/" + t.Name
}

// String is "BackendTLSPolicy/nginx-tls-policy".
func (p *Policy) String() string { return p.Kind + "/" + p.Name }

// String is "HTTPRoute default/nginx-route".
func (r *Route) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }

// String is "gateway kgateway-system/http".
func (g *Gateway) String() string { return fmt.Sprintf("gateway %s/%s", g.Namespace, g.Name) }

// String is "listenerset kgateway-system/more".
func (s *ListenerSet) String() string { return fmt.Sprintf("listenerset %s/%s", s.Namespace, s.Name) }

// Place is what has the listener.
func (g *Gateway) Place() string {
	if g.Set != nil {
		return g.Set.String()
	}
	return g.String()
}
