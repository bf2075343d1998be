package xds

import (
	"slices"
	"testing"
)

func TestNamed(t *testing.T) {
	t.Parallel()
	for message, want := range map[string][]string{
		"Error adding/updating cluster(s) a-1: bad, a~2: worse": {"a-1", "a~2"},
		"Error adding/updating listener(s) http-8080: bad":      {"http-8080"},
		"cluster 'a-1' is bad":                                  {"a-1"},
		"the problem is a-1.":                                   {"a-1"},
		"the problem is a-1. And more":                          {"a-1"},
		"a-1.example has no certificate":                        nil,
		"xa-1: bad, then a-1: bad":                              {"a-1"},
		"http-80801":                                            nil,
		"Failed to load certificate chain":                      nil,
		"":                                                      nil,
	} {
		if got := named([]string{"a-1", "a~2", "http-8080", "http-80"}, message); !slices.Equal(got, want) {
			t.Errorf("%q names %v, want %v", message, got, want)
		}
	}
}

func TestTrackOfRejections(t *testing.T) {
	t.Parallel()
	track := newTrack(clusters)
	track.subscribe(nil, nil, nil)
	served := map[string]versioned{"a": {version: "1"}, "b": {version: "1"}}
	track.send("1", "", map[string]string{"a": "1", "b": "1"}, nil, false)
	if track.settled(served) {
		t.Error("settled without an answer")
	}
	if got := track.reject("1", "cluster a: bad"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("rejected %v", got)
	}
	if !track.settled(served) {
		t.Error("not settled by a NACK")
	}
	if got := track.reject("1", "again"); got != nil {
		t.Errorf("an answer to nothing rejects %v", got)
	}
	served["a"] = versioned{version: "2"}
	if track.settled(served) {
		t.Error("settled with an old version")
	}
	track.send("2", "", map[string]string{"a": "2"}, nil, false)
	if len(track.rejected) != 1 {
		t.Error("the rejection is gone before the answer")
	}
	track.accept("2")
	if len(track.rejected) != 0 || !track.settled(served) {
		t.Errorf("still rejected: %v", track.rejected)
	}
	track.send("3", "", nil, []string{"b"}, false)
	track.accept("3")
	delete(served, "b")
	if !track.settled(served) {
		t.Error("not settled after a removal")
	}
}

// TestTrackOfOvertakenAnswers covers SOTW proxies, which answer the last of
// several responses only.
func TestTrackOfOvertakenAnswers(t *testing.T) {
	t.Parallel()
	track := newTrack(secrets)
	track.subscribeOnly([]string{"a", "b"})
	served := map[string]versioned{"a": {version: "1"}, "b": {version: "1"}}
	track.send("1.0", "7", map[string]string{"a": "1"}, nil, false)
	track.send("1.1", "7", map[string]string{"b": "1"}, nil, false)
	track.accept("1.1")
	if !track.settled(served) {
		t.Error("not settled")
	}
	track.subscribeOnly([]string{"b"})
	track.subscribeOnly([]string{"a", "b"})
	if track.settled(served) {
		t.Error("settled though a resource was dropped in between")
	}
}
