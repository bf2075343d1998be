package verify

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/kube"
)

// quote makes one word for a POSIX shell, plain where that is enough.
func quote(word string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// flagsOf are the flags that lead another command to the same cluster, each
// after a space.
func flagsOf(clients *kube.Clients) string {
	var flags strings.Builder
	for _, word := range clients.Flags {
		flags.WriteString(" " + quote(word))
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
