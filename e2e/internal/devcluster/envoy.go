package devcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Stats reads those statistics of Envoy whose whole name matches filter, a
// regular expression. Histograms are left out.
func (c *Cluster) Stats(ctx context.Context, filter string) (map[string]uint64, error) {
	body, err := c.Admin(ctx, "/stats", url.Values{"format": {"json"}, "filter": {filter}})
	if err != nil {
		return nil, err
	}
	return ParseStats(body)
}

// ParseStats reads what Envoy's admin interface says on /stats?format=json,
// without the histograms.
func ParseStats(body []byte) (map[string]uint64, error) {
	var answer struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("read statistics of Envoy: %w", err)
	}
	stats := map[string]uint64{}
	for _, one := range answer.Stats {
		var value uint64
		if one.Name != "" && json.Unmarshal(one.Value, &value) == nil {
			stats[one.Name] = value
		}
	}
	return stats, nil
}

// Admin asks the admin interface of Envoy.
func (c *Cluster) Admin(ctx context.Context, path string, query url.Values) ([]byte, error) {
	target := fmt.Sprintf("http://127.0.0.1:%d%s?%s", c.AdminPort, path, query.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for %s: %w", path, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy for %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask Envoy for %s: status %d", path, response.StatusCode)
	}
	return body, nil
}
