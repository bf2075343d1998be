package scaffold

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// TargetKind is the word before the slash of a target.
type TargetKind string

// The kinds of targets.
const (
	// Service is a Service of the namespace.
	Service TargetKind = "svc"
	// Backend is a Backend of the namespace that is already there.
	Backend TargetKind = "backend"
	// Host is a host outside of the cluster, for which a Backend is made.
	Host TargetKind = "host"
)

// DefaultHostPort is the port of a host target that names none.
const DefaultHostPort = 443

// Target is the backend to which TLS is originated.
type Target struct {
	Kind TargetKind
	// Name of the Service or Backend, or the host: a DNS name or an address.
	Name string
	// Port of a host; zero for the other kinds.
	Port int32
}

// ParseTarget reads svc/NAME, backend/NAME or host/NAME[:PORT]. Its errors are
// *FieldError for the field TARGET.
func ParseTarget(text string) (Target, error) {
	word, name, found := strings.Cut(text, "/")
	if !found {
		return Target{}, invalid("TARGET", "%q does not say what it is: write svc/%s, backend/%s or host/%s", text, text, text, text)
	}
	switch strings.ToLower(word) {
	case "svc", "service", "services":
		return namedTarget(Service, text, name)
	case "backend", "backends":
		return namedTarget(Backend, text, name)
	case "host":
		return hostTarget(text, name)
	default:
		return Target{}, invalid("TARGET", "%q is of an unknown kind %q: write svc/NAME, backend/NAME or host/NAME[:PORT]", text, word)
	}
}

func namedTarget(kind TargetKind, text, name string) (Target, error) {
	if plain, port, found := strings.Cut(name, ":"); found {
		return Target{}, invalid("TARGET", "%q has a port in its name: write %s/%s --port %s", text, kind, plain, port)
	}
	problems := validation.IsDNS1035Label(name)
	if kind == Backend {
		problems = validation.IsDNS1123Subdomain(name)
	}
	if len(problems) > 0 {
		return Target{}, invalid("TARGET", "%q is not the name of a %s: %s", text, kind, problems[0])
	}
	return Target{Kind: kind, Name: name}, nil
}

func hostTarget(text, name string) (Target, error) {
	target := Target{Kind: Host, Name: name, Port: DefaultHostPort}
	if strings.ContainsAny(name, "/%") {
		return Target{}, invalid("TARGET", "%q is not a host: write host/NAME[:PORT], without scheme, path or zone", text)
	}
	if address, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		target.Name = address.String()
		return target, nil
	}
	if host, port, err := net.SplitHostPort(name); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return Target{}, invalid("TARGET", "%q has port %q: a port is a number from 1 to 65535", text, port)
		}
		target.Name, target.Port = host, int32(number)
	}
	if address, err := netip.ParseAddr(target.Name); err == nil {
		target.Name = address.String()
		return target, nil
	}
	target.Name = strings.TrimSuffix(strings.ToLower(target.Name), ".")
	if problems := validation.IsDNS1123Subdomain(target.Name); len(problems) > 0 {
		return Target{}, invalid("TARGET", "%q is not a host: %s", text, problems[0])
	}
	return target, nil
}

// String is how a person writes the target.
func (t Target) String() string {
	if t.Kind == Host && t.Port != DefaultHostPort {
		return string(t.Kind) + "/" + net.JoinHostPort(t.Name, strconv.Itoa(int(t.Port)))
	}
	return string(t.Kind) + "/" + t.Name
}

// ObjectName is the base name of the target's objects: the name itself, and
// for a host its name with dashes, as httpbin-org for httpbin.org, and its port
// where that is not the default.
func (t Target) ObjectName() string {
	if t.Kind != Host {
		return t.Name
	}
	return t.hostName() + t.portSuffix("-")
}

// hostName is a host's name or address as the name of an object.
func (t Target) hostName() string {
	name := t.Name
	if address, err := netip.ParseAddr(name); err == nil && address.Is6() {
		name = address.StringExpanded() // a name may not begin or end with a dash
	}
	return strings.NewReplacer(".", "-", ":", "-").Replace(name)
}

// portSuffix tells the ports of one host apart; empty for the default port.
func (t Target) portSuffix(separator string) string {
	if t.Kind != Host || t.Port == DefaultHostPort {
		return ""
	}
	return separator + strconv.Itoa(int(t.Port))
}

// labelPort separates the port in a label: no name of a host has it.
const labelPort = "_"

// Label is the value of contract.LabelOriginate on the target's objects:
// KIND.NAME, for a host with another port than the default KIND.NAME_PORT,
// shortened with a hash where a label has no room for it.
func (t Target) Label() string {
	name := t.Name
	if t.Kind == Host && !t.IsName() {
		name = t.hostName()
	}
	return labelValue(string(t.Kind) + "." + name + t.portSuffix(labelPort))
}

// DescribeLabel is a Label as a person writes the target, as far as the label
// has room for it.
func DescribeLabel(label string) string {
	kind, name, _ := strings.Cut(label, ".")
	return kind + "/" + strings.Replace(name, labelPort, ":", 1)
}

// IsName says whether a host target is a DNS name rather than an address.
func (t Target) IsName() bool {
	_, err := netip.ParseAddr(t.Name)
	return t.Kind == Host && err != nil
}

// labelValue shortens text to what a label value may hold.
func labelValue(text string) string {
	if len(text) > validation.LabelValueMaxLength {
		sum := sha256.Sum256([]byte(text))
		hash := hex.EncodeToString(sum[:5])
		text = strings.TrimRight(text[:validation.LabelValueMaxLength-len(hash)-1], "-_.") + "-" + hash
	}
	return strings.Trim(text, "-_.")
}
