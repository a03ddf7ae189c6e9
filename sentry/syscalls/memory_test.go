package syscalls

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/memfile"
)

// The guest cases about memory and futexes that need no /proc, without a sandbox around
// the kernel.
func TestMemory_cases(t *testing.T) {
	for _, name := range []string{"mm", "thread"} {
		t.Run(name, func(t *testing.T) {
			file := "../../syscalls-tests/cases/" + name + ".c"
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"/bin/case"}
			for _, c := range regexp.MustCompile(`(?ms)^CASE\((\w+)\) \{.*?^\}`).FindAllStringSubmatch(string(src), -1) {
				if !strings.Contains(c[0], "/proc/") {
					args = append(args, c[1])
				}
			}
			m := kerneltest.New(t, Table())
			m.Put("/bin/case", kerneltest.CompileFile(t, file), 0o755)
			r := m.Run(args...)
			if r.Status != 0 {
				t.Errorf("status %v:\n%s", r.Status, r.Output)
			}
			if s := m.K.MemFile.Stats(); s.ByKind[memfile.Anonymous] != 0 || s.ByKind[memfile.Shared] != 0 {
				t.Errorf("frames are left: %v", s.ByKind)
			}
		})
	}
}
