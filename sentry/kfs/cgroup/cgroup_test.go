package cgroup

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/syscalls"
)

// TestCases runs those cases of syscalls-tests that need no /proc, for the race detector. The driver there compares with the
// host.
func TestCases(t *testing.T) {
	path := "../../../syscalls-tests/cases/cgroup.c"
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	proc := regexp.MustCompile(`\bin\(|\bstatfs\b`)
	argv := []string{"/bin/cases"}
	for _, part := range strings.Split(string(source), "\nCASE(")[1:] {
		if !proc.MatchString(part) {
			name, _, _ := strings.Cut(part, ")")
			argv = append(argv, name)
		}
	}
	m := kerneltest.New(t, syscalls.Table())
	m.K.VFS.AddType("cgroup2", New(m.K), true)
	m.Put(argv[0], kerneltest.CompileFile(t, path), 0o755)
	if r := m.Run(argv...); r.Status != 0 {
		t.Errorf("status %#x\n%s", r.Status, r.Output)
	}
}

// FuzzLimit looks that what is written to files of limits is taken as a number that is in range, or refused.
func FuzzLimit(f *testing.F) {
	for _, s := range []string{"max", "0", "-1", "0x10", "1_0", "99999999999999999999", "", "+3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseLimit(s); err == nil && (n < 0 || strings.Contains(s, "_")) {
			t.Errorf("%q is %d", s, n)
		}
	})
}
