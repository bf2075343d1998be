package translate

import (
	"crypto/sha256"
	"encoding/binary"
)

// Memo keeps what a translation has read out of bundles and key pairs, so that
// the next one need not read again what has not changed. It goes by the bytes
// that were read and changes nothing but the time that a translation takes: one
// bundle of the size of a ConfigMap takes as long as a thousand routes. What a
// translation did not ask for is forgotten after it. The zero Memo is empty and
// ready; it serves one translation at a time.
type Memo struct {
	current, previous map[memoKey]any
}

// memoKey is what was made, and the sum of what it was made of.
type memoKey struct {
	made string
	sum  [sha256.Size]byte
}

// begin starts a translation. A nil Memo remembers nothing.
func (m *Memo) begin() {
	if m != nil {
		m.previous, m.current = m.current, map[memoKey]any{}
	}
}

// remembered is what make gave for the same parts before, or gives now. What is
// made of parts under one name must always be of one type, and depend on
// nothing else.
func remembered[T any](m *Memo, made string, make func() T, parts ...[]byte) T {
	if m == nil {
		return make()
	}
	key := memoKey{made: made, sum: sumOf(parts)}
	known, ok := m.current[key]
	if !ok {
		known, ok = m.previous[key]
	}
	if !ok {
		known = make()
	}
	m.current[key] = known
	return known.(T)
}

// sumOf tells parts apart also where they are cut differently.
func sumOf(parts [][]byte) (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, part := range parts {
		// A hash takes every write.
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = hash.Write(part)
	}
	hash.Sum(sum[:0])
	return sum
}
