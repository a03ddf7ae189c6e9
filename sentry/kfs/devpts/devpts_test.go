package devpts_test

import (
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

// TestJobControlAsOnTheHost runs a program here and there and compares what it says.
func TestJobControlAsOnTheHost(t *testing.T) {
	prog := kerneltest.CompileFile(t, "testdata/jobs.c", "-w")
	path := filepath.Join(t.TempDir(), "jobs")
	if err := os.WriteFile(path, prog, 0o755); err != nil {
		t.Fatal(err)
	}
	host, err := exec.Command(path).Output()
	if err != nil {
		t.Fatal(err)
	}
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
	ours, hosts := strings.Split(r.Output, "\n"), strings.Split(string(host), "\n")
	section := ""
	for i, line := range hosts {
		if strings.HasPrefix(line, "-- ") {
			section = line[3:]
		}
		got := "(nothing)"
		if i < len(ours) {
			got = ours[i]
		}
		if got != line {
			t.Errorf("%s, line %d: %q, host %q", section, i, got, line)
			if strings.HasPrefix(line, "-- ") || strings.HasPrefix(got, "-- ") {
				break
			}
		}
	}
	if t.Failed() {
		t.Logf("host:\n%s\nours:\n%s", host, r.Output)
	}
}
