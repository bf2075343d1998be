package probe

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
)

// Secret tells whether an SDS secret has arrived, and whether it can verify a
// chain. Its content is not read.
type Secret struct {
	// Found: Envoy knows the secret.
	Found bool
	// Warming: Envoy still waits for its content.
	Warming bool
	// Trusts: it holds trusted CA certificates.
	Trusts bool
	// SANs as in TLSContext: a secret can bring names along.
	SANs []string
	// Rejected is Envoy's reason for not taking the last update.
	Rejected string
}

// Secret looks up the SDS secret of a cluster's trust.
func (a *Admin) Secret(ctx context.Context, name string) (Secret, error) {
	var secret Secret
	for _, resource := range []string{"dynamic_active_secrets", "dynamic_warming_secrets", "static_secrets"} {
		query := url.Values{"resource": {resource}}
		err := a.get(ctx, "/config_dump", query, func(body io.Reader) error {
			return eachElement(body, "configs", func(raw json.RawMessage) error {
				found, err := parseSecret(raw, name)
				if err != nil || !found.Found {
					return err
				}
				if !secret.Found || secret.Warming {
					found.Warming = resource == "dynamic_warming_secrets"
					secret = found
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errNotFound) {
			return Secret{}, err
		}
	}
	return secret, nil
}

func parseSecret(raw json.RawMessage, name string) (Secret, error) {
	var dumped struct {
		Name   string `json:"name"`
		Secret struct {
			Name       string             `json:"name"`
			Validation *validationContext `json:"validation_context"`
		} `json:"secret"`
		ErrorState struct {
			Details string `json:"details"`
		} `json:"error_state"`
	}
	if err := json.Unmarshal(raw, &dumped); err != nil {
		return Secret{}, err
	}
	if dumped.Name != name && dumped.Secret.Name != name {
		return Secret{}, nil
	}
	secret := Secret{Found: true, Rejected: dumped.ErrorState.Details}
	if validation := dumped.Secret.Validation; validation != nil {
		secret.Trusts = validation.trust() != "" && validation.Trust != "ACCEPT_UNTRUSTED"
		secret.SANs = validation.sans()
	}
	return secret, nil
}
