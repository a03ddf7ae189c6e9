package stub

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// mapsOf returns the ranges that a process has mapped, without the host's vsyscall page.
func mapsOf(t *testing.T, pid int32) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var ranges []string
	for line := range strings.Lines(string(b)) {
		if r, _, _ := strings.Cut(line, " "); !strings.HasPrefix(r, "ffffffff") {
			ranges = append(ranges, strings.ReplaceAll(strings.TrimLeft(r, "0"), "-000", "-"))
		}
	}
	return ranges
}

// parkedInPause reports whether a thread waits in pause(2). A thread that waits in
// another call fails the test.
func parkedInPause(t *testing.T, pid, tid int32) bool {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, tid))
	if err != nil {
		t.Fatal(err)
	}
	nr, _, _ := strings.Cut(string(b), " ")
	if nr == "202" {
		t.Fatalf("thread %d waits for orders", tid)
	}
	return nr == "34"
}

// pokeProcess writes to the memory of a process.
func pokeProcess(t *testing.T, pid int32, at int64, s string) {
	t.Helper()
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(s), at); err != nil {
		t.Fatal(err)
	}
}
