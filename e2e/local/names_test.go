//go:build e2e

package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

func sorted(words []string) []string { return slices.Sorted(slices.Values(words)) }

// filesBelow are the regular files below a folder, which need not exist.
func filesBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	return files, err
}
