package cluster

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/terminal"
)

// Steps shows what is being done, a line for each step, with its time. On a
// terminal the step that runs is shown too.
type Steps struct {
	out io.Writer
	now func() time.Time
	// live is true on a terminal, colour unless NO_COLOR is set there.
	live, colour bool
	verbose      bool

	// mu is for all that is written: what happens beside a step has details
	// too.
	mu     sync.Mutex
	header string
	// detail is what the running step is at.
	detail string
}

// NewSteps shows steps on out, which is a terminal or not.
func NewSteps(out io.Writer, getenv func(string) string, now func() time.Time) *Steps {
	s := &Steps{out: out, now: now}
	if terminal.Paints(out, getenv) {
		s.live = true
		s.colour = getenv("NO_COLOR") == ""
	}
	return s
}

// Verbose makes Detail print every detail, on a line of its own.
func (s *Steps) Verbose() { s.verbose = true }

// Detail says what the running step is at: beside its title on a terminal,
// nowhere else unless Verbose.
func (s *Steps) Detail(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detail == text {
		return
	}
	s.detail = text
	if s.verbose && text != "" {
		s.printf("%s%s\n", s.clear(), text)
	}
}

// clear wipes the line of the running step, and indents the next one.
func (s *Steps) clear() string {
	if !s.live {
		return "   "
	}
	return "\r\x1b[K   "
}

// Header is a line above the next step that is shown. It stays unsaid when
// none is.
func (s *Steps) Header(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = fmt.Sprintf(format, args...)
}

// Say prints a line.
func (s *Steps) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.printf(format+"\n", args...)
}

// Done is how a step ended well.
type Done struct {
	// Title replaces the title with which the step began, unless empty.
	Title string
	// Nothing is true when nothing had to be done: the step is not shown.
	Nothing bool
}

// Run runs one step.
func (s *Steps) Run(ctx context.Context, title string, step func(context.Context) (Done, error)) error {
	started := s.now()
	s.Detail("")
	stop := s.spin(title, started)
	done, err := step(ctx)
	stop()
	if done.Title != "" {
		title = done.Title
	}
	switch {
	case err != nil:
		s.line(s.paint(red, "✗"), title, started)
	case !done.Nothing:
		s.line(s.paint(green, "✓"), title, started)
	}
	return err
}

// titleWidth keeps the times in one column of lines that fit 100 columns.
const titleWidth = 72

func (s *Steps) line(mark, title string, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.header != "" {
		s.printf("%s\n", s.header)
		s.header = ""
	}
	pad := max(0, titleWidth-utf8.RuneCountInString(title))
	s.printf(" %s %s%*s%5.1fs\n", mark, title, pad, "", s.now().Sub(started).Seconds())
}

const spinInterval = 100 * time.Millisecond

// spin shows a running step until the returned function is called.
func (s *Steps) spin(title string, started time.Time) func() {
	if !s.live {
		return func() {}
	}
	done := make(chan struct{})
	var spinning sync.WaitGroup
	spinning.Go(func() {
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		tick := time.NewTicker(spinInterval)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				s.wipe()
				return
			case <-tick.C:
				s.frame(frames[i%len(frames)], title, started)
			}
		}
	})
	return func() { close(done); spinning.Wait() }
}

// wipe takes away the line of the step that has ended.
func (s *Steps) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.printf("\r\x1b[K")
}

// liveWidth keeps the running step on one line of a narrow terminal: a line
// that wraps cannot be wiped.
const liveWidth = 76

func (s *Steps) frame(mark rune, title string, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detail != "" {
		title += ": " + s.detail
	}
	if runes := []rune(title); len(runes) > liveWidth-10 {
		title = string(runes[:liveWidth-11]) + "…"
	}
	s.printf("\r\x1b[K %c %s %.1fs", mark, title, s.now().Sub(started).Seconds())
}

const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

func (s *Steps) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return colour + text + plain
}

// printf needs the lock. It drops errors: when standard error is closed there is
// nobody to tell.
func (s *Steps) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }
