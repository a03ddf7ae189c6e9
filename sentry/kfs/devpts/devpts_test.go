package devpts_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringfence/sentry/fs/dev"
	"ringfence/sentry/fs/pipe"
	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/kfs/devpts"
	"ringfence/sentry/syscalls"
)

type special struct {
	*dev.Devices
	*pipe.FS
}

// TestJobControlAsOnTheHost runs a program here and there and compares what it says. Its
// processes give each other time rather than signs, which a busy machine, on either side, may
// not keep: so it has three tries.
func TestJobControlAsOnTheHost(t *testing.T) {
	prog := kerneltest.CompileFile(t, "testdata/jobs.c", "-w")
	path := filepath.Join(t.TempDir(), "jobs")
	if err := os.WriteFile(path, prog, 0o755); err != nil {
		t.Fatal(err)
	}
	var diff string
	for range 3 {
		host, err := exec.Command(path).Output()
		if err != nil {
			t.Fatal(err)
		}
		ours := jobs(t, prog)
		if diff = firstDifference(ours, string(host)); diff == "" {
			return
		}
		t.Logf("%s\nhost:\n%s\nours:\n%s", diff, host, ours)
	}
	t.Error(diff)
}

// jobs returns what the program says on our kernel.
func jobs(t *testing.T, prog []byte) string {
	m := kerneltest.New(t, syscalls.Table())
	pts := &devpts.FS{Kernel: m.K}
	m.K.VFS.AddType("devpts", pts, true)
	m.K.VFS.AddType("devtmpfs", &dev.FS{Memory: m.K.MemFile}, true)
	m.K.VFS.Special = special{&dev.Devices{Memory: m.K.MemFile, Terminals: pts}, m.K.Pipes}
	m.Put("/bin/jobs", prog, 0o755)
	r := m.Run("/bin/jobs")
	if r.Status != 0 {
		t.Errorf("status %#x", r.Status)
	}
	return r.Output
}

// firstDifference names the section and line in which ours differs, or is empty.
func firstDifference(ours, host string) string {
	section, lines := "", strings.Split(ours, "\n")
	for i, line := range strings.Split(host, "\n") {
		if strings.HasPrefix(line, "-- ") {
			section = line[3:]
		}
		got := "(nothing)"
		if i < len(lines) {
			got = lines[i]
		}
		if got != line {
			return fmt.Sprintf("%s, line %d: %q, host %q", section, i, got, line)
		}
	}
	return ""
}
