package image

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/fail"
	"github.com/tlsgw/kubectl-tlsgw/plugin/internal/release"
)

// Binary is a file that can be the one program of an image.
type Binary struct {
	Path string
	// Arch is the GOARCH it runs on.
	Arch string
	// Size is in bytes.
	Size int64
	// Version is what the build recorded, Revision the commit; each may be
	// empty.
	Version, Revision string
}

// The reasons why a file cannot be the program of an image.
var (
	// ErrNotLinux is returned for a program of another operating system.
	ErrNotLinux = errors.New("is not a Linux program")
	// ErrNotStatic is returned for a program that needs libraries, which the
	// image does not have.
	ErrNotStatic = errors.New("is linked dynamically, and the image has no libraries (build it with CGO_ENABLED=0)")
	// ErrNotOurs is returned for a program that is not this one.
	ErrNotOurs = errors.New("is not kubectl-tlsgw")
)

// Inspect reads what kind of program a file is. Its errors are ErrNotLinux,
// ErrNotStatic and ErrNotOurs, which name the file, or those of reading.
func Inspect(path string) (Binary, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Binary{}, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return Binary{}, fmt.Errorf("%s is not a file", path)
	}
	binary := Binary{Path: path, Size: info.Size()}
	if binary.Arch, err = checkELF(path); err != nil {
		return Binary{}, err
	}
	built, err := buildinfo.ReadFile(path)
	if err != nil || built.Main.Path != release.Module {
		return Binary{}, fmt.Errorf("%s %w", path, ErrNotOurs)
	}
	binary.Version = built.Main.Version
	for _, s := range built.Settings {
		switch {
		case s.Key == "vcs.revision":
			binary.Revision = s.Value
		case s.Key == "GOOS" && s.Value != "linux":
			return Binary{}, fmt.Errorf("%s %w but one for %s", path, ErrNotLinux, s.Value)
		}
	}
	return binary, nil
}

// checkELF gives the GOARCH of a static program in the format of Linux.
func checkELF(path string) (arch string, err error) {
	file, err := elf.Open(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return "", unreadable(path, pathErr)
	}
	if err != nil {
		return "", fmt.Errorf("%s %w", path, ErrNotLinux)
	}
	defer file.Close() //nolint:errcheck // only read
	arch, ok := architecture(file)
	if !ok {
		return "", fmt.Errorf("%s %w of a known architecture (%s)", path, ErrNotLinux, file.Machine)
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return "", fmt.Errorf("%s %w", path, ErrNotStatic)
		}
	}
	return arch, nil
}

// unreadable says why a file cannot be read without naming it twice.
func unreadable(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fail.Failed("%s cannot be read: %w", path, err)
}

// architecture is the GOARCH of a program.
func architecture(file *elf.File) (string, bool) {
	little := file.Data == elf.ELFDATA2LSB
	switch file.Machine {
	case elf.EM_X86_64:
		return "amd64", little
	case elf.EM_AARCH64:
		return "arm64", little
	case elf.EM_ARM:
		return "arm", little
	case elf.EM_PPC64:
		return "ppc64le", little
	case elf.EM_S390:
		return "s390x", !little
	case elf.EM_RISCV:
		return "riscv64", little && file.Class == elf.ELFCLASS64
	default:
		return "", false
	}
}
