package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// Ask asks a question that is answered with yes or no: everything but "y" and
// "yes" is no. When ctx ends first it returns fail.Interrupted, and leaves
// behind what reads from in, as a read cannot be taken back.
func Ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	_, _ = io.WriteString(out, question)
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		answered <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		_, _ = io.WriteString(out, "\n")
		return false, fail.Interrupted(ctx.Err())
	case got := <-answered:
		if got.err != nil && !errors.Is(got.err, io.EOF) {
			return false, fmt.Errorf("read the answer: %w", got.err)
		}
		text := strings.ToLower(strings.TrimSpace(got.text))
		return text == "y" || text == "yes", nil
	}
}
