package image

import (
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

const (
	// Repository is the name of images that are made here. Its host serves
	// none: a node that lacks such an image must be given it.
	Repository = "tlsgw.dev/kubectl-tlsgw"
	// Entrypoint is the one file of the image.
	Entrypoint = "/kubectl-tlsgw"
	// User is who the program runs as: nobody's number, as distroless images
	// have it.
	User = "65532:65532"

	// tagLength is how many digits of the digest make the tag.
	tagLength = 12
)

// Image is an image of this program.
type Image struct {
	// Ref is Repository with a tag that is the beginning of ID.
	Ref string
	// ID is the digest of the configuration, as sha256:HEX: what a container
	// runtime calls the image's ID.
	ID string
	// Size is that of the program, in bytes.
	Size int64

	image v1.Image
	arch  string
	ref   name.Tag
}

// Build makes the image of a binary.
func Build(binary Binary) (*Image, error) {
	program, err := newLayer(binary)
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	built, err := assemble(binary, program)
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	id, err := built.ConfigName()
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	ref, err := name.NewTag(Repository+":"+id.Hex[:tagLength], name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	return &Image{Ref: ref.String(), ID: id.String(), Size: binary.Size, image: built, arch: binary.Arch, ref: ref}, nil
}

func assemble(binary Binary, program v1.Layer) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	configured, err := mutate.ConfigFile(base, &v1.ConfigFile{
		OS:           "linux",
		Architecture: binary.Arch,
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint: []string{Entrypoint},
			User:       User,
			WorkingDir: "/",
			Labels:     labels(binary),
		},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(configured, mutate.Addendum{
		Layer:   program,
		History: v1.History{CreatedBy: "kubectl tlsgw", Comment: "the program, and nothing else"},
	})
}

// labels are the pre-defined annotation keys of the OCI image specification.
func labels(binary Binary) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       release.Program,
		"org.opencontainers.image.description": "The controller of kubectl tlsgw",
		"org.opencontainers.image.source":      "https://" + release.Module,
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     binary.Version,
		"org.opencontainers.image.revision":    binary.Revision,
	}
	for key, value := range all {
		if value == "" {
			delete(all, key)
		}
	}
	return all
}

// WriteArchive writes the image, with its Ref, as an archive that
// `ctr images import` and `docker load` read.
func (i *Image) WriteArchive(w io.Writer) error {
	if err := tarball.Write(i.ref, i.image, w); err != nil {
		return fmt.Errorf("write image %s: %w", i.Ref, err)
	}
	return nil
}
