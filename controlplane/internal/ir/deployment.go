package ir

// Deployment is what the proxies of a Gateway need besides their
// configuration.
type Deployment struct {
	// Gateway and UID are the owner's, Class is its GatewayClass.
	Gateway Name
	UID     string
	Class   string
	// Frozen leaves what runs as it is: the Gateway, its class or its
	// parameters are not valid. The rest says what would be wanted otherwise.
	Frozen bool
	// Ports are those of the accepted listeners, sorted.
	Ports []Port
	// Labels and Annotations are passed on to everything that is made.
	Labels, Annotations map[string]string
	// Parameters name the GatewayParameters that apply: what a later one says
	// replaces what an earlier one does.
	Parameters []Name
	// SystemCA replaces the CA bundle of the proxies' system; nil keeps it.
	SystemCA *SystemCA
	// Requested are the IP addresses that the Gateway asks for; empty takes any.
	Requested []string
	// Unusable says why the Service cannot have them; empty where it may.
	Unusable string
	// Addresses are where the Gateway can be reached: IP addresses and host
	// names. Empty while there is none.
	Addresses []string
}

// Port is one of a Gateway. Name is unique within it.
type Port struct {
	Name   string
	Number uint16
}

// SystemCA is a key of a ConfigMap in the Gateway's namespace.
type SystemCA struct {
	ConfigMap, Key string
	// Digest changes with the content.
	Digest string
}
