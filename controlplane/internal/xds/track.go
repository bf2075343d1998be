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
	// order counts responses.
	order int
}

// sent is a response.
type sent struct {
	order int
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
	t.order++
	t.unanswered[nonce] = sent{order: t.order, version: version, versions: versions}
}

// accept notes an ACK.
func (t *track) accept(nonce string) {
	if response, ok := t.take(nonce); ok {
		t.acquit(response)
	}
}

// reject notes a NACK, and tells what it rejects.
func (t *track) reject(nonce, message string) []string {
	response, ok := t.take(nonce)
	if !ok {
		return nil
	}
	names := slices.Sorted(maps.Keys(response.versions))
	guilty := named(names, message)
	unnamed := len(guilty) == 0 && len(names) > 1
	if len(guilty) == 0 {
		guilty = names
	}
	for _, name := range guilty {
		t.rejected[name] = rejected{version: response.versions[name], message: message, unnamed: unnamed}
	}
	return guilty
}

// take gives the response that is answered. Proxies answer in order, but over
// SOTW they may leave out the answer to a response that was overtaken.
func (t *track) take(nonce string) (sent, bool) {
	response, ok := t.unanswered[nonce]
	if !ok {
		return sent{}, false
	}
	delete(t.unanswered, nonce)
	for other, older := range t.unanswered {
		if older.order < response.order {
			delete(t.unanswered, other)
			t.acquit(older)
		}
	}
	return response, true
}

// acquit ends the rejection of what is accepted in its latest version.
func (t *track) acquit(response sent) {
	for name, version := range response.versions {
		if t.known[name] == version {
			delete(t.rejected, name)
		}
	}
}

// settled tells whether the proxy has answered for all that is served to it.
func (t *track) settled(served map[string]versioned) bool {
	if len(t.unanswered) > 0 {
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
