// Package verdict reads what verify -o json prints, with the names that are
// promised to programs.
package verdict

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Verified is the one good verdict.
const Verified = "Verified"

// Report is the whole answer of one verify.
type Report struct {
	APIVersion, Kind string
	Results          []Result
	Summary          struct{ Verified, Failed int }
	Error            string
}

// Result is what was found of one target.
type Result struct {
	Target struct {
		Kind, Namespace, Name string
		Port                  int
	}
	Policy     *Object
	Gateway    *Object
	Cluster    string
	Verdict    string
	Stage      string
	Message    string
	Hint       string
	Expected   string
	Presented  string
	Warnings   []string
	Requests   []struct{ Status int }
	Handshakes struct{ Before, After uint64 }
	TLS        struct{ Version, Cipher, SNI, PeerSubject, NotAfter string }
}

// Object names an object of the cluster.
type Object struct{ Kind, Namespace, Name string }

// Says is all that a person reads of it.
func (r Result) Says() string {
	return strings.Join([]string{r.Message, r.Expected, r.Presented, r.Hint}, "\n")
}

// Problems are what is wrong with a result that should have this verdict: an
// other verdict, no proof of a good one, no explanation of a bad one.
func (r Result) Problems(want string) []string {
	var problems []string
	if r.Verdict != want {
		problems = append(problems, fmt.Sprintf("the verdict is %s, want %s", r.Verdict, want))
	}
	switch {
	case want == Verified && r.Handshakes.After <= r.Handshakes.Before:
		problems = append(problems, fmt.Sprintf("verified without a new handshake: %+v", r.Handshakes))
	case want != Verified && (r.Message == "" || r.Hint == ""):
		problems = append(problems, fmt.Sprintf("%s has message %q and hint %q, want both", want, r.Message, r.Hint))
	}
	return problems
}

// ExitCode is what verify ends with after one result of this verdict.
func ExitCode(verdict string) int {
	if verdict == Verified {
		return 0
	}
	return 1
}

// Parse reads a report, which says what it is.
func Parse(stdout string) (Report, error) {
	var report Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		return report, fmt.Errorf("verify -o json did not print JSON: %w", err)
	}
	if report.APIVersion != "tlsgw.dev/v1" || report.Kind != "VerifyReport" {
		return report, fmt.Errorf("the report is a %s of %s", report.Kind, report.APIVersion)
	}
	return report, nil
}
