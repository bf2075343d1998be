package kube

import (
	"context"
	"net"
	"slices"
	"testing"
)

// TestInTurn: as many connections as there are proxies reach each of them.
func TestInTurn(t *testing.T) {
	t.Parallel()
	var dialled []string
	dial := inTurn([]Endpoint{{Pod: "a"}, {Pod: "b"}, {Pod: "c"}}, func(_ context.Context, e Endpoint) (net.Conn, error) {
		dialled = append(dialled, e.Pod)
		return nil, nil
	})
	for range 4 {
		_, _ = dial(t.Context())
	}
	if want := []string{"a", "b", "c", "a"}; !slices.Equal(dialled, want) {
		t.Errorf("dialled %v, want %v", dialled, want)
	}
}
