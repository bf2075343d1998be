package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Cluster is a cluster of Envoy's live configuration.
type Cluster struct {
	Name string
	// StatName is the name in statistics: alt_stat_name, else Name.
	StatName string
	// Warming clusters are not in use yet.
	Warming bool
	Updated time.Time
	// TLS is nil where connections are plaintext.
	TLS *TLSContext
	// PlaintextMatch: a transport_socket_match lets some endpoints be reached
	// in plaintext beside TLS.
	PlaintextMatch bool
	// Rejected is Envoy's reason for not taking the last update.
	Rejected string
}

// Clusters reads the clusters that match says yes to, given a cluster's name
// and stat name. The dump is read as a stream, so its size costs no memory.
func (a *Admin) Clusters(ctx context.Context, match func(name, statName string) bool) ([]Cluster, error) {
	var found []Cluster
	for _, resource := range []string{"dynamic_active_clusters", "dynamic_warming_clusters", "static_clusters"} {
		query := url.Values{"resource": {resource}}
		err := a.get(ctx, "/config_dump", query, func(body io.Reader) error {
			return eachElement(body, "configs", func(raw json.RawMessage) error {
				cluster, ok, err := parseCluster(raw, match)
				if ok {
					cluster.Warming = resource == "dynamic_warming_clusters"
					found = append(found, cluster)
				}
				return err
			})
		})
		if err != nil && !errors.Is(err, errNotFound) {
			return nil, err
		}
	}
	return found, nil
}

// eachElement calls visit with each element of the array under key of the
// JSON object that r holds.
func eachElement(r io.Reader, key string, visit func(json.RawMessage) error) error {
	decoder := json.NewDecoder(r)
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("reading it as JSON: %w", err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("reading it as JSON: %w", err)
		}
		if name != key {
			var skipped json.RawMessage
			if err := decoder.Decode(&skipped); err != nil {
				return fmt.Errorf("reading it as JSON: %w", err)
			}
			continue
		}
		if err := eachOf(decoder, visit); err != nil {
			return fmt.Errorf("reading %q: %w", key, err)
		}
	}
	return nil
}

func eachOf(decoder *json.Decoder, visit func(json.RawMessage) error) error {
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			return err
		}
		if err := visit(element); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return err
}

// dumpedCluster are the fields of a config dump's cluster entry that tell how
// it connects. Envoy's own JSON is read rather than its protos: a dump may
// hold types that this program does not know.
type dumpedCluster struct {
	Cluster struct {
		Name             string          `json:"name"`
		AltStatName      string          `json:"alt_stat_name"`
		TransportSocket  transportSocket `json:"transport_socket"`
		TransportMatches []struct {
			TransportSocket transportSocket `json:"transport_socket"`
		} `json:"transport_socket_matches"`
	} `json:"cluster"`
	LastUpdated time.Time `json:"last_updated"`
	ErrorState  struct {
		Details string `json:"details"`
	} `json:"error_state"`
}

func parseCluster(raw json.RawMessage, match func(name, statName string) bool) (Cluster, bool, error) {
	var names struct {
		Cluster struct {
			Name        string `json:"name"`
			AltStatName string `json:"alt_stat_name"`
		} `json:"cluster"`
	}
	if err := json.Unmarshal(raw, &names); err != nil {
		return Cluster{}, false, fmt.Errorf("a cluster of the config dump: %w", err)
	}
	cluster := Cluster{Name: names.Cluster.Name, StatName: names.Cluster.AltStatName}
	if cluster.StatName == "" {
		cluster.StatName = cluster.Name
	}
	if !match(cluster.Name, cluster.StatName) {
		return Cluster{}, false, nil
	}
	var dumped dumpedCluster
	if err := json.Unmarshal(raw, &dumped); err != nil {
		return Cluster{}, false, fmt.Errorf("cluster %s of the config dump: %w", cluster.Name, err)
	}
	cluster.Updated, cluster.Rejected = dumped.LastUpdated, dumped.ErrorState.Details
	cluster.TLS = dumped.Cluster.TransportSocket.tls()
	for _, m := range dumped.Cluster.TransportMatches {
		context := m.TransportSocket.tls()
		switch {
		case context == nil:
			cluster.PlaintextMatch = true
		case cluster.TLS == nil:
			cluster.TLS = context
		}
	}
	return cluster, true, nil
}

// Endpoint is one address of a cluster, as Envoy knows it now.
type Endpoint struct {
	Address string
	// ConnectFailures, Connections count since Envoy knows the address.
	ConnectFailures, Connections uint64
	// ActiveConnections are open now.
	ActiveConnections uint64
	// Unhealthy says why Envoy does not use it: failed_active_health_check,
	// failed_outlier_check, or an EDS health status.
	Unhealthy string
}

// Endpoints reads the addresses of a cluster by its name (not stat name). A
// cluster that Envoy does not have gives none.
func (a *Admin) Endpoints(ctx context.Context, clusterName string) ([]Endpoint, error) {
	var endpoints []Endpoint
	query := url.Values{"format": {"json"}}
	err := a.get(ctx, "/clusters", query, func(body io.Reader) error {
		return eachElement(body, "cluster_statuses", func(raw json.RawMessage) error {
			var status clusterStatus
			if err := json.Unmarshal(raw, &status); err != nil {
				return err
			}
			if status.Name != clusterName {
				return nil
			}
			for _, host := range status.Hosts {
				endpoints = append(endpoints, host.endpoint())
			}
			return nil
		})
	})
	return endpoints, err
}

type clusterStatus struct {
	Name  string       `json:"name"`
	Hosts []hostStatus `json:"host_statuses"`
}

type hostStatus struct {
	Address struct {
		Socket struct {
			Address string `json:"address"`
			Port    int    `json:"port_value"`
		} `json:"socket_address"`
	} `json:"address"`
	Stats []struct {
		Name  string      `json:"name"`
		Value json.Number `json:"value"`
	} `json:"stats"`
	Health struct {
		FailedActive  bool   `json:"failed_active_health_check"`
		FailedOutlier bool   `json:"failed_outlier_check"`
		EDS           string `json:"eds_health_status"`
	} `json:"health_status"`
}

func (h hostStatus) endpoint() Endpoint {
	e := Endpoint{Address: fmt.Sprintf("%s:%d", h.Address.Socket.Address, h.Address.Socket.Port)}
	if strings.Contains(h.Address.Socket.Address, ":") {
		e.Address = fmt.Sprintf("[%s]:%d", h.Address.Socket.Address, h.Address.Socket.Port)
	}
	for _, s := range h.Stats {
		value, err := s.Value.Int64()
		if err != nil || value < 0 {
			continue
		}
		switch s.Name {
		case "cx_connect_fail":
			e.ConnectFailures = uint64(value)
		case "cx_total":
			e.Connections = uint64(value)
		case "cx_active":
			e.ActiveConnections = uint64(value)
		}
	}
	switch {
	case h.Health.FailedActive:
		e.Unhealthy = "failed_active_health_check"
	case h.Health.FailedOutlier:
		e.Unhealthy = "failed_outlier_check"
	case h.Health.EDS != "" && h.Health.EDS != "HEALTHY" && h.Health.EDS != "UNKNOWN":
		e.Unhealthy = strings.ToLower(h.Health.EDS)
	}
	return e
}
