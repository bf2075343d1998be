// Package nearest guesses which name was meant by one that does not exist: in
// go the name and those that exist, out comes the nearest one.
package nearest

import "slices"

// Name is the one of names with the fewest edits from name, if they are few
// enough for a slip; else it is empty.
func Name(name string, names []string) string {
	best, edits := "", max(2, len(name)/3)+1
	for _, candidate := range slices.Sorted(slices.Values(names)) {
		if d := distance(name, candidate); d < edits {
			best, edits = candidate, d
		}
	}
	return best
}

// distance counts the edits between two names (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
