// Package testbin gives tests the built runsc binary and the platforms to test.
//
// The variable RUNSC names a binary to use instead of building one; PLATFORMS lists
// platforms instead of all that are built in.
package testbin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Runsc is the path of the binary under test. Set by Main.
var Runsc string

// Platforms are tested one after the other. Set by Main.
var Platforms = []string{"trap", "ptrace"}

// Main is the TestMain of a package that runs the binary: it builds runsc, runs the tests and
// returns the exit code.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ringfence-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// A sandbox may run as nobody and must still find the binary.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if p := os.Getenv("PLATFORMS"); p != "" {
		Platforms = strings.Fields(p)
	}
	if Runsc = os.Getenv("RUNSC"); Runsc == "" {
		Runsc = filepath.Join(dir, "runsc")
		build := exec.Command("go", "build", "-o", Runsc, "ringfence/runsc")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building runsc: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}
