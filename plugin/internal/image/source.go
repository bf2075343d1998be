package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

// Source finds the program to make an image of.
type Source struct {
	// Executable is the path of this very binary.
	Executable string
	// Version is that of this very binary, as v1.2.3; releases alone can be
	// downloaded.
	Version string
	// Cache is a folder for what was downloaded.
	Cache string
	// URL is that of releases unless set; Client is the default one when nil.
	URL    string
	Client *http.Client
}

// Check fails where Binary would, whatever is downloaded: it needs no network.
// given is the value of --linux-binary, which may be empty.
func (s Source) Check(given, arch string) error {
	if given != "" {
		_, err := s.given(given, arch)
		return err
	}
	if _, err := s.own(arch); err != nil && !release.Is(s.Version) {
		return s.nothing(err, arch)
	}
	return nil
}

// Binary is the one that was given, else this very binary, else the Linux
// binary of the same version from its release archive.
func (s Source) Binary(ctx context.Context, given, arch string) (Binary, error) {
	if given != "" {
		return s.given(given, arch)
	}
	binary, err := s.own(arch)
	if err == nil {
		return binary, nil
	}
	if !release.Is(s.Version) {
		return Binary{}, s.nothing(err, arch)
	}
	binary, downloadErr := s.download(ctx, arch)
	if downloadErr != nil {
		return Binary{}, s.nothing(fmt.Errorf("%w, and its release cannot be had: %w", err, downloadErr), arch)
	}
	return binary, nil
}

func (s Source) given(path, arch string) (Binary, error) {
	binary, err := Inspect(path)
	if err == nil && binary.Arch != arch {
		err = fmt.Errorf("%s is for %s, and the node is %s", path, binary.Arch, arch)
	}
	if err != nil {
		return Binary{}, fail.Usage("--linux-binary: %w", err).WithDetail("%s", how(arch)).WithFix(fix)
	}
	return binary, nil
}

// own is this very binary, if it can run on the node.
func (s Source) own(arch string) (Binary, error) {
	binary, err := Inspect(s.Executable)
	if err == nil && binary.Arch != arch {
		err = fmt.Errorf("%s is for %s, and the node is %s", s.Executable, binary.Arch, arch)
	}
	return binary, err
}

// nothing says what to do where no program was found.
func (s Source) nothing(err error, arch string) error {
	why := "this binary cannot be the controller's image"
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", why, err)
	}
	return fail.Failed("%s: %w", why, err).
		WithDetail("its version is %s: only those of releases can be downloaded", cmp.Or(s.Version, "unknown")).
		WithDetail("%s", how(arch)).WithFix(fix)
}

const fix = "kubectl tlsgw dev-up --linux-binary FILE    # or --image REF, for one from a registry"

// how says how to come by a program.
func how(arch string) string {
	return "made by: CGO_ENABLED=0 GOOS=linux GOARCH=" + arch + " go build -o FILE ./cmd/kubectl-tlsgw"
}
