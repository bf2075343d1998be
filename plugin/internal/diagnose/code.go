// Package diagnose turns evidence into a verdict. In go the facts that verify
// gathered (objects and their status, Envoy's live configuration, counters
// before and after, answers, a direct handshake); out comes one Verdict with
// a stable code, what was expected and seen, and one command that likely
// helps. It is pure: no clock, no client, no randomness.
//
// The order of evaluation is the order in which things can go wrong: the
// configuration, what Envoy runs, the connection, the handshake, the
// certificate, the answer, and last whether the proof is there. The first
// cause wins; whatever else was found is listed with it.
package diagnose

// Code names a verdict. Codes are stable: new ones may come, none is renamed.
type Code string

// Stage says where on the way to the backend a verdict lies.
type Stage string

// The stages, in order of evaluation.
const (
	StageConfig      Stage = "config"
	StageLive        Stage = "live"
	StageConnect     Stage = "connect"
	StageHandshake   Stage = "handshake"
	StageCertificate Stage = "certificate"
	StageHTTP        Stage = "http"
	StageEvidence    Stage = "evidence"
)

// The verdicts.
const (
	// Verified: the expected answer came, handshakes counted up, and the TLS
	// settings are live.
	Verified Code = "Verified"

	PolicyNotFound    Code = "PolicyNotFound"
	PolicyNotAccepted Code = "PolicyNotAccepted"
	PolicyConflicted  Code = "PolicyConflicted"
	TargetNotFound    Code = "TargetNotFound"

	CARefNotFound Code = "CARefNotFound"
	CAKeyMissing  Code = "CAKeyMissing"
	CAMalformed   Code = "CAMalformed"
	CAExpired     Code = "CAExpired"
	CANotYetValid Code = "CANotYetValid"
	CADrift       Code = "CADrift"

	RouteMissing         Code = "RouteMissing"
	RouteNotAccepted     Code = "RouteNotAccepted"
	GatewayNotProgrammed Code = "GatewayNotProgrammed"
	ConfigRejected       Code = "ConfigRejected"

	PlaintextUpstream    Code = "PlaintextUpstream"
	VerificationDisabled Code = "VerificationDisabled"

	NoEndpoints       Code = "NoEndpoints"
	ConnectionRefused Code = "ConnectionRefused"
	ConnectTimeout    Code = "ConnectTimeout"
	ConnectionReset   Code = "ConnectionReset"
	NameNotResolved   Code = "NameNotResolved"

	NotTLS                    Code = "NotTLS"
	HandshakeTimeout          Code = "HandshakeTimeout"
	ProtocolVersionMismatch   Code = "ProtocolVersionMismatch"
	CipherMismatch            Code = "CipherMismatch"
	SNIRejected               Code = "SNIRejected"
	ClientCertificateRequired Code = "ClientCertificateRequired"
	ALPNMismatch              Code = "ALPNMismatch"

	UnknownAuthority       Code = "UnknownAuthority"
	IncompleteChain        Code = "IncompleteChain"
	HostnameMismatch       Code = "HostnameMismatch"
	CertificateExpired     Code = "CertificateExpired"
	CertificateNotYetValid Code = "CertificateNotYetValid"
	KeyUsageInvalid        Code = "KeyUsageInvalid"
	WeakCertificate        Code = "WeakCertificate"

	// GatewayUnreachable: no connection to the Gateway's listener.
	GatewayUnreachable Code = "GatewayUnreachable"
	// UnexpectedStatus: TLS is fine, the answer is not what was expected.
	UnexpectedStatus Code = "UnexpectedStatus"

	// NoHandshakeObserved: the answer came, but over connections that were
	// there before, or not from the backend.
	NoHandshakeObserved Code = "NoHandshakeObserved"
	// StatsUnavailable: Envoy's counters could not be read.
	StatsUnavailable Code = "StatsUnavailable"
	// NotReadable: the API server would not tell of an object that counts.
	NotReadable Code = "NotReadable"
)

// Codes are all verdicts, in the order of their stages.
func Codes() []Code {
	return []Code{
		Verified,
		PolicyNotFound, PolicyNotAccepted, PolicyConflicted, TargetNotFound,
		CARefNotFound, CAKeyMissing, CAMalformed, CAExpired, CANotYetValid, CADrift,
		RouteMissing, RouteNotAccepted, GatewayNotProgrammed, ConfigRejected,
		PlaintextUpstream, VerificationDisabled,
		NoEndpoints, ConnectionRefused, ConnectTimeout, ConnectionReset, NameNotResolved,
		NotTLS, HandshakeTimeout, ProtocolVersionMismatch, CipherMismatch, SNIRejected,
		ClientCertificateRequired, ALPNMismatch,
		UnknownAuthority, IncompleteChain, HostnameMismatch, CertificateExpired,
		CertificateNotYetValid, KeyUsageInvalid, WeakCertificate,
		GatewayUnreachable, UnexpectedStatus,
		NoHandshakeObserved, StatsUnavailable, NotReadable,
	}
}

// Stage is where the code belongs; Verified has none.
func (c Code) Stage() Stage {
	switch c {
	case Verified:
		return ""
	case PolicyNotFound, PolicyNotAccepted, PolicyConflicted, TargetNotFound,
		CARefNotFound, CAKeyMissing, CAMalformed, CAExpired, CANotYetValid, CADrift,
		RouteMissing, RouteNotAccepted, GatewayNotProgrammed, ConfigRejected:
		return StageConfig
	case PlaintextUpstream, VerificationDisabled:
		return StageLive
	case NoEndpoints, ConnectionRefused, ConnectTimeout, ConnectionReset, NameNotResolved:
		return StageConnect
	case NotTLS, HandshakeTimeout, ProtocolVersionMismatch, CipherMismatch, SNIRejected,
		ClientCertificateRequired, ALPNMismatch:
		return StageHandshake
	case UnknownAuthority, IncompleteChain, HostnameMismatch, CertificateExpired,
		CertificateNotYetValid, KeyUsageInvalid, WeakCertificate:
		return StageCertificate
	case GatewayUnreachable, UnexpectedStatus:
		return StageHTTP
	case NoHandshakeObserved, StatsUnavailable, NotReadable:
		return StageEvidence
	}
	return ""
}

// Unreachable says whether the code means that the gateway or Envoy could not
// be reached, rather than that something is wrong with TLS.
func (c Code) Unreachable() bool { return c == GatewayUnreachable || c == StatsUnavailable }

// Finding is one thing that is wrong.
type Finding struct {
	Code Code
	// Message is one sentence that names the object.
	Message string
	// Expected and Presented are one line each; empty where there is nothing
	// to compare.
	Expected, Presented string
	// Hint is one command or step that likely helps.
	Hint string
}

// Verdict is the outcome for one target.
type Verdict struct {
	Finding
	Stage Stage
	// Envoy is what Envoy itself counted and said.
	Envoy string
	// Proof are further facts about what is live.
	Proof []string
	// Others were found besides the cause.
	Others []Finding
	// Warnings do not change the verdict.
	Warnings []string
}
