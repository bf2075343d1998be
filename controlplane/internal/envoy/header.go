package envoy

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"golang.org/x/net/http/httpguts"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/internal/ir"
)

func setRouteHeaders(out *routev3.Route, route *ir.Route) (err error) {
	if out.RequestHeadersToAdd, out.RequestHeadersToRemove, err = headerMods(route.RequestHeaders); err != nil {
		return err
	}
	out.ResponseHeadersToAdd, out.ResponseHeadersToRemove, err = headerMods(route.ResponseHeaders)
	return err
}

func noHeaderMods(mods ir.HeaderMods) bool {
	return len(mods.Set) == 0 && len(mods.Add) == 0 && len(mods.Remove) == 0
}

func headerMods(mods ir.HeaderMods) (add []*corev3.HeaderValueOption, remove []string, err error) {
	for _, header := range mods.Set {
		add = append(add, headerOption(header, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
	}
	for _, header := range mods.Add {
		add = append(add, headerOption(header, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD))
	}
	for _, option := range add {
		if err := checkHeader(option.Header.Key, option.Header.Value); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range mods.Remove {
		if err := checkHeader(name, ""); err != nil {
			return nil, nil, err
		}
	}
	return add, mods.Remove, nil
}

// headerOption escapes "%", with which Envoy's substitutions begin. A header
// set to the empty value is sent as such.
func headerOption(header ir.Header, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:         &corev3.HeaderValue{Key: header.Name, Value: strings.ReplaceAll(header.Value, "%", "%%")},
		AppendAction:   action,
		KeepEmptyValue: true,
	}
}

// checkHeader refuses what makes Envoy reject all routes.
func checkHeader(name, value string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("%q is not a header name", name)
	}
	if strings.EqualFold(name, "host") {
		return fmt.Errorf("header %q is changed by a rewrite of the hostname only", name)
	}
	if !httpguts.ValidHeaderFieldValue(value) {
		return fmt.Errorf("header %q: the value has a control character", name)
	}
	return nil
}
