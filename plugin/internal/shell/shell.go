// Package shell writes commands that a person pastes into a shell. In go words
// as they are meant; out come words that a POSIX shell reads back as such.
package shell

import "strings"

// Quote makes one word of any text, plain where that is enough.
func Quote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="
	special := func(r rune) bool { return !strings.ContainsRune(plain, r) }
	if word != "" && strings.IndexFunc(word, special) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
