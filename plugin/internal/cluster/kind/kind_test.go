package kind

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	kinderrors "sigs.k8s.io/kind/pkg/errors"
	kindexec "sigs.k8s.io/kind/pkg/exec"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/kubeconfig"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/cluster/state"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestDetail(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Creating cluster \"tlsgw\" ...\n":                        `creating cluster "tlsgw"`,
		" • Ensuring node image (kindest/node:v1.34.4) 🖼️  ...\n": "ensuring node image (kindest/node:v1.34.4)",
		" • Preparing nodes 📦 📦   ...\n":                          "preparing nodes",
		" ✓ Preparing nodes 📦 \n":                                 "",
		"\n":                                                      "",
		"WARNING: Überraschung":                                   "warning: Überraschung",
	} {
		if got := detail(line); got != want {
			t.Errorf("detail(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestSettingsMerge(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options  cluster.Options
		noSample bool
		refused  string
		want     func(*settings)
	}{
		"nothing given":      {},
		"the same":           {options: cluster.Options{HTTPPort: 8080, GatewayAPI: "standard", NodeImage: DefaultNodeImage}},
		"another port":       {options: cluster.Options{HTTPPort: 81}, refused: "--http-port=8080 and not 81"},
		"another node image": {options: cluster.Options{NodeImage: "x"}, refused: "--node-image=" + DefaultNodeImage},
		"another channel":    {options: cluster.Options{GatewayAPI: "experimental"}, refused: "--gateway-api=standard"},
		"no sample":          {options: cluster.Options{NoSample: true}, refused: "--no-sample=false"},
		"nothing to break":   {options: cluster.Options{Break: cluster.BreakCA}, noSample: true, refused: "nothing to break"},
		"break":              {options: cluster.Options{Break: cluster.BreakCA}, want: func(s *settings) { s.Break = cluster.BreakCA }},
		"image":              {options: cluster.Options{Image: "x"}, want: func(s *settings) { s.Image, s.LinuxBinary = "x", "" }},
		"binary":             {options: cluster.Options{LinuxBinary: "/x"}, want: func(s *settings) { s.LinuxBinary = "/x" }},
		"own program":        {options: cluster.Options{OwnProgram: true}, want: func(s *settings) { s.LinuxBinary = "" }},
		"own bundle":         {options: cluster.Options{OwnBundle: true}, want: func(s *settings) { s.SystemCAFile = "" }},
		"another kubeconfig": {options: cluster.Options{Kubeconfig: "/x"}, refused: "--kubeconfig= and not /x"},
		"bundle":             {options: cluster.Options{SystemCAFile: "/x"}, want: func(s *settings) { s.SystemCAFile = "/x" }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSettings(cluster.Options{NoSample: tt.noSample, LinuxBinary: "/y", SystemCAFile: "/z"})
			want := s
			if tt.want != nil {
				tt.want(&want)
			}
			tt.options.Name = "tlsgw"
			err := s.merge(tt.options)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || fail.Code(err) != fail.CodeUsage {
					t.Errorf("merge() = %v, want %q", err, tt.refused)
				}
				return
			}
			if diff := cmp.Diff(want, s); err != nil || diff != "" {
				t.Errorf("merge() = %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A cluster whose containers are gone is made again as it was, but for what is
// asked for now.
func TestSettingsAgain(t *testing.T) {
	t.Parallel()
	before := newSettings(cluster.Options{HTTPPort: 81, GatewayAPI: "experimental", NoSample: true, Image: "x"})
	before.Complete, before.Marked, before.Network = true, true, true
	before.Kubeconfig.Previous = "theirs"
	want := before
	want.Complete, want.Marked = false, false
	if diff := cmp.Diff(want, before.again(cluster.Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want.HTTPPort, want.Sample, want.Break, want.Image, want.LinuxBinary = 82, true, cluster.BreakSNI, "", "/y"
	before.SystemCAFile = "/z"
	got := before.again(cluster.Options{HTTPPort: 82, Break: cluster.BreakSNI, LinuxBinary: "/y", OwnBundle: true})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A file that an earlier dev-up wrote is read as ever, and written the same.
func TestSettingsSurvive(t *testing.T) {
	t.Parallel()
	const stored = `{"complete":true,"marked":true,"engine":"docker","nodeImage":"n","httpPort":81,"gatewayAPI":"standard",
		"sample":true,"break":"ca","image":"i","linuxBinary":"/l","systemCAFile":"/s","network":true,
		"kubeconfig":{"files":["/k"],"previous":"p","created":"/c"}}`
	loaded, err := state.DecodeSettings[settings]([]byte(stored))
	want := settings{
		Settings: state.Settings{
			Complete: true, HTTPPort: 81, GatewayAPI: "standard", Sample: true, Break: cluster.BreakCA, SystemCAFile: "/s",
			Kubeconfig: kubeconfig.Change{Files: []string{"/k"}, Previous: "p", Created: "/c"},
		},
		Marked: true, Engine: "docker", NodeImage: "n", Image: "i", LinuxBinary: "/l", Network: true,
	}
	if diff := cmp.Diff(want, loaded); err != nil || diff != "" {
		t.Errorf("DecodeSettings() = %v (-want +got):\n%s", err, diff)
	}
	encoded, err := state.EncodeSettings(loaded)
	var before, after map[string]any
	if err := errors.Join(err, json.Unmarshal([]byte(stored), &before), json.Unmarshal(encoded, &after)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("EncodeSettings() (-before +after):\n%s", diff)
	}
}

// node stands for a container: only whether there is one matters here.
type node struct{ nodes.Node }

func TestWhoseClusterItIs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		place place
		want  bool
	}{
		"nothing":               {},
		"somebody else's":       {place: place{node: node{}}},
		"marked":                {place: place{node: node{}, marked: true}, want: true},
		"interrupted":           {place: place{node: node{}, stored: true, known: true}, want: true},
		"made anew by somebody": {place: place{node: node{}, stored: true, known: true, settings: settings{Marked: true}}},
		"its containers gone":   {place: place{stored: true, known: true, settings: settings{Marked: true}}},
		// Of what is left of a cluster nobody can tell that this is it.
		"a bare folder":      {place: place{node: node{}, stored: true}},
		"unreadable":         {place: place{node: node{}, stored: true, brokenErr: errors.New("no JSON")}},
		"unreadable, marked": {place: place{node: node{}, stored: true, brokenErr: errors.New("no JSON"), marked: true}, want: true},
	} {
		if got := tt.place.ours(); got != tt.want {
			t.Errorf("%s: ours() = %v, want %v", name, got, tt.want)
		}
	}
}

// What the node says counts where this machine's settings are lost or broken,
// and only there.
func TestTakeMark(t *testing.T) {
	t.Parallel()
	mark := newSettings(cluster.Options{HTTPPort: 81})
	mark.Marked = true
	content, err := state.EncodeSettings(mark)
	if err != nil {
		t.Fatal(err)
	}
	own := newSettings(cluster.Options{HTTPPort: 82})
	env := func(name string) string { return map[string]string{"KUBECONFIG": "/k"}[name] }
	for name, tt := range map[string]struct {
		place  place
		mark   []byte
		port   int
		broken bool
	}{
		"known":           {place{stored: true, known: true, settings: own}, content, 82, false},
		"known, bad mark": {place{stored: true, known: true, settings: own}, []byte("{"), 82, false},
		"lost":            {place{}, content, 81, false},
		"a bare folder":   {place{stored: true}, content, 81, false},
		"broken":          {place{stored: true, brokenErr: errors.New("no JSON")}, content, 81, false},
		"both are broken": {place{stored: true, brokenErr: errors.New("no JSON")}, []byte("{}"), 0, true},
		"lost, bad mark":  {place{}, []byte("{}"), 0, true},
	} {
		p := tt.place
		if err := p.takeMark(tt.mark, env); err != nil || !p.marked || p.settings.HTTPPort != tt.port || (p.brokenErr != nil) != tt.broken {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
		if files := p.settings.Kubeconfig.Files; tt.port == 81 && (len(files) != 1 || files[0] != "/k") {
			t.Errorf("%s: kubeconfig files are %v", name, files)
		}
	}
}

// Nobody is told of a flag that was not given now, but that an earlier dev-up has
// it from there, and of the way back.
func TestProgramThatIsGone(t *testing.T) {
	t.Parallel()
	u := &up{
		driver: &Driver{}, place: &place{name: "dev", engine: &Engine{Name: "docker", arch: "amd64"}},
		settings: newSettings(cluster.Options{LinuxBinary: "/gone/kubectl-tlsgw"}),
	}
	err := u.checkProgram()
	if err == nil || !strings.Contains(err.Error(), `dev cluster "dev" has this from an earlier dev-up: --linux-binary: /gone/kubectl-tlsgw cannot be read`) ||
		!strings.Contains(fail.As(err).Fix, "kubectl tlsgw dev-up --name dev --linux-binary=") {
		t.Errorf("%v, fix %q", err, fail.As(err).Fix)
	}
	u.options.LinuxBinary = "/gone/kubectl-tlsgw"
	if err := u.checkProgram(); err == nil || !strings.HasPrefix(err.Error(), "--linux-binary: /gone") {
		t.Errorf("given now: %v", err)
	}
}

// run is an error as kind's library gives it.
func run(output string) error {
	return kinderrors.Wrap(&kindexec.RunError{
		Command: []string{"docker", "run", "--name", "x"}, Output: []byte(output), Inner: errors.New("exit status 125"),
	}, "failed to create cluster")
}

func TestCreateIsExplained(t *testing.T) {
	t.Parallel()
	u := &up{
		place: &place{name: "tlsgw", engine: &Engine{Name: "docker"}}, settings: newSettings(cluster.Options{}),
		options: cluster.Options{Name: "tlsgw", HTTPPort: 81},
	}
	for name, tt := range map[string]struct {
		err        error
		want       string
		fix        string
		hasDetails bool
	}{
		"disk full": {
			hasDetails: true,
			err:        run("docker: Error response from daemon: mkdir /var/lib/docker/overlay2/x: no space left on device.\n"),
			want:       "the disk of docker is full", fix: "docker system df",
		},
		"anything": {
			err:  run("one\ntwo\n\nError: cgroup: no such thing\n"),
			want: "kind cannot make a cluster from " + DefaultNodeImage + ": failed to create cluster: Error: cgroup: no such thing", fix: "kubectl tlsgw dev-up --driver kind --name tlsgw --http-port 81 --retain    # then look: docker logs", hasDetails: true,
		},
		"not a command": {err: errors.New("could not find a free port"), want: "could not find a free port", fix: "--retain", hasDetails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failure, ok := errors.AsType[*fail.Error](u.explainCreate(t.Context(), tt.err))
			if !ok || !strings.Contains(failure.Error(), tt.want) || !strings.Contains(failure.Fix, tt.fix) || tt.hasDetails != (len(failure.Details) > 0) {
				t.Errorf("%+v, want %q, fix %q", failure, tt.want, tt.fix)
			}
		})
	}
}

func TestWorkWaitsForWhatIsBefore(t *testing.T) {
	t.Parallel()
	ctx, w := newWork(t.Context())
	release := make(chan struct{})
	first := w.begin(ctx, func(_ context.Context, p *part) error {
		<-release
		p.changed = true
		return nil
	})
	second := w.begin(ctx, func(_ context.Context, p *part) error {
		p.changed = first.changed
		return errors.New("no")
	}, first)
	third := w.begin(ctx, func(context.Context, *part) error {
		t.Error("it began, and what is before it had failed")
		return nil
	}, second)
	close(release)
	if err := third.wait(ctx); err == nil || err.Error() != "no" || !second.changed {
		t.Errorf("wait() = %v, %+v", err, second)
	}
	w.end()
}

func TestWorkEnds(t *testing.T) {
	t.Parallel()
	outer, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	ctx, w := newWork(outer)
	endless := w.begin(ctx, func(ctx context.Context, _ *part) error {
		<-ctx.Done()
		return ctx.Err()
	})
	if err := endless.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait() = %v", err)
	}
	w.end()
	if endless.err == nil {
		t.Error("end() did not wait")
	}
}

// kind's own checks accept the configuration, and the port is on loopback.
func TestConfig(t *testing.T) {
	t.Parallel()
	u := &up{settings: newSettings(cluster.Options{HTTPPort: 81, NodeImage: "x"})}
	mapping := u.config().Nodes[0].ExtraPortMappings[0]
	if mapping.ListenAddress != "127.0.0.1" || mapping.HostPort != 81 || mapping.ContainerPort != nodePort || u.config().Nodes[0].Image != "x" {
		t.Errorf("config() = %+v", u.config())
	}
}

func TestInFull(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"nginx":                      "docker.io/library/nginx:latest",
		"tlsgw/x:1":                  "docker.io/tlsgw/x:1",
		"docker.io/library/nginx:1":  "docker.io/library/nginx:1",
		"ghcr.io/tlsgw/x:1":          "ghcr.io/tlsgw/x:1",
		"tlsgw.dev/kubectl-tlsgw:01": "tlsgw.dev/kubectl-tlsgw:01",
	} {
		if got := inFull(ref); got != want {
			t.Errorf("inFull(%s) = %s, want %s", ref, got, want)
		}
	}
}

func TestOldImages(t *testing.T) {
	t.Parallel()
	const listed = `REF TYPE DIGEST SIZE PLATFORMS LABELS
docker.io/library/nginx:stable  application/vnd.oci.image.manifest.v1+json sha256:1 10 MiB linux/amd64 -
import-2026-11-24@sha256:2 application/vnd.oci.image.manifest.v1+json sha256:2 60 MiB linux/amd64 -
import-2026-11-24@sha256:3 application/vnd.oci.image.manifest.v1+json sha256:3 60 MiB linux/amd64 -
sha256:22 application/vnd.oci.image.manifest.v1+json sha256:2 60 MiB linux/amd64 -
tlsgw.dev/kubectl-tlsgw:02 application/vnd.oci.image.manifest.v1+json sha256:2 60 MiB linux/amd64 -
tlsgw.dev/kubectl-tlsgw:03 application/vnd.oci.image.manifest.v1+json sha256:3 60 MiB linux/amd64 -
`
	want := []string{"import-2026-11-24@sha256:2", "sha256:22", "tlsgw.dev/kubectl-tlsgw:02"}
	if diff := cmp.Diff(want, oldImages(listed, "tlsgw.dev/kubectl-tlsgw:03")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
