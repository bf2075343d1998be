package kubeconfig

import (
	"os"
	"path/filepath"
	"runtime"

	"k8s.io/client-go/tools/clientcmd"
)

// Home is the user's home folder as kubectl finds it; empty where there is
// none.
func Home(getenv func(string) string) string { return home(runtime.GOOS, getenv) }

// home is HOME, except on Windows, which sets other variables: there it is the
// first that has a kubeconfig, else the first that is there, else the first
// that is set, as client-go has it.
func home(goos string, getenv func(string) string) string {
	if goos != "windows" {
		return getenv("HOME")
	}
	unix, profile := getenv("HOME"), getenv("USERPROFILE")
	drive := getenv("HOMEPATH")
	if drive != "" {
		drive = getenv("HOMEDRIVE") + drive
	}
	for _, dir := range []string{unix, drive, profile} {
		if dir != "" && exists(filepath.Join(dir, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName)) {
			return dir
		}
	}
	set := ""
	for _, dir := range []string{unix, profile, drive} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		if set == "" {
			set = dir
		}
	}
	return set
}
