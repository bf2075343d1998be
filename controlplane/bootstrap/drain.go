package bootstrap

import (
	"errors"
	"regexp"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonfaultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	adminName   = "tlsgw-admin"
	luaFilter   = "envoy.filters.http.lua"
	faultFilter = "envoy.filters.http.fault"
	drainScript = "drain"
	drainPrefix = "/drain/"
	// failPath is that of the admin interface.
	failPath = "/healthcheck/fail"
)

// failHealthChecks makes every answer from now on end its connection.
const failHealthChecks = `function envoy_on_request(handle)
  handle:httpCall("` + adminName + `",
    {[":method"] = "POST", [":path"] = "` + failPath + `", [":authority"] = "` + adminName + `"}, "", 1000)
end
`

// Drain is how the proxy is asked to let its clients go before it ends. Envoy
// itself ends at once when it is told to, and its image has nothing that could
// ask it anything. So it asks itself: GET DrainPath at ReadyPort fails its
// health checks and is answered after Time, for which a preStop hook waits.
// Until then the proxy takes requests as before, but HTTP/1.1 clients are told
// with each answer to close the connection, and HTTP/2 clients by GOAWAY.
// Meanwhile they find other proxies, as Kubernetes sends no new connections to
// a pod that ends.
type Drain struct {
	// Token keeps others from draining the proxy: the address is that of the
	// pod, and everybody who knows the token can.
	Token string
	// Time is at least a millisecond, as Envoy counts.
	Time time.Duration
}

// DrainPath is where a proxy with this token is asked to drain.
func DrainPath(token string) string { return drainPrefix + token }

func (d *Drain) check(readyPort uint16) error {
	switch {
	case readyPort == 0:
		return errors.New("a proxy that can be asked to drain needs a ready port")
	case !regexp.MustCompile(`^[A-Za-z0-9-]{16,128}$`).MatchString(d.Token):
		return errors.New("a drain token has 16 to 128 letters, digits and dashes")
	case d.Time < time.Millisecond:
		return errors.New("the time to drain is at least a millisecond")
	}
	return nil
}

// filters are off but for the route of Drain.
func (d *Drain) filters() ([]*hcmv3.HttpFilter, error) {
	lua, err := packed(&luav3.Lua{SourceCodes: map[string]*corev3.DataSource{
		drainScript: {Specifier: &corev3.DataSource_InlineString{InlineString: failHealthChecks}},
	}})
	if err != nil {
		return nil, err
	}
	fault, err := packed(&faultv3.HTTPFault{})
	if err != nil {
		return nil, err
	}
	return []*hcmv3.HttpFilter{httpFilter(luaFilter, lua), httpFilter(faultFilter, fault)}, nil
}

// route first runs the script and then waits.
func (d *Drain) route() (*routev3.Route, error) {
	script, err := packed(&luav3.LuaPerRoute{Override: &luav3.LuaPerRoute_Name{Name: drainScript}})
	if err != nil {
		return nil, err
	}
	wait, err := packed(&faultv3.HTTPFault{Delay: &commonfaultv3.FaultDelay{
		FaultDelaySecifier: &commonfaultv3.FaultDelay_FixedDelay{FixedDelay: durationpb.New(d.Time)},
		Percentage:         &typev3.FractionalPercent{Numerator: 100},
	}})
	if err != nil {
		return nil, err
	}
	route := answer(DrainPath(d.Token))
	route.TypedPerFilterConfig = map[string]*anypb.Any{luaFilter: script, faultFilter: wait}
	return route, nil
}
