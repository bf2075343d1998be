package diagnose

import (
	"fmt"
	"slices"
	"strings"
)

// Evaluate comes to a verdict. It is a function of the evidence alone.
func Evaluate(e *Evidence) Verdict {
	findings := e.known()
	if e.Sent && e.Unread == nil {
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

// known judges what the API server has told, as far as it has.
func (e *Evidence) known() []Finding {
	if e.Unread == nil {
		return e.config()
	}
	f := Finding{Code: NotReadable, Message: oneLine(e.Unread.Reason), Expected: "an answer of the API server"}
	if e.Unread.Resource != "" {
		f.Expected = fmt.Sprintf("the right to %s %s", e.Unread.Verb, e.Unread.Resource)
	}
	return []Finding{f}
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

// warnings are true, worth knowing, and do not change the verdict.
func (e *Evidence) warnings() []string {
	warnings := slices.Clone(e.Notes)
	for _, p := range e.Trust.Problems {
		if len(e.Trust.Certificates) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s %s: it is left out of the trust bundle", p.Ref, p.Detail))
		}
	}
	if e.Trust.Drift != "" {
		warnings = append(warnings, e.Trust.Drift)
	}
	if whole := e.wholeGateway(); whole != "" {
		warnings = append(warnings, whole)
	}
	if !e.Sent {
		return warnings
	}
	if shared := e.shared(); shared != "" {
		warnings = append(warnings, shared)
	}
	cluster := e.Live.cluster()
	if cluster == nil || cluster.TLS == nil {
		return warnings
	}
	switch {
	case !cluster.TLS.Verifies():
		warnings = append(warnings, "the backend's certificate is NOT verified: anyone in between can read and change everything")
	case !e.verifiesName():
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
