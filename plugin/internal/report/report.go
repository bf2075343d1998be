// Package report prints verdicts. In go results of verify; out comes a table
// with one block for each failure, or the VerifyReport as JSON or YAML, whose
// field names are stable.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/diagnose"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
)

// APIVersion and Kind of the machine-readable report.
const (
	APIVersion = "tlsgw.dev/v1"
	Kind       = "VerifyReport"
)

// Report is the outcome of one run of verify.
type Report struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Results    []Result `json:"results"`
	Summary    Summary  `json:"summary"`
	// Error is why there are no results, Details further facts about it, and Hint
	// one step that likely helps; empty otherwise.
	Error   string   `json:"error,omitempty"`
	Details []string `json:"details,omitempty"`
	Hint    string   `json:"hint,omitempty"`
}

// Summary counts results.
type Summary struct {
	Verified int `json:"verified"`
	Failed   int `json:"failed"`
}

// Result is the outcome for one target.
type Result struct {
	Target     Target            `json:"target"`
	Policy     *Object           `json:"policy"`
	Gateway    *Name             `json:"gateway"`
	Cluster    string            `json:"cluster"`
	Verdict    diagnose.Code     `json:"verdict"`
	Stage      diagnose.Stage    `json:"stage"`
	Message    string            `json:"message"`
	Hint       string            `json:"hint"`
	Expected   string            `json:"expected,omitempty"`
	Presented  string            `json:"presented,omitempty"`
	Envoy      string            `json:"envoy,omitempty"`
	Evidence   []string          `json:"evidence,omitempty"`
	Findings   []Finding         `json:"findings,omitempty"`
	Warnings   []string          `json:"warnings,omitempty"`
	Requests   []Request         `json:"requests"`
	Extra      int               `json:"extraRequests,omitempty"`
	Handshakes Handshakes        `json:"handshakes"`
	TLS        TLS               `json:"tls"`
	Stats      map[string]uint64 `json:"stats"`
}

// Target is a backend.
type Target struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Port      int32  `json:"port"`
}

// Object is a named object of a kind.
type Object struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Name is a namespaced name.
type Name struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Finding is something else that is wrong.
type Finding struct {
	Code    diagnose.Code  `json:"code"`
	Stage   diagnose.Stage `json:"stage"`
	Message string         `json:"message"`
	Hint    string         `json:"hint"`
}

// Request is one request and its answer; Status is 0 when none came.
type Request struct {
	URL        string `json:"url"`
	Host       string `json:"host"`
	Status     int    `json:"status"`
	DurationMS int64  `json:"durationMs"`
	Error      string `json:"error,omitempty"`
}

// Handshakes are Envoy's ssl.handshake before and after.
type Handshakes struct {
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// TLS is what was negotiated and presented; unknown fields are empty.
type TLS struct {
	Version     string   `json:"version"`
	Cipher      string   `json:"cipher"`
	SNI         string   `json:"sni"`
	PeerSubject string   `json:"peerSubject"`
	PeerIssuer  string   `json:"peerIssuer,omitempty"`
	PeerSANs    []string `json:"peerSANs"`
	NotAfter    string   `json:"notAfter"`
}

// New is a report of results, with its summary.
func New(results []Result) *Report {
	r := &Report{APIVersion: APIVersion, Kind: Kind, Results: []Result{}}
	for _, result := range results {
		r.Results = append(r.Results, result.complete())
		if result.Verdict == diagnose.Verified {
			r.Summary.Verified++
		} else {
			r.Summary.Failed++
		}
	}
	return r
}

// Failure is a report of a run that came to no results.
func Failure(err error) *Report {
	r := New(nil)
	r.Error = err.Error()
	if failure, ok := errors.AsType[*fail.Error](err); ok {
		r.Details, r.Hint = failure.Details, failure.Fix
	}
	return r
}

// complete makes empty lists and maps of nil ones: a reader of the JSON need
// not tell them apart.
func (r Result) complete() Result {
	if r.Requests == nil {
		r.Requests = []Request{}
	}
	if r.TLS.PeerSANs == nil {
		r.TLS.PeerSANs = []string{}
	}
	if r.Stats == nil {
		r.Stats = map[string]uint64{}
	}
	return r
}

// Time is how dates are written.
func Time(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// JSON writes the report as indented JSON.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// YAML writes the same as YAML.
func (r *Report) YAML(w io.Writer) error {
	out, err := yaml.Marshal(r)
	if err == nil {
		_, err = w.Write(out)
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
