package contract_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

func TestProxyName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for gateway, want := range map[string]string{
		"http": "http", "a": "a", "my-gateway-2": "my-gateway-2", long: long,
		"a.b": "a-b-", "2nd": "gw-2nd-", long + "b": long[:54] + "-",
		strings.Repeat("a.", 120) + "z":  strings.Repeat("a-", 27),
		strings.Repeat("a", 53) + ".b.c": strings.Repeat("a", 53) + "-",
	} {
		got := contract.ProxyName(gateway)
		if !strings.HasPrefix(got, want) || len(got) != len(want) && !hashed(got) {
			t.Errorf("ProxyName(%q) = %q, want it to be like %q", gateway, got, want)
		}
		if !regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`).MatchString(got) {
			t.Errorf("ProxyName(%q) = %q, which cannot name a Service", gateway, got)
		}
		if label := contract.GatewayLabel(gateway); !regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$`).MatchString(label) {
			t.Errorf("GatewayLabel(%q) = %q, which cannot be a label", gateway, label)
		}
	}
	if contract.GatewayLabel("a.b") != "a.b" {
		t.Error("a name that can be a label's value is not used as it is")
	}
	if contract.ProxyName("a.b") == contract.ProxyName("a-b") || contract.ProxyName(long+"b") == contract.ProxyName(long+"c") {
		t.Error("two Gateways share a name")
	}
}

// hashed tells whether name ends in a hash.
func hashed(name string) bool {
	hash := name[strings.LastIndex(name, "-")+1:]
	return len(hash) == 8 && strings.Trim(hash, "0123456789abcdef") == ""
}
