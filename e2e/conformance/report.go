package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// conformanceReport is what is read of the suite's report.
type conformanceReport struct {
	Channel  string    `json:"gatewayAPIChannel"`
	Mode     string    `json:"mode"`
	Profiles []profile `json:"profiles"`
}

type profile struct {
	Name     string `json:"name"`
	Core     result `json:"core"`
	Extended struct {
		result              `json:",inline"`
		SupportedFeatures   []string `json:"supportedFeatures"`
		UnsupportedFeatures []string `json:"unsupportedFeatures"`
	} `json:"extended"`
}

type result struct {
	Result     string `json:"result"`
	Statistics struct {
		Passed  int `json:"Passed"`
		Skipped int `json:"Skipped"`
		Failed  int `json:"Failed"`
	} `json:"statistics"`
	FailedTests []string `json:"failedTests"`
}

func (r result) String() string {
	text := fmt.Sprintf("%d passed, %d failed", r.Statistics.Passed, r.Statistics.Failed)
	if r.Statistics.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", r.Statistics.Skipped)
	}
	return text
}

// conclude keeps the report, says what it has, and fails where a test did.
func (c *cluster) conclude(ctx context.Context, counted *counts) error {
	text, err := c.sh(ctx, nil, "cat "+report)
	if err != nil {
		return fmt.Errorf("the suite has written no report: %w", err)
	}
	var r conformanceReport
	if err := yaml.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("read the report: %w", err)
	}
	file := filepath.Join(c.out, fmt.Sprintf("%s-%s-%s-report.yaml", r.Channel, c.version, r.Mode))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { // #nosec G306 -- reports are for all
		return fmt.Errorf("keep the report: %w", err)
	}
	failed := r.summarize()
	log.Printf("report: %s", file)
	switch {
	case counted.failed > 0 || len(failed) > 0:
		return fmt.Errorf("%d tests of the suite failed: %s", counted.failed, strings.Join(failed, ", "))
	case counted.passed == 0:
		return errors.New("no test of the suite ran")
	}
	return nil
}

// summarize says what there is of each profile, and returns the names of all
// tests that failed.
func (r conformanceReport) summarize() []string {
	slices.SortFunc(r.Profiles, func(a, b profile) int { return strings.Compare(a.Name, b.Name) })
	var failed []string
	for _, p := range r.Profiles {
		log.Printf("%-13s core: %s; extended: %s (%d features)", p.Name, p.Core, p.Extended.result, len(p.Extended.SupportedFeatures))
		if missing := p.Extended.UnsupportedFeatures; len(missing) > 0 {
			log.Printf("%-13s without: %s", "", strings.Join(missing, ", "))
		}
		failed = append(failed, p.Core.FailedTests...)
		failed = append(failed, p.Extended.FailedTests...)
	}
	slices.Sort(failed)
	return slices.Compact(failed)
}
