package v1alpha1

// LoadBalancer says how an endpoint is chosen (Envoy: load_balancing_policy
// and common_lb_config). It names exactly one method.
//
// +kubebuilder:validation:ExactlyOneOf=leastRequest;roundRobin;ringHash;maglev;random
// +kubebuilder:validation:XValidation:rule="!has(self.zoneAware) || !has(self.localityType)",message="zoneAware and localityType exclude each other"
// +kubebuilder:validation:XValidation:rule="!has(self.zoneAware) || !(has(self.ringHash) || has(self.maglev))",message="zoneAware cannot be used with ringHash or maglev"
type LoadBalancer struct {
	// HealthyPanicThreshold is the percentage of healthy endpoints below which
	// all endpoints are used, healthy or not (Envoy: healthy_panic_threshold).
	// Default: Envoy's, 50.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	HealthyPanicThreshold *int32 `json:"healthyPanicThreshold,omitempty"`

	// UpdateMergeWindow collects updates of endpoints for so long; 0s takes
	// each at once (Envoy: update_merge_window). Default: Envoy's, 1s.
	// +optional
	UpdateMergeWindow *Duration `json:"updateMergeWindow,omitempty"`

	// CloseConnectionsOnHostSetChange drains connections when the set of
	// endpoints changes (Envoy: close_connections_on_host_set_change).
	// +optional
	CloseConnectionsOnHostSetChange *bool `json:"closeConnectionsOnHostSetChange,omitempty"`

	// LeastRequest takes the endpoint with the fewest requests of a few.
	// +optional
	LeastRequest *LeastRequest `json:"leastRequest,omitempty"`

	// RoundRobin takes one after the other.
	// +optional
	RoundRobin *RoundRobin `json:"roundRobin,omitempty"`

	// RingHash takes the endpoint by a hash of the request, on a ring.
	// +optional
	RingHash *RingHash `json:"ringHash,omitempty"`

	// Maglev takes the endpoint by a hash of the request, from a table.
	// +optional
	Maglev *Maglev `json:"maglev,omitempty"`

	// Random takes any.
	// +optional
	Random *Random `json:"random,omitempty"`

	// LocalityType: WeightedLb spreads over localities by their weights
	// (Envoy: locality-weighted configuration).
	// +optional
	LocalityType *LocalityType `json:"localityType,omitempty"`

	// ZoneAware prefers endpoints in the proxy's own zone. Excludes
	// localityType, ringHash and maglev. The proxies of this controller do not
	// know their zone, so that it has no effect yet.
	// +optional
	ZoneAware *ZoneAware `json:"zoneAware,omitempty"`

	MovedLoadBalancerOptions `json:",inline"`
}

// LocalityType is a way to spread over localities.
//
// +kubebuilder:validation:Enum=WeightedLb
type LocalityType string

// LocalityTypeWeightedLB spreads over localities by their weights.
const LocalityTypeWeightedLB LocalityType = "WeightedLb"

// LeastRequest compares endpoints that are drawn at random (Envoy:
// LeastRequest).
type LeastRequest struct {
	// ChoiceCount is how many endpoints are compared, from 2 to 100 (Envoy:
	// choice_count). Each is drawn for each request.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	ChoiceCount *int32 `json:"choiceCount,omitempty"`

	// SlowStart sends less to an endpoint that is new.
	// +optional
	SlowStart *SlowStart `json:"slowStart,omitempty"`
}

// RoundRobin takes one endpoint after the other (Envoy: RoundRobin).
type RoundRobin struct {
	// SlowStart sends less to an endpoint that is new.
	// +optional
	SlowStart *SlowStart `json:"slowStart,omitempty"`
}

// Random takes any endpoint (Envoy: Random).
type Random struct{}

// SlowStart sends less to an endpoint that is new (Envoy: slow_start_config).
type SlowStart struct {
	// Window is how long an endpoint counts as new (Envoy: slow_start_window).
	// +optional
	Window *Duration `json:"window,omitempty"`

	// Aggression is the curve by which the share rises, a number above zero:
	// "1.0" is a straight line, more rises sooner (Envoy: aggression).
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$') && double(self) > 0.0",message="aggression must be a number above zero, as \"1.5\""
	Aggression *string `json:"aggression,omitempty"`

	// MinWeightPercent is the least share of a new endpoint, in percent of its
	// full one (Envoy: min_weight_percent).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MinWeightPercent *int32 `json:"minWeightPercent,omitempty"`
}

// RingHash chooses on a ring of hashes (Envoy: RingHash).
type RingHash struct {
	// MinimumRingSize is the least number of entries, from 1 to 131072 (Envoy:
	// minimum_ring_size). All are made anew when endpoints change. Default:
	// Envoy's, 1024.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	MinimumRingSize *int64 `json:"minimumRingSize,omitempty"`

	// MaximumRingSize is the greatest number of entries, from 1 to 8388608
	// (Envoy: maximum_ring_size). Default: Envoy's, 8388608.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9007199254740991
	MaximumRingSize *int64 `json:"maximumRingSize,omitempty"`

	// UseHostnameForHashing hashes the DNS names of endpoints in place of
	// their addresses (Envoy: use_hostname_for_hashing). For endpoints that
	// are found by DNS only. Default: false.
	// +optional
	UseHostnameForHashing *bool `json:"useHostnameForHashing,omitempty"`

	// HashPolicies say what of a request is hashed, in this order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	HashPolicies []HashPolicy `json:"hashPolicies,omitempty"`
}

// Maglev chooses from a table of hashes (Envoy: Maglev).
type Maglev struct {
	// UseHostnameForHashing hashes the DNS names of endpoints in place of
	// their addresses (Envoy: use_hostname_for_hashing). For endpoints that
	// are found by DNS only. Default: false.
	// +optional
	UseHostnameForHashing *bool `json:"useHostnameForHashing,omitempty"`

	// HashPolicies say what of a request is hashed, in this order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	HashPolicies []HashPolicy `json:"hashPolicies,omitempty"`
}

// HashPolicy is one thing of a request that is hashed (Envoy: hash_policy).
//
// +kubebuilder:validation:ExactlyOneOf=header;cookie;sourceIP
type HashPolicy struct {
	// Header hashes a header.
	// +optional
	Header *HashHeader `json:"header,omitempty"`

	// Cookie hashes a cookie, and may make it.
	// +optional
	Cookie *HashCookie `json:"cookie,omitempty"`

	// SourceIP hashes the client's address (Envoy:
	// connection_properties.source_ip).
	// +optional
	SourceIP *HashSourceIP `json:"sourceIP,omitempty"`

	// Terminal leaves out the policies that follow where this one found
	// something to hash (Envoy: terminal).
	// +optional
	Terminal *bool `json:"terminal,omitempty"`
}

// HashSourceIP hashes the client's address.
type HashSourceIP struct{}

// HashHeader hashes a header.
type HashHeader struct {
	// Name of the header (Envoy: header.header_name).
	// +required
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
}

// HashCookie hashes a cookie.
type HashCookie struct {
	// Name of the cookie (Envoy: cookie.name).
	// +required
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`

	// Path of the cookie that is made where it is missing (Envoy:
	// cookie.path).
	// +optional
	Path *string `json:"path,omitempty"`

	// TTL is the life of the cookie that is made where it is missing; without
	// it none is made (Envoy: cookie.ttl).
	// +optional
	TTL *Duration `json:"ttl,omitempty"`

	// Secure marks a cookie that is made as for HTTPS only (Envoy:
	// cookie.attributes).
	// +optional
	Secure *bool `json:"secure,omitempty"`

	// HTTPOnly hides a cookie that is made from scripts (Envoy:
	// cookie.attributes).
	// +optional
	HTTPOnly *bool `json:"httpOnly,omitempty"`

	// SameSite limits a cookie that is made across sites (Envoy:
	// cookie.attributes).
	// +optional
	// +kubebuilder:validation:Enum=Strict;Lax;None
	SameSite *string `json:"sameSite,omitempty"`
}

// ZoneAware prefers endpoints in the proxy's own zone (Envoy:
// zone_aware_lb_config).
type ZoneAware struct {
	// PreferLocal says how much they are preferred.
	// +required
	PreferLocal *PreferLocal `json:"preferLocal"`
}

// PreferLocal says how much local endpoints are preferred.
type PreferLocal struct {
	// MinEndpointsThreshold is the number of endpoints below which zones play
	// no part (Envoy: min_cluster_size).
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9007199254740991
	// +kubebuilder:default=6
	MinEndpointsThreshold *int64 `json:"minEndpointsThreshold,omitempty"`

	// RoutingEnabled is for how many requests zones play a part, in percent
	// (Envoy: routing_enabled).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +kubebuilder:default=100
	RoutingEnabled *int32 `json:"routingEnabled,omitempty"`

	// Force keeps all requests in the zone where it has enough endpoints.
	// +optional
	Force *ForceLocal `json:"force,omitempty"`
}

// ForceLocal keeps requests in the zone (Envoy: force_local_zone).
type ForceLocal struct {
	// MinEndpointsInZoneThreshold is how many endpoints the zone needs (Envoy:
	// min_size).
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2147483647
	// +kubebuilder:default=1
	MinEndpointsInZoneThreshold *int32 `json:"minEndpointsInZoneThreshold,omitempty"`
}
