package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// counts are of the tests of the suite, without their subtests.
type counts struct{ passed, failed, skipped int }

func (c *counts) String() string {
	return fmt.Sprintf("%d tests passed, %d failed, %d are not for these features", c.passed, c.failed, c.skipped)
}

// event is what test2json writes of a test.
type event struct{ Action, Test, Output string }

// filter copies the events of tests, each test's together once it has ended,
// and leaves out those that the suite skips: they are for features and
// profiles that it was not asked for. All that the suite says goes into the
// whole log, as it comes.
func filter(from io.Reader, to, whole io.Writer) (*counts, error) {
	counted := &counts{}
	kept := map[string][]string{}
	var order []string
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if err != nil && line == "" {
			return counted, flush(to, kept, order)
		}
		var e event
		name := ""
		if json.Unmarshal([]byte(line), &e) == nil {
			name = testOf(e.Test)
		}
		if _, err := io.WriteString(whole, e.Output); err != nil {
			return counted, fmt.Errorf("keep the log: %w", err)
		}
		if name == "" {
			if _, err := io.WriteString(to, line); err != nil {
				return counted, fmt.Errorf("write results: %w", err)
			}
			continue
		}
		if _, known := kept[name]; !known {
			order = append(order, name)
		}
		kept[name] = append(kept[name], line)
		if !counted.end(e, name) {
			continue
		}
		if e.Action != "skip" {
			err = flush(to, kept, []string{name})
		}
		if kept[name] = nil; err != nil {
			return counted, err
		}
	}
}

// testOf is the name of the test of the suite to which a test belongs; empty
// for the suite itself.
func testOf(test string) string {
	parts := strings.SplitN(test, "/", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[0] + "/" + parts[1]
}

// end counts the end of a test, and tells whether it was one.
func (c *counts) end(e event, name string) bool {
	if e.Test != name {
		return false
	}
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
	case "skip":
		c.skipped++
	default:
		return false
	}
	return true
}

func flush(to io.Writer, kept map[string][]string, names []string) error {
	for _, name := range names {
		if _, err := io.WriteString(to, strings.Join(kept[name], "")); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	return nil
}
