package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// hasImage tells whether the engine has an image under the name by which kind
// looks for it.
func (e *Engine) hasImage(ctx context.Context, ref string) bool {
	full := e.qualified(ref)
	_, err := e.run(ctx, "image", "inspect", full)
	if err != nil && full != ref {
		// What Podman loads from an archive of Docker's is of localhost to it.
		_, err = e.run(ctx, "tag", "localhost/"+ref, full)
	}
	return err == nil
}

// imageID is what the engine calls an image; empty where it has none.
func (e *Engine) imageID(ctx context.Context, ref string) string {
	out, err := e.run(ctx, "image", "inspect", "--format", "{{.ID}}", e.qualified(ref))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// qualified is a reference as an engine needs it that does not know Docker Hub
// as the default.
func (e *Engine) qualified(ref string) string {
	host, _, found := strings.Cut(ref, "/")
	if e.Name != podman || found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return ref
	}
	if !found {
		ref = "library/" + ref
	}
	return "docker.io/" + ref
}

// pull gets an image. flag is what names another one.
func (e *Engine) pull(ctx context.Context, ref, flag string) error {
	_, err := e.run(ctx, "pull", e.qualified(ref))
	if err == nil || ctx.Err() != nil {
		return err
	}
	failure := fail.Failed("%s cannot pull %s: %s", e.Name, ref, pullReason(err))
	if isFull(err) {
		return e.fullError(err)
	}
	return failure.WithFix("give another image with %s, or bring it here: %s load -i FILE", flag, e.Name)
}

// pullReason is the last line of what the engine says, without what it begins
// with.
func pullReason(err error) string {
	var failed *commandError
	if !errors.As(err, &failed) {
		return err.Error()
	}
	last := lastLines(failed.output, 1)
	if len(last) == 0 {
		return failed.err.Error()
	}
	return strings.TrimPrefix(strings.TrimPrefix(message(last[0]), "Error response from daemon: "), "Error: ")
}

// save writes an image that the engine has as an archive.
func (e *Engine) save(ctx context.Context, ref string, w io.Writer) error {
	command := exec.CommandContext(ctx, e.Name, "save", e.qualified(ref)) // #nosec G204 -- the engine's own program
	command.WaitDelay = killDelay
	var errOut strings.Builder
	command.Stdout, command.Stderr = w, &errOut
	if err := command.Run(); err != nil {
		return &commandError{command: e.Name + " save", output: errOut.String(), err: err}
	}
	return nil
}

// running tells whether a container runs.
func (e *Engine) running(ctx context.Context, container string) (bool, error) {
	out, err := e.run(ctx, "inspect", "--format", "{{.State.Running}}", container)
	return strings.TrimSpace(out) == "true", err
}

// bootFile is written once by the systemd of a node when it starts, into memory.
const bootFile = "/run/systemd/container"

// started is when a running node was started, in whole seconds as Kubernetes
// has it, by the node's own clock. Not every engine says it of a container.
func (e *Engine) started(ctx context.Context, node string) (metav1.Time, error) {
	out, err := e.run(ctx, "exec", node, "stat", "--format=%Y", bootFile)
	if err != nil {
		return metav1.Time{}, fmt.Errorf("ask the node %s since when it runs: %w", node, err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return metav1.Time{}, fmt.Errorf("ask the node %s since when it runs: %w", node, err)
	}
	return metav1.Unix(seconds, 0), nil
}

// start starts a container that is stopped.
func (e *Engine) start(ctx context.Context, container string) error {
	if _, err := e.run(ctx, "start", container); err != nil {
		return fail.Failed("the container %s cannot be started: %w", container, err).
			WithFix("kubectl tlsgw dev-down    # then dev-up again")
	}
	return nil
}

// read gives a file of a container, which need not run. It is false when there
// is no such file.
func (e *Engine) read(ctx context.Context, container, path string) (content []byte, found bool, err error) {
	dir, err := os.MkdirTemp("", "tlsgw-")
	if err != nil {
		return nil, false, fmt.Errorf("read %s of %s: %w", path, container, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // below the folder for temporary files
	copied := filepath.Join(dir, filepath.Base(path))
	if _, err := e.run(ctx, "cp", container+":"+path, copied); err != nil {
		if isAbsent(err) {
			return nil, false, nil
		}
		return nil, false, err
	}
	if content, err = os.ReadFile(copied); err != nil {
		return nil, false, fmt.Errorf("read %s of %s: %w", path, container, err)
	}
	return content, true, nil
}

// isAbsent: the engines have no other way to say that a file is not there.
func isAbsent(err error) bool {
	var failed *commandError
	if !errors.As(err, &failed) {
		return false
	}
	said := strings.ToLower(failed.output)
	return strings.Contains(said, "no such file") || strings.Contains(said, "could not find the file") ||
		strings.Contains(said, "could not be found") || strings.Contains(said, "not found")
}

// publisher names the container that has a TCP port of this machine.
func (e *Engine) publisher(ctx context.Context, number int) string {
	// Docker alone can filter by it.
	out, err := e.run(ctx, "ps", "--format", "{{.Names}}\t{{.Ports}}")
	if err != nil {
		return ""
	}
	return publisherIn(out, number)
}

// publisherIn finds a port in lines of a container's name and its ports, which
// all engines write as ADDRESS:PORT->PORT/PROTOCOL, or with ranges of ports.
func publisherIn(listed string, number int) string {
	published := regexp.MustCompile(`:(\d+)(?:-(\d+))?->[\d-]+/tcp`)
	for line := range strings.Lines(listed) {
		container, ports, _ := strings.Cut(strings.TrimSpace(line), "\t")
		for _, found := range published.FindAllStringSubmatch(ports, -1) {
			first, err := strconv.Atoi(found[1])
			last, lastErr := strconv.Atoi(cmp.Or(found[2], found[1]))
			if errors.Join(err, lastErr) == nil && first <= number && number <= last {
				return container
			}
		}
	}
	return ""
}

// network is the one that kind makes where it is missing, and leaves behind.
const network = "kind"

// hasNetwork tells whether there is kind's network.
func (e *Engine) hasNetwork(ctx context.Context) bool {
	_, err := e.run(ctx, "network", "inspect", network)
	return err == nil
}

// removeNetwork removes kind's network, unless somebody is using it.
func (e *Engine) removeNetwork(ctx context.Context) {
	_, _ = e.run(ctx, "network", "rm", network) // refused where it is in use
}

// isFull: the disk of the engine, or of a node, has no room.
func isFull(err error) bool {
	return err != nil && strings.Contains(strings.ToLower(allOutput(err)), "no space left on device")
}

func (e *Engine) fullError(err error) error {
	return fail.Failed("the disk of %s %w", e.Name, errFull).WithDetail("%v", err).WithFix("%s", e.makeRoom())
}

// makeRoom is how a disk of the engine gets room.
func (e *Engine) makeRoom() string {
	if e.Name != docker && e.Name != podman { // nerdctl does not count
		return e.Name + " system prune    # removes what nobody needs"
	}
	return fmt.Sprintf("see what takes the room: %s system df    # and remove what nobody needs: %[1]s system prune", e.Name)
}
