package syscalls

import (
	"strings"
	"testing"

	"ringfence/sentry/kernel/kerneltest"
)

// TestAIOAndKeyCases runs the cases that need no /proc in this process. Afterwards nothing is left of rings,
// requests and keys but those that users keep.
func TestAIOAndKeyCases(t *testing.T) {
	for _, family := range []string{"aio", "keys"} {
		t.Run(family, func(t *testing.T) {
			m := runCases(t, family, map[string][]byte{
				"/bin/true": kerneltest.Compile(t, "true", "int main(void) { return 0; }"),
			})
			if n := m.K.AIORequests(); n != 0 {
				t.Errorf("contexts for %d requests are left", n)
			}
			for line := range strings.Lines(m.K.Keys.AllText()) {
				if !strings.Contains(line, " _uid") && !strings.Contains(line, " _persistent.") {
					t.Errorf("a key is left: %s", line)
				}
			}
		})
	}
}
