package syscalls

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
	"ringfence/sentry/memfile"
)

// TestAIOAndKeyCases runs the cases that need no /proc in this process. Afterwards nothing is left of rings,
// requests and keys but those that users keep.
func TestAIOAndKeyCases(t *testing.T) {
	for _, family := range []string{"aio", "keys"} {
		t.Run(family, func(t *testing.T) {
			file := "../../syscalls-tests/cases/" + family + ".c"
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
			m.Put("/bin/true", kerneltest.Compile(t, "true", "int main(void) { return 0; }"), 0o755)
			r := m.Run(args...)
			if r.Status != 0 {
				t.Errorf("status %v:\n%s", r.Status, r.Output)
			}
			if n := m.K.AIORequests(); n != 0 {
				t.Errorf("contexts for %d requests are left", n)
			}
			if s := m.K.MemFile.Stats(); s.ByKind[memfile.Anonymous] != 0 || s.ByKind[memfile.Shared] != 0 {
				t.Errorf("frames are left: %v", s.ByKind)
			}
			for line := range strings.Lines(m.K.Keys.AllText()) {
				if !strings.Contains(line, " _uid") && !strings.Contains(line, " _persistent.") {
					t.Errorf("a key is left: %s", line)
				}
			}
		})
	}
}
