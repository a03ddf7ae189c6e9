package syscalls

import (
	"os"
	"regexp"
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

// hostFiles are what a case names that is not here: programs, devices and file systems of a whole sandbox, or
// a helper that reads /proc.
var hostFiles = regexp.MustCompile(`["\s]/(bin|dev|etc|proc|sys|usr)\b|"(m/)?null"|\bprotected\(|\bstatus_field\b|\bnet_file\b|\bping_groups\b`)

// TestCases runs cases of syscalls-tests in this process, without runsc: those that need no more than a
// tmpfs. The driver there compares with the host.
func TestCases(t *testing.T) {
	name := regexp.MustCompile(`(?m)^CASE\((\w+)\)`)
	for _, family := range []string{"unix", "ipc", "signal", "wait", "thread", "signalfd", "sysv", "timer", "cred",
		"seccomp", "seccompsync", "seccomptrace", "seccompnotify", "userfaultfd", "userfaultwp", "uring", "uringpoll", "uringnet",
		"sigqueue", "clone3", "prctl", "clock", "shm", "futex2",
		"lo", "sockfilter", "errqueue", "diag", "inetbind", "inettcp", "inetudp",
		"acl", "chattr", "dnotify", "fanotify", "fanotifyperm", "fanotifypidfd", "landlocknet",
		"fsopen", "fsrename", "fslink", "fsrw", "fsattr", "fsdir", "fstime", "fsxattr", "fsfd", "fsmount", "poll", "epoll2", "inotify2"} {
		t.Run(family, func(t *testing.T) {
			path := "../../syscalls-tests/cases/" + family + ".c"
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			argv := []string{"/bin/cases"}
			starts := name.FindAllSubmatchIndex(source, -1)
			for i, at := range starts {
				end := len(source)
				if i+1 < len(starts) {
					end = starts[i+1][0]
				}
				if !hostFiles.Match(source[at[0]:end]) {
					argv = append(argv, string(source[at[2]:at[3]]))
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

// TestTasksAreBounded lets a program fork until it can't.
func TestTasksAreBounded(t *testing.T) {
	m := kerneltest.New(t, Table())
	m.K.MaxTasks = 20
	m.Put("/bin/bomb", kerneltest.Compile(t, "bomb", `
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
	int n = 0, e, go[2];
	pipe(go);
	for (;;) {
		pid_t p = fork();
		if (p == 0) { char c; close(go[1]); read(go[0], &c, 1); _exit(0); }
		if (p < 0) { e = errno; break; }
		n++;
	}
	close(go[1]);
	while (wait(0) > 0) {}
	printf("%d %d %d\n", n, e == EAGAIN, fork() >= 0);
}
`, "-w"), 0o755)
	if r := m.Run("/bin/bomb"); r.Output != "19 1 1\n19 1 1\n" && r.Output != "19 1 1\n" {
		t.Errorf("%+v", r)
	}
}
