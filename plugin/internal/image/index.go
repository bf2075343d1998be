package image

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Index is one image for the architectures of several: what a registry serves
// by one name. It reads the binaries when it is written, as they do.
func Index(images ...*Image) v1.ImageIndex {
	all := make([]mutate.IndexAddendum, 0, len(images))
	for _, i := range images {
		all = append(all, mutate.IndexAddendum{
			Add:        i.image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: i.arch}},
		})
	}
	return mutate.AppendManifests(empty.Index, all...)
}
