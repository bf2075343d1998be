package binaries

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// versionTimeout is generous: a cold disk has to read 100 MB first.
const versionTimeout = 30 * time.Second

// EnvoyVersion runs the Envoy binary for its version, such as 1.40.0, and
// refuses one that is known not to verify certificates properly.
func EnvoyVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput() // #nosec G204 -- the user's own Envoy
	if err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return "", fail.Failed("%s --version fails: %w %s", path, err, reason).
			WithFix("%s", getEnvoy)
	}
	v, err := parseEnvoyVersion(string(out))
	if err != nil {
		return "", fail.Failed("%s is no Envoy: %w", path, err).WithFix("%s", getEnvoy)
	}
	return v.String(), checkEnvoyVersion(v)
}

// parseEnvoyVersion reads "envoy  version: SHA/1.40.0/Clean/RELEASE/BoringSSL".
func parseEnvoyVersion(output string) (*version.Version, error) {
	match := regexp.MustCompile(`version: [0-9a-f]+/(\d+\.\d+\.\d+)[^/]*/`).FindStringSubmatch(output)
	if match == nil {
		return nil, fmt.Errorf("its version reads %.60q", strings.TrimSpace(output))
	}
	return version.ParseSemantic(match[1])
}

// checkEnvoyVersion refuses what CVE-2026-47778 hits: there a NUL byte in a
// subject alternative name ends the comparison, so that a certificate for
// another name passes.
func checkEnvoyVersion(v *version.Version) error {
	fixed := []string{"1.35.11", "1.36.7", "1.37.3", "1.38.1"}
	for _, f := range fixed {
		first := version.MustParseSemantic(f)
		sameLine := v.Major() == first.Major() && v.Minor() == first.Minor()
		if v.AtLeast(first) && (sameLine || f == fixed[len(fixed)-1]) {
			return nil
		}
	}
	return fail.Failed("Envoy %s accepts certificates for other names (CVE-2026-47778)", v).
		WithDetail("fixed in %s and every newer line", strings.Join(fixed, ", ")).
		WithFix("%s", getEnvoy)
}
