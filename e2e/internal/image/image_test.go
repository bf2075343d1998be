package image

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Each reference names the same image, which runs the program as nobody.
func TestArchive(t *testing.T) {
	t.Parallel()
	references := []string{"tlsgw.dev/e2e/one:test", "registry.k8s.io/e2e/two:v1"}
	archive, err := Archive([]byte("#!program"), references...)
	if err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
	digests := map[string]bool{}
	for _, reference := range references {
		tag, err := name.NewTag(reference)
		if err != nil {
			t.Fatal(err)
		}
		image, err := tarball.Image(open, &tag)
		if err != nil {
			t.Fatalf("%s: %v", reference, err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Config; got.User != user || len(got.Entrypoint) != 1 || got.Entrypoint[0] != "/"+file {
			t.Errorf("%s runs %v as %q", reference, got.Entrypoint, got.User)
		}
		digest, err := image.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		digests[digest.String()] = true
	}
	if len(digests) != 1 {
		t.Errorf("the references name different images: %v", digests)
	}
	if _, err := Archive(nil, "without-a-tag"); err == nil {
		t.Error("a reference without registry and tag was taken")
	}
}
