package devcluster

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Part is a background process of the cluster.
type Part struct {
	Name string
	PID  int
}

// record is what the plugin notes about a process that it has started.
type record struct {
	PID  int      `json:"pid"`
	Argv []string `json:"argv"`
}

// Parts are the background processes by name, as the state folder has them;
// none when there is no such folder.
func (c *Cluster) Parts() (map[string]Part, error) {
	parts := map[string]Part{}
	err := c.eachState(func(path string) error {
		if filepath.Ext(path) != ".json" {
			return nil
		}
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return err
		}
		var r record
		if json.Unmarshal(text, &r) == nil && r.PID > 0 && len(r.Argv) > 0 {
			name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			parts[name] = Part{Name: name, PID: r.PID}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read process records: %w", err)
	}
	return parts, nil
}

// logTail is how many lines of each log Logs returns, lineWidth how much of
// each line, in bytes.
const (
	logTail   = 15
	lineWidth = 300
)

// Logs are the ends of the logs of all parts, by file name.
func (c *Cluster) Logs() (map[string]string, error) {
	logs := map[string]string{}
	err := c.eachState(func(path string) error {
		if filepath.Ext(path) != ".log" {
			return nil
		}
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		lines = lines[max(0, len(lines)-logTail):]
		for i, line := range lines {
			lines[i] = line[:min(len(line), lineWidth)]
		}
		logs[filepath.Base(path)] = strings.Join(lines, "\n")
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	return logs, nil
}

// Crashes are the lines of all logs that only a defect of a program writes.
func (c *Cluster) Crashes() ([]string, error) {
	var found []string
	err := c.eachState(func(path string) error {
		if filepath.Ext(path) != ".log" {
			return nil
		}
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			for _, sign := range []string{"panic: ", "DATA RACE", "fatal error: ", "Caught Segmentation fault"} {
				if strings.Contains(line, sign) {
					found = append(found, filepath.Base(path)+": "+strings.TrimSpace(line))
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	return found, nil
}

// eachState calls visit with each regular file of the state folder.
func (c *Cluster) eachState(visit func(path string) error) error {
	return filepath.WalkDir(c.StateHome(), func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return visit(path)
	})
}
