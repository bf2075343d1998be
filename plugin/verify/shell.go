package verify

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/shell"
)

// flagsOf are the flags that lead another command to the same cluster, each
// after a space.
func flagsOf(clients *kube.Clients) string {
	var flags strings.Builder
	for _, word := range clients.Flags {
		flags.WriteString(" " + shell.Quote(word))
	}
	return flags.String()
}

func sortedHeaders(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}
