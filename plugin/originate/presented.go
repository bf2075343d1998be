package originate

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract/bundle"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
)

// trustPresented trusts the issuer that the backend presents, after asking.
func (r *run) trustPresented(ctx context.Context) (*trust, error) {
	chain := r.presentedChain()
	if len(chain) == 0 {
		if problem := r.contactFinding(); problem != nil {
			return nil, problem.failure(r.o.command)
		}
		return nil, fail.Failed("%s presents no certificate", r.spec.Target)
	}
	chosen := r.anchor(chain)
	anchor := chosen.bundle.Certificates[0]
	if r.o.Yes {
		chosen.why = "--yes"
		return chosen, nil
	}
	if !r.o.Terminal {
		return nil, withLines(fail.Usage("--ca-from backend trusts whatever answers now, so it asks first, and here nobody can answer"),
			describeChain(chain)).
			WithFix("%s    # compare the SHA-256 first", r.o.command.with("yes", "true"))
	}
	r.say("%s presents", r.spec.Target)
	for _, line := range describeChain(chain) {
		r.say("  %s", line)
	}
	agreed, err := terminal.Ask(ctx, r.o.Streams.In, r.o.Streams.ErrOut,
		fmt.Sprintf("Trust %d, %s? [y/N] ", slices.Index(chain, anchor), diagnose.Named(anchor)))
	if err != nil {
		return nil, err
	}
	if !agreed {
		return nil, fail.Failed("not trusted").WithOutcome(unchanged)
	}
	chosen.why = "agreed to"
	return chosen, nil
}

// anchor is the topmost presented certificate, if the chain leads there, else
// the backend's own.
func (r *run) anchor(chain []*x509.Certificate) *trust {
	source := &Source{Kind: FromBackend}
	top := &trust{source: source, bundle: &bundle.Bundle{Certificates: chain[len(chain)-1:]}}
	if r.leads(top) {
		return top
	}
	return &trust{source: source, bundle: &bundle.Bundle{Certificates: chain[:1]}}
}

// describeChain is two lines for each presented certificate.
func describeChain(chain []*x509.Certificate) []string {
	var lines []string
	for i, certificate := range chain {
		lines = append(lines,
			fmt.Sprintf("presented %d  %s   %s", i, diagnose.Named(certificate), diagnose.Leaf(certificate)),
			"             SHA-256 "+fingerprint(certificate))
	}
	return lines
}

// fingerprint is the SHA-256 of a certificate, as openssl prints it.
func fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	var pairs []string
	for i := 0; i < len(text); i += 2 {
		pairs = append(pairs, text[i:i+2])
	}
	return strings.Join(pairs, ":")
}
