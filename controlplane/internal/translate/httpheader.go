package translate

import (
	"fmt"
	"slices"
	"strings"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

// headerMods translates a header modifier.
func headerMods(filter *gatewayv1.HTTPHeaderFilter) (ir.HeaderMods, error) {
	var mods ir.HeaderMods
	if filter == nil {
		return mods, fmt.Errorf("the filter has no content")
	}
	var err error
	if mods.Set, err = headers(filter.Set); err != nil {
		return mods, fmt.Errorf("set: %w", err)
	}
	if mods.Add, err = headers(filter.Add); err != nil {
		return mods, fmt.Errorf("add: %w", err)
	}
	for _, name := range filter.Remove {
		name = strings.ToLower(name)
		if err := checkHeaderName(name); err != nil {
			return mods, fmt.Errorf("remove: %w", err)
		}
		if !slices.Contains(mods.Remove, name) {
			mods.Remove = append(mods.Remove, name)
		}
	}
	return mods, nil
}

// headers translates header fields: names are case-insensitive, and of
// several with one name the first counts.
func headers(fields []gatewayv1.HTTPHeader) ([]ir.Header, error) {
	var translated []ir.Header
	for _, field := range fields {
		name := strings.ToLower(string(field.Name))
		if err := checkHeaderName(name); err != nil {
			return nil, err
		}
		if !validFieldValue(field.Value) {
			return nil, fmt.Errorf("the value of header %s has control characters", name)
		}
		if !slices.ContainsFunc(translated, func(h ir.Header) bool { return h.Name == name }) {
			translated = append(translated, ir.Header{Name: name, Value: field.Value})
		}
	}
	return translated, nil
}

// checkHeaderName refuses what Envoy refuses to change.
func checkHeaderName(name string) error {
	if name == "host" {
		return fmt.Errorf("header host cannot be changed by a header modifier: use the hostname of a URLRewrite filter")
	}
	if !validToken(name) {
		return fmt.Errorf("header name %q is not valid", name)
	}
	return nil
}

// validToken tells whether name is a token of RFC 9110.
func validToken(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		isAlphanumeric := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !isAlphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

// validFieldValue tells whether value has no control characters but tabs.
func validFieldValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
