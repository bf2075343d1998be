package contract_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tlsgw/kubectl-tlsgw/controlplane/contract"
)

func TestProxyName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for gateway, want := range map[string]string{
		"http": "http", "a": "a", "my-gateway-2": "my-gateway-2", long: long,
		"a.b": "a-b-", "2nd": "gw-2nd-", long + "b": long[:54] + "-",
		strings.Repeat("a.", 120) + "z": strings.Repeat("a-", 27),
		strings.Repeat("a", 53) + ".b.c": strings.Repeat("a", 53) + "-",
	} {
		got := contract.ProxyName(gateway)
		if !strings.HasPrefix(got, want) || len(got) != len(want) && !hashed(got) {
			t.Errorf("ProxyName(%q) = %q, want it to be like %q", gateway, got, want)
		}
		if problems := validation.IsDNS1035Label(got); len(problems) > 0 {
			t.Errorf("ProxyName(%q) = %q: %v", gateway, got, problems)
		}
		if problems := validation.IsValidLabelValue(contract.GatewayLabel(gateway)); len(problems) > 0 {
			t.Errorf("GatewayLabel(%q): %v", gateway, problems)
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
