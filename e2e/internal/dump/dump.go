// Package dump keeps what a failure of a test may be explained by. The output
// of commands and the pages of Envoy come in; files without private keys come
// out.
package dump

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"

	"github.com/tlsgw/kubectl-tlsgw/templates"
)

// Folder is an empty folder for what is kept, made anew. It is an absolute
// path.
func Folder(parent, name string) (string, error) {
	folder, err := filepath.Abs(filepath.Join(parent, name))
	if err == nil {
		err = errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700))
	}
	if err != nil {
		return "", fmt.Errorf("make a folder for the state of the cluster: %w", err)
	}
	return folder, nil
}

// Commands are the arguments of kubectl by what they show. No Secret is read
// by them. Each kind that a definition of ours serves has one of its own: where
// dev-up has failed, some may not be there.
func Commands() (map[string]string, error) {
	commands := map[string]string{
		"all":            "get all,namespaces,endpointslices,configmaps,leases,poddisruptionbudgets,networkpolicies -A -o wide",
		"events":         "get events -A --sort-by=.lastTimestamp",
		"describe-pods":  "describe pods -A",
		"describe-nodes": "describe nodes",
		"deployments":    "get deployments,services -A -o yaml",
		"secrets":        "get secrets -A",
		"definitions":    "get customresourcedefinitions -o wide",
		"admission":      "get validatingadmissionpolicies,validatingadmissionpolicybindings -o yaml",
	}
	definitions, err := templates.CRDs(templates.Standard)
	if err != nil {
		return nil, err
	}
	for _, definition := range definitions {
		commands[definition.Spec.Names.Plural] = "get " + definition.Name + " -A -o yaml"
	}
	return commands, nil
}

// Keep writes a text into a file of the folder. It says so when it cannot:
// the failure that is kept here is what counts.
func Keep(folder, name, text string) {
	if err := os.WriteFile(filepath.Join(folder, name), []byte(withoutKeys(text)), 0o600); err != nil {
		log.Printf("keep %s: %v", name, err)
	}
}

// withoutKeys takes private keys out of a text: PEM, on several lines or with
// escaped ends of lines, and what Envoy calls one.
func withoutKeys(text string) string {
	pem := regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	field := regexp.MustCompile(`("private_key": \{\s*"inline_(?:bytes|string)": ")[^"]*"`)
	return field.ReplaceAllString(pem.ReplaceAllString(text, "[private key]"), `${1}[private key]"`)
}
