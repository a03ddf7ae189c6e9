package syscalls

import (
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

// TestCases runs cases of syscalls-tests in this process, without runsc: those that need no more than a
// tmpfs. The driver there compares with the host.
func TestCases(t *testing.T) {
	for _, family := range []string{"signal", "wait", "thread", "signalfd"} {
		t.Run(family, func(t *testing.T) {
			m := kerneltest.New(t, Table())
			m.Put("/bin/cases", kerneltest.CompileFile(t, "../../syscalls-tests/cases/"+family+".c"), 0o755)
			r := m.Run("/bin/cases")
			if r.Status != 0 {
				t.Errorf("status %#x\n%s", r.Status, r.Output)
			}
		})
	}
}
