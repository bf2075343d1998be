package probe

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// Stats are the counters and gauges of one cluster, by what follows
// "cluster.NAME." in Envoy's name: "ssl.handshake", "upstream_cx_active".
type Stats map[string]uint64

// Stats reads the statistics of the cluster with that stat name. A cluster
// that Envoy does not have gives an empty map.
func (a *Admin) Stats(ctx context.Context, statName string) (Stats, error) {
	prefix := "cluster." + statPrefix(statName) + "."
	query := url.Values{"format": {"json"}, "filter": {"^" + regexp.QuoteMeta(prefix)}}
	var answer struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := a.getJSON(ctx, "/stats", query, &answer); err != nil {
		return nil, err
	}
	stats := Stats{}
	for _, s := range answer.Stats {
		rest, ok := strings.CutPrefix(s.Name, prefix)
		if !ok {
			continue // histograms have no name; an old Envoy ignores the filter
		}
		var value uint64
		if json.Unmarshal(s.Value, &value) == nil {
			stats[rest] = value
		}
	}
	return stats, nil
}

// statPrefix is how Envoy writes a cluster's name in statistics.
func statPrefix(name string) string { return strings.ReplaceAll(name, ":", "_") }

// Add sums other into s: several proxies serve one Gateway.
func (s Stats) Add(other Stats) {
	for name, value := range other {
		s[name] += value
	}
}

// Since is by how much each counter rose since before; what did not rise is
// left out.
func (s Stats) Since(before Stats) Stats {
	risen := Stats{}
	for name, value := range s {
		if value > before[name] {
			risen[name] = value - before[name]
		}
	}
	return risen
}
