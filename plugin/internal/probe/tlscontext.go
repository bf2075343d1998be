package probe

import (
	"encoding/json"
	"slices"
	"strings"
)

// TLSContext is how a live cluster speaks TLS: Envoy's UpstreamTlsContext in
// the words of this project.
type TLSContext struct {
	SNI string
	// AutoSNI: each endpoint's own name is sent.
	AutoSNI bool
	// SANs accepted, as "DNS:example.com" or "URI:spiffe://...". A matcher
	// other than exact names itself: "DNS:suffix example.com".
	SANs []string
	// AutoSANs: the certificate must be for the SNI sent.
	AutoSANs bool
	// Trust says what a chain must end in: "file PATH", "inline", "system" or
	// "secret NAME"; "pins" where there is nothing but Pinned. Empty when the
	// chain is not verified.
	Trust string
	// Pinned: the certificate is verified by its hash or its key, or by a
	// validator of its own, which knows whom it must be for.
	Pinned bool
	// ClientCertificate: one is configured.
	ClientCertificate bool
	// MinVersion and MaxVersion are "1.0" to "1.3"; empty is Envoy's default.
	MinVersion, MaxVersion string
	CipherSuites           []string
	ALPN                   []string
}

// Verifies says whether the chain is verified at all.
func (c *TLSContext) Verifies() bool { return c != nil && c.Trust != "" }

// VerifiesName says whether the certificate must be for some name.
func (c *TLSContext) VerifiesName() bool {
	return c.Verifies() && (len(c.SANs) > 0 || c.AutoSANs || c.Pinned)
}

type transportSocket struct {
	Name   string          `json:"name"`
	Config json.RawMessage `json:"typed_config"`
}

// tls finds the TLS context in a transport socket, looking through wrappers
// such as the PROXY protocol's; nil if there is none.
func (s transportSocket) tls() *TLSContext {
	var config struct {
		Type            string           `json:"@type"`
		TransportSocket *transportSocket `json:"transport_socket"`
	}
	if len(s.Config) == 0 || json.Unmarshal(s.Config, &config) != nil {
		return nil
	}
	if strings.HasSuffix(config.Type, ".UpstreamTlsContext") {
		var dumped upstreamTLS
		if json.Unmarshal(s.Config, &dumped) != nil {
			return nil
		}
		return dumped.context()
	}
	if config.TransportSocket != nil {
		return config.TransportSocket.tls()
	}
	return nil
}

type upstreamTLS struct {
	SNI               string `json:"sni"`
	AutoHostSNI       bool   `json:"auto_host_sni"`
	AutoSANValidation bool   `json:"auto_sni_san_validation"`
	Common            struct {
		Params struct {
			Min     string   `json:"tls_minimum_protocol_version"`
			Max     string   `json:"tls_maximum_protocol_version"`
			Ciphers []string `json:"cipher_suites"`
		} `json:"tls_params"`
		ALPN         []string           `json:"alpn_protocols"`
		Certificates []json.RawMessage  `json:"tls_certificates"`
		CertSecrets  []json.RawMessage  `json:"tls_certificate_sds_secret_configs"`
		Validation   *validationContext `json:"validation_context"`
		SDS          *sdsConfig         `json:"validation_context_sds_secret_config"`
		Combined     *struct {
			Default *validationContext `json:"default_validation_context"`
			SDS     *sdsConfig         `json:"validation_context_sds_secret_config"`
		} `json:"combined_validation_context"`
	} `json:"common_tls_context"`
}

type sdsConfig struct {
	Name string `json:"name"`
}

type validationContext struct {
	TrustedCA *struct {
		Filename string `json:"filename"`
	} `json:"trusted_ca"`
	SystemRoots *json.RawMessage `json:"system_root_certs"`
	SANs        []struct {
		Type    string         `json:"san_type"`
		Matcher map[string]any `json:"matcher"`
	} `json:"match_typed_subject_alt_names"`
	OldSANs []map[string]any `json:"match_subject_alt_names"`
	Hashes  []string         `json:"verify_certificate_hash"`
	Keys    []string         `json:"verify_certificate_spki"`
	Custom  *json.RawMessage `json:"custom_validator_config"`
	Trust   string           `json:"trust_chain_verification"`
}

func (u *upstreamTLS) context() *TLSContext {
	common := &u.Common
	c := &TLSContext{
		SNI: u.SNI, AutoSNI: u.AutoHostSNI, AutoSANs: u.AutoSANValidation,
		ClientCertificate: len(common.Certificates) > 0 || len(common.CertSecrets) > 0,
		MinVersion:        version(common.Params.Min), MaxVersion: version(common.Params.Max),
		CipherSuites: common.Params.Ciphers, ALPN: common.ALPN,
	}
	validation, sds := common.Validation, common.SDS
	if common.Combined != nil {
		validation, sds = common.Combined.Default, common.Combined.SDS
	}
	accepts := false
	if validation != nil {
		c.Trust = validation.trust()
		c.SANs, c.Pinned = validation.sans(), validation.pinned()
		accepts = validation.Trust == "ACCEPT_UNTRUSTED"
	}
	if sds != nil {
		c.Trust = "secret " + sds.Name
	}
	if accepts {
		c.Trust = ""
	}
	return c
}

func (v *validationContext) trust() string {
	switch {
	case v.SystemRoots != nil:
		return "system"
	case v.TrustedCA == nil && v.pinned():
		return "pins"
	case v.TrustedCA == nil:
		return ""
	case v.TrustedCA.Filename != "":
		return "file " + v.TrustedCA.Filename
	}
	return "inline"
}

func (v *validationContext) pinned() bool {
	return len(v.Hashes) > 0 || len(v.Keys) > 0 || v.Custom != nil
}

func (v *validationContext) sans() []string {
	var sans []string
	for _, s := range v.SANs {
		sans = append(sans, s.Type+":"+matcherText(s.Matcher))
	}
	for _, m := range v.OldSANs {
		sans = append(sans, "ANY:"+matcherText(m))
	}
	return sans
}

// matcherText writes a string matcher: an exact value as it is, others with
// the name of their kind.
func matcherText(matcher map[string]any) string {
	if exact, ok := matcher["exact"].(string); ok {
		return exact
	}
	var parts []string
	for kind, value := range matcher {
		if text, ok := value.(string); ok {
			parts = append(parts, kind+" "+text)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// version turns Envoy's TLSv1_3 into 1.3; TLS_AUTO is the default.
func version(envoy string) string {
	major, minor, ok := strings.Cut(strings.TrimPrefix(envoy, "TLSv"), "_")
	if !ok || envoy == "TLS_AUTO" {
		return ""
	}
	return major + "." + minor
}
