package xds

import (
	"maps"
	"slices"
	"strings"
)

// track is what one proxy has been sent, and has answered, of one kind.
type track struct {
	kind kind
	// asked is set by the first request.
	asked bool
	// names are the subscribed ones; unused for wildcard kinds.
	names map[string]struct{}
	// known are the versions last sent, or had from an earlier stream.
	known map[string]string
	// unanswered are responses by nonce.
	unanswered map[string]sent
	// rejected are the resources whose last answer was a NACK.
	rejected map[string]rejected
	// isolate are resources to send once more, one by one.
	isolate []string
}

// sent is a response.
type sent struct {
	// version of the whole response, over SOTW.
	version  string
	versions map[string]string
}

type rejected struct {
	version, message string
	// unnamed marks one of several resources of which the message names none.
	unnamed bool
}

func newTrack(k kind) *track {
	return &track{
		kind:       k,
		names:      map[string]struct{}{},
		known:      map[string]string{},
		unanswered: map[string]sent{},
		rejected:   map[string]rejected{},
	}
}

// subscribe notes a request of the delta protocol.
func (t *track) subscribe(names, unsubscribed []string, initial map[string]string) {
	if !t.asked {
		maps.Copy(t.known, initial)
	}
	t.asked = true
	for _, name := range names {
		t.names[name] = struct{}{}
	}
	for _, name := range unsubscribed {
		t.forget(name)
	}
}

// subscribeOnly notes a request of the SOTW protocol.
func (t *track) subscribeOnly(names []string) {
	t.asked = true
	if t.kind.wildcard() {
		return
	}
	wanted := map[string]struct{}{}
	for _, name := range names {
		wanted[name] = struct{}{}
	}
	for name := range t.names {
		if _, ok := wanted[name]; !ok {
			t.forget(name)
		}
	}
	t.names = wanted
}

func (t *track) forget(name string) {
	delete(t.names, name)
	delete(t.known, name)
	delete(t.rejected, name)
}

// send notes a response. A complete one has all resources of the kind.
func (t *track) send(nonce, version string, versions map[string]string, removed []string, complete bool) {
	if complete {
		clear(t.known)
	}
	maps.Copy(t.known, versions)
	for _, name := range removed {
		delete(t.known, name)
		delete(t.rejected, name)
	}
	t.unanswered[nonce] = sent{version: version, versions: versions}
}

// accept notes an ACK.
func (t *track) accept(nonce string) {
	response, ok := t.unanswered[nonce]
	if !ok {
		return
	}
	delete(t.unanswered, nonce)
	for name, version := range response.versions {
		if t.known[name] == version {
			delete(t.rejected, name)
		}
	}
}

// reject notes a NACK, and tells what is now known to be rejected. Of a kind
// that is asked for by name, Envoy drops everything that comes after the bad
// resource of a response, so these are sent again one by one before anything
// is called rejected.
func (t *track) reject(nonce, message string) []string {
	response, ok := t.unanswered[nonce]
	if !ok {
		return nil
	}
	delete(t.unanswered, nonce)
	names := slices.Sorted(maps.Keys(response.versions))
	if !t.kind.wildcard() && len(names) > 1 {
		t.isolate = append(t.isolate, names...)
		return nil
	}
	guilty := named(names, message)
	unnamed := len(guilty) == 0
	if unnamed {
		guilty = names
	}
	for _, name := range guilty {
		t.rejected[name] = rejected{
			version: response.versions[name],
			message: message,
			unnamed: unnamed && len(names) > 1,
		}
	}
	return guilty
}

// nextIsolated gives the next resource to send alone.
func (t *track) nextIsolated(served map[string]versioned) (string, bool) {
	for len(t.isolate) > 0 {
		name := t.isolate[0]
		t.isolate = t.isolate[1:]
		_, subscribed := t.names[name]
		if _, exists := served[name]; exists && subscribed {
			return name, true
		}
	}
	return "", false
}

// settled tells whether the proxy has answered for all that is served to it.
func (t *track) settled(served map[string]versioned) bool {
	if len(t.unanswered) > 0 || len(t.isolate) > 0 {
		return false
	}
	if !t.kind.wildcard() {
		for name := range t.names {
			if resource, ok := served[name]; ok && t.known[name] != resource.version {
				return false
			}
		}
		return true
	}
	return t.asked && len(t.known) == len(served) && t.knows(served)
}

// knows tells whether the proxy has the given versions.
func (t *track) knows(set map[string]versioned) bool {
	for name, resource := range set {
		if t.known[name] != resource.version {
			return false
		}
	}
	return true
}

// named are the names that occur in a message as whole words.
func named(names []string, message string) []string {
	var found []string
	for _, name := range names {
		if containsName(message, name) {
			found = append(found, name)
		}
	}
	return found
}

func containsName(message, name string) bool {
	for from := 0; ; {
		at := strings.Index(message[from:], name)
		if at < 0 {
			return false
		}
		start, end := from+at, from+at+len(name)
		if !endsInName(message[:start]) && !beginsInName(message[end:]) {
			return true
		}
		from = start + 1
	}
}

func endsInName(s string) bool { return s != "" && isNameByte(s[len(s)-1]) }

// beginsInName lets a full stop end a sentence.
func beginsInName(s string) bool {
	return s != "" && isNameByte(s[0]) && s != "." && !strings.HasPrefix(s, ". ")
}

func isNameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("-_.~/+", b) >= 0
}
