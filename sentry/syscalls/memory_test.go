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

// A process that uses up all memory dies; its parent and the kernel go on.
func TestMemory_that_ends_kills_who_takes_it(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.Put("/bin/eat", kerneltest.Compile(t, "eat", `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
	for (int i = 0; i < 3; i++) {
		int st;
		pid_t p = fork();
		if (p == 0)
			for (;;) memset(malloc(1 << 20), 1, 1 << 20);
		waitpid(p, &st, 0);
		printf("%x\n", st);
	}
	return 0;
}
`), 0o755)
	m.K.MemFile.SetLimit(48 << 20)
	if r := m.Run("/bin/eat"); r.Status != 0 || r.Output != "9\n9\n9\n" {
		t.Errorf("%+v", r)
	}
}
