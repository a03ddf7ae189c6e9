package syscalls

import (
	"testing"

	"ringfence/sentry/kernel/kerneltest"
)

// TestIPCCases runs the cases of unix sockets, events and splices in this process.
func TestIPCCases(t *testing.T) {
	for _, family := range []string{"unix", "ipc"} {
		t.Run(family, func(t *testing.T) {
			m := kerneltest.New(t, Table())
			m.Put("/bin/cases", kerneltest.CompileFile(t, "../../syscalls-tests/cases/"+family+".c"), 0o755)
			m.Put("/etc/passwd", []byte("root:x:0:0::/:/bin/sh\n"), 0o644)
			r := m.Run("/bin/cases")
			if r.Status != 0 {
				t.Errorf("status %#x\n%s", r.Status, r.Output)
			}
		})
	}
}
