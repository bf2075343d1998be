package envoy

import (
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// corsFilter is also the name under which a route has its own settings.
const corsFilter = "envoy.filters.http.cors"

// httpFilters are those of every connection manager, whatever its routes need,
// because a change of them would drain the listener's connections. All but the
// router do nothing on routes without settings of their own for them.
func httpFilters() ([]*hcmv3.HttpFilter, error) {
	var filters []*hcmv3.HttpFilter
	for _, filter := range []struct {
		name   string
		config message
	}{
		{corsFilter, &corsv3.Cors{}},
		{"envoy.filters.http.router", &routerv3.Router{}},
	} {
		config, err := packed(filter.config)
		if err != nil {
			return nil, err
		}
		filters = append(filters, &hcmv3.HttpFilter{
			Name:       filter.name,
			ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: config},
		})
	}
	return filters, nil
}
