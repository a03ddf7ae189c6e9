package syscalls

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
)

// TestHello runs the smallest program with a C library.
func TestHello(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.Put("/bin/hello", kerneltest.Compile(t, "hello", `
#include <stdio.h>
int main(int argc, char **argv) { printf("hello %s %d\n", argv[1], argc); return 7; }
`), 0o755)
	r := m.Run("/bin/hello", "world")
	if r.Output != "hello world 2\n" || !r.Status.Exited() || r.Status.ExitCode() != 7 {
		t.Errorf("%+v", r)
	}
}

// needPrograms are cases that execute programs of the host.
var needPrograms = []string{
	"exec_resets_handlers_and_keeps_ignored_and_blocked",
	"exec_by_another_thread_keeps_the_process_id",
	"setpgid_after_exec_gives_EACCES",
	"fork_in_a_threaded_process_copies_one_thread",
}

// TestCases runs cases of syscalls-tests in this process, without runsc: those that need no more than a
// tmpfs. The driver there compares with the host.
func TestCases(t *testing.T) {
	name := regexp.MustCompile(`(?m)^CASE\((\w+)\)`)
	for _, family := range []string{"signal", "wait", "thread", "signalfd", "sysv", "timer", "cred"} {
		t.Run(family, func(t *testing.T) {
			path := "../../syscalls-tests/cases/" + family + ".c"
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			argv := []string{"/bin/cases"}
			for _, c := range name.FindAllSubmatch(source, -1) {
				if !slices.Contains(needPrograms, string(c[1])) {
					argv = append(argv, string(c[1]))
				}
			}
			m := kerneltest.New(t, Table())
			m.Put(argv[0], kerneltest.CompileFile(t, path), 0o755)
			if r := m.Run(argv...); r.Status != 0 {
				t.Errorf("status %#x\n%s", r.Status, r.Output)
			}
		})
	}
}

// TestNothingLeaks runs many processes and threads; the machine's end checks for what they left.
func TestNothingLeaks(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.Put("/bin/many", kerneltest.CompileFile(t, "testdata/many.c"), 0o755)
	if r := m.Run("/bin/many", "60", "200"); r.Output != "ok\n" || r.Status != 0 {
		t.Errorf("%+v", r)
	}
}

// TestStress lets processes fork, signal, stop, trace and kill each other at random. That it ends, and nothing is
// left, is the test.
func TestStress(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.Put("/bin/stress", kerneltest.CompileFile(t, "testdata/stress.c"), 0o755)
	if r := m.Run("/bin/stress", "1", "11"); r.Status != 0 {
		t.Errorf("%+v", r)
	}
}
