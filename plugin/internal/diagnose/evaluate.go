package diagnose

import (
	"fmt"
	"strings"
)

// Evaluate comes to a verdict. It is a function of the evidence alone.
func Evaluate(e *Evidence) Verdict {
	findings := e.config()
	if e.Sent {
		findings = append(findings, e.live()...)
		findings = append(findings, e.transport()...)
		if len(findings) == 0 {
			// What is known to be wrong explains the answers.
			findings = append(e.http(), e.proof()...)
		}
	}
	verdict := Verdict{Envoy: e.envoySays(), Proof: e.facts(), Warnings: e.warnings()}
	if len(findings) == 0 {
		verdict.Finding = Finding{Code: Verified, Message: e.verified()}
		return verdict
	}
	for i := range findings {
		if findings[i].Hint == "" {
			findings[i].Hint = e.hint(findings[i].Code)
		}
	}
	verdict.Finding = findings[0]
	if verdict.Code == UnexpectedStatus {
		verdict.Envoy = strings.Join(e.counted(), "; ") // the answer is what was presented
	}
	verdict.Stage = findings[0].Code.Stage()
	verdict.Others = withoutRepeats(findings)
	return verdict
}

// Blocked says whether the configuration alone already explains a failure, so
// that no request through the gateway can tell more.
func Blocked(e *Evidence) bool {
	return len(e.config()) > 0
}

// withoutRepeats drops what the first finding already says.
func withoutRepeats(findings []Finding) []Finding {
	seen := map[Code]bool{findings[0].Code: true}
	var rest []Finding
	for _, f := range findings[1:] {
		if seen[f.Code] {
			continue
		}
		seen[f.Code] = true
		rest = append(rest, f)
	}
	return rest
}

func (e *Evidence) verified() string {
	risen := e.Live.Risen()
	return fmt.Sprintf("%s answered as expected, %s of %s counted by Envoy",
		count(len(e.Requests), "request"), count(int(min(risen["ssl.handshake"], 1<<30)), "new handshake"), e.Live.StatName) // #nosec G115 -- bounded
}

// stale says that no controller has judged the policy as it is now: what was
// proven is how it was before.
func (e *Evidence) stale() string {
	if e.Policy == nil {
		return ""
	}
	last := int64(0)
	for _, s := range e.Policy.Statuses {
		if s.Accepted != nil {
			last = max(last, s.Accepted.Generation)
		}
	}
	if last == 0 || last >= e.Policy.Generation {
		return ""
	}
	return fmt.Sprintf("no controller has seen the last change of %s (generation %d; its status is of %d): is the controller running?",
		e.Policy, e.Policy.Generation, last)
}

// warnings are true, worth knowing, and do not change the verdict.
func (e *Evidence) warnings() []string {
	var warnings []string
	for _, p := range e.Trust.Problems {
		if len(e.Trust.Certificates) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s %s: it is left out of the trust bundle", p.Ref, p.Detail))
		}
	}
	if stale := e.stale(); stale != "" {
		warnings = append(warnings, stale)
	}
	if e.Trust.Drift != "" {
		warnings = append(warnings, e.Trust.Drift)
	}
	if !e.Sent {
		return warnings
	}
	cluster := e.Live.cluster()
	if cluster == nil || cluster.TLS == nil {
		return warnings
	}
	switch {
	case !cluster.TLS.Verifies():
		warnings = append(warnings, "the backend's certificate is NOT verified: anyone in between can read and change everything")
	case !cluster.TLS.VerifiesName():
		warnings = append(warnings, "only the chain is verified, not for whom the certificate is")
	}
	if cluster.PlaintextMatch {
		warnings = append(warnings, "a transport_socket_match lets some endpoints be reached in plaintext")
	}
	if rose := e.Live.Risen(); e.answered() && rose["ssl.fail_verify_error"]+rose["ssl.fail_verify_san"]+rose["ssl.connection_error"] > 0 {
		warnings = append(warnings, "some handshakes failed, though every answer was as expected: one endpoint may be broken")
	}
	return warnings
}

// answered says whether every request got an expected answer.
func (e *Evidence) answered() bool {
	for _, r := range e.Requests {
		if !r.Expected {
			return false
		}
	}
	return len(e.Requests) > 0
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
