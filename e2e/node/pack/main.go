// Command pack makes container images of layers, without a container engine:
//
//	go run ./e2e/node/pack -images images.json -out FOLDER
//
// Its input is a list of images: names, layers as tar files, and how to run
// them. Its output is one OCI layout of them all, as "ctr images import" reads it
// (in a tar). Layers that images share are in it once, compressed with zstd, which
// a node unpacks several times as fast as gzip.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// annotationName is where containerd finds the name of an image of a layout.
const annotationName = "io.containerd.image.name"

// image is one image to make.
type image struct {
	// Name is the full reference, with registry and tag.
	Name string `json:"name"`
	// Layers are tar files, the lowest first.
	Layers []string `json:"layers"`
	// Config is how to run it, with the names of the OCI image specification.
	Config v1.Config `json:"config"`
}

func main() {
	list := flag.String("images", "images.json", "the list of images to make")
	out := flag.String("out", "layout", "the folder to make")
	flag.Parse()
	log.SetFlags(0)
	if err := run(*list, *out); err != nil {
		log.Fatal("error: ", err)
	}
}

func run(list, out string) error {
	content, err := os.ReadFile(list)
	if err != nil {
		return fmt.Errorf("read the list of images: %w", err)
	}
	var images []image
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&images); err != nil {
		return fmt.Errorf("read the list of images %s: %w", list, err)
	}
	path, err := layout.Write(out, empty.Index)
	if err != nil {
		return fmt.Errorf("make the layout %s: %w", out, err)
	}
	p := packer{layers: map[string]v1.Layer{}}
	for _, i := range images {
		made, err := p.image(i)
		if err != nil {
			return fmt.Errorf("make %s: %w", i.Name, err)
		}
		name := layout.WithAnnotations(map[string]string{annotationName: i.Name})
		if err := path.AppendImage(made, name); err != nil {
			return fmt.Errorf("write %s: %w", i.Name, err)
		}
	}
	return nil
}

// packer keeps layers by file, so that each is read and compressed once.
type packer struct {
	layers map[string]v1.Layer
}

func (p packer) image(i image) (v1.Image, error) {
	made := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = i.Config
	if made, err = mutate.ConfigFile(made, config); err != nil {
		return nil, err
	}
	for _, file := range i.Layers {
		layer, err := p.layer(file)
		if err != nil {
			return nil, fmt.Errorf("read the layer %s: %w", file, err)
		}
		if made, err = mutate.AppendLayers(made, layer); err != nil {
			return nil, fmt.Errorf("add the layer %s: %w", file, err)
		}
	}
	return made, nil
}

func (p packer) layer(file string) (v1.Layer, error) {
	if layer, ok := p.layers[file]; ok {
		return layer, nil
	}
	layer, err := tarball.LayerFromFile(file,
		tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
	if err != nil {
		return nil, err
	}
	p.layers[file] = layer
	return layer, nil
}
